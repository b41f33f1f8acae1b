"""Excerpts: what is drawn, what is cut, and that they sound alike but for their notes."""

import numpy as np
import pytest

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.evaluation.markov import shift_to_one_key
from midigen.figures.piece import Piece
from midigen.midi.performance import CHANNEL, VELOCITY
from midigen.rendering import excerpts as module
from midigen.rendering.excerpts import (
    RING,
    Excerpt,
    Source,
    choose_excerpts,
    in_key_of,
    read_piece,
    render_excerpts,
)
from midigen.rendering.loudness import measure_loudness
from midigen.rendering.synthesis import RATE
from tests.midi.craft import melody, meta, midi, note

BAR = 16


def piece(name="song", bars=8, pitch=60, pickup=0):
    """A note on every beat."""
    frames = bars * BAR - pickup
    starts = np.arange(0, frames, 4)
    notes = np.column_stack([starts, starts + 4, pitch + starts // 4 % 12])
    return Piece(name, notes, frames, 4.0, BAR, pickup)


def level(sound):
    """The power of each fifth of a second, dB."""
    blocks = sound.samples[: len(sound.samples) // 9600 * 9600].reshape(-1, 19200)
    return 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-6)


def test_excerpts_are_of_different_songs_and_begin_with_a_bar():
    source = Source("A", [piece(f"song {i}") for i in range(5)])
    found = choose_excerpts(source, 4, 40, seed=1)
    assert len({excerpt.song for excerpt in found}) == 4
    for excerpt in found:
        assert 1 <= excerpt.bar <= 6
        first = 60 + 4 * (excerpt.bar - 1) % 12
        assert excerpt.notes[0].tolist() == [0, 4, first]
        assert excerpt.notes[:, 1].max() == 40


def test_the_seed_draws_them():
    source = Source("A", [piece(f"song {i}", bars=40) for i in range(9)])
    drawn = [[(e.song, e.bar) for e in choose_excerpts(source, 5, 40, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_songs_that_are_too_short_are_left_out():
    source = Source("A", [piece("short", bars=2), piece("long")])
    assert [e.song for e in choose_excerpts(source, 5, 40, 0)] == ["long"]
    with pytest.raises(MidigenError, match="no song of A is long enough .* fewer --seconds"):
        choose_excerpts(source, 5, 1000, 0)


def test_the_bar_of_a_pickup_is_not_a_whole_one():
    song = piece(bars=4, pickup=4)
    found = choose_excerpts(Source("A", [song]), 1, 3 * BAR, 0)[0]
    assert (found.bar, found.notes[0, 2]) == (2, 60 + (BAR - 4) // 4)


def test_notes_are_cut_at_both_ends():
    notes = np.array([[0, 20, 60], [18, 50, 64], [40, 60, 67], [49, 52, 70]])
    song = Piece("song", notes, 64, 4.0, BAR)
    assert module._cut(song, BAR, 2 * BAR).tolist() == [[0, 4, 60], [2, 32, 64], [24, 32, 67]]


def test_silence_is_no_excerpt():
    song = Piece("song", np.array([[70, 74, 60]]), 96, 4.0, BAR)
    assert {choose_excerpts(Source("A", [song]), 1, BAR, s)[0].bar for s in range(9)} == {5}


def test_a_chain_s_song_is_moved_to_the_key_of_another():
    in_c, in_a_flat = piece(pitch=60), piece(pitch=68)
    moved = in_key_of(in_c, in_a_flat)
    assert shift_to_one_key(moved) == shift_to_one_key(in_a_flat)
    shift = np.unique(moved.notes[:, 2] - in_c.notes[:, 2])
    assert shift == -shift_to_one_key(in_a_flat)


def test_no_pitch_leaves_the_range():
    notes = np.array([[0, 4, 0], [4, 8, 127]])
    edge = Piece("song", notes, 16, 4.0, BAR)
    for pitch in range(55, 67):
        pitches = in_key_of(edge, piece(pitch=pitch)).notes[:, 2]
        assert pitches.min() >= 0 and pitches.max() <= 127


def test_a_file_is_read_with_its_pickup(tmp_path):
    path = tmp_path / "a.mid"
    short, whole = (meta(0x58, bytes([beats, 2, 24, 8])) for beats in (1, 4))
    path.write_bytes(midi(short + note(60, 480) + whole + note(64, 480) * 8))
    song = read_piece(path, Grid())
    assert (song.name, song.pickup, song.bar) == ("a.mid", 12, 16)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(b"")
    with pytest.raises(MidigenError, match="a.mid: empty"):
        read_piece(path, Grid())
    path.write_bytes(melody(10))
    with pytest.raises(MidigenError, match="a.mid: .*"):
        read_piece(path, Grid(low=60, high=60, outside="drop"))


def test_excerpts_are_equally_long_and_loud():
    """A drone and a few short notes, of low and high pitches."""
    drone = Excerpt("A", "drone", 1, np.array([[0, 32, 40], [0, 32, 47], [0, 32, 52]]))
    drops = Excerpt("B", "drops", 1, np.array([[0, 1, 80], [20, 21, 90]]))
    shares = []
    sounds = render_excerpts([drone, drops, drone], 32, 0.1, progress=shares.append)
    assert {len(sound.samples) for sound in sounds} == {round((3.2 + RING) * RATE)}
    loudness = [measure_loudness(sound.samples) for sound in sounds]
    assert max(loudness) - min(loudness) < 0.05
    assert all(np.abs(sound.samples).max() < 1 for sound in sounds)
    assert all(not sound.samples[-1].any() for sound in sounds)
    assert sum(shares) == pytest.approx(1)
    assert level(sounds[0]) == pytest.approx(level(sounds[2]), abs=0.5)


def test_batches_change_nothing(monkeypatch):
    some = [Excerpt("A", "x", 1, np.array([[0, 8, 60 + i]])) for i in range(3)]
    whole = render_excerpts(some, 8, 0.1)
    monkeypatch.setattr(module, "BATCH", 2)
    parts = render_excerpts(some, 8, 0.1)
    for one, other in zip(whole, parts, strict=True):
        assert level(one) == pytest.approx(level(other), abs=0.5)


def test_all_are_played_alike(monkeypatch):
    heard = []

    def synthesise(performance, *settings):
        heard.append(performance)
        return np.zeros((RATE * 20, 2), np.float32)

    monkeypatch.setattr(module, "synthesise", synthesise)
    render_excerpts([Excerpt("A", "x", 1, np.array([[0, 8, 60], [2, 4, 70]]))] * 2, 8, 0.1)
    [performance] = heard
    assert performance.controls == []
    assert len(np.unique(performance.notes[:, [CHANNEL, VELOCITY]], axis=0)) == 1
    assert np.all(np.diff(performance.notes[:, 0]) >= 0)
