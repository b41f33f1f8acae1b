"""The network f for N inputs at once: its values and its Jacobians.  Eq. (1)-(6).

    D^(L) = diag(phi'(s^(L))),   D^(k-1) = D^(k) W^(k) diag(phi'(s^(k-1))),   dy/dx = D^(1) W^(1)

Axes and memory as in midigen.kernels.cpu.network, with N inputs in place of the h frames:
  inputs  flat; layer k's input with a 1 behind it, (N, n_{k-1} + 1), layers in order;
          forward_block's serve as well
  y       (N, n_L), the outputs
  d       flat; the local gradients D^(k) = dy/ds^(k) of one input, (n_L, n_k), layers in order
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu.blas import gemm
from midigen.kernels.cpu.network import activate, matrix, times_slope
from midigen.kernels.jit import KERNEL


@njit(**KERNEL)
def forward_batch(sizes, codes, params, x, inputs, y) -> None:
    """Compute y = f(x), Eq. (1).

    sizes, codes, params: see the module.

    Parameters
    ----------
    x : (N, n_0)
        Inputs.
    inputs, y
        Overwritten.
    """
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
def local_gradients(sizes, codes, params, inputs, y, n, out_d) -> None:
    """Compute D^(1)..D^(L) of one input, Eq. (2)-(3).

    sizes, codes, params, inputs, y: see the module.

    Parameters
    ----------
    n : int
        Number of the input.
    out_d
        Overwritten, laid out like d.
    """
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
def weight_jacobian(sizes, inputs, d, count, n, out) -> None:
    """Compute dy/dw of one input, Eq. (4).

    sizes, inputs, d: see the module.

    Parameters
    ----------
    count : int
        N.
    n : int
        Number of the input.
    out : (n_L, P)
        Overwritten.
    """
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
def input_jacobian(sizes, params, d, out) -> None:
    """Compute dy/dx of one input, Eq. (5).

    sizes, params, d: see the module.

    Parameters
    ----------
    out : (n_L, n_0)
        Overwritten.
    """
    weights = matrix(params, 0, sizes[1], sizes[0] + 1)
    gemm(False, False, 1.0, matrix(d, 0, out.shape[0], sizes[1]), weights[:, : sizes[0]], 0.0, out)


@njit(**KERNEL)
def weight_jacobians(sizes, codes, params, inputs, y, out) -> None:
    """Compute dy/dw of every input, Eq. (2)-(4).

    sizes, codes, params, inputs, y: see the module.

    Parameters
    ----------
    out : (N, n_L, P)
        Overwritten.
    """
    d = np.empty(y.shape[1] * sizes[1:].sum(), y.dtype)
    for n in range(y.shape[0]):
        local_gradients(sizes, codes, params, inputs, y, n, d)
        weight_jacobian(sizes, inputs, d, y.shape[0], n, out[n])


@njit(**KERNEL)
def input_jacobians(sizes, codes, params, inputs, y, out) -> None:
    """Compute dy/dx of every input, Eq. (2)-(3), (5).

    sizes, codes, params, inputs, y: see the module.

    Parameters
    ----------
    out : (N, n_L, n_0)
        Overwritten.
    """
    d = np.empty(y.shape[1] * sizes[1:].sum(), y.dtype)
    for n in range(y.shape[0]):
        local_gradients(sizes, codes, params, inputs, y, n, d)
        input_jacobian(sizes, params, d, out[n])


@njit(**KERNEL)
def vector_jacobian(sizes, codes, params, inputs, y, g, gradient, out_x) -> None:
    """Compute g^T dy/dw and g^T dy/dx without a Jacobian, Eq. (6).

    That is backpropagation: (3) starts from the row g^T D^(L).
    sizes, codes, params, inputs, y: see the module.

    Parameters
    ----------
    g : (N, n_L)
        A row for every input.
    gradient : (P,)
        sum_n g_n^T dy_n/dw is added to it.
    out_x : (N, n_0)
        Overwritten with g_n^T dy_n/dx.
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
