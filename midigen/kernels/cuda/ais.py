"""Annealed importance sampling for N Bernoulli RBMs at once, as midigen.kernels.cpu.ais has it, on the GPU."""

import math
from functools import cache

from numba import cuda

from midigen.kernels.codes import MOST_MOVES  # noqa: F401  callers keep to it
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import as_matrix, fill, gemm, matrix
from midigen.kernels.cuda.jit import TILE, along, jit, over
from midigen.kernels.cuda.memory import scratch
from midigen.kernels.cuda.rbm import lanes_of, sample_bernoulli
from midigen.kernels.scalar import f64


def draw_base(base, key, first_row, out, tile=TILE):
    """out (N, V) <- a sample of the base, p(v_i = 1) = sigmoid(base_i), base (N, V); sweep 0 of the key."""
    sample_bernoulli(key, 0, first_row, base, None, out, tile)


def anneal(w, base, a, b, first, last, temperatures, key, first_row, v, log_weight, tile=TILE):
    """Move chains on from beta = first / temperatures to last / temperatures, at most MOST_MOVES moves.

    Contiguous device arrays of one float type: w (H, V), base and a (N, V), b (N, H); v (N, V) of 0 and 1 is moved on
    in place; log_weight (N,) float64 is added to, in nats.  A draw depends on (key, move, first_row + n, unit) alone.
    """
    (count, visible), hidden, real = tuple(v.shape), tuple(w.shape)[0], v.dtype.type
    key, first_row, _ = lanes_of(key, first_row)
    fields, h, field_v, held = (matrix(scratch(f"ais {name}", count * n, real), 0, count, n) for name, n in (
        ("fields", hidden), ("h", hidden), ("field v", visible), ("held", visible)))
    ratio = matrix(scratch("ais ratio", count * hidden, f64), 0, count, hidden)
    fill(held, 0, tile)
    fill(ratio, 1, tile)
    for move in range(first, last):
        low, high = real(move / temperatures), real((move + 1) / temperatures)
        gemm(False, True, 1, v, w, 0, fields, tile=tile)
        over(_grown(real), count, hidden, real(1 / temperatures), low, high, as_matrix(b).array, fields.array,
             ratio.array, tile=tile)
        over(_tilted(real), count, visible, high, as_matrix(base).array, as_matrix(a).array, as_matrix(v).array,
             held.array, field_v.array, tile=tile)
        if move + 1 < temperatures:
            sample_bernoulli(key, 2 * move + 2, first_row, fields, None, h, tile)
            gemm(False, False, high, h, w, 1, field_v, tile=tile)
            sample_bernoulli(key, 2 * move + 3, first_row, field_v, None, v, tile)
    along(_weighed(), count, visible, hidden, temperatures, as_matrix(a).array, as_matrix(base).array, held.array,
          ratio.array, log_weight, tile=tile)


@cache
def _grown(real):
    """ratio *= (1 + e^(x + d)) / (1 + e^x), d being a move's growth of the field; fields <- those of the next beta."""
    tanh, sigmoid, one, two = scalar.tanh(real), scalar.sigmoid(real), real(1), real(2)

    @jit()
    def grown(rows, columns, step, low, high, b, fields, ratio):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = r * columns + j
                x = fields[at]
                t = tanh(step * x / two)
                ratio[at] *= f64(1) + f64(sigmoid(low * x + b[at]) * (two * t / (one - t)))
                fields[at] = high * x + b[at]

    return grown


@cache
def _tilted(real):
    """held += v; field_v <- the visible biases at the next beta."""
    @jit()
    def tilted(rows, columns, high, base, a, v, held, field_v):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = r * columns + j
                held[at] += v[at]
                field_v[at] = base[at] + high * (a[at] - base[at])

    return tilted


@cache
def _weighed():
    @jit()
    def weighed(count, visible, hidden, temperatures, a, base, held, ratio, log_weight):
        n = cuda.grid(1)
        if n < count:
            total = f64(0)
            for i in range(n * visible, (n + 1) * visible):
                total += f64(held[i]) * (f64(a[i]) - f64(base[i])) / temperatures
            for j in range(n * hidden, (n + 1) * hidden):
                total += math.log(ratio[j])
            log_weight[n] += total

    return weighed
