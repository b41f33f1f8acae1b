"""Sums over all states of a small RBM: its partition function, and the gradient without sampling.

Eq. (15)-(22), (29), (33).  A Bernoulli RBM has weights W (H, V) and, frame by frame, biases
a (N, V) and b (N, H); a Gaussian one has log-variances z (N, V) besides.  The sum runs over the
layer with fewer states, of a Gaussian RBM over the hidden one; the other layer is summed, or
integrated, in closed form.  A layer of n units has 2^n states, but with a group of m visible units,
of which at most one is on, m + 1 in place of 2^m.  All arithmetic is float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import scipy  # scipy.special itself is loaded at its first use: it would slow the start of training
from numpy.typing import NDArray

LARGEST = 16  # units of the layer that is summed over: 65,536 states a frame
NO_GROUPS = np.zeros((0, 2), np.int64)
AT_ONCE = 1 << 22  # float64 numbers, at most, that a sum over the states of several frames makes

Float64 = NDArray[np.float64]
Groups = NDArray[np.int64]


def units_summed(visible: int, hidden: int, groups: Groups = NO_GROUPS) -> float:
    """Return log2 of the number of states that a sum runs over, of a Bernoulli RBM."""
    return min(hidden, _visible_units(visible, groups))


def _visible_units(visible: int, groups: Groups) -> float:
    """Return log2 of the number of states of the visible layer."""
    allowed = [
        math.log2(sum(math.comb(stop - first, on) for on in range(most + 1)))
        for first, stop, most in with_limits(groups)
    ]
    return float(visible - np.diff(groups[:, :2]).sum() + sum(allowed))


def with_limits(groups: Groups) -> list[tuple[int, int, int]]:
    """Return first column, the one behind the last, and K of each group: at most K are on.

    groups is (G, 2), K being 1, or (G, 3).
    """
    return [(row[0], row[1], row[2] if len(row) > 2 else 1) for row in groups.tolist()]


def _sums_hidden(w: NDArray[Any], groups: Groups) -> bool:
    """Whether the sum runs over the hidden layer, the smaller one."""
    return w.shape[0] <= _visible_units(w.shape[1], groups)


def check_size(
    visible: int, hidden: int, gaussian: bool = False, groups: Groups = NO_GROUPS
) -> None:
    """Raise ValueError where the sums over all states would be too large."""
    if gaussian and hidden > LARGEST:
        raise ValueError(f"exact sums need at most {LARGEST} hidden units, not {hidden}")
    if units_summed(visible, hidden, groups) > LARGEST:
        raise ValueError(
            f"exact sums need at most {LARGEST} visible or hidden units, not {visible} and {hidden}"
        )


def log_partition(
    w: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    z: NDArray[Any] | None = None,
    *,
    groups: Groups = NO_GROUPS,
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
    groups : ndarray of int64 (G, 2) or (G, 3)
        First column, and the one behind the last, of each group of Bernoulli visible units of which
        at most one is on, from left to right; a third number says how many may be on.

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
    states, fields, other, own, summed = _bernoulli_states(w, a, b, groups)
    weights = (
        _bernoulli_log_weights(states, fields, other[rows], own[rows], summed)[0]
        for rows in _chunks(len(a), fields.size)
    )
    return np.concatenate([scipy.special.logsumexp(of_some, axis=1) for of_some in weights])


def expectations(
    w: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    z: NDArray[Any] | None = None,
    *,
    groups: Groups = NO_GROUPS,
) -> tuple[Float64, Float64, Float64]:
    """Return the model's means in every frame.

    Parameters
    ----------
    w, a, b, z, groups
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
    if z is not None:
        return _gaussian_expectations(w, a, b, z)
    return _bernoulli_expectations(w, a, b, groups)


