"""Passes over all parameters: the step of Adam or of SGD with momentum, and what goes with it.

All arrays are (P,), P parameters, on the device, and of one float dtype, unless said otherwise.
Its twin is midigen.kernels.cpu.optimizer.
"""

from functools import cache

import numpy as np
from numba import cuda, float64

from midigen.kernels.cuda.blas import MatrixLike, StridedMatrix, as_matrix, gemm
from midigen.kernels.cuda.jit import TILE, Tile, along, jit, over
from midigen.kernels.cuda.memory import DeviceArray, scratch, upload

MOST_PARTS = 256  # sums that `squared_norm` reads back


def adam_step(
    parameters: DeviceArray,
    gradient: DeviceArray,
    mean: DeviceArray,
    square: DeviceArray,
    rate: float,
    beta1: float,
    beta2: float,
    step: int,
    epsilon: float,
    tile: Tile = TILE,
) -> None:
    """Take a step of Adam (Kingma and Ba 2015, algorithm 1).

    Parameters as in midigen.kernels.cpu.optimizer.adam_step.
    """
    real = parameters.dtype.type
    along(
        _adam(real),
        parameters.size,
        parameters,
        gradient,
        mean,
        square,
        real(rate / (1 - beta1**step)),
        real(1 / (1 - beta2**step)),
        real(beta1),
        real(beta2),
        real(epsilon),
        tile=tile,
    )


@cache
def _adam(real):
    one, half = real(1), real(0.5)

    @jit()
    def adam(count, parameters, gradient, mean, square, to_mean, to_square, b1, b2, epsilon):
        i = cuda.grid(1)
        if i < count:
            g = gradient[i]
            m, s = b1 * mean[i] + (one - b1) * g, b2 * square[i] + (one - b2) * g * g
            mean[i], square[i] = m, s
            parameters[i] -= to_mean * m / ((s * to_square) ** half + epsilon)

    return adam


def momentum_step(
    parameters: DeviceArray,
    gradient: DeviceArray,
    velocity: DeviceArray,
    rate: float,
    momentum: float,
    tile: Tile = TILE,
) -> None:
    """Take a step of SGD with momentum.

    Parameters as in midigen.kernels.cpu.optimizer.momentum_step.
    """
    real = parameters.dtype.type
    along(
        _momentum(),
        parameters.size,
        parameters,
        gradient,
        velocity,
        real(rate),
        real(momentum),
        tile=tile,
    )


@cache
def _momentum():
    @jit()
    def momentum_move(count, parameters, gradient, velocity, rate, momentum):
        i = cuda.grid(1)
        if i < count:
            v = momentum * velocity[i] + gradient[i]
            velocity[i] = v
            parameters[i] -= rate * v

    return momentum_move


