"""The log-likelihood of songs under a model, in nats a frame.

Section 11 of docs/mathematics.md, docs/evaluation.md.

log p(v_t | v_<t) = -F(v_t) - log Z_t, every frame, the first included, over all visible units.
Where the RBM is small log Z is summed exactly; else chains of annealed importance sampling estimate
it, each Z without bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from midigen.columns import columns_of
from midigen.errors import MidigenError
from midigen.model.annealing import anneal_chain, log_odds, log_z_of_base, means_nearby
from midigen.model.exact import LARGEST, log_partition, units_summed
from midigen.model.placed import Description, PlacedModel, SongRun
from midigen.model.songs import AnySong, told
from midigen.randomness import derive_key

SPREAD = 1.0  # nats between a frame's chains beyond which their mean hangs on the luckiest of them
BASE_SWEEPS, BASE_SAMPLES = 10, 25  # Gibbs sweeps before the base looks, and samples, 2 apart
BASE_SHARE = 0.05  # of the notes' own means in the base, which so gives every note a chance


class TeacherForced(NamedTuple):
    """All frames of some songs, N in all, each RBM's biases made from the song itself.

    v (N, V), the frames before them (N, V), a (N, V), b (N, H), and F(v) (N,) float64.
    """

    v: NDArray[Any]
    before: NDArray[Any]
    a: NDArray[Any]
    b: NDArray[Any]
    energy: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Likelihood:
    """log p of N frames, in nats.

    Attributes
    ----------
    frames : ndarray of float64 (N,)
    variance : ndarray of float64 (N,)
        Of these estimates, 0 where `exact`.
    spread : ndarray of float64 (N,)
        Standard deviation of the log weights between a frame's chains.
    exact : bool
        Whether Z was summed.
    """

    frames: NDArray[np.float64]
    variance: NDArray[np.float64]
    spread: NDArray[np.float64]
    exact: bool

    @property
    def mean(self) -> float:
        """Nats a frame."""
        return float(self.frames.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `mean` from the sampling of Z; it says nothing about other songs."""
        return float(math.sqrt(self.variance.sum()) / len(self.frames))

    @property
    def flattery(self) -> float:
        """What `mean` is too high by, about.

        E[log Z'] = log Z - variance / 2 for an unbiased Z', to second order.
        """
        return float(self.variance.mean() / 2)

    @property
    def disagreeing(self) -> float:
        """Share of the frames whose chains disagree: the spread is over SPREAD."""
        return float((self.spread > SPREAD).mean())


def is_exact(model: Description) -> bool:
    """Say whether log Z is summed, not estimated."""
    hidden, visible = model.w.shape
    return units_summed(visible, hidden, columns_of(model.grid).groups) <= LARGEST


def conditional_on(model: Description) -> list[str]:
    """Name what a model is told of a song that its past does not say.

    A likelihood given any of it is not to be put beside one without: `form` above all tells much of
    the song, and songs that were all moved to one key are told theirs.  The position in the bar is
    a clock, and copies are made of the past.
    """
    config = model.config
    told_ahead = [kind for kind in config.context if kind != "position"]
    if "form" in config.gates and "form" not in told_ahead:
        told_ahead.append("form")
    return told_ahead + ["key"] * (model.grid.tonic == "one")


def check_measurable(model: Description) -> None:
    """Refuse a model without a likelihood in nats a frame that could be compared: MidigenError."""
    if model.gaussian:
        raise MidigenError(
            "the likelihood of a Gaussian model is a density, and is not measured yet: "
            "judge its songs with --songs"
        )


def teacher_forced(placed: PlacedModel, songs: Sequence[AnySong]) -> TeacherForced:
    """Run the network over songs, or rolls, uint8 (T, V), each from a silent start.

    The biases a are those behind the copy gates, Eq. (27).
    """
    model, host = placed.model, placed.backend.to_host

    def job(run: SongRun) -> NDArray[Any]:
        u = host(run.u)
        energy = placed.free_energy(run)
        return np.concatenate([u.reshape(len(energy), -1), energy[:, None]], axis=1)

    frames = [model.frames(told(song).roll) for song in songs]
    before = [np.concatenate([np.zeros_like(v[:1]), v[:-1]]) for v in frames]
    found = np.concatenate(placed.of_every_song(songs, job))
    a, b = (found[:, part].astype(model.network.dtype) for part in model.output_parts[:2])
    return TeacherForced(np.concatenate(frames), np.concatenate(before), a, b, found[:, -1].copy())


