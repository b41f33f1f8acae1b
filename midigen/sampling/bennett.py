"""Partition functions of many RBMs that are alike, from samples of them.  Eq. (34).

The multistate Bennett acceptance ratio (Shirts and Chodera 2008): a sample of one RBM says
something of all, by its free energy in each.  How the Z of particles stand to each other, which is
all that weights are made of, so comes out far better than from a chain of annealing for each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ITERATIONS, TOLERANCE = 100, 1e-3  # of log Z, in nats

Float64 = NDArray[np.float64]


def log_ratios(minus_f: Float64, of: NDArray[np.int64]) -> Float64:
    """Return the log Z of N RBMs, up to a constant that they share.

    Z_n = sum_s e^(-F_n(v_s)) / sum_m S_m e^(-F_m(v_s)) / Z_m, over the RBMs m that have samples.

    Parameters
    ----------
    minus_f : ndarray of float64 (N, S)
        -F_n(v_s) of each RBM at each sample.
    of : ndarray of int64 (S,)
        The number of the RBM that each is a sample of.

    Returns
    -------
    ndarray of float64 (N,)
    """
    own, counts = np.unique(of, return_counts=True)
    sampled, log_z = minus_f[own] + np.log(counts)[:, None], np.zeros(len(own))
    for _ in range(ITERATIONS):
        mixture = np.logaddexp.reduce(sampled - log_z[:, None], axis=0)
        found = np.logaddexp.reduce(minus_f[own] - mixture, axis=1)
        found -= found.mean()
        moved = np.abs(found - log_z).max()
        log_z = found
        if moved < TOLERANCE:
            break
    mixture = np.logaddexp.reduce(sampled - log_z[:, None], axis=0)
    ratios: Float64 = np.logaddexp.reduce(minus_f - mixture, axis=1)
    return ratios
