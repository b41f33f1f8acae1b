"""Training on the GPU against training on the CPU: the same draws, the same gradients, the same weights."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.device import choose, training_obstacle
from midigen.errors import MidigenError, UsageError
from midigen.model.rnn_rbm import RnnRbm
from midigen.training import trainer as module
from midigen.training.checkpoint import Checkpoint, save_checkpoint
from midigen.training.events import RolledBack
from midigen.training.trainer import Trainer

GRID, LOUD = Grid(low=60, high=67), Grid(low=60, high=67, values="velocity")
V = GRID.channels
pytestmark = pytest.mark.cuda


def make_trainer(kind, count=3, frames=8, gaussian=False, **changes):
    """A trainer of a kind on a few short songs, in float64, so that both kinds draw the same."""
    rng = np.random.default_rng(0)
    config = TrainConfig(
        **{"batch": 2, "block": 4, "gibbs_steps": 1, "transpose": (-2, 2), "seed": 4, **changes}
    )
    model = RnnRbm.initial(
        ModelConfig(
            V,
            rbm_hidden=3,
            recurrent=3,
            hidden=(4,),
            dtype="float64",
            visible_model="gaussian" if gaussian else "bernoulli",
        ),
        LOUD if gaussian else GRID,
        np.full(V, 0.3),
        config.seed,
    )
    songs = [
        (rng.random((frames - i, V)) < 0.3)
        * rng.integers(1, 128 if gaussian else 2, (frames - i, V))
        for i in range(count)
    ]
    songs = [song.astype(np.uint8) for song in songs]
    return kind(model, songs, [], config, 1)


def train(trainer, steps):
    """The events of so many steps; the last one's weights are fetched."""
    events = list(trainer.run(9, lambda: trainer.optimizer.steps >= steps))
    trainer.fetch()
    return events


@pytest.mark.parametrize(
    "streams, changes",
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
def test_both_devices_train_the_same(monkeypatch, streams, changes):
    """With the songs of a batch in streams of their own, or one behind the other."""
    from midigen.training.cuda import CudaTrainer

    monkeypatch.setattr(module, "LANES", streams)
    one, other = (make_trainer(kind, **changes) for kind in (Trainer, CudaTrainer))
    before = one.model.theta.copy()
    for trainer in (one, other):
        train(trainer, 3)
    assert one.optimizer.steps == other.optimizer.steps >= 3 and one.state == other.state
    assert np.abs(one.model.theta - before).max() > 1e-3
    near = (
        1e-6 if "gaussian" in changes else 1e-9
    )  # normal numbers are of float32 and by another library
    for a, b in zip(
        *(
            [
                t.model.theta,
                t.average,
                *t.optimizer.moments,
                *t.particles,
                *(x for carry in t.carries.values() for x in carry.tensors().values()),
            ]
            for t in (one, other)
        ),
        strict=True,
    ):
        assert a.dtype == b.dtype and np.allclose(a, b, rtol=0, atol=near)


@pytest.mark.parametrize("changes", [{}, {"concatenate": True}])
def test_a_run_goes_on_from_its_checkpoint(tmp_path, changes):
    """On the device that it was on, or on the other."""
    from midigen.training.cuda import CudaTrainer

    whole, first = (make_trainer(CudaTrainer, count=2, frames=5, **changes) for _ in range(2))
    train(whole, 2)
    train(first, 1)
    save_checkpoint(tmp_path, first, "corpus", "digest")
    for device, exact in (("cuda", True), ("cpu", False)):
        again = Checkpoint(tmp_path).trainer(first.train, [], device)
        train(again, 2)
        assert np.allclose(again.model.theta, whole.model.theta, rtol=0, atol=0 if exact else 1e-9)
        assert np.allclose(again.average, whole.average, rtol=0, atol=0 if exact else 1e-9)


def test_what_is_not_finite_is_rolled_back():
    from midigen.training.cuda import CudaTrainer

    trainer = make_trainer(CudaTrainer, count=2, frames=4)
    train(trainer, 1)
    average, particles = trainer.average.copy(), np.concatenate(trainer.particles)
    trainer.model.theta[0] = np.nan
    trainer._upload()
    events = list(trainer.run(9, lambda: trainer.state.rollbacks > 0))
    trainer.fetch()
    assert isinstance(events[0], RolledBack) and "network.1" in events[0].what
    assert np.array_equal(trainer.model.theta, average) and trainer.state.rate_scale == 0.5
    assert np.array_equal(np.concatenate(trainer.particles), particles)


@pytest.mark.parametrize("changes", [{"sampler": "exact"}, {"gradient": "textbook"}])
def test_what_the_gpu_cannot_do_is_said_in_one_line(changes):
    asked, said = TrainConfig(**changes), []
    obstacle = training_obstacle(asked)
    with pytest.raises(UsageError, match="--device cpu"):
        choose("cuda", obstacle)
    assert choose("auto", obstacle, said.append) == "cpu" and len(said) == 1 and obstacle in said[0]


def test_a_gpu_that_fails_leaves_the_checkpoint_whole(tmp_path, monkeypatch):
    from numba.cuda.cudadrv.driver import CudaAPIError

    from midigen.model.lanes import LaneNetwork
    from midigen.training.cuda import CudaTrainer

    def fail(*_):
        raise CudaAPIError(2, "out of memory")

    trainer = make_trainer(CudaTrainer, count=2, frames=4)
    train(trainer, 1)
    save_checkpoint(tmp_path, trainer, "corpus", "digest")
    before = Checkpoint(tmp_path).path.read_bytes()
    monkeypatch.setattr(LaneNetwork, "backward", fail)
    with pytest.raises(MidigenError, match="out of memory.*--resume"):
        train(trainer, 2)
    assert Checkpoint(tmp_path).path.read_bytes() == before
