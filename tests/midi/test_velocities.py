"""Velocities of notes that have none."""

import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.midi.dynamics import BEAT, DOWNBEAT, MIDDLE, OFF_BEAT, Dynamics, places_of
from midigen.midi.velocities import CHORD_MOST, give_velocities
from midigen.outline import Outline
from midigen.randomness import generator

GRID = Grid(
    steps_per_beat=2,
    parts=(
        Part("melody", 60, 71, "line"),
        Part("chords", 48, 59, "block"),
        Part("drums", 36, 42, "drums"),
    ),
)
BARS = 200
OUTLINE = Outline(8 * BARS, ((0, 4, 4),))
KIND = places_of(OUTLINE, GRID).kind
MELODY, CHORDS, DRUMS = range(3)


def notes(starts, pitches):
    """Notes (N, 3) of one frame, all pitches at every start."""
    start = np.repeat(starts, len(pitches))
    return np.column_stack([start, start + 1, np.tile(pitches, len(starts))])


EVERYWHERE = np.arange(8 * BARS)
SONG = [notes(EVERYWHERE, [60]), notes(EVERYWHERE, [48, 52, 55]), notes(EVERYWHERE, [36, 42])]


def given(dynamics=None, mean=None, rng=None, song=SONG, outline=OUTLINE, grid=GRID):
    return give_velocities(song, grid, outline, dynamics, mean, rng)


def test_a_song_is_accented_where_nothing_is_known():
    melody, chords, drums = given()
    at = [melody[kind == KIND].mean() for kind in (DOWNBEAT, MIDDLE, BEAT, OFF_BEAT)]
    assert at == sorted(at, reverse=True) and at[0] - at[-1] == pytest.approx(15, abs=1)
    assert melody.mean() == pytest.approx(86, abs=1) and chords.mean() == pytest.approx(74, abs=1)
    assert (drums[::2] > drums[1::2]).all()  # bass drums over hats


def test_what_songs_tell_takes_the_place_of_that():
    own = Dynamics(90.0, (-5.0, 0, 0, 5.0, 0), (1.0,) * 5, 4.0, 1.0)
    melody, chords, _ = given({"melody": own, "chords": Dynamics(60.0)})
    assert melody.mean() == pytest.approx(90, abs=0.5) and chords.mean() == pytest.approx(60, abs=1)
    assert melody[KIND == OFF_BEAT].mean() - melody[KIND == DOWNBEAT].mean() == 10
    assert chords[::3][KIND == DOWNBEAT].mean() > chords[::3][KIND == OFF_BEAT].mean() + 10


def test_parts_that_are_equally_loud_are_not_any_more():
    melody, chords, drums = given({part.name: Dynamics(64.0) for part in GRID.parts})
    assert melody.mean() - chords.mean() == pytest.approx(12, abs=1)
    melody, chords, _ = given({"melody": Dynamics(64.0), "chords": Dynamics(66.0)})
    assert chords.mean() - melody.mean() == pytest.approx(2, abs=1)


def test_drums_have_their_own_levels():
    own = Dynamics(80.0, drums=((36, 60.0), (42, 100.0)))
    assert (given({"drums": own})[DRUMS][::2] < given({"drums": own})[DRUMS][1::2]).all()


def test_what_varies_varies_as_songs_do():
    own = Dynamics(80.0, (3.0, 0, 0, -3.0, 0), (6.0,) * 5, 8.0, 3.0)
    rng = generator(1, "velocities")
    melody, chords, _ = given({"melody": own, "chords": own}, rng=rng)
    of_bar = (melody - 80).reshape(BARS, 8)
    within = of_bar - of_bar.mean(axis=1)[:, None]
    assert within[:, [2, 6]].std() == pytest.approx(6, abs=1)
    assert of_bar.mean(axis=1).std() == pytest.approx(8, abs=2)
    # from bar to bar it goes on as it did: no jumps
    assert np.diff(of_bar.mean(axis=1)).std() < 6
    shared = chords.reshape(-1, 3)
    apart = (shared - shared.mean(axis=1)[:, None]).std()
    assert apart == pytest.approx(3 * np.sqrt(2 / 3), abs=0.3)  # most of it is shared
    of_bar_chords = shared.mean(axis=1).reshape(BARS, 8).mean(axis=1)
    assert np.corrcoef(of_bar.mean(axis=1), of_bar_chords)[0, 1] > 0.8  # all parts together


def test_a_chord_is_never_torn_apart():
    own = Dynamics(80.0, (3.0, 0, 0, -3.0, 0), (6.0,) * 5, 8.0, 40.0)
    shared = given({"chords": own}, rng=generator(1, "v"))[CHORDS].reshape(-1, 3)
    assert (shared - shared.mean(axis=1)[:, None]).std() < CHORD_MOST


def test_the_same_generator_gives_the_same():
    one, same, other = (given(rng=generator(seed, "v", 1)) for seed in (1, 1, 2))
    for part in range(3):
        np.testing.assert_array_equal(one[part], same[part])
        assert (one[part] != other[part]).any()
    assert len(np.unique(one[MELODY])) > 20


@pytest.mark.parametrize("mean", [40, 64, 90, 105])
def test_the_mean_is_what_is_asked_for(mean):
    velocities = np.concatenate(given(mean=mean, rng=generator(1, "v")))
    assert velocities.mean() == pytest.approx(mean, abs=0.5)
    assert 1 <= velocities.min() and velocities.max() <= 127 and velocities.std() > 5


@pytest.mark.parametrize("mean, end", [(1, 1), (127, 127)])
def test_no_mean_makes_a_song_flat(mean, end):
    velocities = np.concatenate(given(mean=mean, rng=generator(1, "v")))
    assert end in (velocities.min(), velocities.max()) and abs(velocities.mean() - mean) < 30
    assert 1 <= velocities.min() and velocities.max() <= 127 and velocities.std() > 4


@pytest.mark.parametrize(
    "level, spread, swell", [(127, 0, 0), (120, 9, 20), (64, 99, 99), (3, 9, 0)]
)
def test_any_dynamics_stay_in_range(level, spread, swell):
    """Songs whose velocities are all 127 among them."""
    own = Dynamics(level, (spread * 1.0, 0, 0, spread * -1.0, 0), (spread,) * 5, swell)
    velocities = given({part.name: own for part in GRID.parts}, rng=generator(1, "v"))
    everything = np.concatenate(velocities)
    assert 1 <= everything.min() and everything.max() <= 127
    melody = velocities[MELODY]
    assert melody[KIND == DOWNBEAT].mean() > melody[KIND == OFF_BEAT].mean() + 5


def test_without_bars_or_parts_there_is_still_life():
    grid = Grid(unit="seconds", step=0.1)
    [velocity] = given(rng=generator(1, "v"), song=[SONG[0]], grid=grid, outline=Outline(8 * BARS))
    assert velocity.mean() == pytest.approx(80, abs=2) and velocity.std() > 2


def test_silence():
    none = np.zeros((0, 3), np.int64)
    assert [len(part) for part in given(song=[none] * 3, mean=90, rng=generator(1, "v"))] == [0] * 3
    assert [len(part) for part in given(song=[none] * 3, outline=Outline(0))] == [0] * 3
    assert [len(part) for part in given(song=[none, none, SONG[2]])] == [0, 0, len(SONG[2])]
