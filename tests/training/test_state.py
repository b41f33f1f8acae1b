"""A snapshot of a run's state is gone back to, whole or the part that a batch changes."""

import dataclasses

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.series import CarriedState
from midigen.training.state import Counters
from midigen.training.trainer import Trainer
from tests.training.songs import train

GRID = Grid(low=60, high=65)
V = GRID.channels


def trained(backend, **changes):
    """A trainer after a step on two of its three songs, as one series."""
    rng = np.random.default_rng(0)
    settings = {"batch": 2, "block": 4, "gibbs_steps": 1, "transpose": (0, 0), **changes}
    config = ModelConfig(V, rbm_hidden=3, recurrent=3, hidden=(), dtype="float64")
    model = RnnRbm.initial(config, GRID, np.full(V, 0.3))
    songs = [(rng.random((n, V)) < 0.4).astype(np.uint8) for n in (6, 5, 7)]
    trainer = Trainer(model, songs, [], TrainConfig(**settings), backend)
    train(trainer, steps=1)
    return trainer


def contents(trainer):
    """All that a state holds, by name, on the host and copied."""
    backend, state = trainer.backend, trainer.state
    found = {"theta": state.theta, "average": state.average, "particles": state.particles.kept}
    found |= {f"moment {i}": moment for i, moment in enumerate(state.moments)}
    for i, carried in state.carries.items():
        found |= {f"carry {i}, {n}": tensor for n, tensor in carried.tensors(backend).items()}
    copied = {name: np.array(backend.to_host(array)) for name, array in found.items()}
    return copied | {"steps": state.steps, "counters": dataclasses.astuple(state.counters)}


def differing(one, other):
    """The names of what differs, or is in one of them alone."""
    same = {name for name in one.keys() & other if np.array_equal(one[name], other[name])}
    return (one.keys() | other) - same


def test_a_whole_snapshot_is_gone_back_to(backend):
    trainer = trained(backend, concatenate=True)
    before, snapshot = contents(trainer), trainer.state.snapshot(backend)
    train(trainer, steps=3)
    after = contents(trainer)
    assert {"theta", "average", "particles", "moment 0", "moment 1", "steps", "counters"} <= (
        differing(before, after)
    )
    trainer.state.restore(backend, snapshot)
    assert differing(before, contents(trainer)) == set()
    train(trainer, steps=3)  # the same steps again, which leave the snapshot as it was
    assert differing(after, contents(trainer)) == set()
    trainer.state.restore(backend, snapshot)
    assert differing(before, contents(trainer)) == set()


def test_a_snapshot_of_a_batch_leaves_the_weights_alone(backend):
    trainer = trained(backend, concatenate=True)
    before, snapshot = contents(trainer), trainer.state.snapshot(backend, [0, 1, 2])
    assert snapshot.weights is None
    train(trainer, steps=2)
    after = contents(trainer)
    trainer.state.restore(backend, snapshot)
    now = contents(trainer)
    kept = {"theta", "average", "moment 0", "moment 1", "steps"}
    assert differing(before, now) == differing(before, after) & kept == kept
    assert differing(after, now) == differing(before, after) - kept


def test_a_snapshot_of_a_song_has_the_chains_of_that_song(backend):
    trainer = trained(backend)
    state, begins = trainer.state, trainer.state.particles.begins
    before, snapshot = contents(trainer)["particles"], state.snapshot(backend, [1])
    assert [(first, stop) for first, stop, _ in snapshot.particles] == [(begins[1], begins[2])]
    flipped = backend.to_device(255 - before)
    backend.assign(state.particles.kept, flipped)
    state.restore(backend, snapshot)
    found, of_song = contents(trainer)["particles"], slice(begins[1], begins[2])
    assert np.array_equal(found[of_song], before[of_song])
    others = np.r_[0 : begins[1], begins[2] : begins[3]]
    assert np.array_equal(found[others], 255 - before[others])


def test_the_counters_of_a_snapshot_are_its_own(backend):
    trainer = trained(backend, sampler="cd")
    snapshot = trainer.state.snapshot(backend, [0])
    assert snapshot.particles == () and snapshot.carries == {}
    trainer.counters.frames += 100
    trainer.state.restore(backend, snapshot)
    trainer.counters.best = 3.0
    assert snapshot.counters == Counters(0, 1, snapshot.counters.frames)
    assert trainer.counters.frames == snapshot.counters.frames > 0


@pytest.mark.parametrize("changes", [{}, {"rank_tolerance": 0.0}, {"block": 100}])
def test_a_carried_state_is_read_as_it_was_written(backend, changes):
    trainer = trained(backend, concatenate=True, **changes)
    for carried in trainer.state.carries.values():
        assert_read_again(trainer, carried.tensors(backend))


def assert_read_again(trainer, tensors):
    """What `tensors` gave comes out of it again."""
    backend = trainer.backend
    again = CarriedState.from_tensors(backend, trainer.model, tensors).tensors(backend)
    assert tensors.keys() == again.keys() and len(tensors) > 2
    for name, tensor in tensors.items():
        assert tensor.dtype == again[name].dtype and np.array_equal(tensor, again[name])


def test_an_influence_matrix_of_low_rank_is_read_as_it_was_written(backend):
    trainer = trained(backend, concatenate=True, rank_tolerance=0.0)
    tensors = trainer.state.carries[0].tensors(backend)
    assert tensors["influence"].shape == (3, trainer.model.network.influential)
    low = {"rows": np.eye(2, 3), "influence": tensors["influence"][:2].copy()}
    assert_read_again(trainer, tensors | low)


@pytest.mark.parametrize(
    "name, change, error",
    [
        ("frame", lambda x: x[:-1], ValueError),
        ("state", lambda x: x.astype(np.float32), ValueError),
        ("state", None, KeyError),
        ("influence", lambda x: x[:, :-1], ValueError),
        ("first.u", lambda x: x[:, :-1], ValueError),
        ("first.inputs", lambda x: x[:-1], ValueError),
        ("first.params", None, KeyError),
    ],
)
def test_what_is_not_of_the_model_is_refused(name, change, error):
    trainer = trained(cpu_backend(), concatenate=True, rank_tolerance=0.0)
    tensors = trainer.state.carries[0].tensors(trainer.backend)
    if change:
        tensors[name] = change(tensors[name])
    else:
        del tensors[name]
    with pytest.raises(error):
        CarriedState.from_tensors(trainer.backend, trainer.model, tensors)
