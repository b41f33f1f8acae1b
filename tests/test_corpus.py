"""midigen.corpus: the file, its digest and its statistics."""

import dataclasses
import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from midigen import files
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError

GRID = Grid(low=60, high=70)
SONG = {"name": "a", "split": "train", "digest": "0" * 64, "bpm": 120.0, "metre": [4, 4]}


def make_song(name="a", split="train", digest="0" * 64, roll=None, **other):
    roll = np.eye(5, GRID.channels, dtype=np.uint8) if roll is None else np.asarray(roll, np.uint8)
    return Song(name, split, digest, **{"bpm": 120.0, "metre": (4, 4), **other}, roll=roll)


def make_songs():
    rng = np.random.default_rng(1)
    return [
        make_song(
            f"s{i}",
            split,
            f"{i:064x}",
            rng.integers(0, 2, (3 * i, GRID.channels)),
            bpm=90.5 + i,
            metre=(3, 4),
        )
        for i, split in enumerate(["train", "valid", "train", "test"])
    ]


def test_round_trip(tmp_path):
    corpus = Corpus(GRID, make_songs(), [{"input": "x.mid", "verdict": "skipped", "reason": "why"}])
    corpus.save(tmp_path / "c")
    again = Corpus.load(tmp_path / "c")
    assert (again.grid, again.manifest, again.digest) == (
        corpus.grid,
        corpus.manifest,
        corpus.digest,
    )
    for a, b in zip(again.songs, corpus.songs, strict=True):
        assert (a.name, a.split, a.digest, a.bpm, a.metre) == (
            b.name,
            b.split,
            b.digest,
            b.bpm,
            b.metre,
        )
        assert a.roll.dtype == np.uint8
        np.testing.assert_array_equal(a.roll, b.roll)


@pytest.mark.parametrize(
    "grid", [Grid(), Grid(articulation="onset"), Grid(low=60, high=60), Grid(low=60, high=67)]
)
def test_any_width(tmp_path, grid):
    roll = np.random.default_rng(0).integers(0, 2, (7, grid.channels)).astype(np.uint8)
    Corpus(grid, [make_song(roll=roll)]).save(tmp_path / "c")
    np.testing.assert_array_equal(Corpus.load(tmp_path / "c").songs[0].roll, roll)


def test_order_of_songs_changes_nothing(tmp_path):
    written = set()
    for songs in itertools.permutations(make_songs()):
        Corpus(GRID, list(songs)).save(tmp_path / "c")
        written.add((tmp_path / "c").read_bytes())
    assert len(written) == 1


def test_digest_follows_grid_songs_and_splits():
    songs = make_songs()
    others = [
        Corpus(GRID, songs),
        Corpus(dataclasses.replace(GRID, steps_per_beat=8), songs),
        Corpus(GRID, songs[1:]),
        Corpus(GRID, [dataclasses.replace(songs[0], split="test"), *songs[1:]]),
    ]
    assert len({c.digest for c in others}) == len(others)
    assert Corpus(GRID, songs, [{"input": "another"}]).digest == others[0].digest


@pytest.mark.parametrize(
    "grid, unit",
    [
        (GRID, "4 frames a beat"),
        (dataclasses.replace(GRID, unit="seconds", step=0.05), "0.05 s a frame"),
    ],
)
def test_repr_is_one_line(grid, unit):
    corpus = Corpus(grid, [make_song(roll=np.zeros((13_295, GRID.channels)))])
    digest = corpus.digest[:8]
    assert repr(corpus) == f"Corpus(1 song, 13,295 frames, 11 pitches, {unit}, digest {digest})"


def test_rolls_by_split():
    corpus = Corpus(GRID, make_songs())
    assert [len(roll) for roll in corpus.rolls("train")] == [0, 6]
    assert [len(roll) for roll in corpus.rolls("test")] == [9]


def test_statistics():
    a = np.zeros((6, GRID.channels))
    a[0:4, [0, 4]] = 1  # four equal frames of two notes, two of silence
    b = np.eye(4, GRID.channels)
    stats = Corpus(
        GRID,
        [
            make_song(roll=a, bpm=100.0, metre=(3, 4)),
            make_song("b", "valid", "1" * 64, b, bpm=60.0, metre=(3, 4)),
            make_song("c", "test", "2" * 64, b[:2], bpm=80.0),
        ],
    ).statistics()
    assert stats == {
        "songs": 3,
        "frames": 12,
        "notes_per_frame": 14 / 12,
        "empty_share": 2 / 12,
        "longest_hold": 4,
        "bpm": 80.0,
        "metre": (3, 4),
    }


