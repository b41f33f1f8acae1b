import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import Diverged, Progress, RolledBack, Validated
from midigen.training.schedule import Pace
from midigen.training.trainer import MOST_SERIES, Trainer
from tests.training.songs import read, song_gradient, train, weights

GRID = Grid(low=60, high=67)
V = GRID.channels


def songs(count=7, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (rng.random((int(rng.integers(5, 40)), V)) < 0.3).astype(np.uint8) for _ in range(count)
    ]


def make_trainer(threads=0, train=None, valid=None, backend=None, **changes):
    config = TrainConfig(
        **{"batch": 3, "block": 16, "gibbs_steps": 2, "transpose": (-2, 2), "seed": 4, **changes}
    )
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=6, recurrent=5, hidden=(4,)), GRID, np.full(V, 0.3), config.seed
    )
    train = songs() if train is None else train
    valid = songs(2, 9) if valid is None else valid
    return Trainer(model, train, valid, config, backend or CpuBackend(threads))


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
    runs = [make_trainer(threads, **changes) for threads in (1, 2, 3)]
    for run in runs:
        train(run, 2)
    assert not np.array_equal(weights(runs[0]), runs[0].model.theta)
    for run in runs[1:]:
        assert np.array_equal(weights(run), weights(runs[0]))
        assert np.array_equal(run.averaged().theta, runs[0].averaged().theta)


def test_cores_that_share_one_song_give_the_same_run():
    """A song of 300 frames is three pieces for its chains, and two blocks, so that J is carried."""
    runs, song = [], np.resize(np.concatenate(songs()), (300, V))
    for threads in (1, 3):
        trainer = make_trainer(threads, [song], batch=1, block=150)
        train(trainer, 3)
        runs.append(weights(trainer))
    assert np.array_equal(*runs)


def test_a_batch_of_more_songs_than_series_has_the_gradient_of_all():
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
    rolls = songs(20)
    assert len(rolls) > MOST_SERIES
    expected = sum(song_gradient(model, roll, config)[0] for roll in rolls) / sum(map(len, rolls))
    trainer = Trainer(model, rolls, [], config)
    train(trainer, 1)
    assert np.allclose(model.theta - weights(trainer), 0.1 * expected, rtol=1e-9, atol=1e-12)


def test_every_song_keeps_its_own_chains(backend):
    """Chains that follow strong visible biases, which are each song's own, transposed or not."""
    rolls = [np.eye(1, V, i % V, np.uint8).repeat(5 + i % 4, axis=0) for i in range(20)]
    model = RnnRbm.initial(
        ModelConfig(V, rbm_hidden=1, recurrent=V, hidden=(), dtype="float64"), GRID, np.full(V, 0.3)
    )
    model.theta[:] = 0
    # a_t says: what sounded in the frame before
    a = model.network.layers(model.params)[0][V : 2 * V]
    a[:, :V], a[:, -1] = 80 * np.eye(V), -40
    config = TrainConfig(
        batch=20, learning_rate=1e-9, dropout=0.0, transpose=(-3, 3), gibbs_steps=1
    )
    trainer = Trainer(model, rolls, [], config, backend)
    train(trainer, 3)
    for song, roll in enumerate(rolls):
        assert np.array_equal(read(backend, trainer.state.particles, song, V)[1:], roll[1:])


def test_the_network_learns_in_every_layer():
    """The recurrent weights change, not the RBM's alone."""
    trainer = make_trainer()
    train(trainer, 2)
    network, before = trainer.model.network, trainer.model.tensors()
    after = trainer.current().tensors()
    for name in before:
        assert not np.array_equal(before[name], after[name]), name
    recurrent = slice(network.inputs, network.inputs + network.recurrent)
    change = np.abs(after["network.1"] - before["network.1"])[:, recurrent]
    assert (change > 0).all()


def test_the_model_that_training_starts_from_stays_as_it_is(backend):
    trainer = make_trainer(train=songs(2), valid=[], backend=backend, gibbs_steps=1)
    before = trainer.model.theta.copy()
    train(trainer, steps=1)
    assert np.array_equal(trainer.model.theta, before)
    assert not np.array_equal(weights(trainer), before)


