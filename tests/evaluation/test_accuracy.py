"""Frame accuracy, counted by hand."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.evaluation.accuracy import score, score_draws, score_model
from midigen.evaluation.likelihood import teacher_forced
from midigen.model.placed import PlacedModel
from tests.evaluation.models import small_model, songs


def test_by_hand():
    v = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]], np.uint8)
    played = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    found = score(played, v)
    # two silent frames agree; silence is not a note
    assert found.frame == pytest.approx(np.mean([1 / 2, 1, 1 / 3, 0]))
    assert found.pooled == pytest.approx(2 / (2 + 4 + 1))


def test_silence_against_silence():
    silence = np.zeros((3, 4), np.uint8)
    assert (score(silence, silence).frame, score(silence, silence).pooled) == (1, 0)


def test_draws_have_the_mean_of_their_probabilities(rng):
    v = np.ones((2000, 1), np.uint8)
    assert score_draws(np.full(v.shape, 0.3), v).frame == pytest.approx(0.3, abs=0.01)


def test_a_certain_model_plays_what_it_is_certain_of(rng, backend):
    model = small_model(rng)
    model.theta[:] = 0
    visible_biases = model.network.layers(model.params)[-1][4:15, -1]  # after the 4 recurrent units
    visible_biases[:] = [30] * 3 + [-30] * 8
    rolls = songs(rng, 5, 10)
    v = np.concatenate(rolls)
    played = np.zeros_like(v)
    played[:, :3] = 1
    placed = PlacedModel(model, backend)
    found, expected = score_model(placed, teacher_forced(placed, rolls)), score(played, v)
    assert (found.frame, found.pooled) == pytest.approx((expected.frame, expected.pooled))


def test_the_model_s_samples_follow_the_model(rng):
    """Without weights notes are independent given the past: draws score as the model's do."""
    model, rolls = small_model(rng), songs(rng, 300, 500)
    model.w[:] = 0
    p = np.concatenate([1 / (1 + np.exp(-model.run(roll)[0].astype(float))) for roll in rolls])
    placed = PlacedModel(model, cpu_backend())
    found = score_model(placed, teacher_forced(placed, rolls))
    expected = score_draws(p, np.concatenate(rolls))
    assert found.frame == pytest.approx(expected.frame, abs=0.01)
    assert found.pooled == pytest.approx(expected.pooled, abs=0.01)
