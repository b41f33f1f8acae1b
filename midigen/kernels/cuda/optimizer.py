"""Passes over all parameters: the move of Adam or of SGD with momentum, and what goes before and after it.

All arrays (P,) on the device, of one dtype; moments and parameters are changed in place.
"""

from functools import cache

import numpy as np
from numba import cuda, float64

from midigen.kernels.cuda.blas import StridedMatrix, as_matrix, gemm
from midigen.kernels.cuda.jit import TILE, along, jit, over
from midigen.kernels.cuda.memory import scratch, upload

MOST_PARTS = 256  # sums that `squared_norm` reads back


def adam_step(parameters, gradient, mean, square, rate, beta1, beta2, step, epsilon, tile=TILE):
    """Adam (Kingma and Ba 2015, algorithm 1); step counts from 1."""
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


def momentum_step(parameters, gradient, velocity, rate, momentum, tile=TILE):
    """SGD with momentum: velocity <- momentum velocity + gradient; parameters <- parameters - rate velocity."""
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


def shorten_and_decay(parameters, gradient, scale, decay, tile=TILE):
    """gradient <- scale gradient + decay parameters, entry by entry; decay (P,)."""
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


def average_step(average, parameters, decay, tile=TILE):
    """average <- decay average + (1 - decay) parameters."""
    mix(decay, average, 1 - decay, parameters, tile)


def mix(scale, x, other_scale, other, tile=TILE):
    """x <- scale x + other_scale other."""
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


def scale(x, divisor, tile=TILE):
    """x <- x / divisor."""
    along(_divided(), x.size, x, x.dtype.type(divisor), tile=tile)


@cache
def _divided():
    @jit()
    def divided(count, x, divisor):
        i = cuda.grid(1)
        if i < count:
            x[i] /= divisor

    return divided


def mean_gradient(gradient, count, pushed, pushed_count, tile=TILE):
    """gradient <- gradient / count + pushed / pushed_count, the mean over the frames of songs and of noise."""
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


def squared_norm(x, tile=TILE):
    """The sum of squares of x, a float on the host, summed in float64 in a fixed order."""
    threads = tile.across * tile.down
    blocks = min(MOST_PARTS, -(-x.size // threads))
    parts = scratch.shaped("norm", (blocks,), np.float64)
    _squares(threads)[blocks, threads](x.size, x, parts)
    return float(parts.copy_to_host().sum())


@cache
def _squares(threads):
    """Every block's sum of squares; `threads`, a power of 2, are in a block."""

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


def centre_shift(w, a, b, means, hidden_mean, sign, tile=TILE):
    """a += sign hidden_mean sum_j W_j and b += sign W means: into centred coordinates (sign 1) or out.  Eq. (25).

    StridedMatrix or contiguous device arrays: w (H, V), a (1, V), b (1, H); means (V,).
    """
    w, a, b = as_matrix(w), as_matrix(a), as_matrix(b)
    ones = StridedMatrix(_ones(w.rows, w.scalar_type), 0, 1, w.rows, w.rows)
    gemm(False, False, sign * hidden_mean, ones, w, 1, a, tile=tile)
    gemm(False, True, sign, StridedMatrix(means, 0, 1, w.columns, w.columns), w, 1, b, tile=tile)


@cache
def _ones(count, real):
    return upload(np.ones(count, real))


def centre_gradient(w, a, b, means, hidden_mean, tile=TILE):
    """dE/dW -= b means^T + hidden_mean a, of gradients laid out as centre_shift's parts are.  Eq. (25)."""
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
