"""Annealed importance sampling for N Bernoulli RBMs at once (Salakhutdinov and Murray, ICML 2008).

Between a base without weights (beta = 0), whose Z is a product, and the RBM itself (beta = 1) lie

    log p_beta(v) = ((1 - beta) base + beta a)^T v + sum_j softplus((beta W v + b)_j) + constant

and each move from one beta to the next adds the growth of log p_beta(v) to a chain's log weight.
Chains go from the base to the RBM, or backwards, Eq. (30)-(31).

Arguments that the functions share are those of midigen.kernels.cpu.rbm, and:
  base    (N, V), visible biases of the bases
"""

import numpy as np
from numba import njit

from midigen.kernels.codes import MOST_MOVES  # noqa: F401  callers keep to it
from midigen.kernels.cpu.blas import gemm
from midigen.kernels.cpu.rbm import sample_bernoulli, sample_groups
from midigen.kernels.jit import KERNEL
from midigen.kernels.scalar import f32, f64, sigmoid, tanh


@njit(**KERNEL)
def draw_base(base, groups, key, first_row, out) -> None:
    """Draw a state of every base, whose fields are `base`, Eq. (18), (29), with sweep number 0.

    base, groups, key, first_row: see the module.

    Parameters
    ----------
    out : (N, V)
        Overwritten with 0 and 1.
    """
    sample_bernoulli(key, 0, first_row, base, np.empty(base.shape[1] + 3, f32), out)
    sample_groups(key, 0, first_row, base, groups, out)


@njit(**KERNEL)
def anneal(
    w, base, a, b, groups, first, last, temperatures, backwards, key, first_row, v, log_weight
) -> None:
    """Move chains from beta = first / temperatures on to last / temperatures.

    Backwards it is from 1 - first / temperatures down to 1 - last / temperatures.

    w, base, a, b, groups, key, first_row: see the module.  The draws of a move depend on its
    number, not on how the moves are divided among calls.

    The softplus terms grow by log((1 + e^(x + d)) / (1 + e^x)) = log(1 + sigmoid(x) (e^d - 1)), and
    e^d - 1 = 2 t / (1 - t) with t = tanh(d / 2): one logarithm serves all moves of the call.

    Parameters
    ----------
    first, last : int
        Moves first..last - 1 are made, at most MOST_MOVES of them.
    temperatures : int
        Moves from the base to the RBM.
    backwards : bool
        Whether they are from the RBM to the base.
    v : (N, V)
        The chains' states, moved on in place.
    log_weight : float64 (N,)
        Added to, in nats.
    """
    count, visible = v.shape
    hidden = w.shape[0]
    real = v.dtype.type
    end, sign = (temperatures, -1) if backwards else (0, 1)
    step, one, two = real(sign / temperatures), real(1), real(2)
    fields, h = np.empty((count, hidden), v.dtype), np.empty((count, hidden), v.dtype)
    field_v, held = np.empty((count, visible), v.dtype), np.zeros((count, visible), v.dtype)
    ratio = np.ones((count, hidden))
    noise = np.empty(max(hidden, visible) + 3, f32)
    for move in range(first, last):
        beta = real((end + sign * move) / temperatures)
        following = real((end + sign * (move + 1)) / temperatures)
        for i in range(count):
            for j in range(visible):
                held[i, j] += v[i, j]
        gemm(False, True, 1.0, v, w, 0.0, fields)
        for i in range(count):
            for j in range(hidden):
                x = fields[i, j]
                t = tanh(step * x / two)
                ratio[i, j] *= 1.0 + f64(sigmoid(beta * x + b[i, j]) * (two * t / (one - t)))
                fields[i, j] = following * x + b[i, j]
        if move + 1 == temperatures:
            break
        sample_bernoulli(key, 2 * move + 2, first_row, fields, noise, h)
        for i in range(count):
            for j in range(visible):
                field_v[i, j] = base[i, j] + following * (a[i, j] - base[i, j])
        gemm(False, False, following, h, w, 1.0, field_v)
        sample_bernoulli(key, 2 * move + 3, first_row, field_v, noise, v)
        sample_groups(key, 2 * move + 3, first_row, field_v, groups, v)
    for i in range(count):
        for j in range(visible):
            growth = f64(a[i, j]) - f64(base[i, j])
            log_weight[i] += sign * held[i, j] * growth / temperatures
        for j in range(hidden):
            log_weight[i] += np.log(ratio[i, j])
