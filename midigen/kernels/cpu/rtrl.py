"""Real-time recurrent learning in blocks: the influence matrix J.  Eq. (11)-(13), (12a).

    S_h = I,   S_{i-1} = S_i A_{t0+i},   Q_i^(k) = S_i M_{t0+i}^(k)                         (11)
    J_{t0+h} = S_0 J_{t0} + sum_i Q_i^(k)[:,j] x_{t0+i}^(k-1)[m]                            (12)

Axes and memory as in midigen.kernels.cpu.network, and:
  cut      int, the layer whose activations J follows: L, so that J = dr/dw, or a hidden layer with
           fewer units than r; then J = dy^(cut)/dw, and a step back leads from y^(cut)_t over
           r_{t-1} to y^(cut)_{t-1}
  outside  int, X
  plan     int64 (L, 6), a row for each layer: where its parts begin, see midigen.kernels.codes
  J        (n_cut, P_r), only the P_r parameters that can reach r.  A row holds layer after layer:
           of the first layer the weights from outside, transposed, (X, n_1), so that a note that
           is on adds to one stretch of memory, then all its other weights, (n_1, R + 1); of the
           other layers (n_k, n_{k-1} + 1), of the last one only the R rows of r
  origin   int, the frame of a block at which its last series begins, or 0 where none begins in it
  before_params, before_inputs, before_u
           of the frame ahead of the block: its weights, which may have moved since (online
           learning), and what forward_block left, as of a block of h = 1; read where cut < L
  known    bool, whether there is such a frame, of the same series
"""

import numpy as np
from numba import njit

from midigen.kernels.codes import BELOW, CODES, COLUMNS, INPUTS, PARAMS, UNITS
from midigen.kernels.cpu.blas import gemm, gemv
from midigen.kernels.cpu.network import matrix, times_slope
from midigen.kernels.jit import KERNEL

CHUNK = 96  # frames whose Q are gathered for one product, which reads and writes J once
SPARSE = 8  # inputs are taken one by one where fewer than one in so many is not 0


@njit(**KERNEL)
def influence_stage(
    plan,
    cut,
    outside,
    codes,
    params,
    inputs,
    u,
    before_params,
    before_inputs,
    before_u,
    known,
    origin,
    start,
    stop,
    accumulate,
    s,
    out,
) -> None:
    """Carry rows of S back over frames, and sum what they meet on the way.  Eq. (11)-(12), (12a).

    plan, cut, outside, codes, params, inputs, u, before_params, before_inputs, before_u, known,
    origin: see the module.  Layers over the cut are met a frame earlier than those below it.

    Parameters
    ----------
    start, stop : int
        From frame stop - 1 back to frame start >= origin.
    accumulate : bool
        Whether the sum is added to `out` or put in its place.
    s : (M, n_cut, or R if that is more)
        M rows of the propagator at `stop`, replaced by those at `start`; columns from n_cut on are
        scratch.
    out : (M, P_r) or None
        The sum over these frames of Q_i^(k) x_i, laid out like J; None: nothing is summed.
    """
    rows, layers = s.shape[0], plan.shape[0]
    chunk = min(CHUNK, stop - start)
    q = np.empty(chunk * rows * plan[:, UNITS].sum(), u.dtype)
    beta = 1.0 if accumulate else 0.0
    while stop > start:
        first = max(start, stop - chunk)
        for t in range(stop - 1, first - 1, -1):
            _walk(plan, cut, 0, outside, codes, params, inputs, u, t, t - first, chunk, s, q)
            if t > origin:
                _walk(
                    plan,
                    layers,
                    cut,
                    outside,
                    codes,
                    params,
                    inputs,
                    u,
                    t - 1,
                    t - first,
                    chunk,
                    s,
                    q,
                )
            elif known:
                _walk(
                    plan,
                    layers,
                    cut,
                    outside,
                    codes,
                    before_params,
                    before_inputs,
                    before_u,
                    0,
                    0,
                    chunk,
                    s,
                    q,
                )
        if out is not None:
            _sum_first(plan, outside, inputs, u.shape[0], first, stop, rows, chunk, q, beta, out)
            for k in range(1, layers):
                if k < cut:
                    _sum(plan, k, inputs, u.shape[0], first, stop, 0, rows, chunk, q, beta, out)
                elif first > origin:
                    _sum(
                        plan,
                        k,
                        inputs,
                        u.shape[0],
                        first - 1,
                        stop - 1,
                        0,
                        rows,
                        chunk,
                        q,
                        beta,
                        out,
                    )
                else:
                    _sum(plan, k, before_inputs, 1, 0, int(known), 0, rows, chunk, q, beta, out)
                    _sum(plan, k, inputs, u.shape[0], origin, stop - 1, 1, rows, chunk, q, 1.0, out)
        stop, beta = first, 1.0


