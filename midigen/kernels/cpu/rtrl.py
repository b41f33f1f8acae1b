"""Real-time recurrent learning in blocks: the influence matrix J = dr/dw.  Eq. (11)-(13).

Axes and memory as in network.py.  Only the P_r parameters that can reach r are carried.  J is flat, layer after layer:
layer k's part is (R, n_k, n_{k-1} + 1), with R in place of n_k in the last layer.
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu.blas import gemm, gemv
from midigen.kernels.cpu.network import matrix, times_slope
from midigen.kernels.jit import KERNEL

CHUNK = 32  # frames whose Q matrices are gathered for one product: bounds the memory, long enough for BLAS


@njit(**KERNEL)
def influence_block(sizes, codes, params, recurrent, inputs, u, has_old, old, new):
    """J at the end of a block from J before it, Eq. (11)-(12).

    inputs and u are forward_block's.  old (R P_r,) is J before the block, unused unless has_old (a song's first block
    has J = 0); new (R P_r,) is overwritten.
    """
    h = u.shape[0]
    layers = sizes.size - 1
    outside = sizes[0] - recurrent
    units = sizes[1:].copy()
    units[layers - 1] = recurrent
    chunk = min(CHUNK, h)
    q = np.empty(chunk * recurrent * units.sum(), u.dtype)
    s = np.eye(recurrent, dtype=u.dtype)
    stop, beta = h, 0.0
    while stop > 0:
        start = max(0, stop - chunk)
        for t in range(stop - 1, start - 1, -1):
            _step_back(sizes, units, codes, params, recurrent, outside, inputs, u, t, t - start, chunk, s, q)
        at_q, at_inputs, at_new = 0, 0, 0
        for k in range(layers):
            rows, below = recurrent * units[k], sizes[k] + 1
            gemm(True, False, 1.0, matrix(q, at_q, chunk, rows)[:stop - start],
                 matrix(inputs, at_inputs, h, below)[start:stop], beta, matrix(new, at_new, rows, below))
            at_q += chunk * rows
            at_inputs += h * below
            at_new += rows * below
        stop, beta = start, 1.0
    if has_old:
        at = 0
        for k in range(layers):
            columns = units[k] * (sizes[k] + 1)
            gemm(False, False, 1.0, s, matrix(old, at, recurrent, columns), 1.0, matrix(new, at, recurrent, columns))
            at += recurrent * columns


@njit(**KERNEL)
def _step_back(sizes, units, codes, params, recurrent, outside, inputs, u, t, slot, chunk, s, q):
    """Q_t^(k) = S_t M_t^(k) into row `slot` of q, and S_{t-1} = S_t A_t in place, Eq. (11)."""
    layers = units.size
    at_q = q.size - chunk * recurrent * recurrent
    m = matrix(q, at_q, chunk, recurrent * recurrent)[slot].reshape(recurrent, recurrent)
    at_codes = codes.size - sizes[layers]
    for i in range(recurrent):
        m[i] = s[i]
        times_slope(codes[at_codes:at_codes + recurrent], u[t, :recurrent], m[i])
    at_params = params.size - sizes[layers] * (sizes[layers - 1] + 1)
    at_inputs = inputs.size
    for k in range(layers - 1, 0, -1):
        width, below = units[k - 1], sizes[k - 1]
        at_q -= chunk * recurrent * width
        at_inputs -= u.shape[0] * (width + 1)
        at_codes -= width
        weights = matrix(params, at_params, sizes[k + 1], width + 1)[:units[k], :width]
        lower = matrix(q, at_q, chunk, recurrent * width)[slot].reshape(recurrent, width)
        gemm(False, False, 1.0, m, weights, 0.0, lower)
        y = matrix(inputs, at_inputs, u.shape[0], width + 1)[t, :width]
        for i in range(recurrent):
            times_slope(codes[at_codes:at_codes + width], y, lower[i])
        m = lower
        at_params -= width * (below + 1)
    weights = matrix(params, 0, sizes[1], sizes[0] + 1)[:units[0], outside:sizes[0]]
    gemm(False, False, 1.0, m, weights, 0.0, s)


@njit(**KERNEL)
def influence_gradient(sizes, recurrent, adjoint, influence, gradient):
    """gradient += (dE/dr)^T J, the second term of Eq. (13); adjoint (R,), influence (R P_r,), gradient (P,)."""
    layers = sizes.size - 1
    at_params, at_influence = 0, 0
    for k in range(layers):
        columns = (sizes[k + 1] if k < layers - 1 else recurrent) * (sizes[k] + 1)
        gemv(True, 1.0, matrix(influence, at_influence, recurrent, columns), adjoint, 1.0,
             gradient[at_params:at_params + columns])
        at_params += columns
        at_influence += recurrent * columns
