import dataclasses

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import Diverged, Progress, RolledBack, Validated
from midigen.training.plan import shifted
from midigen.training.trainer import Trainer
from tests.training.songs import song_gradient

GRID = Grid(low=60, high=67)
V = GRID.channels


def songs(count=7, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.random((int(rng.integers(5, 40)), V)) < 0.3).astype(np.uint8) for _ in range(count)
    ]


def make_trainer(threads=0, **changes):
    config = TrainConfig(
        **{"batch": 3, "block": 16, "gibbs_steps": 2, "transpose": (-2, 2), "seed": 4, **changes}
    )
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=6, recurrent=5, hidden=(4,)), GRID, np.full(V, 0.3), config.seed
    )
    return Trainer(model, songs(), songs(2, 9), config, threads)


def train(trainer, epochs, after=None):
    """All events, stopping after `after` steps."""
    events = []
    for event in trainer.run(
        epochs, lambda: after is not None and trainer.optimizer.steps >= after
    ):
        events.append(event)
    return events


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"update": "block"},
        {"update": "epoch"},
        {"concatenate": True},
        {"sampler": "cd"},
        {"negative": "bounded"},
        {"optimizer": "sgd"},
        {"negative": "literal", "update": "block"},
    ],
)
def test_any_number_of_threads_gives_the_same_run(changes):
    runs = [make_trainer(threads, **changes) for threads in (1, 3)]
    for run in runs:
        train(run, 2)
    assert np.array_equal(runs[0].model.theta, runs[1].model.theta)
    assert np.array_equal(runs[0].average, runs[1].average)
    assert not np.array_equal(runs[0].model.theta, make_trainer(**changes).model.theta)


def test_cores_that_share_one_song_give_the_same_run():
    """A song of 300 frames is three pieces for its chains, and two blocks, so that J is carried."""
    runs = []
    for threads in (1, 3):
        song = np.resize(np.concatenate(songs()), (300, V))
        trainer = dataclasses.replace(make_trainer(threads, batch=1, block=150), train=[song])
        train(trainer, 3)
        runs.append(trainer.model.theta)
    assert np.array_equal(*runs)


def test_a_batch_of_more_songs_than_streams_has_the_gradient_of_all():
    config = TrainConfig(
        batch=20,
        block=50,
        sampler="exact",
        optimizer="sgd",
        momentum=0.0,
        learning_rate=0.1,
        clip=0.0,
        weight_decay=0.0,
        dropout=0.0,
        transpose=(0, 0),
        centre=False,
    )
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=4, recurrent=5, hidden=(), dtype="float64"), GRID, np.full(V, 0.3)
    )
    before, rolls = RnnRbm(model.config, GRID, model.theta.copy()), songs(20)
    expected = sum(song_gradient(before, roll, config)[0] for roll in rolls) / sum(map(len, rolls))
    train(Trainer(model, rolls, [], config), 1)
    assert np.allclose(before.theta - model.theta, 0.1 * expected, rtol=1e-9, atol=1e-12)


def test_every_song_keeps_its_own_chains():
    """Chains that follow strong visible biases, which are each song's own."""
    rolls = [np.eye(1, V, i % V, np.uint8).repeat(5 + i, axis=0) for i in range(20)]
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=1, recurrent=V, hidden=(), dtype="float64"), GRID, np.full(V, 0.3)
    )
    model.theta[:] = 0
    first = model.network.layers(model.params)[0]
    first[V : 2 * V, :V], first[V : 2 * V, -1] = (
        80 * np.eye(V),
        -40,
    )  # a_t says: what sounded in the frame before
    trainer = Trainer(
        model, rolls, [], TrainConfig(batch=20, learning_rate=1e-9, dropout=0.0, transpose=(-3, 3))
    )
    train(trainer, 3)
    for roll, packed in zip(rolls, trainer.particles, strict=True):
        assert np.array_equal(trainer._unpack(packed)[1:], roll[1:])


def test_the_network_learns_in_every_layer():
    """The recurrent weights change, not the RBM's alone."""
    trainer = make_trainer()
    before = {name: t.copy() for name, t in trainer.model.tensors().items()}
    train(trainer, 2)
    network, after = trainer.model.network, trainer.model.tensors()
    for name in before:
        assert not np.array_equal(before[name], after[name]), name
    recurrent = slice(network.inputs, network.inputs + network.recurrent)
    change = np.abs(after["network.1"] - before["network.1"])[:, recurrent]
    assert (change > 0).all()