@njit(**KERNEL)
def influence_expand(left, inner, first, stop, out) -> None:
    """Add left inner to columns first..stop - 1 of `out`.  Eq. (12), (12a).

    Parameters
    ----------
    left : (N, M)
        S, or S Z^T.
    inner : (M, P_r)
        J, or Z J.
    first, stop : int
        The columns.
    out : (N, P_r)
        Added to.
    """
    gemm(False, False, 1.0, left, inner[:, first:stop], 1.0, out[:, first:stop])


@njit(**KERNEL)
def influence_gradient(
    plan,
    cut,
    outside,
    codes,
    before_params,
    before_inputs,
    before_u,
    adjoint,
    influence,
    gradient,
    z,
) -> None:
    """Add (dE/dr)^T dr/dw to a gradient, the second term of Eq. (13).

    plan, cut, outside, codes, before_params, before_inputs, before_u: see the module.  Layers over
    the cut are crossed by backpropagation over the frame before the block.

    Parameters
    ----------
    adjoint : (R,)
        dE/dr before the block.
    influence : (n_cut, P_r), (M, P_r) or None
        J, or Z J, or None where that is nothing.
    gradient : (P,)
        Added to.
    z : (M, n_cut) or None
        Z of Eq. (12a); None where `influence` is the whole J.
    """
    m = adjoint
    for k in range(plan.shape[0] - 1, cut - 1, -1):
        units, below = plan[k, UNITS], plan[k, BELOW]
        delta = m.copy()
        times_slope(
            codes[plan[k, CODES] : plan[k, CODES] + units],
            _activation(plan, k, before_inputs, before_u, 0),
            delta,
        )
        x = before_inputs[plan[k, INPUTS] : plan[k, INPUTS] + below + 1]
        weights = matrix(before_params, plan[k, PARAMS], units, below + 1)
        out = matrix(gradient, plan[k, PARAMS], units, below + 1)
        m = np.zeros(below, m.dtype)
        for i in range(units):
            for j in range(below):
                out[i, j] += delta[i] * x[j]
                m[j] += delta[i] * weights[i, j]
            out[i, below] += delta[i]
    if influence is None:
        return
    total = np.empty(influence.shape[1], m.dtype)
    if z is None:
        gemv(True, 1.0, influence, m, 0.0, total)
    else:
        inner = np.empty(z.shape[0], m.dtype)
        gemv(False, 1.0, z, m, 0.0, inner)
        gemv(True, 1.0, influence, inner, 0.0, total)
    units, below = plan[0, UNITS], plan[0, BELOW]
    out = matrix(gradient, 0, units, below + 1)
    transposed = matrix(total, 0, outside, units)
    rest = matrix(total, outside * units, units, below + 1 - outside)
    for i in range(units):
        for j in range(outside):
            out[i, j] += transposed[j, i]
        for j in range(outside, below + 1):
            out[i, j] += rest[i, j - outside]
    for j in range(units * (below + 1), total.size):
        gradient[j] += total[j]


@njit(**KERNEL)
def _activation(plan, k, inputs, u, t):
    """Find y^(k+1)_t, what layer k (from 0) gives: the next one's input, or r."""
    units = plan[k, UNITS]
    if k == plan.shape[0] - 1:
        return u[t, :units]
    return matrix(inputs, u.shape[0] * plan[k + 1, INPUTS], u.shape[0], units + 1)[t, :units]


