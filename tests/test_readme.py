"""The README's Python example is the whole experiment, and runs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def example():
    """The indented lines under "From Python", as a program."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"## From Python\n\n((?:    .*\n|\n)+)", text)[1]
    return re.sub(r"^    ", "", section, flags=re.MULTILINE).strip()


def test_the_example_does_the_whole_experiment(tmp_path):
    """From stdin, as a notebook runs it: without a file, and so without a guard for main."""
    program = example()
    assert len([line for line in program.splitlines() if line]) <= 12
    program = program.replace('"songs/"', repr(str(ROOT / "songs")))
    program = program.replace("minutes=2", "epochs=2")
    assert "epochs=2" in program
    run = subprocess.run(
        [sys.executable, "-"], input=program, cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "Corpus(32 songs" in run.stdout and "the model" in run.stdout
    assert "longest copied run: " in run.stdout
    assert [path.read_bytes()[:4] for path in sorted(tmp_path.glob("*.mid"))] == [b"MThd"] * 3
