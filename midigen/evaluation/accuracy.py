"""Frame accuracy: how many notes of the next frame are foreseen, the frames before it being the song's own."""

from dataclasses import dataclass

import numpy as np

from midigen.evaluation.likelihood import BLOCK, spread_out, teacher_forced
from midigen.kernels.cpu.rbm import gibbs_chain
from midigen.randomness import derive_key, generator

DRAWS = 20  # frames drawn for each frame of a song
FIRST_SWEEPS, SWEEPS = 50, 2  # Gibbs sweeps before the first draw, and between draws


@dataclass(frozen=True)
class Accuracy:
    """frame: the mean over frames of TP / max(notes played, notes in the song), 1 where both are silent.

    pooled: TP / (TP + FP + FN) over all frames (Bay, Ehmann and Downie, ISMIR 2009).  Both 0..1.
    """

    frame: float
    pooled: float


def score(played, v):
    """The Accuracy of frames played (N, V) against those of the songs v (N, V), both of 0 and 1."""
    return _summarise([_counts(played, v)])


def score_draws(p, v, seed=0):
    """The mean Accuracy of DRAWS draws from independent notes with probabilities p (N, V)."""
    rng = generator(seed, "draws")
    return _summarise([_counts(rng.random(p.shape, np.float32) < p, v) for _ in range(DRAWS)])


def score_model(model, rolls, seed=0, threads=0):
    """The mean Accuracy of DRAWS draws of a Bernoulli model in every frame of the songs `rolls`."""
    v, a, b, _ = teacher_forced(model, rolls)
    key = derive_key(seed, "accuracy")
    before = np.concatenate([np.zeros_like(v[:1]), v[:-1]])

    def job(start, _):
        rows = slice(start, start + BLOCK)
        state, sample, counts = before[rows], np.empty_like(v[rows]), []
        for draw in range(DRAWS):
            first, sweeps = (
                (FIRST_SWEEPS + (draw - 1) * SWEEPS, SWEEPS) if draw else (0, FIRST_SWEEPS)
            )
            gibbs_chain(
                state.copy(), model.w, a[rows], b[rows], sweeps, 1.0, key, first, start, sample
            )
            state = sample
            counts.append(_counts(sample, v[rows]))
        return np.stack(counts)

    return _summarise(np.concatenate(spread_out(job, range(0, len(v), BLOCK), threads), axis=2))


def _counts(played, v):
    """True positives, false positives and false negatives of every frame: float64 (3, N)."""
    played, v = np.asarray(played, bool), np.asarray(v, bool)
    return np.array(
        [(played & v).sum(axis=1), (played & ~v).sum(axis=1), (~played & v).sum(axis=1)], np.float64
    )


def _summarise(counts):
    """The mean Accuracy over draws of their counts (draws, 3, N)."""
    hits, extra, missed = np.moveaxis(np.asarray(counts), 1, 0)
    most = hits + np.maximum(extra, missed)
    frame = np.where(most > 0, hits / np.maximum(most, 1), 1.0).mean()
    pooled = [
        draw.sum() and draw[0].sum() / draw.sum()
        for draw in np.moveaxis([hits, extra, missed], 0, 1)
    ]
    return Accuracy(float(frame), float(np.mean(pooled)))
