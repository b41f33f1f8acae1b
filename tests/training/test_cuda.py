"""Training on the GPU against training on the CPU: the same draws, gradients and weights."""

import numpy as np
import pytest

from midigen.backends.choose import backend_of
from midigen.backends.cpu import cpu_backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.errors import MidigenError
from midigen.model.rnn_rbm import RnnRbm
from midigen.training import trainer as module
from midigen.training.checkpoint import Checkpoint, save_checkpoint
from midigen.training.trainer import Trainer
from tests.training.songs import train, weights

GRID, LOUD = Grid(low=60, high=67), Grid(low=60, high=67, values="velocity")
V = GRID.channels
pytestmark = pytest.mark.cuda


def make_trainer(backend, count=3, frames=8, gaussian=False, **changes):
    """A trainer on a few short songs, in float64, so that both backends draw the same."""
    rng, loudest = np.random.default_rng(0), 127 if gaussian else 1
    settings = TrainConfig(
        **{"batch": 2, "block": 4, "gibbs_steps": 1, "transpose": (-2, 2), "seed": 4, **changes}
    )
    kind, grid = ("gaussian", LOUD) if gaussian else ("bernoulli", GRID)
    config = ModelConfig(
        V, rbm_hidden=3, recurrent=3, hidden=(4,), dtype="float64", visible_model=kind
    )
    model = RnnRbm.initial(config, grid, np.full(V, 0.3), settings.seed)
    shapes = [(frames - i, V) for i in range(count)]
    songs = [(rng.random(n) < 0.3) * rng.integers(1, loudest + 1, n) for n in shapes]
    return Trainer(model, [song.astype(np.uint8) for song in songs], [], settings, backend)


def kept(trainer):
    """All numbers that a run keeps, on the host."""
    state, backend = trainer.state, trainer.backend
    arrays = [state.theta, state.average, *state.moments]
    if state.particles:
        arrays.append(state.particles.kept)
    for carried in state.carries.values():
        arrays += carried.tensors(backend).values()
    return [backend.to_host(array) for array in arrays]


@pytest.mark.parametrize(
    "series, changes",
    [
        (8, {}),
        (1, {"noise": 0.1}),
        (1, {"update": "block", "block": 5}),
        (
            8,
            {
                "sampler": "cd",
                "optimizer": "sgd",
                "centre": False,
                "clip": 0.1,
                "learning_rate": 0.1,
            },
        ),
        (8, {"negative": "bounded", "negative_songs": 2}),
        (1, {"negative": "literal", "update": "block", "block": 5}),
        (8, {"concatenate": True}),
        (1, {"concatenate": True, "update": "block", "block": 3}),
        (8, {"gaussian": True}),
        (1, {"gaussian": True, "sampler": "cd", "noise": 0.1}),
    ],
)
def test_both_devices_train_the_same(monkeypatch, series, changes):
    """With the songs of a batch in series of their own, or one behind the other."""
    monkeypatch.setattr(module, "MOST_SERIES", series)
    one, other = (make_trainer(backend_of(device), **changes) for device in ("cpu", "cuda"))
    for trainer in (one, other):
        train(trainer, steps=3)
    assert one.state.steps == other.state.steps >= 3 and one.counters == other.counters
    assert np.abs(weights(one) - one.model.theta).max() > 1e-3
    # normal numbers are of float32 and by another library
    near = 1e-6 if "gaussian" in changes else 1e-9
    for a, b in zip(kept(one), kept(other), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.allclose(a, b, rtol=0, atol=near)


@pytest.mark.parametrize("changes", [{}, {"concatenate": True}])
def test_a_run_goes_on_from_its_checkpoint(tmp_path, changes):
    """On the device that it was on, or on the other."""
    gpu = backend_of("cuda")
    whole, first = (make_trainer(gpu, count=2, frames=5, **changes) for _ in range(2))
    train(whole, steps=2)
    train(first, steps=1)
    save_checkpoint(tmp_path, first, "corpus", "digest")
    for device, exact in (("cuda", True), ("cpu", False)):
        again = Checkpoint(tmp_path).trainer(first.train, [], device)
        assert again.backend is (gpu if exact else cpu_backend())
        train(again, steps=2)
        for a, b in zip(kept(again), kept(whole), strict=True):
            assert np.allclose(a, b, rtol=0, atol=0 if exact else 1e-9)


def test_a_gpu_that_fails_leaves_the_checkpoint_whole(tmp_path, monkeypatch):
    from numba.cuda.cudadrv.driver import CudaAPIError

    from midigen.backends.cuda import CudaBackend

    def fail(*_):
        raise CudaAPIError(2, "out of memory")

    trainer = make_trainer(backend_of("cuda"), count=2, frames=4)
    train(trainer, steps=1)
    save_checkpoint(tmp_path, trainer, "corpus", "digest")
    before = Checkpoint(tmp_path).path.read_bytes()
    monkeypatch.setattr(CudaBackend, "backward", fail)
    with pytest.raises(MidigenError, match="out of memory.*--resume"):
        train(trainer, steps=2)
    assert Checkpoint(tmp_path).path.read_bytes() == before
