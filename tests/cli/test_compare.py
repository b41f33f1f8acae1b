"""midigen compare: a page of several groups of songs, and the tally of what is saved."""

import json
import re

import numpy as np
import pytest

from midigen.cli import main
from midigen.cli.compare import group_names
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.evaluation.ratings import unseal
from tests.evaluation.test_ratings import document
from tests.midi.craft import melody

FAST = ["--excerpts", "1", "--seconds", "2"]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A corpus, and songs in made/a and made/b, in the working folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    grid = Grid(low=48, high=84)
    songs = []
    for i, split in enumerate(["train"] * 3 + ["test"]):
        roll = np.zeros((96, grid.channels), np.uint8)
        roll[np.arange(96), np.repeat(rng.integers(0, 36, 24), 4)] = 1
        songs.append(Song(f"s{i}", split, str(i), 120.0, (4, 4), roll))
    Corpus(grid, songs).save("corpus.safetensors")
    for group in "ab":
        for number in range(2):
            path = tmp_path / f"made/{group}/{number}.mid"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(melody(*range(60 + number, 80 + number)))
    return tmp_path


def key_of(path):
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"))[1])
    return unseal(data["sealed"])


def compare(*arguments):
    return main(["compare", "--corpus", "corpus.safetensors", *arguments])


def test_a_page_of_two_groups(work, capsys):
    """As a shell writes it: the files of each group behind its own --songs."""
    a, b = (sorted(str(p) for p in (work / "made" / group).iterdir()) for group in "ab")
    assert compare("--songs", *a, "--songs", *b, *FAST, "-o", "new/blind.html") == 0
    out, err = capsys.readouterr()
    assert out == "new/blind.html\n"
    assert re.fullmatch(r"a page of \d\.\d\d MB: open it in a browser, or .*\n", err)
    key = key_of(work / "new/blind.html")
    assert key.sources == ("a", "b", "held-out songs", "Markov chain")
    assert sorted(source for source, _, _ in key.excerpts) == [0, 1, 2, 3]
    assert key.settings["excerpts"] == 1


def test_a_page_that_is_there_is_kept_unless_it_is_named(work, capsys):
    (work / "blind.html").write_text("mine")
    assert compare("--songs", "made/a", *FAST) == 0
    assert capsys.readouterr().out == "blind-2.html\n"
    assert (work / "blind.html").read_text() == "mine"
    assert compare("--songs", "made/a", *FAST, "-o", "blind.html") == 0
    assert key_of(work / "blind.html").sources[0] == "a"


def test_songs_that_cannot_be_read_are_left_out_and_told(work, capsys):
    (work / "made/a/0.mid").write_bytes(b"")
    assert compare("--songs", "made/a", *FAST) == 0
    assert "left out: made/a/0.mid: empty\n" in capsys.readouterr().err
    (work / "made/a/1.mid").write_bytes(b"")
    assert compare("--songs", "made/a", *FAST) == 1
    err = capsys.readouterr().err
    assert err == "midigen: none of the songs of a can be read: made/a/1.mid: empty\n"


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--songs", "made/a", "--songs"], 2, "name a file behind it"),
        (["--songs", "none"], 1, "no such file or folder: none"),
        (["--songs", "made/a", "-o", "page.htm"], 2, "give it a name that ends in .html"),
        (["--songs", "made/a", "--seconds", "60"], 1, "no song of a is long enough"),
        (["--songs", "made/a", "--json"], 2, "--json is for --tally"),
        (["--songs", "made/a", "--tally", "x"], 2, "leave out --corpus and --songs"),
        ([], 2, "--songs is missing"),
    ],
)
def test_what_cannot_be(work, capsys, arguments, code, message):
    assert compare(*arguments) == code
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
    assert not list(work.glob("*.html"))


def test_a_corpus_is_needed(capsys):
    assert main(["compare", "--songs", "x"]) == 2
    assert "--corpus is missing" in capsys.readouterr().err


@pytest.fixture
def saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(listener=name)))
    return tmp_path


def test_the_tally_is_a_table(saved, capsys):
    assert main(["compare", "--tally", "one.json", "two.json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"^A +4\.50 +2 +4", out, re.MULTILINE)
    assert "2 listeners, 5 excerpts" in out


def test_the_tally_is_json(saved, capsys):
    assert main(["compare", "--json", "--tally", "one.json", "two.json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["listeners"] == 2
    assert [source["name"] for source in report["sources"]] == ["A", "held-out songs", "B"]


@pytest.mark.parametrize("content", ["", "[]", '{"format": "midigen-ratings"}'])
def test_other_files_get_one_line(saved, capsys, content):
    (saved / "two.json").write_text(content)
    assert main(["compare", "--tally", "one.json", "two.json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("midigen: two.json holds no ratings (")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "files, names",
    [
        ([["a/1.mid", "a/2.mid"], ["b/1.mid"]], ["a", "b"]),
        ([["x/a/1.mid"], ["y/a/1.mid"]], ["x/a", "y/a"]),
        ([["a/x/1.mid", "a/y/1.mid"]], ["a"]),
        ([["same/1.mid"], ["same/2.mid"]], ["same 1", "same 2"]),
    ],
)
def test_groups_have_the_names_of_their_folders(files, names):
    assert group_names(files) == names
