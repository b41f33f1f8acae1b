"""Sums over all states of a small RBM: its partition function, and the gradient without sampling.

Eq. (15)-(22).  A Bernoulli RBM has weights W (H, V) and, frame by frame, biases a (N, V) and
b (N, H); a Gaussian one has log-variances z (N, V) besides.  The sum runs over the smaller of the
two layers, 2^min(V, H) states, of a Gaussian RBM over the hidden one; the other layer is summed, or
integrated, in closed form.  All arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy  # scipy.special itself is loaded at its first use: it would slow the start of training
from numpy.typing import NDArray

LARGEST = 16  # units of the layer that is summed over: 65,536 states a frame
AT_ONCE = 1 << 22  # float64 numbers, at most, that a sum over the states of several frames makes

Float64 = NDArray[np.float64]


def check_size(visible: int, hidden: int, gaussian: bool = False) -> None:
    """Raise ValueError where the sums over all states would be too large."""
    if gaussian and hidden > LARGEST:
        raise ValueError(f"exact sums need at most {LARGEST} hidden units, not {hidden}")
    if min(hidden, visible) > LARGEST:
        raise ValueError(
            f"exact sums need at most {LARGEST} visible or hidden units, not {visible} and {hidden}"
        )


def log_partition(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], z: NDArray[Any] | None = None
) -> Float64:
    """Return log Z of every frame's RBM.

    Parameters
    ----------
    w : ndarray (H, V)
        Weights.
    a : ndarray (N, V)
        Visible biases.
    b : ndarray (N, H)
        Hidden biases.
    z : ndarray (N, V), optional
        Log-variances of Gaussian visible units; None for Bernoulli ones.

    Returns
    -------
    ndarray of float64 (N,)

    Raises
    ------
    ValueError
        As `check_size` does.
    """
    if z is not None:
        states, shifts, alpha = _gaussian_states(w, a, b, z)
        constant = 0.5 * (w.shape[1] * np.log(2 * np.pi) + z.astype(np.float64).sum(axis=1))
        return constant + [
            scipy.special.logsumexp(_gaussian_log_weights(states, shifts, al, bn))
            for al, bn in zip(alpha, b, strict=True)
        ]
    states, fields, other, own = _bernoulli_states(w, a, b)
    weights = (
        _bernoulli_log_weights(states, fields, other[rows], own[rows])[0]
        for rows in _chunks(len(a), fields.size)
    )
    return np.concatenate([scipy.special.logsumexp(of_some, axis=1) for of_some in weights])


def expectations(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], z: NDArray[Any] | None = None
) -> tuple[Float64, Float64, Float64]:
    """Return the model's means in every frame.

    Parameters
    ----------
    w, a, b, z
        As in `log_partition`.

    Returns
    -------
    mean_v : ndarray of float64 (N, V)
        E[v].
    mean_h : ndarray of float64 (N, H)
        E[h].
    pair : ndarray of float64 (H, V)
        The sum over frames of E[h x^T], x being v itself or, in a Gaussian RBM, exp(-z/2) v.

    Raises
    ------
    ValueError
        As `check_size` does.
    """
    return _bernoulli_expectations(w, a, b) if z is None else _gaussian_expectations(w, a, b, z)


def contrast(
    v: NDArray[Any],
    w: NDArray[Any],
    biases: Sequence[NDArray[Any]],
    out: Sequence[NDArray[Any]],
    gradient_w: NDArray[Any],
) -> None:
    """Compute the gradient of -log p at v, which the kernels' `contrast` estimates from samples.

    Eq. (15), with (17) or (21) for dF/dtheta.

    Parameters
    ----------
    v : ndarray (N, V)
    w : ndarray (H, V)
    biases : sequence of ndarray
        a (., V), b (., H) and, of a Gaussian RBM, z (., V), with a row for each frame or one for
        all.
    out : sequence of ndarray
        For the gradients in the biases, in their order, with a row for each frame; overwritten.
    gradient_w : ndarray (H, V)
        Added to.

    Raises
    ------
    ValueError
        As `check_size` does.
    """
    w, v, a, b, *z = (array.astype(np.float64) for array in (w, v, *biases))
    mean_v, mean_h, pair = expectations(w, a, b, *z)
    inverse = np.exp(-0.5 * z[0]) if z else 1.0
    x, mean_x, alpha = inverse * v, inverse * mean_v, inverse * a
    p = scipy.special.expit(x @ w.T + b)
    out[0][:], out[1][:] = inverse * (mean_x - x), mean_h - p
    if z:  # E[-(x - alpha)^2 + x W^T h] = alpha (E[x] - alpha) - 1
        out[2][:] = 0.5 * (x * (p @ w) - (x - alpha) ** 2 - alpha * (mean_x - alpha) + 1)
    gradient_w += (len(v) / len(a) * pair - p.T @ x).astype(gradient_w.dtype)


def _all_states(units: int) -> Float64:
    """Return all states of so many binary units, (2^units, units)."""
    return ((np.arange(1 << units)[:, None] >> np.arange(units)) & 1).astype(np.float64)


def _bernoulli_states(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any]
) -> tuple[Float64, Float64, Float64, Float64]:
    """Return the states (S, n) of the smaller layer, and what goes with them.

    That is their fields on the other layer (S, m) without its bias, the other layer's bias (N, m),
    and the smaller one's (N, n).
    """
    hidden, visible = w.shape
    check_size(visible, hidden)
    w, a, b = (array.astype(np.float64) for array in (w, a, b))
    if hidden <= visible:
        states = _all_states(hidden)
        return states, states @ w, a, b
    states = _all_states(visible)
    return states, states @ w.T, b, a


def _chunks(count: int, size: int) -> list[slice]:
    """Cut `count` frames so that arrays of `size` numbers a frame stay under AT_ONCE."""
    step = max(1, AT_ONCE // max(size, 1))
    return [slice(start, start + step) for start in range(0, count, step)]


def _bernoulli_log_weights(
    states: Float64, fields: Float64, other: Float64, own: Float64
) -> tuple[Float64, Float64]:
    """Return the log of each state's share of Z (N, S), the other layer summed out.

    The second is the fields on that layer, with its bias, (N, S, m).
    """
    field = fields + other[:, None, :]
    return own @ states.T + np.logaddexp(0, field).sum(axis=2), field


def _bernoulli_expectations(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any]
) -> tuple[Float64, Float64, Float64]:
    states, fields, other, own = _bernoulli_states(w, a, b)
    mean_own, mean_other = np.empty(own.shape), np.empty(other.shape)
    pair = np.zeros((states.shape[1], fields.shape[1]))
    for rows in _chunks(len(a), fields.size):
        log_p, field = _bernoulli_log_weights(states, fields, other[rows], own[rows])
        p = np.exp(log_p - scipy.special.logsumexp(log_p, axis=1, keepdims=True))
        conditional = p[:, :, None] * scipy.special.expit(field)
        mean_own[rows], mean_other[rows] = p @ states, conditional.sum(axis=1)
        pair += states.T @ conditional.sum(axis=0)
    if w.shape[0] <= w.shape[1]:
        return mean_other, mean_own, pair
    return mean_own, mean_other, pair.T


def _gaussian_states(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], z: NDArray[Any]
) -> tuple[Float64, Float64, Float64]:
    """Return the hidden states (S, H), what each adds to the mean of x (S, V), and alpha (N, V).

    x = exp(-z/2) v and alpha = exp(-z/2) a.
    """
    check_size(w.shape[1], w.shape[0], gaussian=True)
    states = _all_states(w.shape[0])
    return states, states @ w.astype(np.float64), np.exp(-0.5 * z.astype(np.float64)) * a


def _gaussian_log_weights(
    states: Float64, shifts: Float64, alpha: Float64, b: NDArray[Any]
) -> Float64:
    """Return the log of each hidden state's share of one frame's Z, up to a constant.

    v is integrated by completing the square.
    """
    return states @ b.astype(np.float64) + shifts @ alpha + 0.5 * (shifts * shifts).sum(axis=1)


def _gaussian_expectations(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], z: NDArray[Any]
) -> tuple[Float64, Float64, Float64]:
    states, shifts, alpha = _gaussian_states(w, a, b, z)
    mean_x, mean_h, pair = np.empty(a.shape), np.empty(b.shape), np.zeros(w.shape)
    for n in range(len(a)):
        log_p = _gaussian_log_weights(states, shifts, alpha[n], b[n])
        p = np.exp(log_p - scipy.special.logsumexp(log_p))
        mean_x[n], mean_h[n] = alpha[n] + p @ shifts, p @ states
        pair += np.outer(mean_h[n], alpha[n]) + states.T @ (p[:, None] * shifts)
    return np.exp(0.5 * z.astype(np.float64)) * mean_x, mean_h, pair
