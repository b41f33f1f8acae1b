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
from midigen.config import Grid, Part
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError
from midigen.midi.dynamics import Dynamics
from midigen.outline import Outline

GRID = Grid(low=60, high=70)
SONG = {
    "name": "a",
    "split": "train",
    "digest": "0" * 64,
    "bpm": 120.0,
    "metre": [4, 4],
    "metres": [[0, 4, 4]],
    "pickup": 0,
    "minor": False,
    "style": "",
    "density": 1.0,
    "shift": 0,
}


DYNAMICS = Dynamics(80.0).to_json()


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


LINE = Part("melody", 60, 71, "line")
PARTS = Grid(low=60, high=71, parts=(LINE, Part("chords", 60, 71), Part("drums", 36, 38, "drums")))


def test_parts_and_outlines_round_trip(tmp_path):
    rolls = [np.zeros((frames, PARTS.channels), np.uint8) for frames in (40, 12)]
    form = np.array([[0, 0, 0], [1, 0, 1], [2, 1, 0]])
    outlines = [
        Outline(40, ((0, 4, 4), (32, 2, 4)), 0, True, "jigs", 1.5, form, -5),
        Outline(12, ((0, 3, 4),), 4, form=np.zeros((2, 3), np.int64)),
    ]
    songs = [
        make_song(f"s{i}", digest=f"{i:064x}", roll=roll, outline=outline)
        for i, (roll, outline) in enumerate(zip(rolls, outlines, strict=True))
    ]
    Corpus(PARTS, songs).save(tmp_path / "c")
    again = Corpus.load(tmp_path / "c")
    assert again.grid == PARTS and again.grid.channels == 13 + 13 + 3
    for song, outline in zip(again.songs, outlines, strict=True):
        expected, found = dataclasses.asdict(outline), dataclasses.asdict(song.outline)
        np.testing.assert_array_equal(found.pop("form"), expected.pop("form"))
        assert found == expected


def test_statistics_of_parts():
    roll = np.zeros((6, PARTS.channels), np.uint8)
    roll[0, 4] = roll[1, 12] = roll[2, 12] = 1  # a note of three frames in the line
    roll[1:3, 13 + 7] = roll[1, 25] = 1  # another beside it in the chords
    roll[5, 27] = 1  # a drum
    figures = Corpus(PARTS, [make_song(roll=roll)]).statistics()
    assert (figures["notes_per_frame"], figures["empty_share"]) == (5 / 6, 0.5)
    assert figures["longest_hold"] == 3


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


def test_dynamics_are_kept_and_older_files_have_none(tmp_path):
    known = {"notes": Dynamics(90.0, swell=4.0, drums=((36, 99.0),))}
    Corpus(GRID, make_songs(), dynamics=known).save(tmp_path / "c")
    assert Corpus.load(tmp_path / "c").dynamics == known
    tensors, header = files.load(tmp_path / "c", "corpus", 2)
    del header["dynamics"]
    files.save(tmp_path / "c", "corpus", 2, tensors, header)
    assert Corpus.load(tmp_path / "c").dynamics == {}


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
        ({}, {"songs": [SONG | {"metres": [[0, 0, 4]]}]}, "a metre of 0/4"),
        ({}, {"songs": [SONG | {"metres": [[1, 4, 4]]}]}, "metres that begin nowhere"),
        ({}, {"songs": [SONG | {"metres": [[0, 4, 4], [9, 3, 4]]}]}, "metres that begin nowhere"),
        ({}, {"songs": [SONG | {"pickup": 1.5}]}, "TypeError"),
        ({}, {"songs": [SONG | {"pickup": -1}]}, "an outline"),
        ({}, {"songs": [SONG | {"density": float("inf")}]}, "a density"),
        ({}, {"dynamics": {"notes": DYNAMICS | {"level": 10**400}}}, "dynamics that no notes"),
        ({}, {"dynamics": {"notes": DYNAMICS | {"swell": float("nan")}}}, "dynamics that no notes"),
        ({}, {"dynamics": {"notes": DYNAMICS | {"accents": [1.0]}}}, "dynamics of other places"),
        ({}, {"dynamics": {"notes": DYNAMICS | {"drums": [[1.5, 60]]}}}, "TypeError"),
        ({}, {"dynamics": {"notes": DYNAMICS | {"spread": "loud!"}}}, "TypeError"),
        ({}, {"dynamics": {"notes": {}}}, "KeyError"),
        ({}, {"dynamics": [1]}, "AttributeError"),
        ({"form": np.zeros((2, 1), np.int64)}, {}, "offsets of the form"),
        ({"form": np.zeros((0, 3), np.int64)}, {}, "the form does not fit the grid"),
        (
            {"form": np.zeros((2, 1), np.int64), "form_offsets": np.array([0, 2], np.int64)},
            {},
            "the form does not fit the song",
        ),
        (
            {"form": np.ones((1, 1), np.int64), "form_offsets": np.array([0, 1], np.int64)},
            {},
            "a form that repeats bars before the first",
        ),
    ],
)
def test_contents_that_do_not_fit(tmp_path, tensors, header, words):
    Corpus(GRID, [make_song()]).save(tmp_path / "c")
    old_tensors, old_header = files.load(tmp_path / "c", "corpus", 2)
    files.save(tmp_path / "c", "corpus", 2, {**old_tensors, **tensors}, {**old_header, **header})
    with pytest.raises(MidigenError, match=f"is damaged .*{words}"):
        Corpus.load(tmp_path / "c")


def test_another_version(tmp_path):
    for version in (1, 3):
        files.save(tmp_path / "c", "corpus", version, {}, {})
        words = f"format {version}, this one reads 2.*midigen prepare"
        with pytest.raises(MidigenError, match=words) as caught:
            Corpus.load(tmp_path / "c")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("with_parts", [False, True])
def test_the_reader_in_the_docs(tmp_path, monkeypatch, with_parts):
    """docs/file-formats.md shows how to read a corpus without midigen."""
    page = (Path(__file__).parents[1] / "docs" / "file-formats.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    corpus = Corpus(GRID, make_songs()[1:])
    if with_parts:
        roll = np.random.default_rng(2).integers(0, 2, (9, PARTS.channels))
        corpus = Corpus(PARTS, [make_song(roll=roll)])
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
    data += b"\nform <i8 (0, 1)\n" + b"\nform_offsets <i8 (5,)\n" + bytes(40)
    data += b"\noffsets <i8 (5,)\n" + offsets.tobytes() + b"\nrolls |u1 (18, 2)\n" + rolls.tobytes()
    assert hashlib.sha256(data).hexdigest() == stored
