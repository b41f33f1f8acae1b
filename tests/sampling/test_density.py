"""As many notes where some may not sound as where all may."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.sampling import sample_given
from midigen.sampling.density import MOST_TILT, Density, find_tilt
from midigen.sampling.given import Given
from tests.sampling.toy import PLAIN, outline, toy_model

BAND = Grid(
    parts=(
        Part("melody", 60, 62, "line"),
        Part("chords", 48, 50, "block"),
        Part("pad", 40, 41, "voices"),
        Part("drums", 36, 37, "drums"),
    )
)


@pytest.mark.parametrize(("p", "wanted"), [(0.05, 1.5), (0.3, 1.5), (0.6, 1.5), (0.3, 0.2)])
def test_the_tilt_moves_the_odds_of_every_note(p, wanted):
    """Of five notes that are independent, from which the tilt can be told."""
    counts = np.random.default_rng(0).binomial(5, p, (40_000, 1)).astype(float)
    asked, odds = np.array([wanted]), wanted / (5 - wanted)
    tilt = find_tilt(counts, asked, np.zeros(1))
    assert tilt == pytest.approx(np.log(odds * (1 - p) / p), abs=0.05)
    # samples that were drawn at a tilt are taken for what they are
    again = np.random.default_rng(1).binomial(5, odds / (1 + odds), (40_000, 1)).astype(float)
    assert find_tilt(again, asked, tilt) == pytest.approx(tilt, abs=0.05)


def test_samples_that_are_all_alike_do_not_run_away():
    none, many = np.zeros((64, 2)), np.full((64, 2), 5.0)
    wanted = np.array([1.0, 3.0])
    assert (0 < find_tilt(none, wanted, np.zeros(2))).all()
    assert (find_tilt(none, wanted, np.zeros(2)) < MOST_TILT).all()
    assert (find_tilt(many, wanted, np.zeros(2)) < 0).all()


def test_what_each_column_makes_sound():
    """A held chord is as many notes as it has; what rests holds nothing; drums do not count."""
    before = np.zeros((3, BAND.channels), np.uint8)
    before[0, [1, 4, 6]] = 1  # a note and a chord begin
    before[1, [3, 7]] = 1  # both are held
    begun = np.zeros((2, 3, BAND.channels), np.uint8)
    begun[0, :, 1] = 1
    begun[1][:, [4, 6]] = 1
    notes = Density(BAND).notes_of(before, list(begun))
    pitches, pad, drums = [1, 1, 1], [1, 1, 0], [0, 0]
    assert notes.tolist() == [
        [*pitches, held, *pitches, 2 * held, *pad, *drums] for held in (1, 1, 0)
    ]
    v = np.zeros_like(before)
    v[:, [0, 7, 8, 11]] = 1
    assert Density(BAND).count(v, notes).tolist() == [[1, 2, 1, 0], [1, 2, 1, 0], [1, 0, 1, 0]]
    tilted = Density(BAND).biases(np.array([0.1, 0.2, 0.3, 0.4]), notes)
    assert tilted[0, [0, 3, 7, 8, 11]] == pytest.approx([0.1, 0.1, 0.4, 0.3, 0])


def test_onsets_are_no_notes_of_their_own():
    grid = replace(PLAIN, articulation="onset")
    notes = Density(grid).notes_of(np.zeros((1, grid.channels), np.uint8), [])
    assert notes.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_bound_songs_have_as_many_notes_as_free_ones():
    model, frames = toy_model(PLAIN, scale=0.3), 40
    roll, fixed = np.zeros((2, frames, 3), np.uint8)
    allowed = np.zeros(roll.shape, bool)
    allowed[:, 1:] = True

    def density(mask, keep):
        song = Given(roll, fixed > 0, outline(PLAIN, frames), mask, keep_density=keep)
        drawn = [sample_given(model, song, seed=seed, particles=16) for seed in range(12)]
        return np.mean([one.roll.sum(axis=1).mean() for one in drawn])

    free = density(None, True)
    assert density(allowed, False) < 0.85 * free
    assert density(allowed, True) == pytest.approx(free, rel=0.06)