def test_updates_by_batch_block_and_epoch_move_the_weights_as_often_as_they_say():
    trainers = {update: make_trainer(update=update) for update in ("batch", "block", "epoch")}
    for trainer in trainers.values():
        train(trainer, 1)
    batches = trainers["batch"].plan.epoch(0).batches
    lengths = [len(roll) for roll in trainers["batch"].train]
    assert trainers["epoch"].optimizer.steps == 1
    assert trainers["batch"].optimizer.steps == len(batches) == 3
    assert trainers["block"].optimizer.steps == sum(
        max(-(-lengths[song] // 16) for song in batch)
        for batch in trainers["block"].plan.epoch(0).batches
    )
    assert len({trainer.state.frames for trainer in trainers.values()}) == 1


def test_an_epoch_goes_through_every_song_once_in_an_order_of_its_own():
    trainer = make_trainer()
    orders = []
    for epoch in range(3):
        orders.append([int(song) for batch in trainer.plan.epoch(epoch).batches for song in batch])
        assert sorted(orders[-1]) == list(range(7))
    assert orders[0] != orders[1]


def test_transposition_keeps_every_note():
    trainer = make_trainer()
    for roll, (low, high) in zip(trainer.train, trainer.plan._reach, strict=True):
        assert -2 <= low <= 0 <= high <= 2
        for shift in range(low, high + 1):
            assert shifted(roll, shift, GRID.pitches).sum() == roll.sum()
            if roll[:, max(0, -shift) :].any():
                first = np.flatnonzero(roll.any(axis=0))[0]
                assert (
                    np.flatnonzero(shifted(roll, shift, GRID.pitches).any(axis=0))[0]
                    == first + shift
                )


def test_validations_without_a_new_best_end_the_run():
    trainer = make_trainer(
        validate_every=1, patience=3, learning_rate=0.3, average=0.0, weight_decay=0.0
    )
    events = [e for e in train(trainer, 500) if isinstance(e, Validated)]
    assert trainer.state.finished and [e.best for e in events][-4:] == [True, False, False, False]
    assert trainer.state.best == min(e.validation for e in events)
    trainer.cooling, trainer.pace = True, 0.5
    assert [
        e.rate for e in train(trainer, trainer.state.epoch + 9) if isinstance(e, Validated)
    ] == [0.15] * 9


def test_non_finite_values_are_rolled_back_with_half_the_step():
    trainer = make_trainer()
    train(trainer, 1)
    trainer._batch([0, 1])
    good = trainer.average.copy()
    trainer.model.theta[3] = np.nan  # as a step that was too large would leave it
    event = trainer._batch([2, 3])
    assert isinstance(event, RolledBack) and "network.1" in event.what
    assert np.array_equal(trainer.model.theta, good) and np.array_equal(trainer.average, good)
    assert event.rate == trainer.settings.learning_rate / 2
    assert not any(moment.any() for moment in trainer.optimizer.moments)


def test_a_hopeless_run_ends_after_three_halvings():
    trainer = make_trainer(
        learning_rate=1e3, optimizer="sgd", clip=0.0, momentum=0.0, weight_decay=10.0
    )
    with pytest.raises(Diverged, match="--learning-rate"):
        train(trainer, 200)
    assert trainer.state.rollbacks == 3
    assert np.isfinite(trainer.model.theta).all()


def test_progress_counts_frames_and_epochs():
    trainer = make_trainer()
    events = [e for e in train(trainer, 2) if isinstance(e, Progress)]
    total = sum(len(roll) for roll in trainer.train)
    assert [e.epoch for e in events] == [0, 0, 0, 1, 1, 1]
    assert (
        events[2].frames == total and events[-1].frames == 2 * total and events[2].position == 1.0
    )


def test_without_held_out_songs_the_training_songs_choose():
    trainer = make_trainer()
    trainer = dataclasses.replace(trainer, valid=[], state=dataclasses.replace(trainer.state))
    event = trainer.look()
    assert event.validation == event.loss
