"""Sums over all states of a small Bernoulli RBM: the partition function and the gradient without sampling.  Eq. (15)-(18).

The sum runs over the smaller of the two layers, 2^min(V, H) states; the other layer is summed in closed form.
"""

import numpy as np
from scipy.special import expit, logsumexp

LARGEST = 16  # units of the smaller layer: 65,536 states a frame


def _all_states(units, dtype):
    return ((np.arange(1 << units)[:, None] >> np.arange(units)) & 1).astype(dtype)


def _enumerate(w, a, b):
    """States (S, n) of the smaller layer, their fields on the other (S, m) without its bias, and which layer it is."""
    hidden, visible = w.shape
    if min(hidden, visible) > LARGEST:
        raise ValueError(f"exact sums need at most {LARGEST} visible or hidden units, not {visible} and {hidden}")
    if hidden <= visible:
        states = _all_states(hidden, np.float64)
        return states, states @ w, a, b
    states = _all_states(visible, np.float64)
    return states, states @ w.T, b, a


def log_partition(w, a, b):
    """log Z of every frame's RBM, (N,) float64, from W (H, V), a (N, V), b (N, H).

    Raises ValueError where both layers have more than 16 units.
    """
    states, fields, other, own = _enumerate(w.astype(np.float64), a, b)
    return np.array([logsumexp(states @ o + np.logaddexp(0, fields + x).sum(axis=1))
                     for x, o in zip(other.astype(np.float64), own.astype(np.float64), strict=True)])


def expectations(w, a, b):
    """Model means of every frame: E[v] (N, V), E[h] (N, H), and the sum over frames of E[h v^T] (H, V), in float64."""
    states, fields, other, own = _enumerate(w.astype(np.float64), a, b)
    mean_own, mean_other = np.empty(own.shape), np.empty(other.shape)
    pair = np.zeros((states.shape[1], fields.shape[1]))
    for n in range(len(a)):
        log_p = states @ own[n].astype(np.float64) + np.logaddexp(0, fields + other[n]).sum(axis=1)
        p = np.exp(log_p - logsumexp(log_p))
        conditional = p[:, None] * expit(fields + other[n])
        mean_own[n], mean_other[n] = p @ states, conditional.sum(axis=0)
        pair += states.T @ conditional
    if w.shape[0] <= w.shape[1]:
        return mean_other, mean_own, pair
    return mean_own, mean_other, pair.T
