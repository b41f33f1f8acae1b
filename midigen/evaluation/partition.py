"""Estimates of the partition functions of large RBMs, from both sides.  Eq. (30)-(31).

Annealed importance sampling from a base to the RBM gives log Z too low on average, and backwards,
from a sample of the RBM to the base, too high: Burda, Grosse and Salakhutdinov (AISTATS 2015),
Grosse, Ghahramani and Adams (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from midigen.columns import columns_of
from midigen.model.annealing import anneal_chain, log_odds, log_z_of_base, means_nearby
from midigen.model.placed import PlacedModel
from midigen.progress import Advance
from midigen.randomness import derive_key, generator

BASE_SWEEPS, BASE_SAMPLES = 10, 25  # Gibbs sweeps before the base looks, and samples, 2 apart
BASE_SHARE = 0.05  # of the notes' own means in the base, which so gives every note a chance
BACK_SWEEPS = 20  # Gibbs sweeps between the end of a chain and the start of one backwards

Floats = NDArray[np.float64]


class LogZ(NamedTuple):
    """log Z of N RBMs, float64 (N,) each.

    Parameters
    ----------
    low, high : ndarray
        Of chains to the RBMs, and backwards; high is NaN where there are none.
    variance : ndarray
        Of low.
    apart : ndarray
        What high - low is on average, about: half the variance of each.
    """

    low: Floats
    high: Floats
    variance: Floats
    apart: Floats


def estimate_log_z(
    placed: PlacedModel,
    a: NDArray[Any],
    b: NDArray[Any],
    means: NDArray[Any],
    temperatures: int,
    chains: int,
    seed: int,
    backwards: bool = True,
    advance: Advance = lambda rows: None,
) -> LogZ:
    """Estimate log Z of the RBMs of N frames, on all threads.

    Parameters
    ----------
    placed : PlacedModel
        Of Bernoulli units.
    a : ndarray (N, V)
    b : ndarray (N, H)
        The RBMs' biases.
    means : ndarray (V,)
        How often each note sounds, for the bases.
    temperatures, chains, seed : int
        Chains are for each frame, and as many backwards.
    backwards : bool
        Whether there are chains backwards.
    advance : callable
        Told from worker threads how many more frames are done.
    """
    backend, size = placed.backend, placed.backend.rows_at_once
    ends = generator(seed, "ends").random((chains, len(a)))

    def job(first: int, stopped: Callable[[], bool]) -> Floats:
        rows = slice(first, first + size)
        base = near_base(placed, a[rows], b[rows], means, seed, first)
        rbms = _Rbms(placed, base, a[rows], b[rows], temperatures, seed, first, stopped)
        found, states = rbms.anneal(chains)
        if backwards:
            found = np.concatenate([found, rbms.anneal_back(_choose(found, states, ends[:, rows]))])
        if not stopped():
            advance(len(base))
        return found

    found = np.concatenate(list(backend.map(job, range(0, len(a), size))), axis=1)
    low, variance = _mean_weight(found[:chains])
    if not backwards:
        return LogZ(low, np.full_like(low, np.nan), variance, variance / 2)
    back, back_variance = _mean_weight(found[chains:])
    return LogZ(low, -back, variance, (variance + back_variance) / 2)


class _Rbms:
    """The RBMs of some frames, on the device, with their bases."""

    def __init__(
        self,
        placed: PlacedModel,
        base: NDArray[Any],
        a: NDArray[Any],
        b: NDArray[Any],
        temperatures: int,
        seed: int,
        first_row: int,
        stopped: Callable[[], bool],
    ) -> None:
        self._placed, self._seed, self._first_row = placed, seed, first_row
        self._temperatures, self._stopped = temperatures, stopped
        self._base, self._a, self._b = map(placed.backend.to_device, (base, a, b))
        self._shape, self._dtype = a.shape, a.dtype
        self._start = log_z_of_base(base, b, columns_of(placed.model.grid).groups)

    def anneal(self, chains: int) -> tuple[Floats, NDArray[Any]]:
        """Return log weights float64 (C, N) of chains to the RBMs, and where they end (C, N, V)."""
        backend = self._placed.backend
        weights, states = np.empty((chains, self._shape[0])), []
        for chain in range(chains):
            v = backend.empty(self._shape, self._dtype)
            weights[chain] = self._take("anneal", chain, v, backwards=False)
            states.append(np.array(backend.to_host(v)))
        return weights, np.stack(states)

    def anneal_back(self, states: NDArray[Any]) -> Floats:
        """Return log weights float64 (C, N) of chains from near `states` (C, N, V) to the bases."""
        placed, backend = self._placed, self._placed.backend
        weights = np.empty(states.shape[:2])
        for chain, state in enumerate(states):
            before, v = backend.to_device(state), backend.to_device(state)
            key = derive_key(self._seed, "mix", chain)
            rbm = (placed.w, self._a, self._b, placed.groups[0])
            gibbs = backend.rbm["bernoulli"].gibbs_chain
            gibbs(before, *rbm, BACK_SWEEPS, 1.0, key, 1, self._first_row, v)
            weights[chain] = self._take("back", chain, v, backwards=True)
        return weights

    def _take(self, what: str, chain: int, v: Any, backwards: bool) -> NDArray[Any]:
        """Take one chain for each RBM; return its log weights (N,)."""
        placed, backend = self._placed, self._placed.backend
        weights = backend.to_device(-self._start if backwards else self._start)
        anneal_chain(
            backend,
            placed.w,
            placed.groups[0],
            self._base,
            self._a,
            self._b,
            self._temperatures,
            derive_key(self._seed, what, chain),
            self._first_row,
            v,
            weights,
            self._stopped,
            backwards,
        )
        return backend.to_host(weights)


def near_base(
    placed: PlacedModel,
    a: NDArray[Any],
    b: NDArray[Any],
    means: NDArray[Any],
    seed: int,
    first_row: int,
) -> NDArray[Any]:
    """Make bases that lie near the RBMs of N frames.

    They have the notes' means in short chains, smoothed with `means` (V,).  Any base gives an
    unbiased Z; from a near one the chains agree sooner.

    Returns
    -------
    ndarray (N, V)
        Visible biases.
    """
    backend, key = placed.backend, derive_key(seed, "base")
    groups, v = columns_of(placed.model.grid).groups, backend.empty(a.shape, a.dtype)
    start = np.tile(log_odds(means, groups, a.dtype), (len(a), 1))
    backend.annealing.draw_base(backend.to_device(start), *placed.groups, key, first_row, v)
    nearby = means_nearby(
        backend,
        placed.w,
        placed.groups[0],
        backend.to_device(a),
        backend.to_device(b),
        v,
        [BASE_SWEEPS] + [2] * (BASE_SAMPLES - 1),
        key,
        first_row,
        1,
    )
    share = (1 - BASE_SHARE) * nearby + BASE_SHARE * means
    return log_odds(share, groups, a.dtype)


def _choose(log_weights: Floats, states: NDArray[Any], uniform: Floats) -> NDArray[Any]:
    """Draw the ends of chains (C, N, V) in proportion to their weights, by uniform (C, N)."""
    chains, count = log_weights.shape
    share = np.cumsum(np.exp(log_weights - logsumexp(log_weights, axis=0)), axis=0)
    chosen = (share[None] < uniform[:, None]).sum(axis=1)
    return states[np.minimum(chosen, chains - 1), np.arange(count)]


def _mean_weight(log_weights: Floats) -> tuple[Floats, Floats]:
    """Return log mean exp over chains (C, N), and its variance by the delta method, (N,) each."""
    chains = len(log_weights)
    found = logsumexp(log_weights, axis=0) - math.log(chains)
    if chains == 1:
        return found, np.full_like(found, np.nan)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    return found, weights.var(axis=0, ddof=1) / (chains * weights.mean(axis=0) ** 2)
