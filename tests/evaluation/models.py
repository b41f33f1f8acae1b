"""Small models and songs for the tests of midigen.evaluation."""

import numpy as np

from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, Part
from midigen.model.rnn_rbm import RnnRbm

GRID = Grid(low=60, high=70)
PARTS = Grid(
    parts=(
        Part(name="lead", low=60, high=64, kind="line"),
        Part(name="chords", low=48, high=51, kind="voices"),
    )
)


def small_model(rng, hidden=6, scale=0.7, grid=GRID, **config):
    """A Bernoulli model of 11 notes with random weights that matter."""
    config = ModelConfig(visible=11, rbm_hidden=hidden, recurrent=4, hidden=(), **config)
    model = RnnRbm.initial(config, grid, np.full(11, 0.3))
    model.theta[:] = rng.normal(0, scale, model.theta.size)
    return model


def songs(rng, *lengths):
    """Random rolls of 11 notes."""
    return [(rng.random((length, 11)) < 0.3).astype(np.uint8) for length in lengths]


def songs_of_parts(rng, *lengths):
    """The same of PARTS: of a line only the first note is kept."""
    rolls = songs(rng, *lengths)
    for first, stop in columns_of(PARTS).groups:
        for roll in rolls:
            line = roll[:, first:stop]
            line *= line.cumsum(axis=1) == 1
    return rolls