def contrast(
    v: NDArray[Any],
    w: NDArray[Any],
    biases: Sequence[NDArray[Any]],
    out: Sequence[NDArray[Any]],
    gradient_w: NDArray[Any],
    groups: Groups = NO_GROUPS,
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
    groups : ndarray of int64 (G, 2)
        As in `log_partition`.

    Raises
    ------
    ValueError
        As `check_size` does.
    """
    w, v, a, b, *z = (array.astype(np.float64) for array in (w, v, *biases))
    mean_v, mean_h, pair = expectations(w, a, b, *z, groups=groups)
    inverse = np.exp(-0.5 * z[0]) if z else 1.0
    x, mean_x, alpha = inverse * v, inverse * mean_v, inverse * a
    p = scipy.special.expit(x @ w.T + b)
    out[0][:], out[1][:] = inverse * (mean_x - x), mean_h - p
    if z:  # E[-(x - alpha)^2 + x W^T h] = alpha (E[x] - alpha) - 1
        out[2][:] = 0.5 * (x * (p @ w) - (x - alpha) ** 2 - alpha * (mean_x - alpha) + 1)
    gradient_w += (len(v) / len(a) * pair - p.T @ x).astype(gradient_w.dtype)


def _all_states(units: int, groups: Groups = NO_GROUPS) -> Float64:
    """Return all states of so many binary units that groups allow, (S, units)."""
    starts = {first: (stop, most) for first, stop, most in with_limits(groups)}
    states, column = np.zeros((1, units)), 0
    while column < units:
        stop, most = starts.get(column, (column + 1, 1))
        on = [some for k in range(most + 1) for some in combinations(range(column, stop), k)]
        choices = np.zeros((len(on), units))
        for choice, some in zip(choices, on, strict=True):
            choice[list(some)] = 1
        states = (choices[:, None] + states).reshape(-1, units)
        column = stop
    return states


def _bernoulli_states(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], groups: Groups
) -> tuple[Float64, Float64, Float64, Float64, Groups]:
    """Return the states (S, n) of the smaller layer, and what goes with them.

    That is their fields on the other layer (S, m) without its bias, the other layer's bias (N, m),
    the smaller one's (N, n), and the groups of the other layer.
    """
    hidden, visible = w.shape
    check_size(visible, hidden, groups=groups)
    w, a, b = (array.astype(np.float64) for array in (w, a, b))
    if _sums_hidden(w, groups):
        states = _all_states(hidden)
        return states, states @ w, a, b, groups
    states = _all_states(visible, groups)
    return states, states @ w.T, b, a, NO_GROUPS


def log_sum_on(field: Float64, groups: Groups) -> Float64:
    """Return the log of the sum of exp(field^T x) over the states x that groups allow.

    field is (.., n), the result (..,): log(1 + e^s) of each unit in no group, and of each group
    log(1 + sum e^s) or, where more of it may be on, the sum of as many products, Eq. (33).
    """
    terms = np.logaddexp(0, field)
    for first, stop, most in with_limits(groups):
        terms[..., first:stop] = 0
        terms[..., first] = _log_sum_of_few(field[..., first:stop], most)
    total: Float64 = terms.sum(axis=-1)
    return total


def _log_sum_of_few(field: Float64, most: int) -> Float64:
    """Return the log of the sum of exp(field^T x) over x with at most `most` units on, (..,)."""
    if most == 1:
        one: Float64 = np.logaddexp(0, np.logaddexp.reduce(field, axis=-1))
        return one
    within = np.zeros((*field.shape[:-1], most + 1))  # of no unit, at most k of which are on
    for i in range(field.shape[-1]):
        with_it = field[..., i : i + 1] + within[..., :-1]
        within[..., 1:] = np.logaddexp(within[..., 1:], with_it)
    return within[..., -1]


def _means_on(field: Float64, groups: Groups) -> Float64:
    """Return how often each unit is on in those states, (.., n): `log_sum_on`'s derivative."""
    means: Float64 = scipy.special.expit(field)
    for first, stop in groups:
        with_none = np.insert(field[..., first:stop], 0, 0, axis=-1)
        means[..., first:stop] = scipy.special.softmax(with_none, axis=-1)[..., 1:]
    return means


def _chunks(count: int, size: int) -> list[slice]:
    """Cut `count` frames so that arrays of `size` numbers a frame stay under AT_ONCE."""
    step = max(1, AT_ONCE // max(size, 1))
    return [slice(start, start + step) for start in range(0, count, step)]


def _bernoulli_log_weights(
    states: Float64, fields: Float64, other: Float64, own: Float64, groups: Groups
) -> tuple[Float64, Float64]:
    """Return the log of each state's share of Z (N, S), the other layer summed out.

    The second is the fields on that layer, with its bias, (N, S, m).
    """
    field = fields + other[:, None, :]
    return own @ states.T + log_sum_on(field, groups), field


def _bernoulli_expectations(
    w: NDArray[Any], a: NDArray[Any], b: NDArray[Any], groups: Groups
) -> tuple[Float64, Float64, Float64]:
    states, fields, other, own, summed = _bernoulli_states(w, a, b, groups)
    mean_own, mean_other = np.empty(own.shape), np.empty(other.shape)
    pair = np.zeros((states.shape[1], fields.shape[1]))
    for rows in _chunks(len(a), fields.size):
        log_p, field = _bernoulli_log_weights(states, fields, other[rows], own[rows], summed)
        p = np.exp(log_p - scipy.special.logsumexp(log_p, axis=1, keepdims=True))
        conditional = p[:, :, None] * _means_on(field, summed)
        mean_own[rows], mean_other[rows] = p @ states, conditional.sum(axis=1)
        pair += states.T @ conditional.sum(axis=0)
    if _sums_hidden(w, groups):
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