def estimate_log_likelihood(
    placed: PlacedModel,
    songs: TeacherForced,
    temperatures: int = 2000,
    chains: int = 4,
    seed: int = 0,
    means: NDArray[Any] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Likelihood:
    """Estimate the log-likelihood of songs.

    The same arguments give the same figures on any number of threads.

    Parameters
    ----------
    placed : PlacedModel
        Of Bernoulli units.
    songs : TeacherForced
        What `teacher_forced` has given.
    temperatures : int
        Moves of each chain from the base to the RBM.
    chains : int
        For each frame.
    seed : int
    means : ndarray (V,), optional
        How often each note sounds in the training songs, which speeds the chains up; left out,
        those of `songs`.
    progress : callable, optional
        Called from worker threads with the frames that were done.

    Returns
    -------
    Likelihood
    """
    check_measurable(placed.model)
    exact, w = is_exact(placed.model), placed.model.w
    groups = columns_of(placed.model.grid).groups
    means = songs.v.mean(axis=0) if means is None else np.asarray(means)

    def job(first: int, stopped: Callable[[], bool]) -> NDArray[np.float64]:
        rows = slice(first, first + placed.backend.rows_at_once)
        a, b = songs.a[rows], songs.b[rows]
        if stopped():
            return np.zeros((1, len(a)))
        if exact:
            log_z = log_partition(w, a, b, groups=groups)[None]
        else:
            base = near_base(placed, a, b, means, seed, first)
            log_z = anneal(placed, base, a, b, temperatures, chains, seed, first, stopped)
        if progress:
            progress(len(a))
        return log_z

    starts = range(0, len(songs.v), placed.backend.rows_at_once)
    log_weights = np.concatenate(list(placed.backend.map(job, starts)), axis=1)
    log_z = logsumexp(log_weights, axis=0) - math.log(len(log_weights))
    if exact:
        variance, spread = np.zeros((2, len(log_z)))
    else:
        variance, spread = _uncertainty(log_weights)
    return Likelihood(-songs.energy - log_z, variance, spread, exact)


def anneal(
    placed: PlacedModel,
    base: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    temperatures: int,
    chains: int,
    seed: int,
    first_row: int,
    stopped: Callable[[], bool] = lambda: False,
) -> NDArray[np.float64]:
    """Estimate log Z of the RBMs of N frames.

    Parameters
    ----------
    placed : PlacedModel
        Whose weights they have.
    base, a : ndarray (N, V)
    b : ndarray (N, H)
        Visible biases of the bases, and the RBMs' own biases.
    temperatures, chains, seed : int
    first_row : int
        Of the first frame among a chain's draws.
    stopped : callable
        When it is true the result is of no use.

    Returns
    -------
    ndarray of float64 (chains, N)
        Log weights, each of which is an estimate.
    """
    backend = placed.backend
    start = log_z_of_base(base, b, columns_of(placed.model.grid).groups)
    log_weights = np.tile(start, (chains, 1))
    v = backend.empty(a.shape, a.dtype)
    device_base, device_a, device_b = (backend.to_device(array) for array in (base, a, b))
    for chain in range(chains):
        key = derive_key(seed, "anneal", chain)
        weights = backend.to_device(log_weights[chain])
        anneal_chain(
            backend,
            placed.w,
            placed.groups[0],
            device_base,
            device_a,
            device_b,
            temperatures,
            key,
            first_row,
            v,
            weights,
            stopped,
        )
        if stopped():
            return log_weights
        log_weights[chain] = backend.to_host(weights)
    return log_weights


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


def _uncertainty(
    log_weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variance of log mean exp over chains (C, N), and the chains' spread, (N,) each.

    The variance is by the delta method.
    """
    chains = len(log_weights)
    if chains == 1:
        unknown = np.full(log_weights.shape[1], np.nan)
        return unknown, unknown
    weights = np.exp(log_weights - log_weights.max(axis=0))
    variance = weights.var(axis=0, ddof=1) / (chains * weights.mean(axis=0) ** 2)
    return variance, log_weights.std(axis=0, ddof=1)
