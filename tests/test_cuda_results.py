"""Songs and likelihoods from the GPU are those from the CPU."""

import numpy as np
import pytest

from midigen import checks
from midigen.backends.choose import backend_of
from midigen.config import Grid, ModelConfig
from midigen.evaluation import likelihood, partition
from midigen.evaluation.accuracy import score_model
from midigen.evaluation.likelihood import estimate_log_likelihood, teacher_forced
from midigen.generation import choose_levels, generate
from midigen.model import placed
from midigen.model.card import Levels, ModelCard
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm

GRID, LOUD = Grid(low=60, high=67), Grid(low=60, high=67, values="velocity")
V = GRID.channels
DEVICES = ("cuda", "cpu")
pytestmark = pytest.mark.cuda
on_kinds = pytest.mark.parametrize("kind, grid", [("bernoulli", GRID), ("gaussian", LOUD)])


def lively(kind="bernoulli", grid=GRID):
    """A small model in float64, so that both devices draw the same."""
    config = ModelConfig(
        V, rbm_hidden=3, recurrent=3, hidden=(4,), dtype="float64", visible_model=kind
    )
    card = ModelCard(levels=Levels(0.2, 0.7, 0.1))
    model = RnnRbm.initial(config, grid, np.full(V, 0.3), 1, card)
    model.theta += np.random.default_rng(0).normal(0, 0.3, model.theta.size)
    return model


def songs(*lengths):
    rng = np.random.default_rng(2)
    return [(rng.random((n, V)) < 0.3).astype(np.uint8) for n in lengths]


def on_both(model):
    """The model on the GPU and on the CPU."""
    return [PlacedModel(model, backend_of(device)) for device in DEVICES]


@pytest.fixture
def small_groups(monkeypatch):
    """Groups of songs of at most 6 frames, and a longer song that is one by itself."""
    monkeypatch.setattr("midigen.backends.cuda.MOST_ROWS", 6)


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
    monkeypatch.setattr(placed, "STRETCH", 3)
    model, primer = lively(kind, grid), songs(3)[0] if primed else None
    settings = {"frames": 4, "count": 2, "primer": primer, "temperature": 0.9}
    settings |= {"gibbs_steps": 2, "seed": 3}
    counted = []
    made = generate(model, backend=backend_of("cuda"), progress=counted.append, **settings)
    assert np.array_equal(made, generate(model, backend=backend_of("cpu"), **settings))
    assert not np.array_equal(made[0], made[1]) and 0 < (made > 0).mean() < 1 and counted == [6, 2]
    assert (made.max() > 1) == (grid is LOUD)


def test_songs_of_several_groups_come_in_order(small_groups):
    settings = {"frames": 3, "count": 5, "gibbs_steps": 1, "seed": 1}
    on_gpu, on_cpu = (
        generate(lively(), backend=backend_of(device), **settings) for device in DEVICES
    )
    assert np.array_equal(on_gpu, on_cpu)


@on_kinds
@pytest.mark.parametrize("of_frames", ["pseudo_log_likelihood", "free_energy"])
def test_both_devices_find_the_same_of_every_frame(small_groups, kind, grid, of_frames):
    model, rolls = lively(kind, grid), songs(2, 8, 1, 3, 2)
    on_gpu, on_cpu = (one.of_every_song(rolls, getattr(one, of_frames)) for one in on_both(model))
    for found, expected, roll in zip(on_gpu, on_cpu, rolls, strict=True):
        assert found.shape == (len(roll),)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found, getattr(model, of_frames)(roll), rtol=0, atol=1e-9)


def test_both_devices_choose_the_same_levels(small_groups):
    on_gpu, on_cpu = (
        choose_levels(one, [100 * roll for roll in songs(2, 3)], 5)
        for one in on_both(lively("gaussian", LOUD))
    )
    for name in ("threshold", "gain", "offset"):
        assert getattr(on_gpu, name) == pytest.approx(getattr(on_cpu, name), abs=1e-5)


@pytest.fixture
def small_blocks(monkeypatch, small_groups):
    """Annealing is short, and takes 6 frames in one launch."""
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    monkeypatch.setattr(partition, "BASE_SAMPLES", 3)
    monkeypatch.setattr(partition, "BACK_SWEEPS", 2)
    monkeypatch.setattr("midigen.backends.cuda.CudaBackend.rows_at_once", 6)


def test_both_devices_measure_the_same_likelihood(small_blocks):
    """Songs of different lengths, in several groups and several blocks."""
    rolls = songs(2, 3, 1, 3)
    found, expected = (
        estimate_log_likelihood(one, teacher_forced(one, rolls), 5, chains=2, tolerance=1e9)
        for one in on_both(lively())
    )
    np.testing.assert_allclose(found.frames, expected.frames, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.lower, expected.lower, rtol=0, atol=1e-9)
    assert not found.exact and (found.lower != found.frames).all()


def test_both_devices_run_songs_the_same(small_groups):
    rolls = songs(2, 8, 1, 3, 2)
    on_gpu, on_cpu = (teacher_forced(one, rolls) for one in on_both(lively()))
    for found, expected in zip(on_gpu, on_cpu, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_both_devices_foresee_as_much(small_blocks, monkeypatch):
    monkeypatch.setattr("midigen.evaluation.accuracy.FIRST_SWEEPS", 3)
    rolls = songs(2, 3, 4)
    on_gpu, on_cpu = (score_model(one, teacher_forced(one, rolls), 7) for one in on_both(lively()))
    assert on_gpu == on_cpu and 0 < on_gpu.frame < 1


def test_both_devices_sum_small_rbms_exactly():
    rolls = songs(3)
    found, expected = (
        estimate_log_likelihood(one, teacher_forced(one, rolls)) for one in on_both(lively())
    )
    assert found.exact
    np.testing.assert_allclose(found.frames, expected.frames, rtol=0, atol=1e-9)


def test_the_gradients_of_the_gpu_are_checked():
    results = checks.run_backend("cuda float64")
    assert [r.check for r in results if not r.passed] == []
    assert {r.backend for r in results} == {"cuda float64"}
    assert {r.check for r in results} == set(checks.CHECKS) - set(checks.ON_THE_HOST)
