"""Bernoulli RBM for N frames at once, every frame with biases of its own.  Eq. (15)-(18).

    F(v) = -a^T v - sum_j softplus((W v + b)_j)                                             (16)
    p(h_j = 1 | v) = sigmoid((W v + b)_j),   p(v_i = 1 | h) = sigmoid((W^T h + a)_i)        (18)

and in a group of visible units, at most one of which is on, with their fields s = W^T h + a,

    p(v_i = 1 | h) = e^s_i / (1 + sum_k e^s_k),   p(none | h) = 1 / (1 + sum_k e^s_k)       (29)

Arguments as in its twin midigen.kernels.cpu.rbm, but:
  w, a, b          matrices, which may be StridedMatrix in theta and in the network's output
  key, first_row   numbers, or device arrays with one for each of B series, uint64 and int64 (B,):
                   row n then belongs to series n mod B, and draws as row first_row + n // B
Where fields are equal, draws are those of the CPU bit by bit.
"""

import math
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numba import cuda

from midigen.kernels.codes import CORRUPT, FACTORS
from midigen.kernels.cuda import gibbs, scalar
from midigen.kernels.cuda.blas import MatrixLike, StridedMatrix, as_matrix, gemm, scratch_matrix
from midigen.kernels.cuda.jit import TILE, Tile, along, device, jit, over
from midigen.kernels.cuda.memory import DeviceArray, upload
from midigen.kernels.cuda.scalar import softplus, uniform, words
from midigen.kernels.scalar import f64, u64

PerSeries: TypeAlias = int | np.integer[Any] | DeviceArray


def series_of(key: PerSeries, first_row: PerSeries) -> tuple[DeviceArray, DeviceArray, int]:
    """Bring keys and first rows of series to the device.

    Parameters
    ----------
    key, first_row
        See the module.

    Returns
    -------
    tuple (keys uint64 (B,), first rows int64 (B,), B)
        A lone key is that of one series.
    """
    if isinstance(key, (int, np.integer)):
        key = upload(np.array([key], np.uint64))
    count = key.size
    if isinstance(first_row, (int, np.integer)):
        first_row = upload(np.full(count, first_row, np.int64))
    return key, first_row, count


