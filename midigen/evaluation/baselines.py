"""What a model has to beat: predictors with an exact likelihood, fitted to the training songs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from midigen.backends.interface import Backend
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import Progress, Validated
from midigen.training.schedule import FULL_PACE, Pace
from midigen.training.trainer import Trainer

RNN_SETTINGS = TrainConfig(sampler="exact", learning_rate=3e-3, dropout=0.2, transpose=(0, 0))


@dataclass(frozen=True, eq=False)
class Baseline:
    """The predictions of N frames, whose notes are independent given the past.

    Parameters
    ----------
    name : str
        What it is called in the table.
    p : NDArray[np.float64], shape (N, V)
        The probability of every note of every frame.
    copies : NDArray[np.uint8], shape (N, V), optional
        The notes that it plays; where left out, they are drawn from `p`.
    groups : NDArray[np.int64], shape (G, 2)
        First column, and the one behind the last, of columns of which at most one is on.
    """

    name: str
    p: NDArray[np.float64]
    copies: NDArray[np.uint8] | None = None
    groups: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def log_likelihood(self, v: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the log-likelihood of the frames v (N, V), in nats: float64 (N,)."""
        with np.errstate(divide="ignore"):
            found = np.where(v > 0, np.log(self.p), np.log1p(-self.p))
            total = found.sum(axis=1)
            for first, stop in self.groups:
                on, p = v[:, first:stop], self.p[:, first:stop]
                none = np.maximum(1 - p.sum(axis=1), 0)
                played = np.where(on.any(axis=1), (on * p).sum(axis=1), none)
                total += np.log(played) - found[:, first:stop].sum(axis=1)
        return total


def baselines(
    train: Sequence[NDArray[np.uint8]], rolls: Sequence[NDArray[np.uint8]], grid: Grid
) -> list[Baseline]:
    """Make the baselines that have no network.

    Parameters
    ----------
    train : sequence of NDArray[np.uint8], each of shape (T, V)
        The songs in which notes are counted.
    rolls : sequence of NDArray[np.uint8], each of shape (T, V)
        The songs whose frames are predicted.
    grid : Grid
        What their columns stand for.

    Returns
    -------
    list of Baseline
        Random notes, the 1-gram of every note, and the last frame repeated.
    """
    v, before = np.concatenate(train), last_frames(train)
    now = last_frames(rolls)
    kept = np.where(now, _share(v, before), _share(v, 1 - before))
    return [
        _independent("random", np.zeros(now.shape), grid),
        _independent("note 1-gram", np.tile(logit(note_means(train)), (len(now), 1)), grid),
        _independent("repeat last frame", logit(kept), grid, now),
    ]


def recurrent_baseline(
    train: Sequence[NDArray[np.uint8]],
    valid: Sequence[NDArray[np.uint8]],
    rolls: Sequence[NDArray[np.uint8]],
    grid: Grid,
    frames: int,
    progress: Callable[[int], object] | None = None,
    backend: Backend | None = None,
) -> Baseline:
    """Train a recurrent network whose notes are independent given the past.

    It is the model without hidden units in its RBM.  The same input gives the same network on any
    number of threads.

    Parameters
    ----------
    train, valid, rolls : sequence of uint8 (T, V)
        Songs to learn from; those that choose the best network; and those it is asked for.
    grid : Grid
    frames : int
        How many it is trained on.
    progress : callable, optional
        Told how many more frames were trained on.
    backend : Backend, optional
        The CPU's if left out.
    """
    model = RnnRbm.initial(ModelConfig(grid.channels, rbm_hidden=0), grid, note_means(train))
    trainer = Trainer(model, train, valid, RNN_SETTINGS, backend)
    best, seen = model, 0

    def next_pace() -> Pace | None:
        return None if trainer.counters.frames >= frames else FULL_PACE

    for event in trainer.run(next_pace):
        if isinstance(event, Validated) and event.best:
            best = trainer.averaged()
        elif isinstance(event, Progress) and progress:
            progress(event.frames - seen)
            seen = event.frames
    fields = np.concatenate([best.run(roll)[0] for roll in rolls])
    return _independent("recurrent network, independent notes", fields.astype(np.float64), grid)


def _independent(
    name: str,
    fields: NDArray[np.float64],
    grid: Grid,
    copies: NDArray[np.uint8] | None = None,
) -> Baseline:
    """Make the Baseline of independent notes with these log-odds (N, V).

    Of a group they are independent but for what all know, that at most one is on: p of each is
    exp(field) / (1 + the sum of exp(field) over the group).
    """
    p, groups = expit(fields), columns_of(grid).groups
    for first, stop in groups:
        with_none = np.pad(fields[:, first:stop], ((0, 0), (0, 1)))
        p[:, first:stop] = softmax(with_none, axis=1)[:, :-1]
    return Baseline(name, p, copies, groups)


def note_means(train: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return how often each note sounds in the training songs, with add-one smoothing: (V,)."""
    v = np.concatenate(train)
    return _share(v, np.ones_like(v))


def last_frames(rolls: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the frame before every frame, silence before the first of a song: (N, V)."""
    return np.concatenate([np.vstack([np.zeros_like(roll[:1]), roll[:-1]]) for roll in rolls])


def _share(v: NDArray[np.uint8], where: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the share of the ones in `where` (N, V) at which v (N, V) is 1, too, for every note.

    With add-one smoothing: (V,).
    """
    return ((v & where).sum(axis=0, dtype=np.int64) + 1) / (where.sum(axis=0, dtype=np.int64) + 2)
