"""The log-likelihood of songs under a model, in nats a frame.  Section 9 of docs/mathematics.md, docs/evaluation.md.

log p(v_t | v_<t) = -F(v_t) - log Z_t, every frame, the first included, over all visible units.  Where the RBM is small
log Z is summed exactly; else chains of annealed importance sampling estimate it, each Z without bias.
"""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from scipy.special import expit, logit, logsumexp

from midigen.errors import MidigenError
from midigen.kernels.cpu import ais
from midigen.kernels.cpu.rbm import gibbs_chain, hidden_probability
from midigen.kernels.jit import usable_cores
from midigen.model.exact import LARGEST, log_partition
from midigen.randomness import derive_key

BLOCK = 64  # frames that are annealed together: their states stay in the core's own cache
GPU_BLOCK = 8192
SPREAD = 1.0  # nats between a frame's chains beyond which their mean hangs on the luckiest of them
BASE_SWEEPS, BASE_SAMPLES = (
    10,
    25,
)  # Gibbs sweeps before the base looks at the model, and samples, 2 sweeps apart
BASE_SHARE = 0.05  # of the notes' own means in the base, which so gives every note a chance


@dataclass(frozen=True, eq=False)
class Likelihood:
    """log p of N frames in nats: frames (N,) float64.  variance (N,): of these estimates, 0 where `exact`.

    spread (N,): standard deviation of the log weights between a frame's chains, in nats.
    """

    frames: np.ndarray
    variance: np.ndarray
    spread: np.ndarray
    exact: bool

    @property
    def mean(self):
        """Nats a frame."""
        return float(self.frames.mean())

    @property
    def standard_error(self):
        """Standard error of `mean` from the sampling of Z, by the delta method; says nothing about other songs."""
        return float(math.sqrt(self.variance.sum()) / len(self.frames))

    @property
    def flattery(self):
        """What `mean` is too high by, about: E[log Z'] = log Z - variance / 2 for an unbiased Z', to second order."""
        return float(self.variance.mean() / 2)

    @property
    def disagreeing(self):
        """Share of the frames whose chains disagree: the spread is over SPREAD."""
        return float((self.spread > SPREAD).mean())


def is_exact(model):
    """Whether log Z is summed, not estimated."""
    return min(model.w.shape) <= LARGEST


def check_measurable(model):
    """MidigenError for a model without a likelihood in nats a frame that could be compared."""
    if model.gaussian:
        raise MidigenError(
            "the likelihood of a Gaussian model is a density, and is not measured yet: "
            "judge its songs with --songs"
        )


def estimate_log_likelihood(
    model,
    rolls,
    temperatures=2000,
    chains=4,
    seed=0,
    means=None,
    progress=None,
    threads=0,
    device="cpu",
):
    """Likelihood of the songs `rolls`, each uint8 (T, V), one after the other, each from a silent start.

    temperatures: moves of each chain from the base to the RBM.  chains: for each frame.  means (V,): how often each
    note sounds in the training songs, which speeds the chains up; left out, those of `rolls`.  progress(frames) is
    called from worker threads.  device: "cpu", or "cuda", where all is done on the GPU but exact sums.  The same
    (model, rolls, settings, seed) give the same figures on any number of threads.
    """
    check_measurable(model)
    run, base_of, anneal = _steps(device)
    v, a, b, energy = run(model, rolls)
    means = v.mean(axis=0) if means is None else np.asarray(means)
    exact = is_exact(model)
    on_gpu = device == "cuda" and not exact
    block = GPU_BLOCK if on_gpu else BLOCK

    def job(start, stopped):
        rows = slice(start, start + block)
        if exact:
            log_z = None if stopped.is_set() else log_partition(model.w, a[rows], b[rows])[None]
        else:
            base = base_of(model.w, a[rows], b[rows], means, seed, start)
            log_z = anneal(
                model.w, base, a[rows], b[rows], temperatures, chains, seed, start, stopped
            )
        if progress:
            progress(len(a[rows]))
        return log_z

    log_weights = np.concatenate(
        spread_out(job, range(0, len(v), block), 1 if on_gpu else threads), axis=1
    )
    log_z = logsumexp(log_weights, axis=0) - math.log(len(log_weights))
    variance, spread = np.zeros((2, len(v))) if exact else _uncertainty(log_weights)
    return Likelihood(-energy - log_z, variance, spread, exact)


