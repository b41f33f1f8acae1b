"""The Tab key: what shells are told, and that it is quick."""

import os
import shutil
import subprocess
import sys

import pytest

from midigen.cli import COMMANDS, main
from tests.test_cli import HEAVY


def completed(words, cwd):
    """What bash is offered at the end of a line, and the heavy packages that this imports."""
    program = (
        "import sys; from midigen.cli import main; main([]); "
        f"print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    env = {
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_MIDIGEN_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **env},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split(), done.stderr.split()


@pytest.mark.parametrize(
    "words, offered",
    [
        (["midigen", ""], [f"plain,{name}" for name in COMMANDS]),
        (["midigen", "ge"], ["plain,generate"]),
        (["midigen", "train", "--minu"], ["plain,--minutes"]),
        (["midigen", "train", "--device", "c"], ["plain,cpu", "plain,cuda"]),
        (["midigen", "train", "out"], ["file,out"]),
        (["midigen", "train", "-o", "x"], ["file,x"]),
        (["midigen", "prepare", "songs", "mo"], ["file,mo"]),
        (["midigen", "generate", "run", "--primer", "a"], ["file,a"]),
        (["midigen", "evaluate", "--corpus", "a"], ["file,a"]),
        (["midigen", "nothing", "a"], []),
    ],
)
def test_what_is_offered_and_that_nothing_heavy_is_imported(tmp_path, words, offered):
    assert completed(words, tmp_path) == (offered, [])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_every_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_MIDIGEN_COMPLETE" in out and f"{shell}_complete" in out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_its_script(tmp_path):
    line = f'midigen() {{ "{sys.executable}" -m midigen "$@"; }}; eval "$(midigen completion bash)"'
    done = subprocess.run(
        ["bash", "-c", f"{line}; complete -p midigen"], capture_output=True, text=True, cwd=tmp_path
    )
    assert "_midigen_completion midigen" in done.stdout, done.stderr


def test_another_shell_is_one_line(capsys):
    assert main(["completion", "csh"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
