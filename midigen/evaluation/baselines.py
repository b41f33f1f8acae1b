"""What a model has to beat: predictors with an exact likelihood, fitted to the training songs in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from midigen.backends.interface import Backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import Progress, Validated
from midigen.training.schedule import FULL_PACE, Pace
from midigen.training.trainer import Trainer

RNN_SETTINGS = TrainConfig(sampler="exact", learning_rate=3e-3, dropout=0.2, transpose=(0, 0))


@dataclass(frozen=True, eq=False)
class Baseline:
    """Notes that are independent given the past: p (N, V) float64, the probability of every note of every frame.

    copies: what it plays where that is not drawn from p, (N, V), or None.
    """

    name: str
    p: np.ndarray
    copies: np.ndarray | None = None

    def log_likelihood(self, v):
        """log p(v_t) of the frames v (N, V), (N,) float64, in nats."""
        with np.errstate(divide="ignore"):
            return np.where(v > 0, np.log(self.p), np.log1p(-self.p)).sum(axis=1)


def baselines(train, rolls):
    """The baselines without a network for the frames of `rolls`, counted in `train`: a list of Baseline.

    Both are lists of uint8 (T, V).
    """
    v, before = np.concatenate(train), last_frames(train)
    now = last_frames(rolls)
    return [
        Baseline("random", np.full(now.shape, 0.5)),
        Baseline("note 1-gram", np.broadcast_to(note_means(train), now.shape)),
        Baseline("repeat last frame", np.where(now, _share(v, before), _share(v, 1 - before)), now),
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
    return Baseline("recurrent network, independent notes", expit(fields.astype(np.float64)))


def note_means(train):
    """How often each note sounds in the training songs, (V,), with one frame added with it and one without."""
    v = np.concatenate(train)
    return _share(v, np.ones_like(v))


def last_frames(rolls):
    """The frame before every frame, (N, V), silence before the first of a song."""
    return np.concatenate([np.vstack([np.zeros_like(roll[:1]), roll[:-1]]) for roll in rolls])


def _share(v, where):
    """Share (V,) of the frames where `where` (N, V) is 1 in which v (N, V) is 1 too, both uint8; add-one smoothing."""
    return ((v & where).sum(axis=0, dtype=np.int64) + 1) / (where.sum(axis=0, dtype=np.int64) + 2)
