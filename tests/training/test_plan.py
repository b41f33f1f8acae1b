import numpy as np
import pytest

from midigen.config import EVERY_KEY, Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.plan import transposition
from midigen.training.trainer import Trainer
from tests.training.test_trainer import make_trainer

GRID = Grid(low=36, high=95)
SCALE = np.array([4, 0, 2, 0, 3, 2, 0, 4, 0, 2, 0, 1.0])  # how often the notes of a major scale sound, from the tonic


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def songs(tonics, rng, frames=400):
    """Songs of independent notes of a scale, uint8 (frames, 60), one for each tonic."""
    chance = 0.05 * np.tile(SCALE, 5) * (np.abs(np.arange(60) - 29.5) < 23)  # there is room for shifts at both ends
    return [(rng.random((frames, 60)) < np.roll(chance, tonic)).astype(np.uint8) for tonic in tonics]


@pytest.mark.parametrize("values", [1, 90])
def test_songs_in_one_key_are_not_transposed(rng, values):
    rolls = [values * roll for roll in songs([7] * 25 + [2] * 5, rng)]
    assert transposition(rolls, GRID) == (0, 0)


def test_songs_in_many_keys_are(rng):
    assert transposition(songs(rng.integers(0, 12, 30), rng), GRID) == EVERY_KEY
    assert transposition(songs([7] * 15 + [2] * 15, rng), GRID) == EVERY_KEY


def test_a_few_songs_are_transposed_whatever_their_key(rng):
    assert transposition(songs([7] * 20, rng), GRID) == EVERY_KEY
    assert transposition([], GRID) == EVERY_KEY


def test_the_columns_of_onsets_count_like_those_of_notes(rng):
    grid = Grid(low=36, high=95, articulation="onset")
    rolls = [np.hstack([roll, roll]) for roll in songs([7] * 30, rng)]
    assert transposition(rolls, grid) == (0, 0)


def test_the_setting_goes_before_the_key(rng):
    assert make_trainer(transpose=None).transposition == EVERY_KEY
    assert make_trainer(transpose=(0, 0)).transposition == (0, 0)
    one_key = songs([7] * 30, rng)
    model = RnnRbm.initial(ModelConfig(60, rbm_hidden=2, recurrent=2, hidden=()), GRID, np.full(60, 0.1))
    assert not Trainer(model, one_key, [], TrainConfig())._epoch().shifts.any()
    assert Trainer(model, one_key, [], TrainConfig(transpose=(-5, 6)))._epoch().shifts.any()
