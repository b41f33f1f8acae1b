"""Songs of parts whose model is told their outlines and copies them: the GPU's and the CPU's."""

import numpy as np
import pytest

from midigen.backends.choose import backend_of
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, Part, TrainConfig
from midigen.evaluation.likelihood import teacher_forced
from midigen.generation import generate_songs
from midigen.model.card import ModelCard
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.outline import Outline
from midigen.randomness import derive_key
from midigen.training import trainer as module
from midigen.training.schedule import FULL_PACE
from midigen.training.trainer import Trainer

PARTS = Grid(
    steps_per_beat=1,
    parts=(
        Part(name="lead", low=60, high=64, kind="line"),
        Part(name="chords", low=48, high=51, kind="block"),
        Part(name="pads", low=50, high=53, kind="voices"),
        Part(name="drums", low=36, high=37, kind="drums"),
    ),
)
ONE = Grid(low=60, high=64, steps_per_beat=1)  # whose top line is remembered and not heard
LOUD = Grid(low=60, high=64, steps_per_beat=1, values="velocity")
pytestmark = pytest.mark.cuda


def told_songs(grid, count=3):
    """Songs of a few bars of 2/4, each of which repeats the one before in some parts.

    Pitches leave room for transposition.
    """
    rng, songs = np.random.default_rng(0), []
    for number in range(count):
        frames = 9 - number
        loudness = rng.integers(1, 128 if grid.values == "velocity" else 2, (frames, grid.channels))
        roll = ((rng.random((frames, grid.channels)) < 0.3) * loudness).astype(np.uint8)
        if grid.parts:  # one voice: a note, then held
            roll[:, :6] = np.eye(6, dtype=np.uint8)[rng.integers(1, 6, frames)]
        for first, stop in columns_of(grid).ranges:
            roll[:, [first, stop - 1]] = 0
        bars = len(Outline(frames, ((0, 2, 4),), pickup=number % 2).bar_starts(grid)) - 1
        form = rng.integers(0, 2, (bars, max(1, len(grid.parts))))
        form[0] = 0
        style, minor = ("waltz", "")[number % 2], bool(number % 2)
        outline = Outline(
            frames, ((0, 2, 4),), number % 2, minor, style, density=0.5 + number, form=form
        )
        songs.append(Told(roll, outline))
    return songs


def lively(grid, gaussian=False, dtype="float64"):
    """A small model with every gate and all context, whose gates are open."""
    config = ModelConfig(
        grid.channels,
        rbm_hidden=3,
        recurrent=3,
        hidden=(4,),
        dtype=dtype,
        visible_model="gaussian" if gaussian else "bernoulli",
        context=("position", "form", "end", "mode", "style", "density"),
        gates=("hold", "lag", "form", "interval"),
        styles=("waltz",),
        densities=(1.0, 2.0),
    )
    card = ModelCard(outlines=tuple(song.outline for song in told_songs(grid)))
    model = RnnRbm.initial(config, grid, np.full(grid.channels, 0.2), 1, card)
    model.theta[:] += np.random.default_rng(1).normal(0, 0.3, model.theta.size)
    return model


def make_trainer(device, grid, gaussian=False, valid=(), **changes):
    settings = TrainConfig(
        **{"batch": 2, "block": 4, "gibbs_steps": 1, "transpose": (-2, 2), "seed": 4}
        | {"dropout": 0.2, "self_fed": 0.0 if gaussian else 0.4}
        | changes
    )
    return Trainer(lively(grid, gaussian), told_songs(grid), valid, settings, backend_of(device))


@pytest.mark.parametrize(
    "series, grid, changes",
    [
        (8, PARTS, {}),
        (1, PARTS, {"noise": 0.1, "update": "block", "block": 3}),
        (8, PARTS, {"negative": "bounded", "negative_songs": 2, "sampler": "cd"}),
        (1, PARTS, {"concatenate": True}),
        (1, ONE, {}),
        (8, LOUD, {"gaussian": True}),
        (1, LOUD, {"gaussian": True, "sampler": "cd", "noise": 0.1}),
    ],
    ids=["parts", "blocks", "noise", "one series", "no parts", "velocities", "noisy velocities"],
)
def test_both_devices_train_the_same(monkeypatch, series, grid, changes):
    """With frames that it made itself, lags, forms and lines that are hidden, transposed."""
    monkeypatch.setattr(module, "MOST_SERIES", series)
    one, other = (make_trainer(device, grid, **changes) for device in ("cpu", "cuda"))
    assert one.plan.epoch(0).shifts.any()
    for trainer in (one, other):
        paces = iter([FULL_PACE] * 3 + [None])
        list(trainer.run(lambda paces=paces: next(paces)))
    near = 1e-6 if "gaussian" in changes else 1e-9  # normal numbers are of float32
    weights = [trainer.current().theta for trainer in (one, other)]
    assert np.abs(weights[0] - one.model.theta).max() > 1e-3
    np.testing.assert_allclose(weights[1], weights[0], rtol=0, atol=near)
    if one.state.particles:
        kept = [t.backend.to_host(t.state.particles.kept) for t in (one, other)]
        np.testing.assert_allclose(kept[1], kept[0], rtol=0, atol=near)


@pytest.mark.parametrize("grid, gaussian", [(PARTS, False), (ONE, False), (LOUD, True)])
def test_both_devices_say_the_same_of_songs(grid, gaussian):
    """Likelihoods, free energies, samples and biases of songs that go side by side."""
    model, songs, found = lively(grid, gaussian), told_songs(grid), []
    for device in ("cpu", "cuda"):
        placed = PlacedModel(model, backend_of(device))
        found.append(
            [
                placed.of_every_song(songs, job)
                for job in (
                    placed.pseudo_log_likelihood,
                    placed.free_energy,
                    lambda run: placed.sample(run, 2, [derive_key(0, i) for i in run.songs]),  # noqa: B023
                )
            ]
        )
        forced = teacher_forced(placed, songs)
        found[-1].append([forced.a, forced.b, forced.energy])
    for ours, theirs in zip(*found, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-5 if gaussian else 1e-9)


@pytest.mark.parametrize("grid, gaussian", [(PARTS, False), (ONE, False), (LOUD, True)])
@pytest.mark.parametrize("begun", [0, 3])
def test_both_devices_make_the_same_songs(grid, gaussian, begun):
    """Of outlines of several lengths, from silence and after a primer."""
    model, songs = lively(grid, gaussian), told_songs(grid)
    outlines, primer = [song.outline for song in songs], songs[0].roll[:begun] if begun else None
    made = [
        list(generate_songs(model, 0, 3, primer, 0.9, 2, 5, None, backend_of(device), outlines))
        for device in ("cpu", "cuda")
    ]
    assert [len(song) for song in made[0]] == [outline.frames - begun for outline in outlines]
    for ours, theirs in zip(*made, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert np.concatenate(made[0]).any()


@pytest.mark.parametrize("grid, gaussian", [(PARTS, False), (LOUD, True)])
def test_both_devices_validate_the_same(monkeypatch, grid, gaussian):
    """With the levels that a Gaussian model chooses, and songs held out."""
    monkeypatch.setattr(module, "SAMPLE", {"frames": 4, "count": 2})
    events = [
        make_trainer(device, grid, gaussian, valid=told_songs(grid)[:2]).validate()
        for device in ("cpu", "cuda")
    ]
    assert events[1].loss == pytest.approx(events[0].loss, rel=1e-5)
    assert events[1].validation == pytest.approx(events[0].validation, rel=1e-5)
