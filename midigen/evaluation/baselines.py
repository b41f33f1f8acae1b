"""What a model has to beat: predictors with an exact likelihood, fitted to the training songs in seconds."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

FITTED_FRAMES = 50_000  # of the training songs, at most, for the regression
STEPS = 100  # of its optimiser, at most
PENALTY = 1.0  # on half the squared weights, as if each had been drawn from N(0, 1)


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
    """The baselines for the frames of `rolls`, fitted to `train`, both lists of uint8 (T, V): a list of Baseline."""
    v, before = np.concatenate(train), last_frames(train)
    now = last_frames(rolls)
    means = note_means(train)
    regression = _fit(before[:FITTED_FRAMES], v[:FITTED_FRAMES], logit(means))
    return [Baseline("random", np.full(now.shape, 0.5)),
            Baseline("note 1-gram", np.broadcast_to(means, now.shape)),
            Baseline("repeat last frame", np.where(now, _share(v, before), _share(v, 1 - before)), now),
            Baseline("independent notes given the last frame", expit(regression[0] + now @ regression[1:]))]


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


def _fit(x, v, start):
    """Logistic regression of v (N, V) on x (N, V), all notes at once: (V + 1, V), the first row the biases.

    The penalty draws it towards the biases `start` (V,) and no weights.  The products are in float32.
    """
    notes = v.shape[1]
    x, v, floor = x.astype(np.float32), v.astype(np.float32), start.astype(np.float32)

    def loss(flat):
        change = flat.reshape(notes + 1, notes)
        field = floor + change[0].astype(np.float32) + x @ change[1:].astype(np.float32)
        e = np.exp(-np.abs(field))
        error = np.where(field > 0, 1, e) / (1 + e) - v
        gradient = PENALTY * change
        gradient[0] += error.sum(axis=0)
        gradient[1:] += x.T @ error
        softplus = np.maximum(field, 0) + np.log(1 + e)
        return (softplus - v * field).sum(dtype=np.float64) + PENALTY / 2 * (flat @ flat), gradient.ravel()

    change = minimize(loss, np.zeros((notes + 1) * notes), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return change.reshape(notes + 1, notes) + np.vstack([start, np.zeros((notes, notes))])
