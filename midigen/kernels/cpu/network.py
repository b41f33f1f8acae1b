"""The network f over one block of frames: forward, and backpropagation.  Eq. (1)-(3), (8), (13).

    u_t = [r_t; y_t] = f([x_t; r_{t-1}]),   s^(k) = W^(k) x^(k-1) + b^(k),   x^(k) = phi_k(s^(k))

Axes and memory; float arrays are all float32 or all float64:
  h, X, R, Y  frames of a block, inputs from outside, recurrent units, other outputs
  L, n_k, P   layers, units of layer k, parameters
  sizes       int64 (L + 1,): n_0 = X + R, n_1, .., n_L = R + Y.  Of the outputs r comes first, so
              that the P_r parameters that can reach r are the first P_r of all.
  codes       int8, the activation of every unit, layers in order
  params      (P,); layer k is a matrix (n_k, n_{k-1} + 1) = [W^(k) | b^(k)], layers in order
  recurrent   int, R
  starts      uint8 (h,): 1 where a series begins; r before that frame is 0, and no gradient goes
              back over it
  inputs      flat; layer k's input with a 1 behind it, (h, n_{k-1} + 1), layers in order: what
              Eq. (4) multiplies by
  u           (h, n_L), the outputs
  deltas      flat; dE/ds^(k), (h, n_k), layers in order
"""

import numpy as np
from numba import njit

from midigen.kernels.codes import LEAK, LEAKY, SIGMOID, SOFTPLUS, TANH
from midigen.kernels.cpu.blas import gemm, gemv
from midigen.kernels.jit import KERNEL
from midigen.kernels.scalar import sigmoid, softplus, tanh


@njit(**KERNEL)
def matrix(flat, start, rows, columns):
    """View a part of a flat array, from `start` on, as a matrix (rows, columns)."""
    return flat[start : start + rows * columns].reshape(rows, columns)


@njit(**KERNEL)
def activate(codes, s) -> None:
    """Replace local fields by activations, s <- phi(s), Eq. (1), in place.

    Units of one activation are made in one loop, which vectorises.

    Parameters
    ----------
    codes : int8 (n,)
        The activation of every unit.
    s : (n,)
        Local fields.
    """
    start = 0
    while start < s.size:
        stop = start + 1
        while stop < s.size and codes[stop] == codes[start]:
            stop += 1
        code = codes[start]
        if code == TANH:
            for i in range(start, stop):
                s[i] = tanh(s[i])
        elif code == SIGMOID:
            for i in range(start, stop):
                s[i] = sigmoid(s[i])
        elif code == SOFTPLUS:
            for i in range(start, stop):
                s[i] = softplus(s[i])
        elif code == LEAKY:
            for i in range(start, stop):
                s[i] = s[i] if s[i] > 0 else s.dtype.type(LEAK) * s[i]
        start = stop


@njit(**KERNEL)
def times_slope(codes, y, d) -> None:
    """Multiply by slopes, d <- d phi'(s), unit by unit, in place.

    Parameters
    ----------
    codes : int8 (n,)
        The activation of every unit.
    y : (n,)
        The activations phi(s).
    d : (n,)
        Multiplied.
    """
    one = y.dtype.type(1)
    start = 0
    while start < y.size:
        stop = start + 1
        while stop < y.size and codes[stop] == codes[start]:
            stop += 1
        code = codes[start]
        if code == TANH:
            for i in range(start, stop):
                d[i] *= one - y[i] * y[i]
        elif code == SIGMOID:
            for i in range(start, stop):
                d[i] *= y[i] * (one - y[i])
        elif code == SOFTPLUS:
            for i in range(start, stop):
                d[i] *= -np.expm1(-y[i])
        elif code == LEAKY:
            for i in range(start, stop):
                if y[i] <= 0:
                    d[i] *= y.dtype.type(LEAK)
        start = stop


