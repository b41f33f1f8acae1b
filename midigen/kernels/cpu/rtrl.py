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
def influence_stage(sizes, codes, params, recurrent, inputs, u, start, stop, accumulate, s, out):
    """Carry the rows of S back over frames start..stop-1, and sum what they meet on the way.  Eq. (11)-(12), (12a).

    inputs and u are forward_block's.  s (M, R): M rows of the propagator at `stop`, replaced by those at `start`.
    out (M P_r,): the sum of Q_i^(k) x_i over these frames, added to it if accumulate, else put in its place.
    """
    h, rows = u.shape[0], s.shape[0]
    layers = sizes.size - 1
    units = sizes[1:].copy()
    units[layers - 1] = recurrent
    chunk = min(CHUNK, stop - start)
    q = np.empty(chunk * rows * units.sum(), u.dtype)
    beta = 1.0 if accumulate else 0.0
    while stop > start:
        first = max(start, stop - chunk)
        for t in range(stop - 1, first - 1, -1):
            _step_back(sizes, units, codes, params, recurrent, inputs, u, t, t - first, chunk, s, q)
        at_q, at_inputs, at_out = 0, 0, 0
        for k in range(layers):
            width, below = rows * units[k], sizes[k] + 1
            gemm(True, False, 1.0, matrix(q, at_q, chunk, width)[:stop - first],
                 matrix(inputs, at_inputs, h, below)[first:stop], beta, matrix(out, at_out, width, below))
            at_q += chunk * width
            at_inputs += h * below
            at_out += width * below
        stop, beta = first, 1.0


@njit(**KERNEL)
def influence_expand(sizes, recurrent, left, inner, out):
    """out (N P_r,) += left (N, M) inner (M P_r,), for influence matrices of N and M rows.  Eq. (12), (12a)."""
    layers = sizes.size - 1
    n, m = left.shape
    at = 0
    for k in range(layers):
        columns = (sizes[k + 1] if k < layers - 1 else recurrent) * (sizes[k] + 1)
        gemm(False, False, 1.0, left, matrix(inner, m * at, m, columns), 1.0, matrix(out, n * at, n, columns))
        at += columns


@njit(**KERNEL)
def _step_back(sizes, units, codes, params, recurrent, inputs, u, t, slot, chunk, s, q):
    """Q_t^(k) = S_t M_t^(k) into row `slot` of q, and S_{t-1} = S_t A_t in place, Eq. (11); s (M, R)."""
    layers, rows = units.size, s.shape[0]
    at_q = q.size - chunk * rows * recurrent
    m = matrix(q, at_q, chunk, rows * recurrent)[slot].reshape(rows, recurrent)
    at_codes = codes.size - sizes[layers]
    for i in range(rows):
        m[i] = s[i]
        times_slope(codes[at_codes:at_codes + recurrent], u[t, :recurrent], m[i])
    at_params = params.size - sizes[layers] * (sizes[layers - 1] + 1)
    at_inputs = inputs.size
    for k in range(layers - 1, 0, -1):
        width, below = units[k - 1], sizes[k - 1]
        at_q -= chunk * rows * width
        at_inputs -= u.shape[0] * (width + 1)
        at_codes -= width
        weights = matrix(params, at_params, sizes[k + 1], width + 1)[:units[k], :width]
        lower = matrix(q, at_q, chunk, rows * width)[slot].reshape(rows, width)
        gemm(False, False, 1.0, m, weights, 0.0, lower)
        y = matrix(inputs, at_inputs, u.shape[0], width + 1)[t, :width]
        for i in range(rows):
            times_slope(codes[at_codes:at_codes + width], y, lower[i])
        m = lower
        at_params -= width * (below + 1)
    weights = matrix(params, 0, sizes[1], sizes[0] + 1)[:units[0], sizes[0] - recurrent:sizes[0]]
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
