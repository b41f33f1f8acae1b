"""The log-likelihood of songs under a model, in nats a frame.

Section 11 of docs/mathematics.md, docs/evaluation.md.

log p(v_t | v_<t) = -F(v_t) - log Z_t, every frame, the first included, over all visible units.
Where the RBM is small log Z is summed exactly; else chains of annealed importance sampling estimate
it from both sides (midigen.evaluation.partition).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.errors import MidigenError
from midigen.evaluation.partition import estimate_log_z
from midigen.model.exact import LARGEST, log_partition, units_summed
from midigen.model.placed import Description, PlacedModel, SongRun
from midigen.model.songs import AnySong, SongLike, told
from midigen.progress import Stages, unseen

MOST_TEMPERATURES = 128_000


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
        From chains to the RBMs, which flatter on average.
    lower : ndarray of float64 (N,)
        From chains backwards, which do the contrary; the same where `exact`, NaN where there were
        none.
    variance : ndarray of float64 (N,)
        Of `frames`, 0 where `exact`.
    temperatures : ndarray of int64 (N,)
        Taken for each frame; 0 where `exact`.
    exact : bool
        Whether Z was summed.
    """

    frames: NDArray[np.float64]
    lower: NDArray[np.float64]
    variance: NDArray[np.float64]
    temperatures: NDArray[np.int64]
    exact: bool

    @property
    def mean(self) -> float:
        """Nats a frame, too high on average unless `exact`."""
        return float(self.frames.mean())

    @property
    def lower_mean(self) -> float:
        """Nats a frame, too low on average unless `exact`."""
        return float(self.lower.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `mean` from the sampling of Z; it says nothing about other songs."""
        return float(math.sqrt(self.variance.sum()) / len(self.frames))


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
    tolerance: float | None = None,
    progress: Stages = unseen,
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
    tolerance : float, optional
        In nats a frame: frames whose chains are still apart get twice the temperatures, and twice
        again up to MOST_TEMPERATURES, until both means are within it.  Left out there are no chains
        backwards, and no lower figure.
    progress : Stages
        Of every round of annealing.

    Returns
    -------
    Likelihood
    """
    check_measurable(placed.model)
    count = len(songs.v)
    means = songs.v.mean(axis=0) if means is None else np.asarray(means)
    if is_exact(placed.model):
        frames = -songs.energy - _exact_log_z(placed, songs, progress)
        return Likelihood(frames, frames, np.zeros(count), np.zeros(count, np.int64), True)
    low, high, variance, apart = np.empty((4, count))
    rows, taken = np.arange(count), np.full(count, temperatures)
    while True:
        taken[rows] = temperatures
        with progress(f"annealing, {temperatures:,} temperatures", len(rows)) as advance:
            found = estimate_log_z(
                placed,
                songs.a[rows],
                songs.b[rows],
                means,
                temperatures,
                chains,
                seed,
                tolerance is not None,
                advance,
            )
        low[rows], high[rows], variance[rows], apart[rows] = found
        temperatures *= 2
        within = tolerance is None or (high - low).mean() <= tolerance
        if within or temperatures > MOST_TEMPERATURES:
            break
        rows = _still_apart(apart, tolerance or 0.0)
    return Likelihood(-songs.energy - low, -songs.energy - high, variance, taken, False)


def log_likelihood_of_each(
    placed: PlacedModel,
    songs: Sequence[SongLike],
    temperatures: int,
    chains: int,
    progress: Stages = unseen,
) -> list[NDArray[np.float64]]:
    """Estimate log p of the frames of each song, (T,) each, from above alone.

    Parameters are those of `estimate_log_likelihood`.
    """
    forced = teacher_forced(placed, songs)
    found = estimate_log_likelihood(placed, forced, temperatures, chains, progress=progress)
    return np.split(found.frames, np.cumsum([len(song.roll) for song in songs])[:-1])


def _still_apart(apart: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Choose the frames that are to have more temperatures.

    By what their two sides are apart on average, not by what they happen to be: a choice of those
    that came out far apart would leave those that came out near by chance.
    """
    rows = np.flatnonzero(~(apart <= tolerance))  # one chain alone says nothing of itself
    return rows if len(rows) else np.sort(np.argsort(apart)[len(apart) // 2 :])


def _exact_log_z(
    placed: PlacedModel, songs: TeacherForced, progress: Stages
) -> NDArray[np.float64]:
    """Sum log Z of all frames, (N,)."""
    size, groups = placed.backend.rows_at_once, columns_of(placed.model.grid).groups
    starts = range(0, len(songs.v), size)

    def job(first: int, stopped: Callable[[], bool]) -> NDArray[np.float64]:
        rows = slice(first, first + size)
        if stopped():
            return np.zeros(len(songs.v[rows]))
        log_z = log_partition(placed.model.w, songs.a[rows], songs.b[rows], groups=groups)
        advance(len(log_z))
        return log_z

    with progress("summing", len(songs.v)) as advance:
        return np.concatenate(list(placed.backend.map(job, starts)))