def _steps(device):
    """teacher_forced, near_base and annealed as a device has them."""
    if device == "cpu":
        return teacher_forced, near_base, annealed
    from midigen.evaluation import cuda  # its import takes time

    return cuda.teacher_forced, cuda.near_base, cuda.annealed


def teacher_forced(model, rolls):
    """All frames of the songs as the model sees them, v (N, V), their RBMs' biases a (N, V), b (N, H), and F (N,)."""
    runs, v = (
        [model.run(roll) for roll in rolls],
        np.concatenate([model.frames(roll) for roll in rolls]),
    )
    a, b = (np.concatenate(biases) for biases in zip(*runs, strict=True))
    energy = np.empty(len(v))
    model.kernels.free_energy(v, model.w, a, b, energy)
    return v, a, b, energy


def spread_out(job, items, threads=0):
    """[job(item, stopped) for item in items] on all cores; `stopped`, an Event, is set when this is interrupted."""
    stopped = threading.Event()
    with ThreadPoolExecutor(threads or usable_cores()) as pool:
        try:
            return list(pool.map(job, items, repeat(stopped)))
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)


def log_z_of_base(base, b, chains):
    """Where log weights begin, (chains, N) float64: log Z of the bases, which have no weights."""
    start = np.logaddexp(0, base.astype(np.float64)).sum(axis=1) + np.logaddexp(
        0, b.astype(np.float64)
    ).sum(axis=1)
    return np.tile(start, (chains, 1))


def annealed(w, base, a, b, temperatures, chains, seed, first_row, stopped):
    """Log weights (chains, N) float64, each an estimate of log Z, of the RBMs of N frames; None once `stopped`."""
    log_weights = log_z_of_base(base, b, chains)
    v = np.empty_like(a, order="C")
    for chain in range(chains):
        key = derive_key(seed, "anneal", chain)
        ais.draw_base(base, key, first_row, v)
        for first in range(0, temperatures, ais.MOST_MOVES):
            if stopped.is_set():
                return None
            last = min(first + ais.MOST_MOVES, temperatures)
            ais.anneal(
                w, base, a, b, first, last, temperatures, key, first_row, v, log_weights[chain]
            )
    return log_weights


def near_base(w, a, b, means, seed, first_row):
    """Visible biases (N, V) of bases that lie near the RBMs: the notes' means in short chains, smoothed with `means`.

    Any base gives an unbiased Z; from a near one the chains agree sooner.
    """
    key = derive_key(seed, "base")
    v = np.empty(a.shape, a.dtype)
    ais.draw_base(np.tile(log_odds(means, a.dtype), (len(a), 1)), key, first_row, v)
    p, total, done = np.empty(b.shape, b.dtype), np.zeros(a.shape), 1
    for sweeps in base_sweeps():
        gibbs_chain(v.copy(), w, a, b, sweeps, 1.0, key, done, first_row, v)
        done += sweeps
        hidden_probability(v, w, b, p)
        total += expit(a + p @ w)
    return smoothed(total, means, a.dtype)


def base_sweeps():
    """Gibbs sweeps before each of the samples that the base is made of."""
    return [BASE_SWEEPS] + [2] * (BASE_SAMPLES - 1)


def smoothed(total, means, dtype):
    """The base (N, V) of the sum `total` (N, V) of its samples' notes and of the notes' means (V,)."""
    return log_odds((1 - BASE_SHARE) * total / BASE_SAMPLES + BASE_SHARE * means, dtype)


def log_odds(p, dtype):
    """Visible biases that give notes these probabilities, within what leaves none of them certain."""
    return logit(np.clip(p, 1e-3, 1 - 1e-3)).astype(dtype)


def _uncertainty(log_weights):
    """Of log mean exp over chains (C, N): its variance (N,) by the delta method, and the chains' spread (N,)."""
    chains = len(log_weights)
    if chains == 1:
        return np.full((2, log_weights.shape[1]), np.nan)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    variance = weights.var(axis=0, ddof=1) / (chains * weights.mean(axis=0) ** 2)
    return variance, log_weights.std(axis=0, ddof=1)
