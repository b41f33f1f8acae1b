"""Models so small that all songs can be summed, and songs of which some is given."""

import numpy as np

from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, Part
from midigen.model.context import context_of
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.sampling.given import Given, note_columns
from tests import reference

PLAIN = Grid(low=60, high=62, steps_per_beat=1)
PARTS = Grid(
    parts=(
        Part(name="lead", low=60, high=61, kind="line"),
        Part(name="chords", low=48, high=49, kind="voices"),
    ),
    steps_per_beat=1,
)


def toy_model(grid, told=False, seed=0, scale=0.8, **settings):
    """A model of random weights that matter; where `told`, with all context and gates there are."""
    visible = grid.channels
    kinds = {"context": ("position", "form", "end"), "gates": ("hold", "lag", "form", "interval")}
    if not told:
        kinds = {"context": (), "gates": ()}
    sizes = {"rbm_hidden": 3, "recurrent": 3, "hidden": (5,)}
    config = ModelConfig(visible=visible, **{**sizes, **kinds, **settings})
    model = RnnRbm.initial(config, grid, np.full(visible, 0.4))
    model.theta[:] = np.random.default_rng(seed).normal(0, scale, model.theta.size)
    return model


def outline(grid, frames):
    """Bars of one frame, the third of which is to repeat the first in all parts."""
    form = np.zeros((frames, columns_of(grid).parts), np.int64)
    form[2:] = 2
    return Outline(frames, ((0, 1, 4),), form=form)


def some_song(grid, frames, seed=0):
    """A roll of random notes, of a line the first of a frame alone."""
    rng = np.random.default_rng(seed)
    roll = (rng.random((frames, grid.channels)) < 0.4).astype(np.uint8)
    for first, stop in columns_of(grid).groups:
        line = roll[:, first:stop]
        line *= line.cumsum(axis=1) == 1
    return roll


def given(grid, frames, open_frames, columns=slice(None), seed=0, **others):
    """Some song, of which columns of some frames are open."""
    roll, fixed = some_song(grid, frames, seed), np.ones((frames, grid.channels), bool)
    for frame in open_frames:
        fixed[frame, columns] = False
    return Given(roll, fixed, outline(grid, frames), **others)


def twin(model, song, beta):
    """The model as tests/reference.py has it."""
    config, grid = model.config, model.grid
    context, columns = context_of(config, grid), columns_of(grid)
    layers = [
        (layer[:, :-1].astype(float), layer[:, -1].astype(float))
        for layer in model.network.layers(model.params)
    ]
    outputs = len(layers[-1][1])
    names = [["tanh"] * width for width in config.hidden]
    names.append(["tanh"] * config.recurrent + ["linear"] * (outputs - config.recurrent))
    gates = context.gates
    copying = (
        columns.part_of,
        gates.table,
        context.lines,
        context.heard_lines,
        gates.interval_gates,
        gates.intervals,
    )
    return reference.TinyRnnRbm(
        layers,
        names,
        model.w.astype(float),
        config.recurrent,
        context.rows(song.outline),
        context.back(song.outline),
        copying,
        columns.groups,
        beta,
    )


def possible_frames(song, grid):
    """The states that each frame may have, by looking at all."""
    limits = [(first, stop, 1) for first, stop in columns_of(grid).groups]
    if song.at_most is not None:
        limits += [
            (*place, most) for place, most in zip(note_columns(grid), song.at_most, strict=True)
        ]
    states = reference.allowed_states(grid.channels, limits)
    found = []
    for t in range(len(song.roll)):
        fits = (states == song.roll[t])[:, song.fixed[t]].all(axis=1)
        if song.allowed is not None:
            fits &= ~(states[:, ~song.allowed[t]] > 0).any(axis=1)
        found.append(states[fits])
    return found


def distance(songs, p, drawn, weights):
    """Total variation between songs of probabilities p and drawn ones of some weights."""
    found = dict.fromkeys((song.astype(np.uint8).tobytes() for song in songs), 0.0)
    numbers = np.ascontiguousarray(drawn.astype(np.uint8)).reshape(len(drawn), -1)
    kinds, which = np.unique(numbers, axis=0, return_inverse=True)
    shares = np.bincount(which.ravel(), weights / weights.sum())
    for kind, share in zip(kinds, shares, strict=True):
        found[kind.tobytes()] += share  # KeyError: a song that cannot be
    return 0.5 * np.abs(np.array(list(found.values())) - p).sum()
