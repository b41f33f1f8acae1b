"""Bernoulli RBM for N frames at once, every frame with biases of its own.  Eq. (15)-(18).

As midigen.kernels.cpu.rbm has it, whose draws these are bit by bit where the fields are equal.  Matrices are StridedMatrix or
contiguous device arrays; W may be a StridedMatrix in theta, biases StridedMatrix in u.  key and first_row are numbers, or device
arrays with one for each series, uint64 and int64 (B,): row n then belongs to series n mod B, of which it is row
first_row + n // B.
"""

import math
from functools import cache

import numpy as np
from numba import cuda

from midigen.kernels.codes import CORRUPT, FACTORS
from midigen.kernels.cuda import gibbs, scalar
from midigen.kernels.cuda.blas import as_matrix, gemm, scratch_matrix
from midigen.kernels.cuda.jit import TILE, along, device, jit, over
from midigen.kernels.cuda.memory import upload
from midigen.kernels.cuda.scalar import softplus, uniform, words
from midigen.kernels.scalar import f64


def series_of(key, first_row):
    """(keys (B,), first rows (B,), B) on the device, of a key and a row that are numbers or such arrays."""
    if isinstance(key, (int, np.integer)):
        key = upload([key], np.uint64)
    count = key.size
    if isinstance(first_row, (int, np.integer)):
        first_row = upload(np.full(count, first_row, np.int64))
    return key, first_row, count