def test_statistics_do_not_count_onsets_as_notes():
    grid = Grid(low=60, high=61, articulation="onset")
    assert (
        Corpus(grid, [make_song(roll=[[1, 0, 1, 0], [1, 0, 0, 0]])]).statistics()["notes_per_frame"]
        == 1
    )


def test_statistics_of_an_empty_corpus():
    assert Corpus(GRID, []).statistics()["songs"] == 0


@pytest.mark.parametrize(
    "tensors, header, words",
    [
        ({"rolls": np.zeros((5, 3), np.uint8)}, {}, "do not fit the grid"),
        ({"offsets": np.array([0, 4], np.int64)}, {}, "do not fit the songs"),
        ({}, {"grid": {"unit": "bars"}}, "unit must be"),
        ({}, {"grid": {"colour": 1}}, "unknown Grid setting"),
        ({}, {"songs": [{"split": "all"}]}, "no split is called"),
        ({}, {"songs": None}, "TypeError"),
        ({"offsets": np.array([0, 5], np.float64)}, {}, "do not fit the songs"),
        ({}, {"grid": {**GRID.to_json(), "steps_per_beat": 4.5}}, "TypeError"),
        ({}, {"grid": []}, "AttributeError"),
        ({}, {"songs": [SONG | {"metre": [0, 0]}]}, "a metre of 0/0"),
        ({}, {"songs": [SONG | {"metre": [4, 3]}]}, "a metre of 4/3"),
        ({}, {"songs": [SONG | {"metre": [3.5, 4]}]}, "TypeError"),
        ({}, {"songs": [SONG | {"bpm": float("nan")}]}, "a tempo of nan"),
        ({}, {"songs": [SONG | {"bpm": 0}]}, "a tempo of 0"),
        ({}, {"songs": [SONG | {"bpm": 10**400}]}, "a tempo of 10"),
        ({}, {"songs": [SONG | {"bpm": "fast"}]}, "TypeError"),
    ],
)
def test_contents_that_do_not_fit(tmp_path, tensors, header, words):
    Corpus(GRID, [make_song()]).save(tmp_path / "c")
    old_tensors, old_header = files.load(tmp_path / "c", "corpus", 1)
    files.save(tmp_path / "c", "corpus", 1, {**old_tensors, **tensors}, {**old_header, **header})
    with pytest.raises(MidigenError, match=f"is damaged .*{words}"):
        Corpus.load(tmp_path / "c")


def test_another_version(tmp_path):
    files.save(tmp_path / "c", "corpus", 2, {}, {})
    with pytest.raises(MidigenError, match="format 2, this one reads 1.*midigen prepare"):
        Corpus.load(tmp_path / "c")


def test_the_reader_in_the_docs(tmp_path, monkeypatch):
    """docs/file-formats.md shows how to read a corpus without midigen."""
    page = (Path(__file__).parents[1] / "docs" / "file-formats.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    corpus = Corpus(GRID, make_songs()[1:])
    corpus.save(tmp_path / "my.corpus")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)  # noqa: S102
    np.testing.assert_array_equal(names["first"], corpus.songs[0].roll)
    assert names["header"]["format"] == "midigen-corpus"


def test_the_checksum_is_as_documented(tmp_path):
    corpus = Corpus(GRID, make_songs())
    corpus.save(tmp_path / "c")
    with safe_open(tmp_path / "c", framework="numpy") as f:
        document = json.loads(f.metadata()["midigen"])
        rolls, offsets = f.get_tensor("rolls"), f.get_tensor("offsets")
    stored = document.pop("sha256")
    data = json.dumps(document, sort_keys=True).encode()
    data += b"\noffsets <i8 (5,)\n" + offsets.tobytes() + b"\nrolls |u1 (18, 2)\n" + rolls.tobytes()
    assert hashlib.sha256(data).hexdigest() == stored
