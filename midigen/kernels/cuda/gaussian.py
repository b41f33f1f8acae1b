"""Gaussian-Bernoulli RBM for N frames at once, every frame with biases and variances of its own.

    F(v) = 1/2 sum_i (x_i - alpha_i)^2 - sum_j softplus((W x + b)_j)                        (20)
    p(h_j = 1 | v) = sigmoid((W x + b)_j),   x | h ~ N(alpha + W^T h, 1)                    (22)

with x = exp(-z/2) v and alpha = exp(-z/2) a.  Eq. (15), (19)-(22).

Arguments as in its twin midigen.kernels.cpu.gaussian, whose draws these are up to rounding; keys,
rows and StridedMatrix as in midigen.kernels.cuda.rbm.
"""

import math
from functools import cache

from numba import cuda, float64

from midigen.kernels.codes import CORRUPT, OVERFLOW, TAIL
from midigen.kernels.cuda import gibbs, rbm
from midigen.kernels.cuda.blas import MatrixLike, as_matrix, fill, gemm, scratch_matrix
from midigen.kernels.cuda.jit import TILE, Tile, along, device, jit, over
from midigen.kernels.cuda.memory import DeviceArray, scratch
from midigen.kernels.cuda.rbm import PerSeries
from midigen.kernels.cuda.scalar import normals, softplus, uniform
from midigen.kernels.scalar import f64

_EACH = 8  # points of an integral that a thread takes at a time


def normal_row(
    key: PerSeries, sweep: int, row: PerSeries, out: DeviceArray, tile: Tile = TILE
) -> None:
    """Draw standard normal numbers for one row, by Box and Muller.

    Parameters as in midigen.kernels.cpu.gaussian.normal_row.
    """
    fill(out, 0, tile)
    _add_normals(key, sweep, row, 1, out, tile)