@device
def series_words(j, r, sweep, keys, first_rows, n_series):
    """Make four random words, as `words` does, of row r, which belongs to series r mod n_series."""
    return words(keys[r % n_series], first_rows[r % n_series] + r // n_series, sweep, j)


def uniform_row(key: PerSeries, sweep: int, row: PerSeries, out: DeviceArray) -> None:
    """Draw uniform numbers in [0, 1) for one row.

    Parameters as in midigen.kernels.cpu.rbm.uniform_row.
    """
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


def sample_bernoulli(
    key: PerSeries,
    sweep: int,
    first_row: PerSeries,
    field: MatrixLike,
    noise: DeviceArray | None,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Draw units that are on with probability sigmoid(field).

    Parameters as in midigen.kernels.cpu.rbm.sample_bernoulli, but `noise` is not used.
    """
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
        *field.operand,
        *out.operand,
        tile=tile,
    )


@cache
def _sampled(real):
    """Make the kernel: a thread draws four numbers, a quarter of a row apart, from one counter."""
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


def sample_groups(
    key: PerSeries,
    sweep: int,
    first_row: PerSeries,
    field: MatrixLike,
    groups: DeviceArray,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Draw the units of groups, Eq. (29), (33), of which at most one is on, or at most K.

    Parameters as in midigen.kernels.cpu.rbm.sample_groups; a thread draws a group of a row.
    """
    field, out = as_matrix(field), as_matrix(out)
    over(
        _chosen(out.scalar_type, gibbs.has_groups(groups)),
        out.rows,
        groups.shape[0],
        out.columns,
        groups,
        *series_of(key, first_row),
        sweep,
        *field.operand,
        *out.operand,
        tile=tile,
    )


@cache
def _chosen(real, kind):
    choose = gibbs.chooser(real, kind)

    @jit()
    def chosen(
        count,
        n_groups,
        columns,
        groups,
        keys,
        first_rows,
        n_series,
        sweep,
        field,
        field_at,
        out,
        out_at,
    ):
        k, i = cuda.grid(2)
        if k < n_groups:
            first, stop = groups[k, 0], groups[k, 1]
            for r in range(i, count, cuda.gridDim.y * cuda.blockDim.y):
                from_row, to_row = field_at[0] + r * field_at[1], out_at[0] + r * out_at[1]
                for j in range(first, stop):
                    out[to_row + j] = field[from_row + j]
                key = keys[r % n_series]
                row = u64(first_rows[r % n_series] + r // n_series)
                choose(out, to_row, 1, groups, k, columns, key, row, sweep)

    return chosen


def corrupt(
    key: PerSeries,
    noise: float,
    dropout: float,
    x: MatrixLike,
    first_row: PerSeries,
    tile: Tile = TILE,
) -> None:
    """Flip notes, then drop notes, in place.

    Parameters as in midigen.kernels.cpu.rbm.corrupt.
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
        *x.operand,
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


def gibbs_chain(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    groups: DeviceArray,
    sweeps: int,
    beta: float,
    key: PerSeries,
    first_sweep: int,
    first_row: PerSeries,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Take steps of block Gibbs sampling, Eq. (18), (29).

    Parameters as in midigen.kernels.cpu.rbm.gibbs_chain; out may be v.

    Raises
    ------
    TooWideError
        Where the units of a chain do not fit into a block's shared memory.
    """
    gibbs.chain(
        *(v, w, a, b, None, groups, sweeps, beta),
        *(*series_of(key, first_row)[:2], first_sweep, out, tile),
    )


def hidden_field(
    v: MatrixLike, w: MatrixLike, b: MatrixLike, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Compute W v + b, the argument of Eq. (16)-(18).

    Parameters as in midigen.kernels.cpu.rbm.hidden_field.
    """
    gemm(False, True, 1, v, w, 1, out, b, tile=tile)


def hidden_probability(
    v: MatrixLike, w: MatrixLike, b: MatrixLike, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Compute p(h = 1 | v), Eq. (18).

    Parameters as in midigen.kernels.cpu.rbm.hidden_probability.
    """
    out = as_matrix(out)
    hidden_field(v, w, b, out, tile)
    over(
        _squashed(out.scalar_type, False), out.rows, out.columns, *out.operand, out.array, tile=tile
    )


def visible_probability(
    h: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    groups: DeviceArray,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute p(v = 1 | h), Eq. (18), (29).

    Parameters as in midigen.kernels.cpu.rbm.visible_probability.
    """
    out, real = as_matrix(out), as_matrix(out).scalar_type
    gemm(False, False, 1, h, w, 1, out, a, tile=tile)
    grouped = gibbs.has_groups(groups)
    over(_squashed(real, grouped), out.rows, out.columns, *out.operand, groups, tile=tile)
    over(_shared(real), out.rows, groups.shape[0], *out.operand, groups, tile=tile)


@cache
def _squashed(real, grouped):
    """Make the kernel: x <- sigmoid(x), but for columns in groups; without any, none is read."""
    sigmoid = scalar.sigmoid(real)

    @jit()
    def squashed(rows, columns, x, x_at, groups):
        j, i = cuda.grid(2)
        if j < columns and not (grouped and gibbs.in_group(groups, j)):
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = x_at[0] + r * x_at[1] + j
                x[at] = sigmoid(x[at])

    return squashed


@cache
def _shared(real):
    """Make the kernel: the columns of groups, which hold fields, <- their probabilities."""
    share_out = gibbs.sharer(real)

    @jit()
    def shared(rows, n_groups, x, x_at, groups):
        k, i = cuda.grid(2)
        if k < n_groups:
            first, stop = groups[k, 0], groups[k, 1]
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = x_at[0] + r * x_at[1]
                total = share_out(x, at, 1, first, stop)[1]
                for j in range(first, stop):
                    x[at + j] /= total

    return shared


def free_energy(
    v: MatrixLike, w: MatrixLike, a: MatrixLike, b: MatrixLike, out: DeviceArray, tile: Tile = TILE
) -> None:
    """Compute the free energy F(v), Eq. (16).

    Parameters as in midigen.kernels.cpu.rbm.free_energy.
    """
    v, w, a = as_matrix(v), as_matrix(w), as_matrix(a)
    c = scratch_matrix("free energy", v.rows, w.rows, v.scalar_type)
    hidden_field(v, w, b, c, tile)
    along(
        _energy(),
        v.rows,
        v.columns,
        w.rows,
        *v.operand,
        *a.operand,
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


def pair_energies(
    v: MatrixLike, w: MatrixLike, a: MatrixLike, b: MatrixLike, out: DeviceArray, tile: Tile = TILE
) -> None:
    """Compute the free energy of every state in every RBM, F_n(v_s), Eq. (16).

    Parameters as in midigen.kernels.cpu.rbm.pair_energies; a thread has a pair.
    """
    v, w, a, b = as_matrix(v), as_matrix(w), as_matrix(a), as_matrix(b)
    fields = scratch_matrix("pair fields", v.rows, w.rows, v.scalar_type)
    linear = scratch_matrix("pair products", a.rows, v.rows, v.scalar_type)
    gemm(False, True, 1, v, w, 0, fields, tile=tile)
    gemm(False, True, 1, a, v, 0, linear, tile=tile)
    over(
        _pair_energy(),
        a.rows,
        v.rows,
        w.rows,
        fields.array,
        linear.array,
        *b.operand,
        out,
        tile=tile,
    )


@cache
def _pair_energy():
    @jit()
    def pair_energy(count, samples, hidden, fields, linear, b, b_at, out):
        s, i = cuda.grid(2)
        if s < samples:
            for n in range(i, count, cuda.gridDim.y * cuda.blockDim.y):
                total = -f64(linear[n * samples + s])
                for j in range(hidden):
                    total -= softplus(fields[s * hidden + j] + b[b_at[0] + n * b_at[1] + j])
                out[n, s] = total

    return pair_energy


def contrast(
    v: MatrixLike,
    sample: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    weight: DeviceArray,
    out_a: MatrixLike,
    out_b: MatrixLike,
    gradient_w: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute weight_n (dF(v_n) - dF(sample_n)), Eq. (15) with (17).

    Parameters as in midigen.kernels.cpu.rbm.contrast.
    """
    v, sample, w, out_a, out_b = (as_matrix(x) for x in (v, sample, w, out_a, out_b))
    p_data = scratch_matrix("contrast data", v.rows, w.rows, v.scalar_type)
    p_model = scratch_matrix("contrast model", v.rows, w.rows, v.scalar_type)
    for states, p in ((v, p_data), (sample, p_model)):
        hidden_probability(states, w, b, p, tile)
    over(
        _difference(v.scalar_type),
        v.rows,
        w.rows,
        weight,
        *p_data.operand,
        *p_model.operand,
        *out_b.operand,
        True,
        tile=tile,
    )
    over(
        _difference(v.scalar_type),
        v.rows,
        v.columns,
        weight,
        *v.operand,
        *sample.operand,
        *out_a.operand,
        False,
        tile=tile,
    )
    gemm(True, False, 1, p_model, sample, 1, gradient_w, tile=tile)
    gemm(True, False, -1, p_data, v, 1, gradient_w, tile=tile)


@cache
def _difference(real):
    """Make the kernel: out <- weight (model - data), row by row.

    Where `keep`, model and data are left multiplied by their weight as well.
    """

    @jit()
    def difference(rows, columns, weight, data, data_at, model, model_at, out, out_at, keep):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at_data = data_at[0] + r * data_at[1] + j
                at_model = model_at[0] + r * model_at[1] + j
                of_data, of_model = weight[r] * data[at_data], weight[r] * model[at_model]
                if keep:
                    data[at_data], model[at_model] = of_data, of_model
                out[out_at[0] + r * out_at[1] + j] = of_model - of_data

    return difference


def pseudo_log_likelihood(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    groups: DeviceArray,
    out: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Compute sum_i log p(v_i | all other visible units), exactly, in nats.

    Parameters as in midigen.kernels.cpu.rbm.pseudo_log_likelihood; a thread flips one unit, or puts
    a group of units into one of its other states.
    """
    grouped = gibbs.has_groups(groups)
    v, w, a = as_matrix(v), as_matrix(w), as_matrix(a)
    p = scratch_matrix("flipped p", v.rows, w.rows, v.scalar_type)
    terms = scratch_matrix("terms", v.rows, v.columns, f64)
    hidden_probability(v, w, b, p, tile)
    over(
        _flipped(grouped),
        v.rows,
        v.columns,
        w.rows,
        *v.operand,
        *a.operand,
        p.array,
        exponentials(w, 2 * w.rows, tile).array,
        groups,
        terms.array,
        tile=tile,
    )
    along(_summed(grouped), v.rows, v.columns, groups, terms.array, out, tile=tile)


def exponentials(w: MatrixLike, rows: int, tile: Tile = TILE) -> StridedMatrix:
    """Compute exp(W) and exp(-W).

    Parameters
    ----------
    w : (H, V)
        W.
    rows : int
        H, or 2 H for exp(-W) from row H on.

    Returns
    -------
    StridedMatrix (rows, V), float64
        In scratch memory.
    """
    out = scratch_matrix("exponentials", rows, w.columns, f64)
    over(_exponentials(), rows, w.columns, w.rows, *w.operand, out.array, tile=tile)
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
def _flipped(grouped):
    """Make the kernel: terms (N, V) <- log p(v_i | all others); odds (2 H, V) are exponentials.

    Of units in a group they are log p(another state) / p(v): of a unit that is off, that where it
    alone is on, of the one that is on, that where none is.
    """
    one = f64(1)

    @jit()
    def flipped(rows, columns, hidden, v, v_at, a, a_at, p, odds, groups, terms):
        i, y = cuda.grid(2)
        if i < columns:
            for n in range(y, rows, cuda.gridDim.y * cuda.blockDim.y):
                value = f64(v[v_at[0] + n * v_at[1] + i])
                first = hidden if value > 0.5 else 0
                change, product = f64(a[a_at[0] + n * a_at[1] + i]) * (one - value - value), one
                other, every = -1, FACTORS
                if grouped:
                    other = _other(groups, i, v, v_at[0] + n * v_at[1])
                    if other >= 0:  # goes off, which makes two weights of each factor
                        change -= f64(a[a_at[0] + n * a_at[1] + other])
                        every = FACTORS // 2
                for j in range(hidden):
                    odd = odds[(first + j) * columns + i]
                    if grouped and other >= 0:
                        odd *= odds[(hidden + j) * columns + other]
                    product *= one + f64(p[n * hidden + j]) * (odd - one)
                    if j % every == every - 1:
                        change += math.log(product)
                        product = one
                change += math.log(product)
                if grouped and gibbs.in_group(groups, i):
                    terms[n * columns + i] = change
                else:
                    terms[n * columns + i] = -softplus(change)

    return flipped


@device
def _other(groups, unit, v, row):
    """Find the unit that is on in the group of a unit, not itself; -1 where there is none."""
    for k in range(groups.shape[0]):
        if groups[k, 0] <= unit and unit < groups[k, 1]:
            for i in range(groups[k, 0], groups[k, 1]):
                if i != unit and v[row + i] > 0.5:
                    return i
    return -1


@cache
def _summed(grouped):
    """Make the kernel: out (N,) <- the sum of the terms.

    Those of a group are log-odds of its states: log p(v_G | all others) = -log(1 + sum of e^term).
    """
    zero = f64(0)

    @jit()
    def summed(rows, columns, groups, terms, out):
        n = cuda.grid(1)
        if n < rows:
            total, row = zero, n * columns
            for i in range(columns):
                if not (grouped and gibbs.in_group(groups, i)):
                    total += terms[row + i]
            if grouped:
                for k in range(groups.shape[0]):
                    most, odds = zero, zero
                    for i in range(groups[k, 0], groups[k, 1]):
                        most = max(most, terms[row + i])
                    for i in range(groups[k, 0], groups[k, 1]):
                        odds += math.exp(terms[row + i] - most)
                    total -= most + math.log(math.exp(-most) + odds)
            out[n] = total

    return summed
