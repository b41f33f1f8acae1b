"""The network f for N inputs at once: its values and its Jacobians.  Eq. (1)-(6).

Axes and memory as in network.py, with N inputs in place of the h frames of a block:
  inputs  flat; layer k's input with a 1 behind it, (N, n_{k-1} + 1), layers in order.  forward_block's serve as well.
  d       flat; the local gradients D^(k) = dy/ds^(k) of one input, (n_L, n_k), layers in order.
  y       (N, n_L), the outputs.
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu.blas import gemm
from midigen.kernels.cpu.network import activate, matrix, times_slope
from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def forward_batch(sizes, codes, params, x, inputs, y):
    """y = f(x), Eq. (1), for x (N, n_0); inputs and y are overwritten."""
    count, layers = x.shape[0], sizes.size - 1
    at_params, at_inputs, at_codes = 0, 0, 0
    below = x
    for k in range(1, layers + 1):
        width, units = sizes[k - 1], sizes[k]
        rows = matrix(inputs, at_inputs, count, width + 1)
        rows[:, :width] = below
        rows[:, width] = 1
        out = y if k == layers else np.empty((count, units), x.dtype)
        gemm(False, True, 1.0, rows, matrix(params, at_params, units, width + 1), 0.0, out)
        for n in range(count):
            activate(codes[at_codes : at_codes + units], out[n])
        below = out
        at_params += units * (width + 1)
        at_inputs += count * (width + 1)
        at_codes += units


@njit(**KERNEL)
def local_gradients(sizes, codes, params, inputs, y, n, out_d):
    """out_d <- D^(1)..D^(L) of input n, Eq. (2)-(3)."""
    count, outputs, layers = y.shape[0], y.shape[1], sizes.size - 1
    at_d, at_codes = out_d.size - outputs * outputs, codes.size - outputs
    at_params, at_inputs = params.size, inputs.size
    d = matrix(out_d, at_d, outputs, outputs)
    d[:] = 0
    for i in range(outputs):
        d[i, i] = 1
        times_slope(codes[at_codes:], y[n], d[i])
    for k in range(layers, 1, -1):
        units, width = sizes[k], sizes[k - 1]
        at_params -= units * (width + 1)
        at_inputs -= count * (width + 1)
        at_codes -= width
        at_d -= outputs * width
        lower = matrix(out_d, at_d, outputs, width)
        gemm(
            False, False, 1.0, d, matrix(params, at_params, units, width + 1)[:, :width], 0.0, lower
        )
        x = matrix(inputs, at_inputs, count, width + 1)[n, :width]
        for i in range(outputs):
            times_slope(codes[at_codes : at_codes + width], x, lower[i])
        d = lower


@njit(**KERNEL)
def weight_jacobian(sizes, inputs, d, count, n, out):
    """out (n_L, P) <- dy/dw of input n of `count`, Eq. (4), from its local gradients d."""
    outputs = out.shape[0]
    at_d, at_inputs, column = 0, 0, 0
    for k in range(1, sizes.size):
        units, width = sizes[k], sizes[k - 1] + 1
        local = matrix(d, at_d, outputs, units)
        x = matrix(inputs, at_inputs, count, width)[n]
        for i in range(outputs):
            for j in range(units):
                for m in range(width):
                    out[i, column + j * width + m] = local[i, j] * x[m]
        at_d += outputs * units
        at_inputs += count * width
        column += units * width


@njit(**KERNEL)
def input_jacobian(sizes, params, d, out):
    """out (n_L, n_0) <- dy/dx of one input, Eq. (5), from its local gradients d."""
    weights = matrix(params, 0, sizes[1], sizes[0] + 1)
    gemm(False, False, 1.0, matrix(d, 0, out.shape[0], sizes[1]), weights[:, : sizes[0]], 0.0, out)


@njit(**KERNEL)
def weight_jacobians(sizes, codes, params, inputs, y, out):
    """out (N, n_L, P) <- dy/dw of every input, Eq. (2)-(4)."""
    d = np.empty(y.shape[1] * sizes[1:].sum(), y.dtype)
    for n in range(y.shape[0]):
        local_gradients(sizes, codes, params, inputs, y, n, d)
        weight_jacobian(sizes, inputs, d, y.shape[0], n, out[n])


@njit(**KERNEL)
def input_jacobians(sizes, codes, params, inputs, y, out):
    """out (N, n_L, n_0) <- dy/dx of every input, Eq. (2)-(3), (5)."""
    d = np.empty(y.shape[1] * sizes[1:].sum(), y.dtype)
    for n in range(y.shape[0]):
        local_gradients(sizes, codes, params, inputs, y, n, d)
        input_jacobian(sizes, params, d, out[n])


@njit(**KERNEL)
def vector_jacobian(sizes, codes, params, inputs, y, g, gradient, out_x):
    """gradient (P,) += sum_n g_n^T dy_n/dw and out_x (N, n_0) <- g_n^T dy_n/dx, for rows g (N, n_L).

    No Jacobian is made: (3) starts from the row g^T D^(L), which is backpropagation, Eq. (6).
    """
    count, layers = y.shape[0], sizes.size - 1
    at_params, at_inputs, at_codes = params.size, inputs.size, codes.size
    above, delta = y, g.copy()
    for k in range(layers, 0, -1):
        units, width = sizes[k], sizes[k - 1]
        at_params -= units * (width + 1)
        at_inputs -= count * (width + 1)
        at_codes -= units
        for n in range(count):
            times_slope(codes[at_codes : at_codes + units], above[n, :units], delta[n])
        x = matrix(inputs, at_inputs, count, width + 1)
        gemm(True, False, 1.0, delta, x, 1.0, matrix(gradient, at_params, units, width + 1))
        down = out_x if k == 1 else np.empty((count, width), y.dtype)
        gemm(
            False,
            False,
            1.0,
            delta,
            matrix(params, at_params, units, width + 1)[:, :width],
            0.0,
            down,
        )
        above, delta = x, down
