"""Annealed importance sampling for N Bernoulli RBMs at once (Salakhutdinov and Murray, ICML 2008).

    log p_beta(v) = ((1 - beta) base + beta a)^T v + sum_j softplus((beta W v + b)_j) + constant

Arguments as in its twin midigen.kernels.cpu.ais; keys, rows and StridedMatrix as in
midigen.kernels.cuda.rbm.  A block of threads takes some chains through all moves of a call.
"""

import math
from functools import cache

from numba import cuda, float64, uint64

from midigen.kernels.codes import MOST_MOVES  # noqa: F401  callers keep to it
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, as_matrix
from midigen.kernels.cuda.gibbs import (
    group_drawer,
    half_sweep,
    has_groups,
    launch,
    load_keys,
    padded,
    transposed,
)
from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, Tile, device, jit
from midigen.kernels.cuda.memory import DeviceArray
from midigen.kernels.cuda.rbm import PerSeries, sample_bernoulli, sample_groups, series_of
from midigen.kernels.scalar import f64


def draw_base(
    base: MatrixLike,
    groups: DeviceArray,
    key: PerSeries,
    first_row: PerSeries,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Draw a state of every base, whose fields are `base`, Eq. (18), (29), with sweep number 0.

    Parameters as in midigen.kernels.cpu.ais.draw_base.
    """
    key, first_row, _ = series_of(key, first_row)
    sample_bernoulli(key, 0, first_row, base, None, out, tile)
    sample_groups(key, 0, first_row, base, groups, out, tile)


def anneal(
    w: MatrixLike,
    base: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    groups: DeviceArray,
    first: int,
    last: int,
    temperatures: int,
    backwards: bool,
    key: PerSeries,
    first_row: PerSeries,
    v: MatrixLike,
    log_weight: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Move chains from beta = first / temperatures on to last / temperatures.

    Parameters as in midigen.kernels.cpu.ais.anneal.

    Raises
    ------
    TooWideError
        Where the units of a chain do not fit into a block's shared memory.
    """
    w, base, a, b, v = (as_matrix(x) for x in (w, base, a, b, v))
    real, wt = v.scalar_type, transposed(w, tile)
    places = [part for x in (w, wt, base, a, b, v) for part in x.operand]
    launch(
        _annealed,
        (real, has_groups(groups)),
        v.rows,
        max(w.rows, w.columns),
        padded(w.rows) * f64().itemsize
        + (2 * padded(w.columns) + padded(w.rows)) * real().itemsize,
        (
            w.columns,
            w.rows,
            first,
            last,
            temperatures,
            -1 if backwards else 1,
            *series_of(key, first_row)[:2],
            groups,
            *places,
            log_weight,
        ),
        tile,
    )


@cache
def _hidden_field(real):
    """Make a device function: a hidden unit's field at the next beta, from x = (W v)_j.

    ratio *= (1 + e^(y + d)) / (1 + e^y), y being the field now, and d its growth by this move.
    """
    one, two, tanh, sigmoid = real(1), real(2), scalar.tanh(real), scalar.sigmoid(real)

    @device
    def hidden_field(x, given, row, unit, place):
        """Compute the field, as `settle` of midigen.kernels.cuda.gibbs.half_sweep."""
        ratio, b, at, step, beta, following = given
        bias, t = b[at[0] + row * at[1] + unit], tanh(step * x / two)
        ratio[place] *= f64(1) + f64(sigmoid(beta * x + bias) * (two * t / (one - t)))
        return following * x + bias

    return hidden_field


@device
def _visible_field(x, given, row, unit, place):
    """Compute a visible unit's field at the next beta, `following`, from x = (W^T h)_i."""
    base, base_at, a, a_at, following = given
    start = base[base_at[0] + row * base_at[1] + unit]
    return start + following * (a[a_at[0] + row * a_at[1] + unit] - start) + following * x


@device
def _weight(n, r, rows, visible, hidden, steps, base, base_at, a, a_at, memory, held, log_ratio):
    """Sum the growth of a row's log p over the moves, from the sum of its states v at `held`."""
    weight = f64(0)
    for i in range(visible):
        growth = f64(a[a_at[0] + n * a_at[1] + i]) - f64(base[base_at[0] + n * base_at[1] + i])
        weight += f64(memory[held + i * rows + r]) * growth / steps
    for j in range(hidden):
        weight += log_ratio[j * rows + r]
    return weight


@cache
def _annealed(real, grouped, each, most):
    """Make the kernel.

    `memory` has a place for each hidden unit's product of ratios, and then holds v, h and the sum
    of all v.
    """
    kind, zero, one, wide = NUMBA_TYPE[real], real(0), real(1), f64().itemsize // real().itemsize
    draw_hidden = half_sweep(real, each, False, _hidden_field(real))
    draw_visible = half_sweep(real, each, False, _visible_field, grouped)
    draw_groups = group_drawer(real, grouped)

    @jit()
    def annealed(
        count,
        groups,
        visible,
        hidden,
        first,
        last,
        temperatures,
        sign,
        keys,
        first_rows,
        softmax,
        w,
        w_at,
        wt,
        wt_at,
        base,
        base_at,
        a,
        a_at,
        b,
        b_at,
        v,
        v_at,
        log_weight,
    ):
        ratio = cuda.shared.array(0, float64)
        memory = cuda.shared.array(0, kind)
        key_of = cuda.shared.array(most, uint64)
        row_of = cuda.shared.array(most, uint64)
        total = cuda.local.array((4, each), kind)
        thread, threads, rows = cuda.threadIdx.x, cuda.blockDim.x, groups * each
        begin, of_v, of_h = cuda.blockIdx.x * rows, (visible + 3 >> 2) * 4, (hidden + 3 >> 2) * 4
        behind_v = of_h * wide + of_v
        states, held = of_h * wide * rows, (behind_v + of_h) * rows
        load_keys(thread, threads, begin, rows, count, keys, first_rows, key_of, row_of)
        for e in range(thread, of_h * rows, threads):
            ratio[e] = f64(1)
        for e in range(thread, rows * visible, threads):
            n, i = begin + e // visible, e % visible
            memory[states + i * rows + e // visible] = (
                v[v_at[0] + n * v_at[1] + i] if n < count else zero
            )
            memory[held + e] = zero
        end = temperatures if sign < 0 else 0
        for move in range(first, last):
            beta = real((end + sign * move) / temperatures)
            following = real((end + sign * (move + 1)) / temperatures)
            cuda.syncthreads()
            for e in range(thread, rows * visible, threads):
                memory[held + e] += memory[states + e]
            draw_hidden(
                total,
                thread,
                threads,
                memory,
                of_h * wide,
                visible,
                behind_v,
                hidden,
                groups,
                wt,
                wt_at,
                (ratio, b, b_at, real(sign / temperatures), beta, following),
                one,
                begin,
                count,
                key_of,
                row_of,
                2 * move + 2,
                softmax,
            )
            if move + 1 < temperatures:
                cuda.syncthreads()
                draw_visible(
                    total,
                    thread,
                    threads,
                    memory,
                    behind_v,
                    hidden,
                    of_h * wide,
                    visible,
                    groups,
                    w,
                    w_at,
                    (base, base_at, a, a_at, following),
                    one,
                    begin,
                    count,
                    key_of,
                    row_of,
                    2 * move + 3,
                    softmax,
                )
                if grouped:  # its condition is the same for all threads of the block
                    cuda.syncthreads()  # the fields are all there; the next one is ahead of states
                    draw_groups(
                        thread,
                        threads,
                        memory,
                        of_h * wide,
                        visible,
                        rows,
                        softmax,
                        key_of,
                        row_of,
                        2 * move + 3,
                    )
        cuda.syncthreads()
        for e in range(thread, rows * hidden, threads):
            ratio[e] = math.log(ratio[e])
        for e in range(thread, rows * visible, threads):
            n, i = begin + e // visible, e % visible
            if n < count:
                v[v_at[0] + n * v_at[1] + i] = memory[states + i * rows + e // visible]
        cuda.syncthreads()
        for n in range(begin + thread, min(begin + rows, count), threads):
            log_weight[n] += _weight(
                n,
                n - begin,
                rows,
                visible,
                hidden,
                sign * temperatures,
                base,
                base_at,
                a,
                a_at,
                memory,
                held,
                ratio,
            )

    return annealed
