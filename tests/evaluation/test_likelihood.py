"""The estimate of the likelihood against exact sums, its errors, and that the seed decides it."""

import contextlib

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.errors import MidigenError
from midigen.evaluation import likelihood, partition
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
    assert exact.exact and exact.standard_error == 0 == exact.mean - exact.lower_mean
    np.testing.assert_allclose(
        exact.frames, np.concatenate([model.exact_log_likelihood(roll) for roll in rolls])
    )
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = estimate(model, rolls, temperatures=200, chains=20)
    assert not found.exact and 0 < found.standard_error < 0.01
    assert abs(found.mean - exact.mean) < 4 * found.standard_error + found.variance.mean() / 2
    np.testing.assert_allclose(found.frames, exact.frames, atol=0.2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_annealing_agrees_with_exact_sums_of_one_voice(rng, monkeypatch, dtype):
    model, rolls = small_model(rng, grid=PARTS, dtype=dtype), songs_of_parts(rng, 20, 1, 19)
    exact = estimate(model, rolls)
    assert exact.exact
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = estimate(model, rolls, temperatures=200, chains=20)
    assert not found.exact and 0 < found.standard_error < 0.02
    assert abs(found.mean - exact.mean) < 4 * found.standard_error + found.variance.mean() / 2


def test_the_stated_error_is_the_error(rng, monkeypatch):
    model, rolls = small_model(rng, scale=1.0), songs(rng, 64)
    exact = estimate(model, rolls).mean
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = [estimate(model, rolls, temperatures=100, chains=8, seed=seed) for seed in range(12)]
    errors = np.array([f.mean - f.variance.mean() / 2 - exact for f in found])
    stated = np.mean([f.standard_error for f in found])
    assert 0.5 * stated < np.sqrt(np.mean(errors**2)) < 2 * stated


def test_few_temperatures_flatter_and_backwards_do_the_contrary(rng, sampled):
    model, rolls = small_model(rng, scale=1.5), songs(rng, 64)
    hasty = estimate(model, rolls, temperatures=10, tolerance=1e9)
    patient = estimate(model, rolls, temperatures=1000, tolerance=1e9)
    assert hasty.mean > patient.mean > patient.lower_mean - 0.01
    assert hasty.lower_mean < patient.lower_mean
    assert hasty.mean - hasty.lower_mean > 10 * (patient.mean - patient.lower_mean)


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("grid", [None, PARTS])
def test_the_exact_sum_lies_between_both_sides(rng, monkeypatch, scale, grid):
    """With few temperatures, so that the sides are apart by more than their standard errors."""
    more = {"grid": grid} if grid else {}
    model = small_model(rng, scale=scale, **more)
    rolls = (songs_of_parts if grid else songs)(rng, 60, 60)
    exact = estimate(model, rolls)
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    found = [estimate(model, rolls, temperatures=8, tolerance=1e9, seed=s) for s in range(4)]
    upper, lower = (np.array([getattr(f, name) for f in found]) for name in ("mean", "lower_mean"))
    error = np.std(upper - lower) / 2
    assert lower.mean() < exact.mean < upper.mean() and error < np.mean(upper - lower) / 3
    within = estimate(model, rolls, temperatures=8, tolerance=0.01)
    assert 0 < within.mean - within.lower_mean + 0.005 < 0.015
    assert within.lower_mean - 0.01 < exact.mean < within.mean + 0.01


def test_frames_that_are_apart_get_more_temperatures(rng, sampled):
    model, rolls = small_model(rng, scale=1.5), songs(rng, 70, 30)
    found = estimate(model, rolls, temperatures=4, tolerance=0.02, seed=3)
    assert found.mean - found.lower_mean <= 0.02
    taken = np.unique(found.temperatures)
    assert taken[0] >= 4 and len(taken) > 1 and set(np.log2(taken / 4) % 1) == {0}
    rough = estimate(model, rolls, temperatures=4, tolerance=1e9, seed=3)
    assert set(rough.temperatures) == {4}
    still = found.temperatures == 4
    np.testing.assert_array_equal(found.frames[still], rough.frames[still])
    again = estimate(model, rolls, temperatures=4, tolerance=0.02, seed=3, backend=CpuBackend(3))
    np.testing.assert_array_equal(again.lower, found.lower)


def test_temperatures_have_an_end(rng, sampled, monkeypatch):
    monkeypatch.setattr(likelihood, "MOST_TEMPERATURES", 16)
    model, rolls = small_model(rng, scale=2.0), songs(rng, 20)
    found = estimate(model, rolls, temperatures=4, tolerance=1e-9)
    assert found.temperatures.max() == 16 and found.mean - found.lower_mean > 1e-9


def test_ends_are_chosen_by_their_weights():
    count = 4000
    weights = np.log([[1.0], [2.0], [0.0 + 1e-9], [5.0]]) + np.zeros((4, count))
    states = np.arange(4)[:, None, None] + np.zeros((4, count, 1))
    uniform = np.random.default_rng(0).random((4, count))
    chosen = partition._choose(weights, states, uniform)[..., 0].ravel()
    shares = np.bincount(chosen.astype(int), minlength=4) / chosen.size
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.02)


def test_only_the_seed_decides(rng, sampled, monkeypatch):
    model, rolls = small_model(rng), songs(rng, 70, 30, 50)
    settings = {"temperatures": 50, "chains": 2, "means": np.full(11, 0.3)}
    one = estimate(model, rolls, seed=5, backend=CpuBackend(1), **settings).frames
    many = estimate(model, rolls, seed=5, backend=CpuBackend(3), **settings).frames
    np.testing.assert_array_equal(one, many)
    assert (estimate(model, rolls, seed=6, **settings).frames != one).any()


def test_every_frame_is_counted_once_on_the_way(rng, sampled):
    seen = []

    @contextlib.contextmanager
    def stage(what, total):
        seen.append([what, total, 0])

        def advance(steps):
            seen[-1][2] += steps

        yield advance

    settings = {"temperatures": 8, "tolerance": 0.01, "progress": stage}
    found = estimate(small_model(rng, scale=1.5), songs(rng, 70, 30), **settings)
    assert seen[0] == ["annealing, 8 temperatures", 100, 100] and len(seen) > 1
    assert all(done == total for _, total, done in seen)
    assert seen[1][:2] == ["annealing, 16 temperatures", (found.temperatures > 8).sum()]


def test_one_chain_has_no_error_to_state(rng, sampled):
    found = estimate(small_model(rng), songs(rng, 5), temperatures=10, chains=1)
    assert np.isfinite(found.mean) and np.isnan(found.standard_error)


def test_summary_of_frames():
    frames, lower = np.array([-1.0, -3.0]), np.array([-1.5, -3.0])
    found = Likelihood(frames, lower, np.array([0.25, 0.75]), np.array([4, 8]), False)
    assert (found.mean, found.lower_mean, found.standard_error) == (-2, -2.25, 0.5)


def test_the_uncertainty_of_two_chains():
    """Weights 1 and 3 have mean 2 and variance 2: 2 / 2 for the mean, over 2^2 for its log."""
    mean, variance = partition._mean_weight(np.log([[1.0, 5.0], [3.0, 5.0]]))
    np.testing.assert_allclose(mean, np.log([2, 5]), atol=1e-15)
    np.testing.assert_allclose(variance, [0.25, 0], atol=1e-15)


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
