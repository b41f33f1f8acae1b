"""The estimate of the likelihood against exact sums, its errors, and that the seed decides it."""

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.errors import MidigenError
from midigen.evaluation import likelihood
from midigen.evaluation.likelihood import Likelihood, estimate_log_likelihood, teacher_forced
from midigen.model.placed import PlacedModel
from tests.evaluation.models import PARTS, small_model, songs, songs_of_parts


def estimate(model, rolls, backend=None, **settings):
    """The Likelihood of songs under a model."""
    placed = PlacedModel(model, backend or cpu_backend())
    return estimate_log_likelihood(placed, teacher_forced(placed, rolls), **settings)


@pytest.fixture
def sampled(monkeypatch):
    """No model is small enough for exact sums."""
    monkeypatch.setattr(likelihood, "LARGEST", 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_annealing_agrees_with_exact_sums(rng, monkeypatch, dtype):
    model, rolls = small_model(rng, dtype=dtype), songs(rng, 40, 1, 39)
    exact = estimate(model, rolls)
    assert exact.exact and exact.standard_error == exact.flattery == exact.disagreeing == 0
    np.testing.assert_allclose(
        exact.frames, np.concatenate([model.exact_log_likelihood(roll) for roll in rolls])
    )
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = estimate(model, rolls, temperatures=200, chains=20)
    assert not found.exact and 0 < found.standard_error < 0.01
    assert abs(found.mean - exact.mean) < 4 * found.standard_error + found.flattery
    np.testing.assert_allclose(found.frames, exact.frames, atol=0.2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_annealing_agrees_with_exact_sums_of_one_voice(rng, monkeypatch, dtype):
    model, rolls = small_model(rng, grid=PARTS, dtype=dtype), songs_of_parts(rng, 20, 1, 19)
    exact = estimate(model, rolls)
    assert exact.exact
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = estimate(model, rolls, temperatures=200, chains=20)
    assert not found.exact and 0 < found.standard_error < 0.02
    assert abs(found.mean - exact.mean) < 4 * found.standard_error + found.flattery


def test_the_stated_error_is_the_error(rng, monkeypatch):
    model, rolls = small_model(rng, scale=1.0), songs(rng, 64)
    exact = estimate(model, rolls).mean
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = [estimate(model, rolls, temperatures=100, chains=8, seed=seed) for seed in range(12)]
    errors = np.array([f.mean - f.flattery - exact for f in found])
    stated = np.mean([f.standard_error for f in found])
    assert 0.5 * stated < np.sqrt(np.mean(errors**2)) < 2 * stated


def test_few_temperatures_flatter_and_the_chains_say_so(rng, sampled):
    model, rolls = small_model(rng, scale=1.5), songs(rng, 64)
    hasty = estimate(model, rolls, temperatures=2, chains=4)
    patient = estimate(model, rolls, temperatures=1000, chains=4)
    assert hasty.mean > patient.mean and hasty.flattery > patient.flattery
    assert hasty.disagreeing > 0.2 and patient.disagreeing < 0.05


def test_only_the_seed_decides(rng, sampled, monkeypatch):
    model, rolls = small_model(rng), songs(rng, 70, 30, 50)
    settings = {"temperatures": 50, "chains": 2, "means": np.full(11, 0.3)}
    one = estimate(model, rolls, seed=5, backend=CpuBackend(1), **settings).frames
    many = estimate(model, rolls, seed=5, backend=CpuBackend(3), **settings).frames
    np.testing.assert_array_equal(one, many)
    assert (estimate(model, rolls, seed=6, **settings).frames != one).any()


def test_every_frame_is_counted_once_on_the_way(rng, sampled):
    seen = []
    estimate(small_model(rng), songs(rng, 70, 30), temperatures=10, chains=2, progress=seen.append)
    assert sum(seen) == 100


def test_one_chain_has_no_error_to_state(rng, sampled):
    found = estimate(small_model(rng), songs(rng, 5), temperatures=10, chains=1)
    assert np.isfinite(found.mean) and np.isnan(found.standard_error) and found.disagreeing == 0


def test_summary_of_frames():
    found = Likelihood(np.array([-1.0, -3.0]), np.array([0.25, 0.75]), np.array([0.5, 1.5]), False)
    assert (found.mean, found.standard_error, found.flattery, found.disagreeing) == (
        -2,
        0.5,
        0.25,
        0.5,
    )


def test_the_uncertainty_of_two_chains():
    """Weights 1 and 3 have mean 2 and variance 2: 2 / 2 for the mean, over 2^2 for its log."""
    variance, spread = likelihood._uncertainty(np.log([[1.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(variance, [0.25, 0], atol=1e-15)
    np.testing.assert_allclose(spread, [np.log(3) / np.sqrt(2), 0], atol=1e-15)


def test_frames_that_a_song_is_forced_through(rng, backend):
    """Each frame of each song has what the network makes of the song before it."""
    model, rolls = small_model(rng, dtype="float64"), songs(rng, 3, 1, 5)
    found = teacher_forced(PlacedModel(model, backend), rolls)
    np.testing.assert_array_equal(found.v, np.concatenate(rolls))
    before = [np.concatenate([np.zeros((1, 11)), roll[:-1]]) for roll in rolls]
    np.testing.assert_array_equal(found.before, np.concatenate(before))
    a, b = (np.concatenate(parts) for parts in zip(*map(model.run, rolls), strict=True))
    energy = np.concatenate([model.free_energy(roll) for roll in rolls])
    for got, expected in ((found.a, a), (found.b, b), (found.energy, energy)):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


def test_a_gaussian_model_is_refused_in_one_line(rng):
    with pytest.raises(MidigenError, match="Gaussian"):
        estimate(small_model(rng, visible_model="gaussian"), songs(rng, 3))
