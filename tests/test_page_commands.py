"""Every command in the documents runs, in a folder of its own with small settings.

Each page's commands run in their order, in one folder for each page, so that one may use what
another has made.
"""

import os
import re
import shlex
import shutil
import sys

import pytest

from midigen.cli import group, main

from .pages import ROOT, STARTS, all_lines, command_lines, pipeline, run_stage

SONGS = {  # in the folder of their style; the first is one to validate on, the last to test
    "": ("oh-susanna",),
    "jigs": ("the-kesh-jig",),
    "hymns": ("amazing-grace-new-britain", "camptown-races"),
}
CORPUS, MODEL = "output/corpora/corpus.safetensors", "output/runs/run-001"
PLACEHOLDERS = {"CORPUS": CORPUS, "MODEL": MODEL}
SMALL = {  # settings that a line does not name
    "TRAIN_MINUTES": "0.005",
    "TRAIN_HIDDEN": "4",
    "TRAIN_RECURRENT": "4",
    "TRAIN_RBM_HIDDEN": "4",
    "GENERATE_GIBBS_STEPS": "2",
    "GENERATE_BEST_OF": "1",
    "GENERATE_LENGTH": "4 bars",
    "GENERATE_PARTICLES": "4",
    "EVALUATE_TEMPERATURES": "100",
    "EVALUATE_CHAINS": "2",
    "EVALUATE_RNN_FRAMES": "100",
    "EVALUATE_MAX_FRAMES": "50",
    "COMPARE_SECONDS": "2",
    "COMPARE_EXCERPTS": "1",
    "PREPARE_WORKERS": "2",
}
SMALLER = {"--minutes": "0.005", "--count": "2", "--best-of": "2", "--length": "4 bars"}

MINUTES = "takes minutes to hours, and data that are not in the checkout"
REPORTS = ("CHANGELOG.md", "docs/first-ten-minutes.md")  # of what was once, and may be gone
PARSED = {  # pages of which only the options are checked
    "docs/results.md": MINUTES,
    "docs/performance.md": MINUTES,
}
LISTED = {  # lines that are not run, and why
    "midigen prepare JSB_Chorales.mat | midigen train --epochs 480 --context none --gates none "
    "--hidden 150 --recurrent 100 | midigen evaluate": MINUTES,
    "midigen train --rbm-hidden 0 --exact": "names options within a sentence",
    "midigen train --gradient textbook": "names options within a sentence",
    "midigen compare --tally midigen-ratings-*.json": "needs what listeners saved in a browser; "
    "tests/cli/test_compare.py runs it",
    "midigen check": "compiles for minutes; tests/test_check_command.py runs it",
    "fish   midigen completion fish > ~/.config/fish/completions/midigen.fish": "is fish's, and "
    "writes to the home folder; tests/cli/test_completion.py has it",
}
INSTALLING = re.compile(r"^(?:python3 -m venv|\. \.venv|pip install|pipx|uvx)\b")  # .ci/run does

LINES = [line for line in all_lines() if line.page not in REPORTS and "[OPTIONS]" not in line.text]
RUN = [line for line in LINES if line.page not in PARSED and line.text not in LISTED]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with what a reader has: songs, a corpus, a model, new songs."""
    folder = tmp_path_factory.mktemp("reader")
    for name, songs in SONGS.items():
        (folder / "songs" / name).mkdir(parents=True, exist_ok=True)
        for song in songs:
            shutil.copy(ROOT / "songs" / f"{song}.mid", folder / "songs" / name)
    for name in ("albums", "A", "B"):
        shutil.copytree(folder / "songs" / "jigs", folder / name)
    (folder / "my.toml").write_text("[train]\nminutes = 30\n[generate]\ntemperature = 0.9\n")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        patch.chdir(folder)
        assert main(["prepare", "songs/", "-o", CORPUS, "-q"]) == 0
        assert main(["train", CORPUS, "-o", MODEL, "--epochs", "2", "-q"]) == 0
        shutil.copytree(MODEL, "output/runs/run-002")
        assert main(["generate", MODEL, "-q"]) == 0
        assert main(["generate", MODEL, "-q", "-o", "song.mid"]) == 0
    return folder


def make_small(patch):
    for name, value in SMALL.items():
        patch.setenv(f"MIDIGEN_{name}", value)


@pytest.fixture(scope="module")
def desk(begun, tmp_path_factory):
    """Give each page a copy of that folder, made at its first command."""
    folders = {}

    def of(page):
        if page not in folders:
            folders[page] = tmp_path_factory.mktemp("page") / "reader"
            shutil.copytree(begun, folders[page])
        return folders[page]

    return of


@pytest.fixture
def player(tmp_path, monkeypatch):
    """Programs that play nothing, under the names of those that play."""
    for name in ("afplay", "pw-play", "paplay", "aplay"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def made_small(words):
    """Put what there is for placeholders, and small numbers for large ones."""
    words = [PLACEHOLDERS.get(word, word) for word in words]
    for number, word in enumerate(words[1:], start=1):
        words[number] = SMALLER.get(words[number - 1], word)
    return words


def run_line(text, folder):
    """Run a line of a page in a folder, as a shell does, one program after the other."""
    text = re.sub(r" \[[^]]*\]", "", text)  # what may be left out
    for part in text.split("&&"):
        if INSTALLING.match(part.strip()):
            continue
        data = b""
        for words in pipeline(part):
            code, data, said = run_stage(made_small(words), data, folder)
            assert code == 0, f"{shlex.join(words)}\n{said.decode()}"


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a Unix shell")
@pytest.mark.parametrize("line", RUN, ids=lambda line: f"{line.page}: {line.text}"[:120])
def test_a_command_runs(line, desk, player, monkeypatch):
    make_small(monkeypatch)
    folder = desk(line.page)
    monkeypatch.chdir(folder)
    run_line(line.text, folder)


PLAIN = re.search(r'PLAIN="([^"]+)"', (ROOT / "docs" / "results.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PARSED)
def test_options_of_measurements_are_those_of_the_program(page):
    lines = [line.text for line in LINES if line.page == page]
    assert lines or page == "docs/performance.md"
    for text in lines:
        text = text.replace("$PLAIN", PLAIN[1]).replace("$seed", "1")
        for part in re.split(r";|\||&&|\bdo\b", text):
            if STARTS.match(part.strip()):
                _, name, *arguments = shlex.split(part)
                group.get_command(None, name).make_context(name, arguments)


def test_there_are_commands_and_none_is_listed_in_vain():
    texts = {line.text for line in LINES}
    assert len(RUN) > 60 and {line.page for line in RUN} >= {"README.md", "docs/evaluation.md"}
    assert set(LISTED) <= texts


def test_commands_are_found_in_text():
    text = (
        "`midigen train` and `midigen train CORPUS --seed 1`, `find x \\| midigen`\n\n"
        "| a | `midigen prepare a/ \\| midigen train` |\n\n"
        "    midigen show a.mid \\\n        --all\n    song.mid\n\n"
        "```sh\nfind . | midigen prepare -\n```\n"
    )
    assert command_lines(text) == [
        "midigen train CORPUS --seed 1",
        "midigen prepare a/ | midigen train",
        "midigen show a.mid --all",
        "find . | midigen prepare -",
    ]


def test_a_command_that_fails_is_found(desk, monkeypatch):
    folder = desk("none")
    monkeypatch.chdir(folder)
    for text in ("midigen show gone.mid", "midigen train CORPUS --no-such", "false | midigen runs"):
        with pytest.raises(AssertionError):
            run_line(text, folder)
