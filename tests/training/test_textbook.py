"""Training by the textbook recursion, Eq. (9)-(10): the same runs as in blocks."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.checkpoint import Checkpoint, save_checkpoint
from midigen.training.trainer import Trainer
from tests.training.songs import train, weights

GRID = Grid(low=60, high=67)
V = GRID.channels
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}


def songs(seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.random((int(rng.integers(20, 40)), V)) < 0.3).astype(np.uint8) for _ in range(5)]


def trained(gradient, dtype="float64", updates=6, **changes):
    """A trainer after some steps of plain gradient descent, which hides nothing."""
    settings = TrainConfig(
        **{
            "batch": 2,
            "block": 7,
            "rank_tolerance": 1e-13,
            "sampler": "cd",
            "gibbs_steps": 2,
            "optimizer": "sgd",
            "momentum": 0.0,
            "learning_rate": 0.02,
            "transpose": (0, 0),
            "gradient": gradient,
            **changes,
        }
    )
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=6, recurrent=5, hidden=(4,), dtype=dtype), GRID, np.full(V, 0.3)
    )
    trainer = Trainer(model, songs(), [], settings)
    train(trainer, steps=updates)
    return trainer


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "changes",
    [{}, {"update": "block"}, {"concatenate": True}, {"negative": "bounded"}],
    ids=["songs", "online", "concatenated", "random songs"],
)
def test_the_textbook_moves_the_weights_as_blocks_do(changes, dtype):
    blocks, textbook = (trained(gradient, dtype, **changes) for gradient in ("blocks", "textbook"))
    moved = np.abs(weights(blocks) - blocks.model.theta).max()
    assert moved > 1e-3
    assert np.abs(weights(textbook) - weights(blocks)).max() / moved < TOLERANCE[dtype]


def test_a_concatenated_run_is_resumed_with_its_whole_j(tmp_path):
    changes = {"concatenate": True, "update": "block"}
    straight, stopped = trained("textbook", **changes), trained("textbook", updates=5, **changes)
    network = stopped.model.network
    size = int(network.sizes[-1]) * network.parameters
    assert {c.influence.size for c in stopped.state.carries.values()} == {size}
    save_checkpoint(tmp_path, stopped, "corpus", "digest")
    resumed = Checkpoint(tmp_path).trainer(songs(), [])
    train(resumed, steps=6)
    assert resumed.state.steps == straight.state.steps > stopped.state.steps
    assert np.array_equal(weights(resumed), weights(straight))


def test_an_unknown_recursion_is_refused():
    with pytest.raises(ValueError, match="gradient must be blocks or textbook, not 'bptt'"):
        TrainConfig(gradient="bptt")
