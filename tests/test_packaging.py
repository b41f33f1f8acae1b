"""What is installed: the wheel, the sdist, and the starter songs in every installation."""

import contextlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from midigen import __version__, starter
from midigen.cli import main
from midigen.corpus import Corpus
from midigen.errors import MidigenError

from .midi.craft import melody
from .test_architecture import project_files

ROOT = Path(__file__).parents[1]
NAME = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
SONGS = sorted((ROOT / "songs").glob("*.mid"))


def build(kind, folder):
    """Build a "wheel" or "sdist" of the checkout: its path."""
    backend = pytest.importorskip("hatchling.build", reason="needs hatchling, of the extra test")
    with contextlib.chdir(ROOT):
        return folder / getattr(backend, f"build_{kind}")(str(folder))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build("wheel", folder)) as wheel:
        wheel.extractall(folder / "site-packages")
    return folder / "site-packages"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The names of all files in the sdist, from its own folder on."""
    with tarfile.open(build("sdist", tmp_path_factory.mktemp("sdist"))) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def run(folder, *arguments):
    """Run Python on an installed copy of midigen, away from the checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_wheel_holds_the_package_and_the_songs_alone(installed):
    info = f"{NAME.replace('-', '_')}-{__version__}.dist-info"
    assert {path.name for path in installed.iterdir()} == {"midigen", info}
    assert (installed / "midigen" / "py.typed").exists()
    assert (installed / info / "licenses" / "LICENSE").exists()
    songs = {path.name: path.read_bytes() for path in (installed / "midigen" / "songs").iterdir()}
    assert songs == {path.name: path.read_bytes() for path in SONGS}


def test_the_wheel_holds_the_parts_of_pages(installed):
    folders = [folder / "midigen" / "rendering" / "web" for folder in (installed, ROOT)]
    held, ours = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert held == ours and {"page.html", "player.js", "base.css"} <= set(held)


def test_the_command_is_called_midigen(installed):
    entry_points = next(installed.glob("*.dist-info/entry_points.txt")).read_text()
    assert "midigen = midigen.__main__:main" in entry_points


@pytest.mark.parametrize("folder", ["midigen", "tests", "docs", "benchmarks", "songs"])
def test_the_sdist_holds_what_its_tests_need(sources, folder):
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.*")}
    missing = {name for name in ours - sources if (ROOT / name).is_file()}
    assert [name for name in sorted(missing) if "__pycache__" not in name] == []


def test_the_sdist_holds_no_output_of_ours(sources):
    assert {name for name in sources if name.startswith("output/")} == {"output/.gitkeep"}


def test_starter_songs_of_a_checkout():
    assert starter.starter_songs() == SONGS and len(SONGS) == 32


def test_starter_songs_of_a_wheel(installed):
    program = "from midigen.starter import starter_songs; print(*starter_songs(), sep='\\n')"
    found = [Path(line) for line in run(installed, "-c", program).splitlines()]
    assert found == [installed / "midigen" / "songs" / path.name for path in SONGS]


def prepared(corpus, *arguments):
    """The digests of the songs of a corpus that `midigen prepare` makes."""
    assert main(["prepare", *map(str, arguments), "-q", "-o", str(corpus)]) == 0
    return [song.digest for song in Corpus.load(corpus).songs]


def test_a_wheel_is_enough_to_prepare_the_starter_songs(installed, tmp_path):
    corpus = tmp_path / "installed"
    run(installed, "-m", "midigen", "prepare", "--starter", "-q", "-o", str(corpus))
    found = [song.digest for song in Corpus.load(corpus).songs]
    assert len(found) == 32 and found == prepared(tmp_path / "checkout", ROOT / "songs")


def test_starter_songs_lie_beside_inputs(tmp_path):
    (tmp_path / "mine.mid").write_bytes(melody(*range(40, 50)))
    alone = prepared(tmp_path / "alone", tmp_path / "mine.mid")
    both = prepared(tmp_path / "both", "--starter", tmp_path / "mine.mid")
    assert set(both) == {*alone, *prepared(tmp_path / "starter", "--starter")} and len(both) == 33


def test_no_starter_songs_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(starter, "files", lambda package: tmp_path / package)
    with pytest.raises(MidigenError, match="no starter songs"):
        starter.starter_songs()


def test_nothing_installs_the_package_of_somebody_else():
    """`midigen` on the package index is another project."""
    wrong = re.compile(r"pip install\s+(?:-\S+\s+)*['\"]?midigen(?![-\w])")
    told = [path for path in project_files() if wrong.search(path.read_text(errors="ignore"))]
    assert [path.relative_to(ROOT).as_posix() for path in told] == []
