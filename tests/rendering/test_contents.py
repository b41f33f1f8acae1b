import json

import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError
from midigen.outline import Outline
from midigen.rendering.contents import corpus_facts, duration, kind_of, pitch_range, song_facts
from tests.midi.craft import melody
from tests.rendering.views import song, track, tune

GRID = Grid(
    steps_per_beat=1,
    parts=(Part("melody", 60, 61, "line"), Part("chords", 48, 49, "voices")),
)


def corpus():
    both, chords = np.zeros((8, 6), np.uint8), np.zeros((4, 6), np.uint8)
    both[0, 0] = both[2, 3] = chords[:, 4] = 1
    manifest = [
        {"input": "in/b.mid", "verdict": "kept", "digest": "b" * 64, "key": "A minor",
         "reason": "", "warnings": ["odd"]},
        {"input": "in/a.mid", "verdict": "kept", "digest": "a" * 64, "key": "G major",
         "reason": ""},
        {"input": "in/copy.mid", "verdict": "duplicate", "digest": "a" * 64, "reason": "a.mid"},
        {"input": "in/bad.mid", "verdict": "skipped", "reason": "damaged (cut)"},
    ]  # fmt: skip
    for entry in manifest:
        if entry["verdict"] == "kept":
            entry |= {"off_grid": 0.0, "notes": 1}
    songs = [
        Song("b.mid", "train", "b" * 64, 60.0, (4, 4), both),
        Song("a.mid", "valid", "a" * 64, 60.0, (3, 4), chords, Outline(4, ((0, 3, 4),))),
    ]
    return Corpus(GRID, songs, manifest)


def test_what_is_known_of_a_song():
    lower = track([(0, 2, 36), (2, 8, 38)], "drums", "kit")
    facts = song_facts(song(tune(), lower, title="Ode", key="D minor", text="midigen 1"))
    assert facts["kind"] == "song" and facts["title"] == "Ode" and facts["text"] == "midigen 1"
    assert (facts["bars"], facts["seconds"], facts["metre"], facts["bpm"]) == (4, 8, [4, 4], 120)
    assert (facts["key"], facts["key_by"]) == ("D minor", "signature")
    upper, drums = facts["tracks"]
    assert (upper["part"], upper["instrument"], upper["program"], upper["notes"]) == (
        "melody",
        "Acoustic Grand Piano",
        0,
        16,
    )
    assert pitch_range(upper) == "C5..C5"
    assert (drums["name"], drums["instrument"], drums["program"]) == ("kit", "drums", None)
    json.dumps(facts)


def test_a_key_is_estimated_where_none_is_told():
    scale = [(n, n + 1 + (step in (0, 4, 7)), 67 + step) for n, step in enumerate((0, 2, 4, 5, 7))]
    facts = song_facts(song(track(scale)))
    assert (facts["key"], facts["key_by"]) == ("G major", "notes")
    assert song_facts(song(track([(0, 1, 38)], "drums")))["key"] is None


def test_what_is_known_of_a_corpus():
    facts = corpus_facts(corpus())
    assert facts["kind"] == "corpus" and facts["summary"]["songs"] == 2
    first, second = facts["songs"]
    assert first == {
        "name": "a.mid",
        "key": "G major",
        "metre": [3, 4],
        "bpm": 60.0,
        "bars": 2,
        "seconds": 4.0,
        "parts": ["chords"],
        "split": "valid",
    }
    assert (second["name"], second["bars"], second["parts"]) == ("b.mid", 2, ["melody", "chords"])
    assert facts["left_out"] == [
        {"input": "in/copy.mid", "verdict": "duplicate", "reason": "a.mid"},
        {"input": "in/bad.mid", "verdict": "skipped", "reason": "damaged (cut)"},
    ]
    assert facts["remarks"] == [{"input": "in/b.mid", "remarks": ["odd"]}]
    json.dumps(facts)


def test_songs_in_seconds_have_no_bars():
    grid = Grid(unit="seconds", step=0.5, low=60, high=61)
    rolls = [Song("a.mid", "train", "a" * 64, 60.0, (4, 4), np.ones((4, 2), np.uint8))]
    [facts] = corpus_facts(Corpus(grid, rolls))["songs"]
    assert (facts["bars"], facts["seconds"], facts["parts"], facts["key"]) == (None, 2.0, [], None)


def test_content_tells_what_a_file_is(tmp_path):
    (tmp_path / "song.txt").write_bytes(melody(60))
    (tmp_path / "rmid").write_bytes(b"RIFF\0\0\0\0RMID")
    corpus().save(tmp_path / "corpus.mid")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.jsonl").touch()
    kinds = [kind_of(tmp_path / name) for name in ("song.txt", "rmid", "corpus.mid", "run")]
    assert kinds == ["song", "song", "corpus", "run"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("missing", "missing: no such file"),
        ("empty", "empty is empty"),
        ("text", "text is no MIDI file"),
        ("folder", "folder is a folder without a run"),
    ],
)
def test_what_is_nothing_of_these_is_said(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MidigenError, match=f"^{words}"):
        kind_of(name)


def test_hours_are_written():
    assert duration({"seconds": 59.6}) == "1:00"
    assert duration({"seconds": 3661}) == "1:01:01"
