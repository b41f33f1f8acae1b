"""What songs tell of how loud their notes are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from midigen.config import Grid
from midigen.midi.dynamics import (
    BEAT,
    BETWEEN,
    DOWNBEAT,
    MIDDLE,
    OFF_BEAT,
    PLACES,
    Dynamics,
    Listener,
    dynamics_from_json,
    places_of,
)
from midigen.midi.roll import PartNotes
from midigen.outline import Outline

GRID = Grid(steps_per_beat=2)
BARS = 400
SONG = places_of(Outline(8 * BARS, ((0, 4, 4),)), GRID)


@pytest.mark.parametrize(
    "metre, steps, kinds",
    [
        ((4, 4), 2, "DoboMobo"),
        ((4, 4), 4, "D.o.b.o.M.o.b.o."),
        ((3, 4), 2, "Dobobo"),
        ((2, 4), 2, "Dobo"),
        ((6, 8), 2, "Dooboo"),
        ((12, 8), 2, "DoobooMooboo"),
        ((6, 8), 4, "D.o.o.b.o.o."),
        ((3, 8), 2, "Dbb"),
        ((2, 2), 2, "D.o.b.o."),
        ((4, 4), 3, "D..b..M..b.."),  # triplets
        ((5, 4), 1, "Dbbbb"),
    ],
)
def test_places_in_a_bar(metre, steps, kinds):
    places = places_of(Outline(2 * len(kinds), ((0, *metre),)), Grid(steps_per_beat=steps))
    letters = {DOWNBEAT: "D", MIDDLE: "M", BEAT: "b", OFF_BEAT: "o", BETWEEN: "."}
    assert "".join(letters[kind] for kind in places.kind.tolist()) == 2 * kinds
    assert places.bar.tolist() == [0] * len(kinds) + [1] * len(kinds)


def test_places_behind_a_pickup_and_a_change_of_metre():
    places = places_of(Outline(16, ((0, 4, 4), (10, 3, 4)), pickup=6), GRID)
    assert np.flatnonzero(places.kind == DOWNBEAT).tolist() == [2, 10]
    assert np.flatnonzero(places.kind == MIDDLE).tolist() == [6]
    assert places.bar.tolist() == [0] * 2 + [1] * 8 + [2] * 6


def test_without_bars_all_places_are_alike():
    places = places_of(Outline(50), Grid(unit="seconds", step=0.1))
    assert set(places.kind.tolist()) == {BEAT}
    assert np.bincount(places.bar).tolist() == [20, 20, 10]  # two seconds


def told(start, velocity, pitch=60, by_drum=False, places=SONG):
    """What notes tell, all in one song."""
    listener = Listener(by_drum)
    pitch, _ = np.broadcast_arrays(pitch, start)
    listener.hear(PartNotes(start, pitch, np.rint(velocity).astype(int), 0 * start), places)
    return listener.tell()


def test_accents_are_found():
    start = np.arange(8 * BARS)
    accents = np.array([10.0, 4, 0, -6, -9])
    found = told(start, 70 + accents[SONG.kind])
    mean = accents[SONG.kind].mean()
    assert found.level == pytest.approx(70 + mean, abs=0.1)
    at = [DOWNBEAT, MIDDLE, BEAT, OFF_BEAT]
    np.testing.assert_allclose(np.array(found.accents)[at], (accents - mean)[at], atol=0.2)
    assert found.accents[BETWEEN] == 0  # where there is no note
    assert max(found.spread) < 0.1 and found.swell < 0.1 and found.chord < 0.1


def test_what_varies_is_told_apart():
    """From bar to bar, from onset to onset, and within a chord, each by its own deviation."""
    rng = np.random.default_rng(0)
    start = np.repeat(np.arange(8 * BARS), 3)
    velocity = 70 + rng.normal(0, 6, BARS)[SONG.bar[start]]
    at_beat = SONG.kind == BEAT
    velocity += (np.where(at_beat, 8, 3) * rng.standard_normal(8 * BARS))[start]
    velocity += rng.normal(0, 2, len(start))
    found = told(start, velocity, np.tile([60, 64, 67], 8 * BARS))
    # a bar of eight onsets has a mean of its own by chance: 6 becomes 6.2, 8 becomes 7.5
    assert found.swell == pytest.approx(6.2, abs=0.4)
    assert found.spread[BEAT] == pytest.approx(7.5, abs=0.4)
    assert found.spread[OFF_BEAT] == pytest.approx(3.2, abs=0.4)
    assert found.chord == pytest.approx(2 * np.sqrt(2 / 3), abs=0.1)


def test_drums_have_levels_beside_the_accents_of_their_places():
    """A bass drum that is hit on downbeats alone is louder than them by itself."""
    start = np.concatenate([np.arange(8 * BARS), np.arange(0, 8 * BARS, 8)])
    pitch = np.repeat([42, 36], [8 * BARS, BARS])
    accent = np.where(SONG.kind == DOWNBEAT, 7, 0)[start]
    found = told(start, np.where(pitch == 36, 100, 60) + accent, pitch, by_drum=True)
    levels = dict(found.drums)
    assert set(levels) == {36, 42} and levels[36] - levels[42] == pytest.approx(40, abs=0.3)
    assert found.accents[DOWNBEAT] - found.accents[BEAT] == pytest.approx(7, abs=0.3)
    assert levels[36] + found.accents[DOWNBEAT] == pytest.approx(107, abs=0.3)
    alike = told(start, np.where(pitch == 36, 100, 60), pitch, by_drum=True)
    assert alike.drums == ((36, 100.0), (42, 60.0)) and not any(alike.accents)


def test_a_place_with_few_notes_tells_little():
    start = np.append(np.arange(0, 8 * BARS, 2), 1)
    found = told(start, np.where(start == 1, 127, 70))
    assert 0 < found.accents[OFF_BEAT] < 10


def test_songs_count_by_their_own_mean():
    """That one song is louder than another is no accent, and no swell."""
    listener = Listener()
    start = np.arange(0, 8 * BARS, 2)
    for level in (50, 100):
        velocity = level + np.where(SONG.kind[start] == DOWNBEAT, 4, 0)
        listener.hear(PartNotes(start, 60 + 0 * start, velocity, 0 * start), SONG)
    found = listener.tell()
    assert found.level == 76 and found.swell == 0
    assert found.accents[DOWNBEAT] - found.accents[BEAT] == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("flat, tells", [(1, True), (2, False)])
def test_most_songs_have_to_vary(flat, tells):
    listener = Listener()
    start = np.arange(0, 8 * BARS, 2)
    accented = 70 + np.where(SONG.kind[start] == DOWNBEAT, 9, 0)
    for velocity in [accented] + flat * [np.full(len(start), 64)]:
        listener.hear(PartNotes(start, 60 + 0 * start, velocity, 0 * start), SONG)
    assert listener.songs == 1 + flat and any(listener.tell().accents) == tells


def test_notes_that_are_not_in_the_roll_tell_nothing():
    start = np.array([0, 8 * BARS])
    assert told(start, np.array([50.0, 100.0])).level == 50


def test_json_there_and_back():
    known = {"drums": Dynamics(70, (9, 1, 0, -2, 0.5), (1, 2, 3, 4, 5), 6, 7, ((36, 99.5),))}
    text = json.dumps({name: own.to_json() for name, own in known.items()})
    assert dynamics_from_json(json.loads(text)) == known


@pytest.mark.parametrize(
    "change",
    [
        {"level": float("nan")},
        {"level": 1e9},
        {"accents": (1.0,)},
        {"spread": (0.0,) * len(PLACES) + (1.0,)},
        {"swell": float("inf")},
        {"drums": ((128, 1.0),)},
        {"drums": ((36, 1e9),)},
    ],
)
def test_what_no_songs_tell_is_refused(change):
    with pytest.raises(ValueError, match="dynamics"):
        replace(Dynamics(80.0), **change)
