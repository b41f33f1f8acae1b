"""Other systems than Linux, as far as Linux can show them: what they lack is taken away.

A `sitecustomize`, which every Python of a test reads as it starts, takes it from all of its
processes.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from midigen import files
from midigen.errors import MidigenError
from midigen.files import replacing
from tests.midi.craft import melody
from tests.terminal import on_terminal

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "midigen").rglob("*.py"))
# what Windows or macOS lacks, and how processes start there; text is in no encoding by chance
WITHOUT = """
import multiprocessing, os, signal, sys, warnings
sys.modules["resource"] = sys.modules["fcntl"] = None
for module, names in {
    signal: ["pthread_sigmask", "pthread_kill", "setitimer", "SIGALRM", "SIGPROF", "SIGHUP"],
    os: ["fork", "forkpty", "sched_getaffinity", "getuid", "killpg", "setsid", "process_cpu_count"],
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
multiprocessing.set_start_method("spawn")
warnings.filterwarnings("error", category=EncodingWarning, module=r"midigen(\\.|$)")
"""
SMALL = ["--context", "none", "--gates", "none", "--hidden", "4", "--recurrent", "4"]


@pytest.fixture
def elsewhere(tmp_path):
    """elsewhere(ARGS) runs `midigen ARGS`, or a program, without that, in a folder with a space."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT, encoding="utf-8")
    folder = tmp_path / "my music"
    (folder / "my songs").mkdir(parents=True)
    for i in range(20):
        (folder / "my songs" / f"{i:02} é.mid").write_bytes(melody(*range(40 + i, 60 + 2 * i)))
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(ROOT)]),
        "PYTHONWARNDEFAULTENCODING": "1",
    }

    def run(*args, program=None, **more):
        what = ["-m", "midigen", *args] if program is None else ["-c", program]
        return subprocess.run(
            [sys.executable, *what],
            cwd=folder,
            env={**env, **more},
            capture_output=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
        )

    return run


def made(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_whole_run_without_what_linux_has(elsewhere):
    corpus = made(elsewhere("prepare", "my songs"))
    model = made(elsewhere("train", corpus, "--epochs", "2", "-o", "my run", *SMALL))
    again = made(elsewhere("train", "--resume", "my run", "--epochs", "3"))
    assert model == again == os.path.join("my run", "model.safetensors")
    song = made(elsewhere("generate", model, "--length", "4 bars", "-o", "new songs/my song.mid"))
    assert song == os.path.join("new songs", "my song.mid")
    table = made(elsewhere("evaluate", "--songs", song, "--corpus", corpus))
    assert "1 new song against" in table
    assert "my run" in made(elsewhere("runs", "my run"))


def test_every_check_in_processes_that_are_spawned(elsewhere):
    assert "within tolerance" in made(elsewhere("check"))


def test_the_guard_s_own_clock_ends_a_call_where_no_limit_of_the_system_does(elsewhere):
    """A script without an `if __name__ == "__main__"`, as with any start of processes."""
    program = (
        "import time; from midigen.midi import guard; guard.HANG = 1; "
        "results = guard.map_guarded(time.sleep, [60, 0], seconds=2, workers=1); "
        "print([result for _, result in results])"
    )
    done = elsewhere(program=program)
    assert done.stdout.strip() == "[Failure(reason='hung (for 2 s)'), None]", done.stderr


def test_a_console_of_ascii_alone(elsewhere):
    plain = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    corpus = made(elsewhere("prepare", "my songs", **plain))
    assert made(elsewhere("prepare", "my songs", "--json", **plain)).isascii()
    model = made(elsewhere("train", corpus, "--epochs", "2", "-o", "run", *SMALL, **plain))
    options = ["--temperatures", "100", "--rnn-frames", "0"]
    table = made(elsewhere("evaluate", model, *options, **plain))
    assert table.isascii() and "+-" in table.splitlines()[0]


def test_a_terminal_of_ascii_alone(elsewhere, tmp_path, monkeypatch):
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
        monkeypatch.setenv(name, value)
    args = ["prepare", "my songs", "-o", "corpus"]
    code, lines, seen = on_terminal(args, 80, tmp_path / "my music")
    assert code == 0 and lines[-1] == "corpus" and seen.isascii() and "reading" in seen


def test_a_file_that_another_program_has_open_is_replaced_later(tmp_path, monkeypatch):
    """On Windows, where that takes until it is closed."""
    tries = []

    def replace(source, target, replace=os.replace):
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, "in use")
        replace(source, target)

    monkeypatch.setattr(files, "REPLACE_SECONDS", 0)
    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(MidigenError, match="in use"), replacing(tmp_path / "a") as temporary:
        temporary.write_text("here it is an error at once", encoding="utf-8")
    assert len(tries) == 1 and not list(tmp_path.iterdir())
    tries.clear()
    monkeypatch.setattr(files, "WINDOWS", True)
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("whole", encoding="utf-8")
    assert len(tries) == 3 and (tmp_path / "a").read_text(encoding="utf-8") == "whole"


def test_a_file_that_stays_open_is_one_line(tmp_path, monkeypatch):
    def replace(source, target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(files, "REPLACE_SECONDS", 0)
    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(MidigenError, match="cannot write .*in use"), replacing(tmp_path / "a") as t:
        t.write_text("x", encoding="utf-8")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_text_is_read_and_written_in_a_named_encoding(path):
    assert [node.lineno for node in calls(path) if is_text_by_chance(node)] == []


def calls(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def is_text_by_chance(call):
    """Whether a call opens, reads or writes text in whatever encoding the system has."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if (
        name not in ("open", "read_text", "write_text")
        or getattr(getattr(call.func, "value", None), "id", "") == "os"
    ):
        return False
    modes = [arg.value for arg in call.args[1:] if isinstance(arg, ast.Constant)]
    binary = name == "open" and any("b" in str(mode) for mode in modes)
    return not binary and not any(word.arg == "encoding" for word in call.keywords)


@pytest.mark.parametrize(
    "line, found",
    [
        ("open(p)", True),
        ("open(p, 'w')", True),
        ("path.read_text()", True),
        ("open(p, 'rb')", False),
        ("os.open(p, os.O_RDONLY)", False),
        ("p.write_text(s, encoding='utf-8')", False),
    ],
)
def test_an_encoding_by_chance_is_found(line, found):
    assert is_text_by_chance(ast.parse(line).body[0].value) == found


def test_no_name_that_midigen_gives_has_a_colon():
    from midigen.cli.generate import _stem
    from midigen.config import CORPORA, RUNS, SONGS

    assert not any(c in CORPORA + RUNS + SONGS + _stem('a:b\\c/d*"<>|?') for c in ':\\*"<>|?')
