"""What a model has to beat: predictors with an exact likelihood, fitted to the training songs in seconds."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from midigen.config import ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.events import Progress, Validated
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


def recurrent_baseline(train, valid, rolls, grid, frames, progress=None, threads=0):
    """A recurrent network whose notes are independent given the past: the model without hidden units in its RBM.

    The one that predicts `valid` best in a training on `frames` frames of `train`, for the frames of `rolls`: a
    Baseline.  progress(frames) follows; the same input gives the same network on any number of threads.
    """
    model = RnnRbm.initial(ModelConfig(grid.channels, rbm_hidden=0), grid, note_means(train))
    trainer = Trainer(model, train, valid, RNN_SETTINGS, threads)
    best, seen = model, 0
    for event in trainer.run(math.inf, lambda: trainer.state.frames >= frames):
        if isinstance(event, Validated) and event.best:
            best = RnnRbm(model.config, grid, trainer.average.copy())
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