@device
def series_words(j, r, sweep, keys, first_rows, n_series):
    """`words` of row r, which belongs to a series."""
    return words(keys[r % n_series], first_rows[r % n_series] + r // n_series, sweep, j)


def uniform_row(key, sweep, row, out):
    """out (4 Q,) float32 <- uniform numbers in [0, 1) of one row; column j is word j // Q of counter j mod Q."""
    keys, rows, _ = series_of(key, row)
    along(_uniform(), out.size // 4, keys, rows, sweep, out)


@cache
def _uniform():
    @jit()
    def uniform_numbers(quarter, keys, rows, sweep, out):
        j = cuda.grid(1)
        if j < quarter:
            drawn = series_words(j, 0, sweep, keys, rows, 1)
            out[j], out[j + quarter] = uniform(drawn[0]), uniform(drawn[1])
            out[j + 2 * quarter], out[j + 3 * quarter] = uniform(drawn[2]), uniform(drawn[3])

    return uniform_numbers


def sample_bernoulli(key, sweep, first_row, field, noise, out, tile=TILE):
    """out (N, n) <- 1 with probability sigmoid(field (N, n)), else 0.  noise, the CPU's buffer, is not used."""
    field, out = as_matrix(field), as_matrix(out)
    keys, rows, n_series = series_of(key, first_row)
    over(
        _sampled(out.scalar_type),
        out.rows,
        -(-out.columns // 4),
        out.columns,
        keys,
        rows,
        n_series,
        sweep,
        field.array,
        field.layout,
        out.array,
        out.layout,
        tile=tile,
    )


@cache
def _sampled(real):
    """A thread draws four numbers of a row, a quarter of it apart, from the four words of one counter."""
    sigmoid, zero, one = scalar.sigmoid(real), real(0), real(1)

    @jit()
    def sampled(
        count, quarter, columns, keys, first_rows, n_series, sweep, field, field_at, out, out_at
    ):
        j, i = cuda.grid(2)
        if j < quarter:
            for r in range(i, count, cuda.gridDim.y * cuda.blockDim.y):
                drawn = series_words(j, r, sweep, keys, first_rows, n_series)
                from_row, to_row = field_at[0] + r * field_at[1], out_at[0] + r * out_at[1]
                for part in range(4):
                    s = j + part * quarter
                    if s < columns:
                        on = uniform(drawn[part]) < sigmoid(field[from_row + s])
                        out[to_row + s] = one if on else zero

    return sampled


def corrupt(key, noise, dropout, x, first_row, tile=TILE):
    """Notes x (T, V) of 0 and 1, in place: flipped with probability `noise`, then dropped with `dropout`.

    Kept notes are scaled by 1 / (1 - dropout), so that the mean stays.  Sweeps CORRUPT and CORRUPT + 1 draw.
    """
    x = as_matrix(x)
    keys, rows, n_series = series_of(key, first_row)
    over(
        _corrupted(x.scalar_type),
        x.rows,
        -(-x.columns // 4),
        x.columns,
        keys,
        rows,
        n_series,
        noise,
        dropout,
        x.scalar_type(1 / (1 - dropout)),
        x.array,
        x.layout,
        tile=tile,
    )


@cache
def _corrupted(real):
    zero, one = real(0), real(1)

    @jit()
    def corrupted(
        count, quarter, columns, keys, first_rows, n_series, noise, dropout, scale, x, x_at
    ):
        j, i = cuda.grid(2)
        if j < quarter:
            for r in range(i, count, cuda.gridDim.y * cuda.blockDim.y):
                flips = series_words(j, r, CORRUPT, keys, first_rows, n_series)
                drops = series_words(j, r, CORRUPT + 1, keys, first_rows, n_series)
                for part in range(4):
                    s = j + part * quarter
                    if s < columns:
                        at = x_at[0] + r * x_at[1] + s
                        value = x[at]
                        if noise > 0 and uniform(flips[part]) < noise:
                            value = one - value
                        if dropout > 0:
                            value = value * scale if uniform(drops[part]) >= dropout else zero
                        x[at] = value

    return corrupted


def gibbs_chain(v, w, a, b, sweeps, beta, key, first_sweep, first_row, out, tile=TILE):
    """`sweeps` steps of block Gibbs sampling from v at inverse temperature beta, Eq. (18); out (N, V) is overwritten.

    Sweep s draws the hidden units with counter 2 (first_sweep + s) and the visible ones with the next.  out may be v.
    """
    gibbs.chain(
        v, w, a, b, None, sweeps, beta, *series_of(key, first_row)[:2], first_sweep, out, tile
    )


def hidden_field(v, w, b, out, tile=TILE):
    """out (N, H) <- W v + b, the argument of Eq. (16)-(18)."""
    gemm(False, True, 1, v, w, 1, out, b, tile=tile)


def hidden_probability(v, w, b, out, tile=TILE):
    """out (N, H) <- p(h = 1 | v), Eq. (18)."""
    out = as_matrix(out)
    hidden_field(v, w, b, out, tile)
    over(_squashed(out.scalar_type), out.rows, out.columns, out.array, out.layout, tile=tile)


def visible_probability(h, w, a, out, tile=TILE):
    """out (N, V) <- sigmoid(h W + a): p(v = 1 | h), Eq. (18), or of probabilities h (N, H) its mean field."""
    out = as_matrix(out)
    gemm(False, False, 1, h, w, 1, out, a, tile=tile)
    over(_squashed(out.scalar_type), out.rows, out.columns, out.array, out.layout, tile=tile)


@cache
def _squashed(real):
    sigmoid = scalar.sigmoid(real)

    @jit()
    def squashed(rows, columns, x, x_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = x_at[0] + r * x_at[1] + j
                x[at] = sigmoid(x[at])

    return squashed


def free_energy(v, w, a, b, out, tile=TILE):
    """out (N,) float64 <- F(v), Eq. (16)."""
    v, w, a = as_matrix(v), as_matrix(w), as_matrix(a)
    c = scratch_matrix("free energy", v.rows, w.rows, v.scalar_type)
    hidden_field(v, w, b, c, tile)
    along(
        _energy(),
        v.rows,
        v.columns,
        w.rows,
        v.array,
        v.layout,
        a.array,
        a.layout,
        c.array,
        out,
        tile=tile,
    )


@cache
def _energy():
    @jit()
    def energy(rows, visible, hidden, v, v_at, a, a_at, c, out):
        n = cuda.grid(1)
        if n < rows:
            total = f64(0)
            for j in range(visible):
                total -= f64(a[a_at[0] + n * a_at[1] + j]) * f64(v[v_at[0] + n * v_at[1] + j])
            for j in range(hidden):
                total -= softplus(c[n * hidden + j])
            out[n] = total

    return energy


def contrast(v, sample, w, a, b, weight, out_a, out_b, gradient_w, tile=TILE):
    """weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (17): -log p's gradient where sample is drawn from the model.

    weight (N,); out_a (N, V) and out_b (N, H) are overwritten, gradient_w (H, V) is added to.  a cancels.
    """
    v, sample, w, out_a, out_b = (as_matrix(x) for x in (v, sample, w, out_a, out_b))
    p_data, p_model = (
        scratch_matrix(f"contrast {name}", v.rows, w.rows, v.scalar_type)
        for name in ("data", "model")
    )
    for states, p in ((v, p_data), (sample, p_model)):
        hidden_probability(states, w, b, p, tile)
    over(
        _difference(v.scalar_type),
        v.rows,
        w.rows,
        weight,
        p_data.array,
        p_data.layout,
        p_model.array,
        p_model.layout,
        out_b.array,
        out_b.layout,
        True,
        tile=tile,
    )
    over(
        _difference(v.scalar_type),
        v.rows,
        v.columns,
        weight,
        v.array,
        v.layout,
        sample.array,
        sample.layout,
        out_a.array,
        out_a.layout,
        False,
        tile=tile,
    )
    gemm(True, False, 1, p_model, sample, 1, gradient_w, tile=tile)
    gemm(True, False, -1, p_data, v, 1, gradient_w, tile=tile)


@cache
def _difference(real):
    """out <- weight (model - data), row by row; `keep` leaves model and data multiplied by their weight as well."""

    @jit()
    def difference(rows, columns, weight, data, data_at, model, model_at, out, out_at, keep):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at_data, at_model = (
                    data_at[0] + r * data_at[1] + j,
                    model_at[0] + r * model_at[1] + j,
                )
                of_data, of_model = weight[r] * data[at_data], weight[r] * model[at_model]
                if keep:
                    data[at_data], model[at_model] = of_data, of_model
                out[out_at[0] + r * out_at[1] + j] = of_model - of_data

    return difference


def pseudo_log_likelihood(v, w, a, b, out, tile=TILE):
    """out (N,) float64 <- sum_i log p(v_i | all other visible units), exactly, in nats.

    Flipping v_i changes F by -+a_i and by sum_j log(1 + p_j (exp(+-W_ji) - 1)); a thread flips one unit.
    """
    v, w, a = as_matrix(v), as_matrix(w), as_matrix(a)
    p, terms = (
        scratch_matrix("flipped p", v.rows, w.rows, v.scalar_type),
        scratch_matrix("terms", v.rows, v.columns, f64),
    )
    hidden_probability(v, w, b, p, tile)
    over(
        _flipped(),
        v.rows,
        v.columns,
        w.rows,
        v.array,
        v.layout,
        a.array,
        a.layout,
        p.array,
        exponentials(w, 2 * w.rows, tile).array,
        terms.array,
        tile=tile,
    )
    along(_summed(), v.rows, v.columns, terms.array, out, tile=tile)


def exponentials(w, rows, tile=TILE):
    """A scratch StridedMatrix (rows, V) float64 of exp(W), for W (H, V), and, from row H on, of exp(-W)."""
    out = scratch_matrix("exponentials", rows, w.columns, f64)
    over(_exponentials(), rows, w.columns, w.rows, w.array, w.layout, out.array, tile=tile)
    return out


@cache
def _exponentials():
    @jit()
    def exponentials(rows, columns, hidden, w, w_at, out):
        i, j = cuda.grid(2)
        if i < columns:
            for r in range(j, rows, cuda.gridDim.y * cuda.blockDim.y):
                x = f64(w[w_at[0] + (r if r < hidden else r - hidden) * w_at[1] + i])
                out[r * columns + i] = math.exp(x if r < hidden else -x)

    return exponentials


@cache
def _flipped():
    """terms (N, V) <- log p(v_i | all others); odds (2 H, V) is what `exponentials` makes."""
    one = f64(1)

    @jit()
    def flipped(rows, columns, hidden, v, v_at, a, a_at, p, odds, terms):
        i, y = cuda.grid(2)
        if i < columns:
            for n in range(y, rows, cuda.gridDim.y * cuda.blockDim.y):
                value = f64(v[v_at[0] + n * v_at[1] + i])
                first = hidden if value > 0.5 else 0
                change, product = f64(a[a_at[0] + n * a_at[1] + i]) * (one - value - value), one
                for j in range(hidden):
                    product *= one + f64(p[n * hidden + j]) * (
                        odds[(first + j) * columns + i] - one
                    )
                    if j % FACTORS == FACTORS - 1:
                        change += math.log(product)
                        product = one
                terms[n * columns + i] = -softplus(change + math.log(product))

    return flipped


@cache
def _summed():
    @jit()
    def summed(rows, columns, terms, out):
        n = cuda.grid(1)
        if n < rows:
            total = f64(0)
            for i in range(n * columns, (n + 1) * columns):
                total += terms[i]
            out[n] = total

    return summed
