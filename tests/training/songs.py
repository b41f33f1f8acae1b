"""What the tests of a song's gradient share, for Bernoulli and Gaussian units."""

import numpy as np

from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key
from midigen.training.gradient import Carry, Stream


def song_gradient(model, rolls, config, carry=None, negative=False):
    """The gradient of a song or a list of them, all their blocks, as training computes it, and what is carried on."""
    gradient = np.zeros_like(model.theta)
    rolls = rolls if isinstance(rolls, list) else [rolls]
    stream = Stream(
        model, rolls, carry or Carry.start(model), derive_key(0, "test"), config, negative=negative
    )
    while not stream.done:
        stream.step(gradient)
    return gradient, stream.carry


def exact_loss(model, rolls, concatenate=False):
    """-log p of songs, apart or as one series, as a function of theta."""
    rolls = [np.concatenate(rolls)] if concatenate else rolls
    return lambda theta: (
        -sum(RnnRbm(model.config, model.grid, theta).exact_log_likelihood(r).sum() for r in rolls)
    )