def _add_normals(key, sweep, first_row, deviation, x, tile):
    """Add to x (N, n) the normal numbers of normal_row, times a deviation."""
    x = as_matrix(x)
    over(
        _noised(),
        x.rows,
        -(-x.columns // 4),
        x.columns,
        *rbm.series_of(key, first_row),
        sweep,
        x.scalar_type(deviation),
        *x.operand,
        tile=tile,
    )


@cache
def _noised():
    """Make the kernel: a thread draws four numbers, a quarter of a row apart, from one counter."""

    @jit()
    def noised(count, quarter, columns, keys, first_rows, n_series, sweep, deviation, x, x_at):
        j, i = cuda.grid(2)
        if j < quarter:
            for r in range(i, count, cuda.gridDim.y * cuda.blockDim.y):
                drawn = rbm.series_words(j, r, sweep, keys, first_rows, n_series)
                first, third = normals(uniform(drawn[0]), uniform(drawn[2]))
                second, fourth = normals(uniform(drawn[1]), uniform(drawn[3]))
                numbers = first, second, third, fourth
                for part in range(4):
                    s = j + part * quarter
                    if s < columns:
                        x[x_at[0] + r * x_at[1] + s] += deviation * numbers[part]

    return noised


def scale(v: MatrixLike, z: MatrixLike, out: MatrixLike, tile: Tile = TILE) -> None:
    """Bring values into units of the deviations.

    Parameters as in midigen.kernels.cpu.gaussian.scale.
    """
    v, z, out = as_matrix(v), as_matrix(z), as_matrix(out)
    over(
        _scaled(out.scalar_type),
        out.rows,
        out.columns,
        *v.operand,
        *z.operand,
        *out.operand,
        tile=tile,
    )


@cache
def _scaled(real):
    minus_half = real(-0.5)

    @jit()
    def scaled(rows, columns, v, v_at, z, z_at, out, out_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                inverse = math.exp(minus_half * z[z_at[0] + r * z_at[1] + j])
                out[out_at[0] + r * out_at[1] + j] = v[v_at[0] + r * v_at[1] + j] * inverse

    return scaled


def log_variance(
    s: MatrixLike, low: float, high: float, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Compute z = low + (high - low) s.

    Parameters as in midigen.kernels.cpu.gaussian.log_variance.
    """
    s, out = as_matrix(s), as_matrix(out)
    over(
        _stretched(),
        s.rows,
        s.columns,
        s.scalar_type(low),
        s.scalar_type(high - low),
        *s.operand,
        *out.operand,
        tile=tile,
    )


@cache
def _stretched():
    @jit()
    def stretched(rows, columns, low, length, s, s_at, out, out_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                out[out_at[0] + r * out_at[1] + j] = low + length * s[s_at[0] + r * s_at[1] + j]

    return stretched


def corrupt(
    key: PerSeries,
    noise: float,
    dropout: float,
    x: MatrixLike,
    first_row: PerSeries,
    tile: Tile = TILE,
) -> None:
    """Add normal noise to values, then drop values, in place.

    Parameters as in midigen.kernels.cpu.gaussian.corrupt.
    """
    if noise > 0:
        _add_normals(key, CORRUPT, first_row, noise, x, tile)
    rbm.corrupt(key, 0.0, dropout, x, first_row, tile)


def gibbs_chain(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike,
    sweeps: int,
    beta: float,
    key: PerSeries,
    first_sweep: int,
    first_row: PerSeries,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Take steps of block Gibbs sampling, Eq. (22).

    Parameters as in midigen.kernels.cpu.gaussian.gibbs_chain; out may be v.

    Raises
    ------
    TooWideError
        Where the units of a chain do not fit into a block's shared memory.
    """
    gibbs.chain(
        *(v, w, a, b, z, None, sweeps, beta),
        *(*rbm.series_of(key, first_row)[:2], first_sweep, out, tile),
    )


def hidden_probability(
    v: MatrixLike, w: MatrixLike, b: MatrixLike, z: MatrixLike, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Compute p(h = 1 | v), Eq. (22).

    Parameters as in midigen.kernels.cpu.gaussian.hidden_probability.
    """
    rbm.hidden_probability(_in_deviations("x", v, z, tile), w, b, out, tile)


def _in_deviations(name, v, z, tile):
    """Compute exp(-z/2) v, a StridedMatrix in scratch memory."""
    v = as_matrix(v)
    out = scratch_matrix(f"gaussian {name}", v.rows, v.columns, v.scalar_type)
    scale(v, z, out, tile)
    return out


def free_energy(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike,
    out: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Compute the free energy F(v), Eq. (20).

    Parameters as in midigen.kernels.cpu.gaussian.free_energy.
    """
    x, alpha, c = _fields(v, w, a, b, z, tile)
    along(_energy(), x.rows, x.columns, c.columns, x.array, alpha.array, c.array, out, tile=tile)


def _fields(v, w, a, b, z, tile):
    """Compute v and a in units of the deviations, and the hidden field, all in scratch memory."""
    x, alpha, w = _in_deviations("x", v, z, tile), _in_deviations("alpha", a, z, tile), as_matrix(w)
    c = scratch_matrix("gaussian c", x.rows, w.rows, x.scalar_type)
    rbm.hidden_field(x, w, b, c, tile)
    return x, alpha, c


@cache
def _energy():
    half = f64(0.5)

    @jit()
    def energy(rows, visible, hidden, x, alpha, c, out):
        n = cuda.grid(1)
        if n < rows:
            total = f64(0)
            for i in range(n * visible, (n + 1) * visible):
                away = f64(x[i] - alpha[i])
                total += half * away * away
            for j in range(n * hidden, (n + 1) * hidden):
                total -= softplus(c[j])
            out[n] = total

    return energy


def add_gradients(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike,
    weight: DeviceArray,
    out_a: MatrixLike,
    out_b: MatrixLike,
    out_z: MatrixLike,
    gradient_w: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Add weight_n dF(v_n), Eq. (21).

    Parameters as in midigen.kernels.cpu.gaussian.add_gradients.
    """
    _add_gradients(v, w, a, b, z, weight, 1, out_a, out_b, out_z, gradient_w, tile)


def _add_gradients(v, w, a, b, z, weight, sign, out_a, out_b, out_z, gradient_w, tile):
    """Add sign weight_n dF(v_n)."""
    v, w, a, z, out_a, out_b, out_z = (as_matrix(x) for x in (v, w, a, z, out_a, out_b, out_z))
    real, x = v.scalar_type, _in_deviations("x", v, z, tile)
    p = scratch_matrix("gaussian p", v.rows, w.rows, real)
    back = scratch_matrix("gaussian back", v.rows, w.columns, real)
    rbm.hidden_probability(x, w, b, p, tile)
    gemm(False, False, 1, p, w, 0, back, tile=tile)
    over(
        _visible_parts(real),
        v.rows,
        v.columns,
        real(sign),
        weight,
        *v.operand,
        *a.operand,
        *z.operand,
        x.array,
        back.array,
        *out_a.operand,
        *out_z.operand,
        tile=tile,
    )
    over(
        _hidden_part(),
        p.rows,
        p.columns,
        real(sign),
        weight,
        p.array,
        *out_b.operand,
        tile=tile,
    )
    gemm(True, False, -1, p, x, 1, gradient_w, tile=tile)


@cache
def _visible_parts(real):
    half = real(0.5)

    @jit()
    def visible_parts(
        rows, columns, sign, weight, v, v_at, a, a_at, z, z_at, x, back, out_a, a_to, out_z, z_to
    ):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                factor, at = sign * weight[r], r * columns + j
                inverse = math.exp(-half * z[z_at[0] + r * z_at[1] + j])
                away = (v[v_at[0] + r * v_at[1] + j] - a[a_at[0] + r * a_at[1] + j]) * inverse
                out_a[a_to[0] + r * a_to[1] + j] -= factor * away * inverse
                out_z[z_to[0] + r * z_to[1] + j] += factor * half * (x[at] * back[at] - away * away)

    return visible_parts


@cache
def _hidden_part():
    """Make the kernel of the part for b; p is left multiplied by its weight."""

    @jit()
    def hidden_part(rows, columns, sign, weight, p, out_b, b_to):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                weighed = sign * weight[r] * p[r * columns + j]
                p[r * columns + j] = weighed
                out_b[b_to[0] + r * b_to[1] + j] -= weighed

    return hidden_part


def contrast(
    v: MatrixLike,
    sample: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike,
    weight: DeviceArray,
    out_a: MatrixLike,
    out_b: MatrixLike,
    out_z: MatrixLike,
    gradient_w: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (21).

    Parameters as in midigen.kernels.cpu.gaussian.contrast.
    """
    for out in (out_a, out_b, out_z):
        fill(out, 0, tile)
    for states, sign in ((v, 1), (sample, -1)):
        _add_gradients(states, w, a, b, z, weight, sign, out_a, out_b, out_z, gradient_w, tile)


def pseudo_log_likelihood(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike,
    out: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Compute sum_i log p(v_i | all other visible units), of densities, in nats.

    Parameters as in midigen.kernels.cpu.gaussian.pseudo_log_likelihood, which says what is
    integrated; a thread makes one integral.
    """
    w, z = as_matrix(w), as_matrix(z)
    x, alpha, c = _fields(v, w, a, b, z, tile)
    terms = scratch("terms", x.rows * x.columns, f64)
    over(
        _integrated(),
        x.rows,
        x.columns,
        c.columns,
        *w.operand,
        rbm.exponentials(w, w.rows, tile).array,
        x.array,
        alpha.array,
        *z.operand,
        c.array,
        terms,
        tile=tile,
    )
    along(_summed(), x.rows, x.columns, c.columns, terms, c.array, out, tile=tile)


@device
def _log_integrand(start, now, i, hidden, columns, w, w_at, growth, c, first, product, logs):
    """Compute -t^2/2 + sum_j softplus(c_j + W_j (t - now)) into `logs`.

    At t = start, start + 1, ..; growth is exp(W).
    """
    for k in range(_EACH):
        t = start + f64(k)
        logs[k] = f64(-0.5) * t * t
        product[k] = f64(1)
    size = f64(0)  # an upper bound on |log(product)|
    for j in range(hidden):
        weight = f64(w[w_at[0] + j * w_at[1] + i])
        field = f64(c[first + j]) + weight * (start - now)
        bound = f64(0.7) + max(abs(field), abs(field + f64(_EACH) * weight))
        if bound > OVERFLOW:  # too large for any product, and rare
            for k in range(_EACH):
                logs[k] += softplus(field + f64(k) * weight)
            continue
        if size + bound > OVERFLOW:
            for k in range(_EACH):
                logs[k] += math.log(product[k])
                product[k] = f64(1)
            size = f64(0)
        size += bound
        odds, grown = math.exp(field), growth[j * columns + i]
        for k in range(_EACH):
            product[k] *= f64(1) + odds
            odds *= grown
    for k in range(_EACH):
        logs[k] += math.log(product[k])


@cache
def _integrated():
    """Make the kernel: terms (N, V) <- t^2/2 + z/2 at v_i, and the log of the integral."""
    zero, half, one = f64(0), f64(0.5), f64(1)

    @jit()
    def integrated(rows, columns, hidden, w, w_at, growth, x, alpha, z, z_at, c, terms):
        product = cuda.local.array(_EACH, float64)
        logs = cuda.local.array(_EACH, float64)
        i, y = cuda.grid(2)
        if i < columns:
            low, high = -TAIL, TAIL
            for j in range(hidden):
                weight = f64(w[w_at[0] + j * w_at[1] + i])
                low += min(weight, zero)
                high += max(weight, zero)
            for n in range(y, rows, cuda.gridDim.y * cuda.blockDim.y):
                now = f64(x[n * columns + i]) - f64(alpha[n * columns + i])
                start, peak, total = low, -math.inf, zero
                while start < high + one:
                    _log_integrand(
                        start,
                        now,
                        i,
                        hidden,
                        columns,
                        w,
                        w_at,
                        growth,
                        c,
                        n * hidden,
                        product,
                        logs,
                    )
                    largest = peak
                    for k in range(_EACH):
                        largest = max(largest, logs[k])
                    total *= math.exp(peak - largest)
                    for k in range(_EACH):
                        total += math.exp(logs[k] - largest)
                    start, peak = start + f64(_EACH), largest
                terms[n * columns + i] = (
                    half * (now * now + f64(z[z_at[0] + n * z_at[1] + i])) + peak + math.log(total)
                )

    return integrated


@cache
def _summed():
    @jit()
    def summed(rows, visible, hidden, terms, c, out):
        n = cuda.grid(1)
        if n < rows:
            total = f64(0)
            for j in range(n * hidden, (n + 1) * hidden):
                total += softplus(c[j])
            total *= visible
            for i in range(n * visible, (n + 1) * visible):
                total -= terms[i]
            out[n] = total

    return summed
