"""The network f for N inputs at once: its values and its Jacobians.  Eq. (1)-(6).

    D^(L) = diag(phi'(s^(L))),   D^(k-1) = D^(k) W^(k) diag(phi'(s^(k-1))),   dy/dx = D^(1) W^(1)

Axes and memory as in its twin midigen.kernels.cpu.jacobian.  sizes is a NumPy array, all else lies
on the device.  What is wanted of every input is made for all of them at once: D^(k) is then
(N, n_L, n_k), layers in order, and each step of Eq. (3) is one matrix product.
"""

from functools import cache

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import (
    MatrixLike,
    as_matrix,
    copy,
    fill,
    flat,
    gemm,
    matrix,
    scratch_matrix,
)
from midigen.kernels.cuda.jit import TILE, Tile, jit, over
from midigen.kernels.cuda.memory import DeviceArray, scratch
from midigen.kernels.cuda.network import activated, sloped


def _layers(sizes):
    """List of each layer n_k, n_{k-1}, and where its parameters, codes and inputs begin.

    Inputs: in one row of `inputs`.
    """
    below, units = sizes[:-1], sizes[1:]
    lengths = np.stack([units * (below + 1), units, below + 1])
    return np.stack([units, below, *(np.cumsum(lengths, 1) - lengths)], 1).tolist()