@njit(**KERNEL)
def forward_block(sizes, codes, params, recurrent, x, starts, state, inputs, u) -> None:
    """Run the network over the frames of a block, Eq. (8).

    sizes, codes, params, recurrent, starts: see the module.  What does not depend on r is one
    product ahead of the serial part, and the y rows of the last layer are one behind it.

    Parameters
    ----------
    x : (h, X)
        Inputs from outside.
    state : (R,)
        r before the block, replaced by r at its end.
    inputs, u
        Overwritten.
    """
    h, outside = x.shape
    layers = sizes.size - 1
    below = sizes[0]
    first = matrix(inputs, 0, h, below + 1)
    for t in range(h):
        first[t, :outside] = x[t]
        first[t, below] = 1
    serial = sizes[1] if layers > 1 else recurrent
    weights = matrix(params, 0, sizes[1], below + 1)
    field = np.empty((h, serial), x.dtype)
    for t in range(h):
        field[t] = weights[:serial, below]
    gemm(False, True, 1.0, x, weights[:serial, :outside], 1.0, field)
    for t in range(h):
        if starts[t]:
            state[:] = 0
        first[t, outside:below] = state
        gemv(False, 1.0, weights[:serial, outside:below], state, 1.0, field[t])
        activate(codes[:serial], field[t])
        y = field[t]
        at_params, at_inputs, at_codes = sizes[1] * (below + 1), h * (below + 1), sizes[1]
        for k in range(2, layers + 1):
            width, units = sizes[k - 1], (sizes[k] if k < layers else recurrent)
            row = matrix(inputs, at_inputs, h, width + 1)[t]
            row[:width] = y
            row[width] = 1
            y = u[t, :recurrent] if k == layers else np.empty(units, x.dtype)
            gemv(False, 1.0, matrix(params, at_params, sizes[k], width + 1)[:units], row, 0.0, y)
            activate(codes[at_codes : at_codes + units], y)
            at_params += sizes[k] * (width + 1)
            at_inputs += h * (width + 1)
            at_codes += sizes[k]
        if layers == 1:
            u[t, :recurrent] = y
        state[:] = y
    width = sizes[layers - 1]
    last = matrix(params, params.size - sizes[layers] * (width + 1), sizes[layers], width + 1)
    top = matrix(inputs, inputs.size - h * (width + 1), h, width + 1)
    gemm(False, True, 1.0, top, last[recurrent:], 0.0, u[:, recurrent:])
    at_codes = codes.size - sizes[layers] + recurrent
    for t in range(h):
        activate(codes[at_codes:], u[t, recurrent:])


@njit(**KERNEL)
def backward_block(
    sizes, codes, params, recurrent, inputs, u, starts, du, adjoint, deltas, gradient
) -> None:
    """Backpropagate over a block: the first term of Eq. (13).

    sizes, codes, params, recurrent, inputs, u, starts: see the module.

    Parameters
    ----------
    du : (h, n_L)
        dE/du_t of the losses inside the block.
    adjoint : (R,)
        dE/dr at the block's end from later frames, replaced by dE/dr before the block.
    deltas
        Overwritten.
    gradient : (P,)
        Added to.
    """
    h = u.shape[0]
    layers = sizes.size - 1
    outside = sizes[0] - recurrent
    dtype = u.dtype
    width = sizes[layers - 1]
    last = matrix(params, params.size - sizes[layers] * (width + 1), sizes[layers], width + 1)
    top = matrix(deltas, deltas.size - h * sizes[layers], h, sizes[layers])
    top_codes = codes[codes.size - sizes[layers] :]
    for t in range(h):
        top[t, recurrent:] = du[t, recurrent:]
        times_slope(top_codes[recurrent:], u[t, recurrent:], top[t, recurrent:])
    # what the y rows send down does not wait for r: one product for all frames
    low = outside if layers == 1 else 0
    down = np.empty((h, width - low), dtype)
    gemm(False, False, 1.0, top[:, recurrent:], last[recurrent:, low:width], 0.0, down)
    for t in range(h - 1, -1, -1):
        for i in range(recurrent):
            top[t, i] = adjoint[i] + du[t, i]
        times_slope(top_codes[:recurrent], u[t, :recurrent], top[t, :recurrent])
        d = down[t]
        gemv(True, 1.0, last[:recurrent, low:width], top[t, :recurrent], 1.0, d)
        at_params = params.size - sizes[layers] * (width + 1)
        at_inputs = inputs.size
        at_deltas = deltas.size - h * sizes[layers]
        at_codes = codes.size - sizes[layers]
        for k in range(layers - 1, 0, -1):
            units, below = sizes[k], sizes[k - 1]
            at_params -= units * (below + 1)
            at_inputs -= h * (units + 1)
            at_deltas -= h * units
            at_codes -= units
            delta = matrix(deltas, at_deltas, h, units)[t]
            delta[:] = d
            times_slope(
                codes[at_codes : at_codes + units],
                matrix(inputs, at_inputs, h, units + 1)[t, :units],
                delta,
            )
            start = outside if k == 1 else 0
            d = np.empty(below - start, dtype)
            gemv(
                True,
                1.0,
                matrix(params, at_params, units, below + 1)[:, start:below],
                delta,
                0.0,
                d,
            )
        if starts[t]:
            d[:] = 0
        adjoint[:] = d
    at_params, at_inputs, at_deltas = 0, 0, 0
    for k in range(1, layers + 1):
        units, below = sizes[k], sizes[k - 1]
        gemm(
            True,
            False,
            1.0,
            matrix(deltas, at_deltas, h, units),
            matrix(inputs, at_inputs, h, below + 1),
            1.0,
            matrix(gradient, at_params, units, below + 1),
        )
        at_params += units * (below + 1)
        at_inputs += h * (below + 1)
        at_deltas += h * units
