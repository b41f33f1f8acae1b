"""Songs and likelihoods from the GPU are those from the CPU."""

import numpy as np
import pytest

from midigen import checks
from midigen.config import Grid, ModelConfig
from midigen.evaluation import cuda, likelihood
from midigen.generation import generate
from midigen.model import on_device
from midigen.model.rnn_rbm import RnnRbm

GRID, LOUD = Grid(low=60, high=67), Grid(low=60, high=67, values="velocity")
V = GRID.channels
pytestmark = pytest.mark.cuda


def lively(kind="bernoulli", grid=GRID):
    """A small model in float64, so that both devices draw the same."""
    config = ModelConfig(
        V, rbm_hidden=3, recurrent=3, hidden=(4,), dtype="float64", visible_model=kind
    )
    model = RnnRbm.initial(
        config, grid, np.full(V, 0.3), 1, {"levels": {"threshold": 0.2, "gain": 0.7, "offset": 0.1}}
    )
    model.theta += np.random.default_rng(0).normal(0, 0.3, model.theta.size)
    return model


def songs(*lengths):
    rng = np.random.default_rng(2)
    return [(rng.random((n, V)) < 0.3).astype(np.uint8) for n in lengths]


@pytest.mark.parametrize(
    "kind, grid, primed",
    [
        ("bernoulli", GRID, False),
        ("bernoulli", GRID, True),
        ("gaussian", GRID, False),
        ("gaussian", LOUD, True),
    ],
)
def test_both_devices_make_the_same_songs(monkeypatch, kind, grid, primed):
    """In stretches of 3 frames and of 1."""
    monkeypatch.setattr(on_device, "STRETCH", 3)
    model, primer = lively(kind, grid), songs(3)[0] if primed else None
    settings = {
        "frames": 4,
        "count": 2,
        "primer": primer,
        "temperature": 0.9,
        "gibbs_steps": 2,
        "seed": 3,
    }
    counted = []
    made = generate(model, device="cuda", progress=counted.append, **settings)
    assert np.array_equal(made, generate(model, **settings))
    assert not np.array_equal(made[0], made[1]) and 0 < (made > 0).mean() < 1 and counted == [6, 2]
    assert (made.max() > 1) == (grid is LOUD)


@pytest.mark.parametrize("kind, grid", [("bernoulli", GRID), ("gaussian", LOUD)])
def test_both_devices_find_the_same_pseudo_likelihood(monkeypatch, kind, grid):
    monkeypatch.setattr(on_device, "MOST_ROWS", 6)
    model, rolls = lively(kind, grid), songs(2, 3, 1)
    for found, roll in zip(
        on_device.OnDevice(model).pseudo_log_likelihood(rolls), rolls, strict=True
    ):
        np.testing.assert_allclose(found, model.pseudo_log_likelihood(roll), rtol=0, atol=1e-9)


def test_both_devices_measure_the_same_likelihood(monkeypatch):
    """Songs of different lengths, in several groups and several blocks."""
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    monkeypatch.setattr(likelihood, "BASE_SAMPLES", 3)
    monkeypatch.setattr(likelihood, "GPU_BLOCK", 6)
    monkeypatch.setattr(on_device, "MOST_ROWS", 6)
    model, rolls = lively(), songs(2, 3, 1, 3)
    found, expected = (
        likelihood.estimate_log_likelihood(model, rolls, temperatures=5, chains=2, device=device)
        for device in ("cuda", "cpu")
    )
    np.testing.assert_allclose(found.frames, expected.frames, rtol=0, atol=1e-9)
    assert found.spread.min() > 0


def test_both_devices_run_songs_the_same(monkeypatch):
    """Groups of songs of at most 6 frames, and a longer song that is one by itself."""
    monkeypatch.setattr(on_device, "MOST_ROWS", 6)
    model, rolls = lively(), songs(2, 8, 1, 3, 2)
    for found, expected in zip(
        cuda.teacher_forced(model, rolls), likelihood.teacher_forced(model, rolls), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_both_devices_sum_small_rbms_exactly():
    model, rolls = lively(), songs(3)
    found, expected = (
        likelihood.estimate_log_likelihood(model, rolls, device=device)
        for device in ("cuda", "cpu")
    )
    assert found.exact
    np.testing.assert_allclose(found.frames, expected.frames, rtol=0, atol=1e-9)


def test_the_gradients_of_the_gpu_are_checked():
    results = checks.run_backend("cuda float64")
    assert [r.check for r in results if not r.passed] == [] and {r.backend for r in results} == {
        "cuda float64"
    }
    assert {r.check for r in results} < set(checks.CHECKS)
