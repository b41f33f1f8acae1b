"""Annealed importance sampling of log Z for RBMs of Bernoulli units.

Section 11 of docs/mathematics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import logit

from midigen.backends.interface import Array, Backend
from midigen.kernels.codes import MOST_MOVES
from midigen.model.exact import log_sum_on

LEAST = 1e-3  # probability, nearly, that the base gives a note, or that it is off


def anneal_chain(
    backend: Backend,
    w: Any,
    groups: Array,
    base: Array,
    a: Array,
    b: Array,
    temperatures: int,
    key: Any,
    first_row: Any,
    v: Array,
    log_weight: Array,
    stopped: Callable[[], bool] = lambda: False,
    backwards: bool = False,
) -> None:
    """Take one chain for each of N RBMs from its base to the RBM, or backwards.

    Parameters
    ----------
    backend : Backend
    w : Array (H, V)
        Weights of all of them.
    groups : Array of int64 (G, 2) or (G, 3)
    base, a : Array (N, V)
    b : Array (N, H)
        Visible biases of the bases, and the RBMs' own biases.
    temperatures : int
        Moves.
    key, first_row
        Of the draws: row n draws as row first_row + n.
    v : Array (N, V)
        Overwritten with the chains' last states, which with the weights are a properly weighted
        sample of the RBMs.  Backwards it holds a sample of the RBMs, and is overwritten.
    log_weight : Array of float64 (N,)
        log Z of the bases; added to, so that exp is an estimate of Z without bias.  Backwards -log
        Z of the bases, and exp is an estimate of 1 / Z, as far as v was a sample.
    stopped : callable
        When it is true the result is of no use.
    backwards : bool
        Whether chains go from the RBM to its base.
    """
    if not backwards:
        backend.annealing.draw_base(base, groups, key, first_row, v)
    for first in range(0, temperatures, MOST_MOVES):
        if stopped():
            return
        last = min(first + MOST_MOVES, temperatures)
        moves = first, last, temperatures, backwards
        backend.annealing.anneal(w, base, a, b, groups, *moves, key, first_row, v, log_weight)


def log_z_of_base(
    base: NDArray[Any], b: NDArray[Any], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return where log weights begin, (N,): log Z of the bases, which have no weights."""
    of_v = log_sum_on(base.astype(np.float64), groups)
    return of_v + np.logaddexp(0, b.astype(np.float64)).sum(axis=1)


def means_nearby(
    backend: Backend,
    w: Any,
    groups: Array,
    a: Array,
    b: Array,
    v: Array,
    sweeps: Sequence[int],
    key: Any,
    first_row: Any,
    first_sweep: int,
) -> NDArray[Any]:
    """Return how often each unit is on in short Gibbs chains, for a base near the RBMs, (N, V).

    Parameters
    ----------
    backend : Backend
    w, a, b
        As in `anneal_chain`.
    groups : Array of int64 (G, 2)
    v : Array (N, V)
        Where the chains begin; moved on in place.
    sweeps : sequence of int
        Before each look at the chains.
    key, first_row, first_sweep
        Of the draws.
    """
    rbm = backend.rbm["bernoulli"]
    hidden, visible = backend.empty(b.shape, b.dtype), backend.empty(a.shape, a.dtype)
    total = backend.zeros(a.shape, a.dtype)
    for count in sweeps:
        before = backend.copy(v)
        rbm.gibbs_chain(before, w, a, b, groups, count, 1.0, key, first_sweep, first_row, v)
        first_sweep += count
        rbm.hidden_probability(v, w, b, hidden)
        rbm.visible_probability(hidden, w, a, groups, visible)
        backend.optimizer.mix(1, total.reshape(total.size), 1, visible.reshape(visible.size))
    return backend.to_host(total) / len(sweeps)


def log_odds(p: NDArray[Any], groups: NDArray[np.int64], dtype: DTypeLike) -> NDArray[Any]:
    """Return visible biases that give notes these probabilities p (.., V), about.

    No note is quite certain, and in a group that none is on is not, either.
    """
    biases = logit(np.clip(p, LEAST, 1 - LEAST))
    for first, stop in groups:
        of_group = p[..., first:stop]
        none = np.maximum(1 - of_group.sum(axis=-1, keepdims=True), LEAST)
        biases[..., first:stop] = np.log(np.maximum(of_group, LEAST) / none)
    return biases.astype(dtype)
