"""Small models and songs for the tests of midigen.evaluation."""

import numpy as np

from midigen.config import Grid, ModelConfig
from midigen.model.rnn_rbm import RnnRbm

GRID = Grid(low=60, high=70)


def small_model(rng, hidden=6, scale=0.7, **config):
    """A Bernoulli model of 11 notes with random weights that matter."""
    config = ModelConfig(visible=11, rbm_hidden=hidden, recurrent=4, hidden=(), **config)
    model = RnnRbm.initial(config, GRID, np.full(11, 0.3))
    model.theta[:] = rng.normal(0, scale, model.theta.size)
    return model


def songs(rng, *lengths):
    """Random rolls of 11 notes."""
    return [(rng.random((length, 11)) < 0.3).astype(np.uint8) for length in lengths]