def forward_batch(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    x: MatrixLike,
    inputs: DeviceArray,
    y: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute y = f(x), Eq. (1).

    Parameters as in midigen.kernels.cpu.jacobian.forward_batch.
    """
    inputs, y, layers = flat(inputs), as_matrix(y), _layers(sizes)
    count = y.rows
    copy(x, matrix(inputs, 0, count, layers[0][1], layers[0][1] + 1), tile)
    for k, (units, below, at, code, given) in enumerate(layers):
        fill(matrix(inputs, count * given + below, count, 1, below + 1), 1, tile)
        out = y
        if k < len(layers) - 1:
            out = matrix(inputs, count * layers[k + 1][-1], count, units, units + 1)
        gemm(
            False,
            True,
            1,
            matrix(inputs, count * given, count, below + 1),
            matrix(params, at, units, below + 1),
            0,
            out,
            tile=tile,
        )
        over(
            activated(out.scalar_type),
            count,
            units,
            codes,
            code,
            out.array,
            out.offset,
            out.row_stride,
            tile=tile,
        )


def local_gradients(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    inputs: DeviceArray,
    y: MatrixLike,
    n: int,
    out_d: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Compute D^(1)..D^(L) of one input, Eq. (2)-(3).

    Parameters as in midigen.kernels.cpu.jacobian.local_gradients.
    """
    _local_gradients(sizes, codes, params, inputs, y, n, 1, out_d, tile)


def _local_gradients(sizes, codes, params, inputs, y, first, some, out_d, tile):
    """Compute D^(1)..D^(L) of `some` inputs from `first` on into out_d (flat), Eq. (2)-(3)."""
    y, inputs, layers = as_matrix(y), flat(inputs), _layers(sizes)
    rows, outputs = some * y.columns, y.columns
    code = layers[-1][3]
    over(
        _diagonal(y.scalar_type),
        rows,
        outputs,
        codes,
        code,
        y.array,
        first * outputs,
        out_d,
        rows * code,
        tile=tile,
    )
    for (units, below, at, code, given), lower in zip(layers[:0:-1], layers[-2::-1], strict=True):
        d = matrix(out_d, rows * lower[3], rows, below)
        w = matrix(params, at, units, below, below + 1)
        gemm(False, False, 1, matrix(out_d, rows * code, rows, units), w, 0, d, tile=tile)
        over(
            _times_slope(y.scalar_type),
            rows,
            below,
            outputs,
            codes,
            lower[3],
            inputs,
            y.rows * given + first * (below + 1),
            out_d,
            d.offset,
            tile=tile,
        )


@cache
def _diagonal(real):
    """Make the kernel: out (rows, n_L) from its start on <- D^(L).

    Every n_L rows have the slopes at one row of y on their diagonal.
    """
    slope, zero = scalar.slope(real), real(0)

    @jit()
    def diagonal(rows, columns, codes, first_code, y, y_start, out, start):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                value = zero
                if r % columns == j:
                    value = slope(codes[first_code + j], y[y_start + r])
                out[start + r * columns + j] = value

    return diagonal


@cache
def _times_slope(real):
    """Make the kernel: d (rows, columns) from its start on *= the slope at x (.., columns + 1).

    A row of x serves `each` rows of d.
    """
    slope = scalar.slope(real)

    @jit()
    def times_slope(rows, columns, each, codes, first_code, x, x_start, d, start):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                d[start + r * columns + j] *= slope(
                    codes[first_code + j], x[x_start + r // each * (columns + 1) + j]
                )

    return times_slope


def weight_jacobian(
    sizes: NDArray[np.int64],
    inputs: DeviceArray,
    d: DeviceArray,
    count: int,
    n: int,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute dy/dw of one input, Eq. (4).

    Parameters as in midigen.kernels.cpu.jacobian.weight_jacobian.
    """
    _weight_jacobians(sizes, inputs, d, count, n, out, tile)


def _weight_jacobians(sizes, inputs, d, count, first, out, tile):
    """Compute dy/dw of as many inputs as `out` has room for, from `first` on.  Eq. (4)."""
    out, inputs = as_matrix(out), flat(inputs)
    for units, below, at, code, given in _layers(sizes):
        over(
            _expanded(),
            out.rows,
            units * (below + 1),
            int(sizes[-1]),
            units,
            below + 1,
            d,
            out.rows * code,
            inputs,
            count * given + first * (below + 1),
            out.array,
            at,
            out.row_stride,
            tile=tile,
        )


@cache
def _expanded():
    """Make the kernel: out <- products of rows of d (rows, units) with x, for `each` rows one."""

    @jit()
    def expanded(rows, columns, each, units, width, d, d_start, x, x_start, out, start, step):
        c, i = cuda.grid(2)
        if c < columns:
            j, m = c // width, c % width
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                out[start + r * step + c] = (
                    d[d_start + r * units + j] * x[x_start + r // each * width + m]
                )

    return expanded


def input_jacobian(
    sizes: NDArray[np.int64],
    params: DeviceArray,
    d: DeviceArray,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute dy/dx of one input, Eq. (5).

    Parameters as in midigen.kernels.cpu.jacobian.input_jacobian.
    """
    out, (units, below, *_) = as_matrix(out), _layers(sizes)[0]
    gemm(
        False,
        False,
        1,
        matrix(d, 0, out.rows, units),
        matrix(params, 0, units, below, below + 1),
        0,
        out,
        tile=tile,
    )


def weight_jacobians(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    inputs: DeviceArray,
    y: MatrixLike,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute dy/dw of every input, Eq. (2)-(4).

    Parameters as in midigen.kernels.cpu.jacobian.weight_jacobians.
    """
    d = _every_local_gradient(sizes, codes, params, inputs, y, tile)
    _weight_jacobians(sizes, inputs, d, as_matrix(y).rows, 0, out, tile)


def input_jacobians(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    inputs: DeviceArray,
    y: MatrixLike,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute dy/dx of every input, Eq. (2)-(3), (5).

    Parameters as in midigen.kernels.cpu.jacobian.input_jacobians.
    """
    d = _every_local_gradient(sizes, codes, params, inputs, y, tile)
    input_jacobian(sizes, params, d, out, tile)


def _every_local_gradient(sizes, codes, params, inputs, y, tile):
    """Compute D^(1)..D^(L) of all inputs, Eq. (2)-(3), in scratch memory."""
    d = scratch("local gradients", y.size * int(sizes[1:].sum()), y.dtype.type)
    _local_gradients(sizes, codes, params, inputs, y, 0, as_matrix(y).rows, d, tile)
    return d


def vector_jacobian(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    inputs: DeviceArray,
    y: MatrixLike,
    g: MatrixLike,
    gradient: DeviceArray,
    out_x: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute g^T dy/dw and g^T dy/dx without a Jacobian, Eq. (6).

    Parameters as in midigen.kernels.cpu.jacobian.vector_jacobian.
    """
    above, down, out_x, inputs = as_matrix(y), as_matrix(g), as_matrix(out_x), flat(inputs)
    count, real = above.rows, above.scalar_type
    for units, below, at, code, given in reversed(_layers(sizes)):
        delta = scratch_matrix("delta", count, units, real)
        over(
            sloped(real),
            count,
            units,
            codes,
            code,
            above.array,
            above.offset,
            above.row_stride,
            down.array,
            0,
            units,
            1,
            delta.array,
            0,
            units,
            tile=tile,
        )
        above = matrix(inputs, count * given, count, below + 1)
        gemm(True, False, 1, delta, above, 1, matrix(gradient, at, units, below + 1), tile=tile)
        down = out_x if at == 0 else scratch_matrix("down", count, below, real)
        gemm(
            False, False, 1, delta, matrix(params, at, units, below, below + 1), 0, down, tile=tile
        )
