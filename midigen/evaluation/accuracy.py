"""Frame accuracy: how many notes of the next frame are foreseen, those before being the song's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midigen.evaluation.likelihood import TeacherForced
from midigen.model.placed import PlacedModel
from midigen.randomness import derive_key, generator

DRAWS = 20  # frames drawn for each frame of a song
FIRST_SWEEPS, SWEEPS = 50, 2  # Gibbs sweeps before the first draw, and between draws


@dataclass(frozen=True)
class Accuracy:
    """Two accuracies, both 0..1.

    Attributes
    ----------
    frame : float
        The mean over frames of TP / max(notes played, notes in the song), 1 where both are silent.
    pooled : float
        TP / (TP + FP + FN) over all frames (Bay, Ehmann and Downie, ISMIR 2009).
    """

    frame: float
    pooled: float


def score(played: ArrayLike, v: ArrayLike) -> Accuracy:
    """Score frames played (N, V) against those of the songs v (N, V), both of 0 and 1."""
    return _summarise(np.array([_counts(played, v)]))


def score_draws(p: NDArray[Any], v: NDArray[Any], seed: int = 0) -> Accuracy:
    """Return the mean Accuracy of DRAWS draws of independent notes of probabilities p (N, V)."""
    rng = generator(seed, "draws")
    counts = [_counts(rng.random(p.shape, np.float32) < p, v) for _ in range(DRAWS)]
    return _summarise(np.array(counts))


def score_model(placed: PlacedModel, songs: TeacherForced, seed: int = 0) -> Accuracy:
    """Return the mean Accuracy of DRAWS draws of a Bernoulli model in every frame of some songs."""
    backend, rbm, w = placed.backend, placed.rbm, placed.w
    key = derive_key(seed, "accuracy")

    def job(first: int, stopped: Callable[[], bool]) -> NDArray[np.float64]:
        rows = slice(first, first + backend.rows_at_once)
        a, b, state = (backend.to_device(x[rows]) for x in (songs.a, songs.b, songs.before))
        sample, counts, done = backend.empty(tuple(state.shape), songs.v.dtype), [], 0
        for draw in range(0 if stopped() else DRAWS):
            sweeps = SWEEPS if draw else FIRST_SWEEPS
            arguments = (a, b, *placed.groups, sweeps, 1.0, key, done, first)
            rbm.gibbs_chain(state, w, *arguments, sample)
            done += sweeps
            backend.assign(state, sample)
            counts.append(_counts(backend.to_host(sample), songs.v[rows]))
        return np.array(counts)

    starts = range(0, len(songs.v), backend.rows_at_once)
    return _summarise(np.concatenate(list(backend.map(job, starts)), axis=2))


def _counts(played: ArrayLike, v: ArrayLike) -> NDArray[np.float64]:
    """Count true positives, false positives and false negatives of every frame: (3, N)."""
    on, wanted = np.asarray(played, bool), np.asarray(v, bool)
    pairs = (on & wanted, on & ~wanted, ~on & wanted)
    return np.array([pair.sum(axis=1) for pair in pairs], np.float64)


def _summarise(counts: NDArray[np.float64]) -> Accuracy:
    """Return the mean Accuracy over draws of their counts (draws, 3, N)."""
    hits, extra, missed = np.moveaxis(counts, 1, 0)
    most = hits + np.maximum(extra, missed)
    frame = np.where(most > 0, hits / np.maximum(most, 1), 1.0).mean()
    draws = np.moveaxis(np.array([hits, extra, missed]), 0, 1)
    pooled = [draw.sum() and draw[0].sum() / draw.sum() for draw in draws]
    return Accuracy(float(frame), float(np.mean(pooled)))
