"""Training with parts, context and copy gates, Eq. (26)-(29): gradient, causality, same runs."""

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend
from midigen.config import Grid, ModelConfig, Part, TrainConfig
from midigen.model.context import context_of
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.outline import Outline
from midigen.training.checkpoint import Checkpoint, save_checkpoint
from midigen.training.trainer import Trainer
from tests import reference
from tests.training.songs import exact_loss, song_gradient, train, weights

GRID = Grid(
    steps_per_beat=1,
    parts=(
        Part(name="melody", low=60, high=62, kind="line"),
        Part(name="chords", low=48, high=49, kind="block"),
        Part(name="strings", low=50, high=51, kind="voices"),
        Part(name="drums", low=36, high=36, kind="drums"),
    ),
)
V, T = GRID.channels, 23
ALL = {name: ModelConfig.setting_of(name).choices for name in ("context", "gates")}


def lively_model(dtype="float64", hidden=(4,), **changes):
    kinds = {"styles": ("jigs", "reels"), "densities": (1.0,), **ALL, **changes}
    config = ModelConfig(V, rbm_hidden=3, recurrent=2, hidden=hidden, dtype=dtype, **kinds)
    model = RnnRbm.initial(config, GRID, np.full(V, 0.2))
    model.theta[:] = np.random.default_rng(0).normal(0, 0.5, model.theta.size)
    return model


def song(frames=T, seed=1):
    """Random frames of the grid in bars of two beats behind a pickup, of which some come again."""
    rng = np.random.default_rng(seed)
    states = reference.allowed_states(V, np.array([[0, 4]]))
    roll = states[rng.integers(0, len(states), frames)].astype(np.uint8)
    metres, pickup = ((0, 2, 4), (13, 3, 4)), 1
    bars = len(Outline(frames, metres, pickup).bar_starts(GRID)) - 1
    form = rng.integers(0, 4, (bars, 4)) * (rng.random((bars, 4)) < 0.7)
    form = np.minimum(form, np.arange(bars)[:, None])
    return Told(roll, Outline(frames, metres, pickup, True, "reels", 0.5, form))


def settings(**changes):
    nothing = dict.fromkeys(("dropout", "lag_dropout", "interval_dropout", "form_dropout"), 0.0)
    return TrainConfig(**{"sampler": "exact", **nothing, **changes})


@pytest.mark.parametrize("block", [1, 7, T])
def test_a_song_matches_finite_differences_of_its_exact_log_likelihood(block):
    """Whatever the blocks of real-time recurrent learning, and every kind of gate has a part."""
    model = lively_model()
    gradient, _ = song_gradient(model, song(), settings(block=block))
    numeric = reference.central_differences(exact_loss(model, [song()]), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7
    gates = context_of(model.config, GRID).gates
    bias = model.network.layers(gradient)[-1][model.gate_part, -1]
    for kind in ("hold", "lag", "form"):
        rows = [row for row, name in enumerate(gates.sources) if name.startswith(kind)]
        assert np.abs(bias[gates.table[rows].max(axis=1)]).min() > 1e-3
    first = gates.interval_gates[0]
    assert np.abs(bias[first : first + len(gates.intervals)]).max() > 1e-2


@pytest.mark.parametrize("hidden", [(), (4,)])
@pytest.mark.parametrize("way", ["blocks", "textbook"])
def test_songs_behind_one_another_start_anew(hidden, way):
    model, songs = lively_model(hidden=hidden), [song(9), song(5, 2), song(17, 3)]
    apart = sum(song_gradient(model, one, settings(block=100))[0] for one in songs)
    for block in (1, 7, 100):
        together, _ = song_gradient(model, songs, settings(block=block, gradient=way))
        assert np.abs(together - apart).max() / np.abs(apart).max() < 1e-10


@pytest.mark.parametrize("gates", [("hold",), ("lag",), ("form",), ("interval",), ALL["gates"]])
def test_a_frame_changes_nothing_up_to_itself_and_something_behind(gates):
    model, (roll, outline) = lively_model(gates=gates), song()
    before = model.run(Told(roll, outline))
    for t in range(T - 1):
        other = roll.copy()
        other[t] = np.roll(roll[t], 1)
        other[t, :4] = np.roll(roll[t, :4], 1)
        other[t, 10] = not roll[t, 10]
        after = model.run(Told(other, outline))
        for found, expected in zip(after, before, strict=True):
            assert np.array_equal(found[: t + 1], expected[: t + 1])
            assert np.abs(found[t + 1] - expected[t + 1]).max() > 1e-6


def test_the_likelihood_is_one_over_the_frames_that_may_be():
    """Of the last frame of a song, given the others and what is told."""
    model, (roll, outline) = lively_model(), song(7)
    total = 0.0
    for frame in reference.allowed_states(V, np.array([[0, 4]])):
        changed = np.concatenate([roll[:-1], frame[None].astype(np.uint8)])
        total += np.exp(model.exact_log_likelihood(Told(changed, outline))[-1])
    assert total == pytest.approx(1, abs=1e-10)


def make_trainer(threads=1, dtype="float32", **changes):
    config = {"batch": 2, "block": 8, "gibbs_steps": 2, "self_fed": 0.3, "transpose": (-1, 1)}
    songs = [song(15 + i, i) for i in range(5)]
    model = lively_model(dtype)
    model.theta *= 0.2
    return Trainer(
        model, songs[:4], songs[4:], TrainConfig(**{**config, **changes}), CpuBackend(threads)
    )


CHANGES = [
    {},
    {"update": "block"},
    {"concatenate": True},
    {"sampler": "cd", "noise": 0.1},
    {"negative": "bounded"},
    {"negative": "bounded", "negative_source": "own"},
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_run_is_the_same_on_one_core_and_two(changes):
    runs = [make_trainer(threads, **changes) for threads in (1, 2)]
    for trainer in runs:
        train(trainer, 3)
    assert np.isfinite(weights(runs[0])).all()
    assert not np.array_equal(weights(runs[0]), runs[0].model.theta)
    assert np.array_equal(*map(weights, runs))


@pytest.mark.parametrize("changes", CHANGES)
def test_a_run_that_was_stopped_goes_on_to_the_bit(tmp_path, changes):
    straight, stopped = make_trainer(**changes), make_trainer(**changes)
    train(straight, steps=9)
    train(stopped, steps=5)
    save_checkpoint(tmp_path, stopped, "corpus", "digest")
    resumed = Checkpoint(tmp_path).trainer(stopped.train, stopped.valid)
    train(resumed, steps=9)
    assert resumed.state.steps == straight.state.steps == 9
    assert np.array_equal(weights(resumed), weights(straight))
    assert np.array_equal(resumed.averaged().theta, straight.averaged().theta)


def test_what_is_hidden_changes_from_epoch_to_epoch_and_not_within():
    trainer = make_trainer()
    first = trainer._hidden()
    assert trainer._hidden() is first
    train(trainer, 1)
    second = trainer._hidden()
    assert not np.array_equal(first.own, second.own)
    train(trainer, steps=trainer.state.steps + 1)
    assert trainer._hidden() is second
    assert np.array_equal(make_trainer()._hidden().own, first.own)