def shorten_and_decay(
    parameters: DeviceArray,
    gradient: DeviceArray,
    scale: float,
    decay: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Shorten a gradient and add weight decay to it.

    Parameters as in midigen.kernels.cpu.optimizer.shorten_and_decay.
    """
    along(
        _shortened(),
        parameters.size,
        parameters,
        gradient,
        parameters.dtype.type(scale),
        decay,
        tile=tile,
    )


@cache
def _shortened():
    @jit()
    def shortened(count, parameters, gradient, scale, decay):
        i = cuda.grid(1)
        if i < count:
            gradient[i] = scale * gradient[i] + decay[i] * parameters[i]

    return shortened


def average_step(
    average: DeviceArray, parameters: DeviceArray, decay: float, tile: Tile = TILE
) -> None:
    """Move a running mean towards the parameters.

    Parameters as in midigen.kernels.cpu.optimizer.average_step.
    """
    mix(decay, average, 1 - decay, parameters, tile)


def mix(
    scale: float, x: DeviceArray, other_scale: float, other: DeviceArray, tile: Tile = TILE
) -> None:
    """Replace x by scale x + other_scale other.

    Parameters as in midigen.kernels.cpu.optimizer.mix.
    """
    real = x.dtype.type
    along(_mixed(), x.size, real(scale), x, real(other_scale), other, tile=tile)


@cache
def _mixed():
    @jit()
    def mixed(count, scale, x, other_scale, other):
        i = cuda.grid(1)
        if i < count:
            x[i] = scale * x[i] + other_scale * other[i]

    return mixed


def scale(x: DeviceArray, divisor: float, tile: Tile = TILE) -> None:
    """Replace x by x / divisor.

    Parameters as in midigen.kernels.cpu.optimizer.scale.
    """
    along(_divided(), x.size, x, x.dtype.type(divisor), tile=tile)


@cache
def _divided():
    @jit()
    def divided(count, x, divisor):
        i = cuda.grid(1)
        if i < count:
            x[i] /= divisor

    return divided


def mean_gradient(
    gradient: DeviceArray, count: int, pushed: DeviceArray, pushed_count: int, tile: Tile = TILE
) -> None:
    """Add the mean gradients of songs and of noise.  Eq. (23).

    Parameters as in midigen.kernels.cpu.optimizer.mean_gradient.
    """
    real = gradient.dtype.type
    along(_averaged(), gradient.size, gradient, real(count), pushed, real(pushed_count), tile=tile)


@cache
def _averaged():
    @jit()
    def averaged(size, gradient, count, pushed, pushed_count):
        i = cuda.grid(1)
        if i < size:
            gradient[i] = gradient[i] / count + pushed[i] / pushed_count

    return averaged


def squared_norm(x: DeviceArray, tile: Tile = TILE) -> float:
    """Sum the squares of x, in float64 and in a fixed order.

    Parameters
    ----------
    x : (P,)
        Any numbers.

    Returns
    -------
    float
        On the host, which so waits for the device.
    """
    threads = tile.across * tile.down
    blocks = min(MOST_PARTS, -(-x.size // threads))
    parts = scratch.shaped("norm", (blocks,), np.float64)
    _squares(threads)[blocks, threads](x.size, x, parts)
    return float(parts.copy_to_host().sum())


@cache
def _squares(threads):
    """Make the kernel: every block's sum of squares; `threads`, a power of 2, are in a block."""

    @jit()
    def squares(count, x, parts):
        sums = cuda.shared.array(threads, float64)
        thread, total = cuda.threadIdx.x, 0.0
        for i in range(cuda.grid(1), count, cuda.gridDim.x * threads):
            total += float64(x[i]) * float64(x[i])
        sums[thread] = total
        width = threads // 2
        while width > 0:
            cuda.syncthreads()
            if thread < width:
                sums[thread] += sums[thread + width]
            width //= 2
        if thread == 0:
            parts[cuda.blockIdx.x] = sums[0]

    return squares


def centre_shift(
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    means: DeviceArray,
    hidden_mean: float,
    sign: int,
    tile: Tile = TILE,
) -> None:
    """Move biases into centred coordinates (sign 1) or out of them (sign -1).  Eq. (25).

    Parameters as in midigen.kernels.cpu.optimizer.centre_shift; a is (V,) or (1, V), b (H,) or (1,
    H).
    """
    w, a, b = as_matrix(w), as_matrix(a), as_matrix(b)
    ones = StridedMatrix(_ones(w.rows, w.scalar_type), 0, 1, w.rows, w.rows)
    gemm(False, False, sign * hidden_mean, ones, w, 1, a, tile=tile)
    gemm(False, True, sign, StridedMatrix(means, 0, 1, w.columns, w.columns), w, 1, b, tile=tile)


@cache
def _ones(count, real):
    return upload(np.ones(count, real))


def centre_gradient(
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    means: DeviceArray,
    hidden_mean: float,
    tile: Tile = TILE,
) -> None:
    """Turn the gradient of W into the one in centred coordinates.  Eq. (25).

    Parameters as in midigen.kernels.cpu.optimizer.centre_gradient, with the shapes of centre_shift.
    """
    w, a, b = as_matrix(w), as_matrix(a), as_matrix(b)
    over(
        _centred(),
        w.rows,
        w.columns,
        w.array,
        w.offset,
        w.row_stride,
        a.array,
        a.offset,
        a.column_stride,
        b.array,
        b.offset,
        b.column_stride,
        means,
        w.scalar_type(hidden_mean),
        tile=tile,
    )


@cache
def _centred():
    @jit()
    def centred(
        rows,
        columns,
        w,
        w_start,
        w_step,
        a,
        a_start,
        a_step,
        b,
        b_start,
        b_step,
        means,
        hidden_mean,
    ):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                w[w_start + r * w_step + j] -= (
                    b[b_start + r * b_step] * means[j] + hidden_mean * a[a_start + j * a_step]
                )

    return centred
