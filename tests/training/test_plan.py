import numpy as np
import pytest

from midigen.config import Grid, TrainConfig
from midigen.training.plan import ONE_KEY_SHARE, Plan, share_to_transpose

GRID = Grid(low=36, high=95)
# how often the notes of a major scale sound, from the tonic
SCALE = np.array([4, 0, 2, 0, 3, 2, 0, 4, 0, 2, 0, 1.0])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def songs(tonics, rng, frames=400):
    """Songs of independent notes of a scale, uint8 (frames, 60), one for each tonic."""
    # there is room for shifts at both ends
    chance = 0.05 * np.tile(SCALE, 5) * (np.abs(np.arange(60) - 29.5) < 23)
    return [
        (rng.random((frames, 60)) < np.roll(chance, tonic)).astype(np.uint8) for tonic in tonics
    ]


@pytest.mark.parametrize("values", [1, 90])
def test_of_songs_in_one_key_few_are_transposed(rng, values):
    rolls = [values * roll for roll in songs([7] * 25 + [2] * 5, rng)]
    assert share_to_transpose(rolls, GRID) == ONE_KEY_SHARE


def test_of_songs_in_many_keys_all_are(rng):
    assert share_to_transpose(songs(rng.integers(0, 12, 30), rng), GRID) == 1
    assert share_to_transpose(songs([7] * 15 + [2] * 15, rng), GRID) == 1


def test_a_few_songs_are_transposed_whatever_their_key(rng):
    assert share_to_transpose(songs([7] * 20, rng), GRID) == 1
    assert share_to_transpose([], GRID) == 1


def test_the_columns_of_onsets_count_like_those_of_notes(rng):
    grid = Grid(low=36, high=95, articulation="onset")
    rolls = [np.hstack([roll, roll]) for roll in songs([7] * 30, rng)]
    assert share_to_transpose(rolls, grid) == ONE_KEY_SHARE


@pytest.mark.parametrize(
    "share, least, most", [(None, 0.3, 0.6), (0.0, 0, 0), (0.5, 0.3, 0.6), (1.0, 0.8, 1)]
)
def test_an_epoch_transposes_that_share(rng, share, least, most):
    """Of the shifts drawn one in twelve is 0."""
    plan = Plan(songs([7] * 100, rng, 100), GRID, TrainConfig(transpose_share=share))
    assert least <= (plan.epoch(0).shifts != 0).mean() <= most