def test_updates_by_batch_block_and_epoch_move_the_weights_as_often_as_they_say():
    trainers = {update: make_trainer(update=update) for update in ("batch", "block", "epoch")}
    for trainer in trainers.values():
        train(trainer, 1)
    batches = trainers["batch"].plan.epoch(0).batches
    lengths = [len(song.roll) for song in trainers["batch"].train]
    assert trainers["epoch"].state.steps == 1
    assert trainers["batch"].state.steps == len(batches) == 3
    assert trainers["block"].state.steps == sum(
        max(-(-lengths[song] // 16) for song in batch)
        for batch in trainers["block"].plan.epoch(0).batches
    )
    assert len({trainer.counters.frames for trainer in trainers.values()}) == 1


def test_an_epoch_goes_through_every_song_once_in_an_order_of_its_own():
    trainer = make_trainer()
    orders = []
    for epoch in range(3):
        orders.append([int(song) for batch in trainer.plan.epoch(epoch).batches for song in batch])
        assert sorted(orders[-1]) == list(range(7))
    assert orders[0] != orders[1]


def test_transposition_keeps_every_note():
    """Songs move as a whole, as far as the plan says that they may."""
    trainer = make_trainer()
    for song, (low, high) in enumerate(trainer.plan._reach):
        roll = trainer.train[song].roll
        assert -2 <= low <= 0 <= high <= 2
        first = np.flatnonzero(roll.any(axis=0))[0]
        for shift in range(low, high + 1):
            moved = read(trainer.backend, trainer._songs, song, V, shift)
            assert moved.sum() == roll.sum()
            assert np.flatnonzero(moved.any(axis=0))[0] == first + shift


def test_validations_without_a_new_best_end_the_run():
    trainer = make_trainer(
        validate_every=1, patience=3, learning_rate=0.3, average=0.0, weight_decay=0.0
    )
    events = [e for e in train(trainer, 500) if isinstance(e, Validated)]
    counters = trainer.counters
    assert counters.finished and [e.best for e in events][-4:] == [True, False, False, False]
    assert counters.best == min(e.validation for e in events)
    assert train(trainer, counters.epoch + 9) == []
    cooling = train(trainer, counters.epoch + 9, pace=Pace(0.5, cooling=True))
    assert [e.rate for e in cooling if isinstance(e, Validated)] == [0.15] * 9


def test_the_slower_the_weights_move_the_more_gibbs_steps():
    """A pace of 1/2 while a run cools down has twice the steps: the same weights as with these."""
    runs = []
    for steps, rate, pace in ((2, 0.2, Pace(0.5, cooling=True)), (4, 0.1, Pace(1.0))):
        trainer = make_trainer(gibbs_steps=steps, learning_rate=rate)
        train(trainer, 1, pace=pace)
        runs.append(weights(trainer))
    assert np.array_equal(*runs)


@pytest.mark.parametrize("concatenate", [False, True])
def test_non_finite_values_are_rolled_back_with_half_the_step(backend, concatenate):
    trainer = make_trainer(
        train=songs(4), valid=[], backend=backend, batch=2, gibbs_steps=1, concatenate=concatenate
    )
    train(trainer, steps=1)
    state, to_host = trainer.state, backend.to_host
    good, particles = trainer.averaged().theta, to_host(state.particles.kept).copy()
    carries, frames = dict(state.carries), trainer.counters.frames
    bad = weights(trainer).copy()
    bad[3] = np.nan  # as a step that was too large would leave it
    backend.assign(state.theta, backend.to_device(bad))
    event = trainer._batch(np.array([2, 3]))
    assert isinstance(event, RolledBack) and "network.1" in event.what
    assert np.array_equal(weights(trainer), good)
    assert np.array_equal(trainer.averaged().theta, good)
    assert event.rate == trainer.rate == trainer.settings.learning_rate / 2
    assert not any(to_host(moment).any() for moment in state.moments)
    assert np.array_equal(to_host(state.particles.kept), particles)
    assert state.carries == carries and trainer.counters.frames == frames
    assert all(isinstance(e, Progress) for e in train(trainer, steps=state.steps + 1))


def test_a_hopeless_run_ends_after_three_halvings():
    trainer = make_trainer(
        learning_rate=1e3, optimizer="sgd", clip=0.0, momentum=0.0, weight_decay=10.0
    )
    with pytest.raises(Diverged, match="--learning-rate"):
        train(trainer, 200)
    assert trainer.counters.rollbacks == 3
    assert np.isfinite(weights(trainer)).all()


def test_progress_counts_frames_and_epochs():
    trainer = make_trainer()
    events = [e for e in train(trainer, 2) if isinstance(e, Progress)]
    total = sum(len(song.roll) for song in trainer.train)
    assert [e.epoch for e in events] == [0, 0, 0, 1, 1, 1]
    assert [e.steps for e in events] == [1, 2, 3, 4, 5, 6]
    assert events[2].frames == total and events[-1].frames == 2 * total
    assert events[2].position == 1.0


def test_epochs_done_has_a_fraction():
    trainer = make_trainer()
    train(trainer, steps=4)
    assert trainer.epochs_done == pytest.approx(4 / 3)


def test_without_held_out_songs_the_training_songs_choose():
    event = make_trainer(valid=[]).validate()
    assert event.validation == event.loss


def test_the_cpu_is_the_backend_where_none_is_named():
    trainer = make_trainer()
    assert Trainer(trainer.model, songs(), [], trainer.settings).backend is cpu_backend()
