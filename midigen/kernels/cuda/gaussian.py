"""Gaussian-Bernoulli RBM for N frames at once, every frame with biases and variances of its own.  Eq. (15), (19)-(22).

As midigen.kernels.cpu.gaussian has it, whose draws these are up to rounding.  Matrices, keys and rows are those of
midigen.kernels.cuda.rbm; z, the log-variance (N, V), may be a StridedMatrix in u as the biases may.
"""

import math
from functools import cache

from numba import cuda, float64

from midigen.kernels.codes import CORRUPT, OVERFLOW, TAIL
from midigen.kernels.cuda import gibbs, rbm
from midigen.kernels.cuda.blas import as_matrix, fill, gemm, scratch_matrix
from midigen.kernels.cuda.jit import TILE, along, device, jit, over
from midigen.kernels.cuda.memory import scratch
from midigen.kernels.cuda.scalar import normals, softplus, uniform
from midigen.kernels.scalar import f64

_EACH = 8  # points of an integral that a thread takes at a time


def normal_row(key, sweep, row, out, tile=TILE):
    """out (4 Q,) float32 <- standard normal numbers of one row, by Box and Muller from those of uniform_row."""
    fill(out, 0, tile)
    _add_normals(key, sweep, row, 1, out, tile)


def _add_normals(key, sweep, first_row, deviation, x, tile):
    """x (N, n) += normal numbers of that deviation, those of normal_row."""
    x = as_matrix(x)
    over(
        _noised(),
        x.rows,
        -(-x.columns // 4),
        x.columns,
        *rbm.series_of(key, first_row),
        sweep,
        x.scalar_type(deviation),
        x.array,
        x.layout,
        tile=tile,
    )


@cache
def _noised():
    """A thread draws four numbers of a row, a quarter of it apart, from the four words of one counter."""

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


def scale(v, z, out, tile=TILE):
    """out (N, V) <- exp(-z/2) v: v in units of the deviations."""
    v, z, out = as_matrix(v), as_matrix(z), as_matrix(out)
    over(
        _scaled(out.scalar_type),
        out.rows,
        out.columns,
        v.array,
        v.layout,
        z.array,
        z.layout,
        out.array,
        out.layout,
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


def log_variance(s, low, high, out, tile=TILE):
    """out (N, V) <- z = low + (high - low) s, of the network's sigmoids s (N, V)."""
    s, out = as_matrix(s), as_matrix(out)
    over(
        _stretched(),
        s.rows,
        s.columns,
        s.scalar_type(low),
        s.scalar_type(high - low),
        s.array,
        s.layout,
        out.array,
        out.layout,
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


def corrupt(key, noise, dropout, x, first_row, tile=TILE):
    """Values x (T, V), in place: normal numbers of deviation `noise` are added, then `dropout` as in rbm.corrupt."""
    if noise > 0:
        _add_normals(key, CORRUPT, first_row, noise, x, tile)
    rbm.corrupt(key, 0.0, dropout, x, first_row, tile)


def gibbs_chain(v, w, a, b, z, sweeps, beta, key, first_sweep, first_row, out, tile=TILE):
    """`sweeps` steps of block Gibbs sampling from v at inverse temperature beta, Eq. (22); out (N, V) is overwritten.

    beta divides the variance too.  Sweep s draws the hidden units with counter 2 (first_sweep + s), the visible ones
    with the next.  out may be v.
    """
    gibbs.chain(
        v, w, a, b, z, sweeps, beta, *rbm.series_of(key, first_row)[:2], first_sweep, out, tile
    )


def hidden_probability(v, w, b, z, out, tile=TILE):
    """out (N, H) <- p(h = 1 | v), Eq. (22)."""
    rbm.hidden_probability(_in_deviations("x", v, z, tile), w, b, out, tile)


def _in_deviations(name, v, z, tile):
    """exp(-z/2) v as a scratch StridedMatrix."""
    v = as_matrix(v)
    out = scratch_matrix(f"gaussian {name}", v.rows, v.columns, v.scalar_type)
    scale(v, z, out, tile)
    return out


def free_energy(v, w, a, b, z, out, tile=TILE):
    """out (N,) float64 <- F(v), Eq. (20)."""
    x, alpha, c = _fields(v, w, a, b, z, tile)
    along(_energy(), x.rows, x.columns, c.columns, x.array, alpha.array, c.array, out, tile=tile)


def _fields(v, w, a, b, z, tile):
    """v and a in units of the deviations, and the hidden field, scratch StridedMatrix all."""
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


def add_gradients(v, w, a, b, z, weight, out_a, out_b, out_z, gradient_w, tile=TILE):
    """weight_n dF(v_n), Eq. (21), added to out_a, out_z (N, V), out_b (N, H) and, summed over n, gradient_w (H, V)."""
    _add_gradients(v, w, a, b, z, weight, 1, out_a, out_b, out_z, gradient_w, tile)


def _add_gradients(v, w, a, b, z, weight, sign, out_a, out_b, out_z, gradient_w, tile):
    """The same for sign weight_n."""
    v, w, a, z, out_a, out_b, out_z = (as_matrix(x) for x in (v, w, a, z, out_a, out_b, out_z))
    real, x = v.scalar_type, _in_deviations("x", v, z, tile)
    p, back = (
        scratch_matrix(f"gaussian {name}", v.rows, n, real)
        for name, n in (("p", w.rows), ("back", w.columns))
    )
    rbm.hidden_probability(x, w, b, p, tile)
    gemm(False, False, 1, p, w, 0, back, tile=tile)
    over(
        _visible_parts(real),
        v.rows,
        v.columns,
        real(sign),
        weight,
        v.array,
        v.layout,
        a.array,
        a.layout,
        z.array,
        z.layout,
        x.array,
        back.array,
        out_a.array,
        out_a.layout,
        out_z.array,
        out_z.layout,
        tile=tile,
    )
    over(
        _hidden_part(),
        p.rows,
        p.columns,
        real(sign),
        weight,
        p.array,
        out_b.array,
        out_b.layout,
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
    """p is left multiplied by its weight."""

    @jit()
    def hidden_part(rows, columns, sign, weight, p, out_b, b_to):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                weighed = sign * weight[r] * p[r * columns + j]
                p[r * columns + j] = weighed
                out_b[b_to[0] + r * b_to[1] + j] -= weighed

    return hidden_part


def contrast(v, sample, w, a, b, z, weight, out_a, out_b, out_z, gradient_w, tile=TILE):
    """weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (21): -log p's gradient where sample is drawn from the model.

    weight (N,); out_a, out_z (N, V) and out_b (N, H) are overwritten, gradient_w (H, V) is added to.
    """
    for out in (out_a, out_b, out_z):
        fill(out, 0, tile)
    for states, sign in ((v, 1), (sample, -1)):
        _add_gradients(states, w, a, b, z, weight, sign, out_a, out_b, out_z, gradient_w, tile)


def pseudo_log_likelihood(v, w, a, b, z, out, tile=TILE):
    """out (N,) float64 <- sum_i log p(v_i | all other visible units), densities, in nats.

    The CPU's integrals, whose doc says what they are of: a thread makes one of them.
    """
    w, z = as_matrix(w), as_matrix(z)
    x, alpha, c = _fields(v, w, a, b, z, tile)
    terms = scratch("terms", x.rows * x.columns, f64)
    over(
        _integrated(),
        x.rows,
        x.columns,
        c.columns,
        w.array,
        w.layout,
        rbm.exponentials(w, w.rows, tile).array,
        x.array,
        alpha.array,
        z.array,
        z.layout,
        c.array,
        terms,
        tile=tile,
    )
    along(_summed(), x.rows, x.columns, c.columns, terms, c.array, out, tile=tile)


@device
def _log_integrand(start, now, i, hidden, columns, w, w_at, growth, c, first, product, logs):
    """logs <- -t^2/2 + sum_j softplus(c_j + W_j (t - now)) at t = start, start + 1, ..; growth is exp(W)."""
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
    """terms (N, V) <- t^2/2 + z/2 at v_i, and the log of the integral."""
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