@njit(**KERNEL)
def _walk(plan, top, bottom, outside, codes, params, inputs, u, t, slot, chunk, s, q) -> None:
    """Carry s = de/dy^(top)_t back to de/dy^(bottom)_t, which replaces it.  Eq. (11).

    y^(0) is r_{t-1}; s is (M, ..).  Q_t of each layer crossed, de/ds^(k)_t, is left in row `slot`
    of its part of q.
    """
    rows = s.shape[0]
    for k in range(top - 1, bottom - 1, -1):
        units, below = plan[k, UNITS], plan[k, BELOW]
        m = _gathered(plan, k, rows, chunk, q)[slot].reshape(rows, units)
        source = s if k == top - 1 else m
        slope = np.ones(units, s.dtype)
        times_slope(
            codes[plan[k, CODES] : plan[k, CODES] + units],
            _activation(plan, k, inputs, u, t),
            slope,
        )
        for i in range(rows):
            for j in range(units):
                m[i, j] = source[i, j] * slope[j]
        weights = matrix(params, plan[k, PARAMS], units, below + 1)[
            :, (outside if k == 0 else 0) : below
        ]
        if k == bottom:
            gemm(False, False, 1.0, m, weights, 0.0, s[:, : weights.shape[1]])
        else:
            gemm(
                False,
                False,
                1.0,
                m,
                weights,
                0.0,
                _gathered(plan, k - 1, rows, chunk, q)[slot].reshape(rows, below),
            )


@njit(**KERNEL)
def _gathered(plan, k, rows, chunk, q):
    """View layer k's part of q, (chunk, M n_k)."""
    width = rows * plan[k, UNITS]
    return matrix(q, chunk * rows * plan[:k, UNITS].sum(), chunk, width)


@njit(**KERNEL)
def _sum(plan, k, inputs, h, first, stop, slot, rows, chunk, q, beta, out) -> None:
    """Replace layer k's columns of `out` by beta times themselves plus the sum of Q x."""
    units, below = plan[k, UNITS], plan[k, BELOW]
    x = matrix(inputs, h * plan[k, INPUTS], h, below + 1)[first:stop]
    gathered = _gathered(plan, k, rows, chunk, q)[slot : slot + stop - first]
    for i in range(rows):
        columns = matrix(out[i], plan[k, COLUMNS], units, below + 1)
        if stop > first:
            gemm(True, False, 1.0, gathered[:, i * units : (i + 1) * units], x, beta, columns)
        elif beta == 0.0:
            columns[:] = 0


@njit(**KERNEL)
def _sum_first(plan, outside, inputs, h, first, stop, rows, chunk, q, beta, out) -> None:
    """Do what _sum does for the first layer.

    Inputs from outside are taken one by one where few are not 0.
    """
    units, below = plan[0, UNITS], plan[0, BELOW]
    x = matrix(inputs, 0, h, below + 1)[first:stop]
    gathered = _gathered(plan, 0, rows, chunk, q)
    count = 0  # inputs that are not 0, note by note
    begins = np.zeros(outside + 1, np.int64)
    frames = np.empty((stop - first) * outside, np.int64)
    for j in range(outside):
        for t in range(stop - first):
            if x[t, j] != 0:
                frames[count] = t
                count += 1
        begins[j + 1] = count
    for i in range(rows):
        own = gathered[: stop - first, i * units : (i + 1) * units]
        transposed = matrix(out[i], 0, outside, units)
        if SPARSE * count > frames.size:
            gemm(True, False, 1.0, x[:, :outside], own, beta, transposed)
        else:
            for j in range(outside):
                if beta == 0.0:
                    transposed[j] = 0
                for k in range(begins[j], begins[j + 1], 4):
                    _add_four(
                        x[:, j],
                        gathered,
                        i * units,
                        frames[k : min(k + 4, begins[j + 1])],
                        transposed[j],
                    )
        gemm(
            True,
            False,
            1.0,
            own,
            x[:, outside:],
            beta,
            matrix(out[i], outside * units, units, below + 1 - outside),
        )


@njit(**KERNEL)
def _add_four(x, gathered, at, frames, out) -> None:
    """Add x_t gathered_t[at:at + n] of one to four frames t to `out` (n,).

    So `out` is read and written once.  The rows are sliced here, from a contiguous array: Numba
    would not know that rows of a slice have no gaps.
    """
    t0, count = frames[0], frames.size
    t1, t2, t3 = frames[min(1, count - 1)], frames[min(2, count - 1)], frames[count - 1]
    zero = x.dtype.type(0)
    x0 = x[t0]
    x1 = x[t1] if count > 1 else zero
    x2 = x[t2] if count > 2 else zero
    x3 = x[t3] if count > 3 else zero
    end = at + out.size
    a0, a1 = gathered[t0, at:end], gathered[t1, at:end]
    a2, a3 = gathered[t2, at:end], gathered[t3, at:end]
    for i in range(out.size):
        out[i] += x0 * a0[i] + x1 * a1[i] + x2 * a2[i] + x3 * a3[i]
