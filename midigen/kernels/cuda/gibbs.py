"""Gibbs chains in one launch: what both kinds of RBM and annealing share.  Eq. (18), (22).

Rows, one chain each, do not depend on each other: a block of threads takes a few, keeps their
states in shared memory and makes all sweeps alone.

Memory: unit i of row r = g each + s is number ((first + i) groups + g) each + s of `memory`,
`first` being the number of units before its layer.  A layer's width is padded to 4 Q; a thread has
columns j, j + Q, j + 2 Q and j + 3 Q, which are drawn from one counter, of `each` rows in
registers.  For columns past a layer's last one and rows past the last row, the last one is taken
again; their results are never read.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import cuda, uint64

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, StridedMatrix, as_matrix, copy, scratch_matrix
from midigen.kernels.cuda.jit import NUMBA_TYPE, SHARED, Scalar, Tile, TooWideError, device, jit
from midigen.kernels.cuda.memory import DeviceArray
from midigen.kernels.cuda.scalar import normals, uniform, words
from midigen.kernels.scalar import u64

READ = 16  # bytes that a thread reads of memory at once: of 4 rows, or of 2 in float64
WARP = 32


def padded(n: int) -> int:
    """Count the units of a layer with those that fill its last quarter."""
    return -(-n // 4) * 4


def launch(
    factory: Callable[..., Any],
    kind: tuple[Any, ...],
    count: int,
    widest: int,
    row_bytes: int,
    arguments: tuple[Any, ...],
    tile: Tile,
) -> None:
    """Launch the kernel factory(*kind, each, most rows).

    A block of threads has fewer rows where they are too large, or too few to keep all of the GPU at
    work.

    Parameters
    ----------
    factory : callable
        Makes the kernel for `each` rows in a thread and at most so many in a block.
    kind : tuple
        The float type, and what else the factory takes.
    count : int
        Rows.
    widest : int
        Units of the larger layer.
    row_bytes : int
        Shared memory that a row takes.
    arguments : tuple
        Of the kernel, after the count of rows and the groups in a block.
    tile : Tile
        Sizes.

    Raises
    ------
    TooWideError
        Where one row does not fit into shared memory.
    """
    rows = tile.chains
    while rows > 1 and (-(-count // rows) < tile.blocks or rows * row_bytes > SHARED):
        rows //= 2
    if rows * row_bytes > SHARED:
        raise TooWideError(
            f"a chain takes {row_bytes} bytes of shared memory, of which there are {SHARED}: "
            "too many units"
        )
    each = min(rows, READ // kind[0]().itemsize)
    threads = min(tile.threads, -(-(padded(widest) // 4 * (rows // each)) // WARP) * WARP)
    if count:
        factory(*kind, each, tile.chains)[-(-count // rows), threads, 0, rows * row_bytes](
            count, rows // each, *arguments
        )


def transposed(w: MatrixLike, tile: Tile) -> StridedMatrix:
    """Transpose W (H, V) into scratch memory: neighbouring threads then read neighbours."""
    w = as_matrix(w)
    other = scratch_matrix("turned", w.columns, w.rows, w.scalar_type)
    copy(w.transposed, other, tile)
    return other


def chain(
    v: MatrixLike,
    w: MatrixLike,
    a: MatrixLike,
    b: MatrixLike,
    z: MatrixLike | None,
    sweeps: int,
    beta: float,
    keys: DeviceArray,
    first_rows: DeviceArray,
    first_sweep: int,
    out: MatrixLike,
    tile: Tile,
) -> None:
    """Take the steps of gibbs_chain, that of a Bernoulli RBM where z is None.

    keys uint64 (B,) and first_rows int64 (B,) are those of B series, on the device; the other
    parameters are those of gibbs_chain.
    """
    v, w, a, b, out = (as_matrix(x) for x in (v, w, a, b, out))
    gaussian, real, wt = z is not None, out.scalar_type, transposed(w, tile)
    z, spread = (as_matrix(z), 1 / math.sqrt(beta)) if gaussian else (a, 1)
    places = [part for x in (w, wt, v, a, b, z, out) for part in x.operand]
    launch(
        _chain,
        (real, gaussian),
        out.rows,
        max(w.rows, w.columns),
        (padded(w.rows) + padded(w.columns)) * real().itemsize,
        (
            w.columns,
            w.rows,
            first_sweep,
            sweeps,
            real(beta),
            real(spread),
            keys,
            first_rows,
            *places,
        ),
        tile,
    )


@device
def load_keys(thread, threads, begin, rows, count, keys, first_rows, key_of, row_of):
    """Load every row's key, and its number among that key's draws."""
    for r in range(thread, rows, threads):
        n = min(begin + r, count - 1)
        series = n % keys.size
        key_of[r], row_of[r] = keys[series], u64(first_rows[series] + n // keys.size)


@cache
def _adder(real, each):
    """Make a device function: total (4, each) <- what states add to four columns of rows."""
    zero, wide, two = real(0), u64(each), u64(2)

    @device
    def add_one(total, memory, state, w, at, second, third, fourth):
        weights = w[at], w[at + second], w[at + third], w[at + fourth]
        for r in range(each):
            for part in range(4):
                total[part, r] += weights[part] * memory[state + u64(r)]

    @device
    def add_up(total, memory, first, units, groups, g, w, w_at, columns, quarter, j):
        for part in range(4):
            for r in range(each):
                total[part, r] = zero
        # unsigned, as a signed index costs a test for what counts from the end
        start, last, step, stride = u64(w_at[0]), columns - 1, u64(w_at[1]), u64(groups) * wide
        at, state = start + u64(j), u64(first * groups + g) * wide
        second = u64(min(j + quarter, last) - j)
        third = u64(min(j + 2 * quarter, last) - j)
        fourth = u64(min(j + 3 * quarter, last) - j)
        for _ in range(units >> 1):  # two at once, whose reads wait for memory together
            add_one(total, memory, state, w, at, second, third, fourth)
            add_one(total, memory, state + stride, w, at + step, second, third, fourth)
            at += two * step
            state += two * stride
        if units & 1:
            add_one(total, memory, state, w, at, second, third, fourth)

    return add_up


@cache
def _drawer(real, each, normal):
    """Make a device function that draws units from `total`.

    total (4, each) holds their fields or, where `normal`, their means, `spread` being the
    deviation.
    """
    sigmoid, zero, one = scalar.sigmoid(real), real(0), real(1)

    @device
    def draw(total, spread, memory, first, groups, g, quarter, j, key_of, row_of, sweep):
        for r in range(each):
            drawn = words(key_of[g * each + r], row_of[g * each + r], sweep, j)
            if normal:  # as in normal_row, columns j and j + 2 Q are made of their two numbers
                even = normals(uniform(drawn[0]), uniform(drawn[2]))
                odd = normals(uniform(drawn[1]), uniform(drawn[3]))
                total[0, r] += spread * real(even[0])
                total[1, r] += spread * real(odd[0])
                total[2, r] += spread * real(even[1])
                total[3, r] += spread * real(odd[1])
            else:
                for part in range(4):
                    total[part, r] = one if uniform(drawn[part]) < sigmoid(total[part, r]) else zero
        for part in range(4):
            for r in range(each):
                memory[((first + j + part * quarter) * groups + g) * each + r] = total[part, r]

    return draw


@cache
def half_sweep(
    real: Scalar, each: int, normal: bool, settle: Callable[..., Any]
) -> Callable[..., Any]:
    """Make a device function that draws a layer from the states of the other one.

    Parameters
    ----------
    real : float type
        Of the states.
    each : int
        Rows in a thread.
    normal : bool
        Whether the units are Gaussian, not Bernoulli.
    settle : device function (x, given, row, unit, place) -> number
        Turns x, what the states of the other layer add to a unit, into its field or its mean.
        `given` is what it needs, and `place` where it may keep a number of its own.

    Returns
    -------
    device function
        The layer has `columns` units from `target` on, the other one `units` from `source` on.
    """
    add_up, draw = _adder(real, each), _drawer(real, each, normal)

    @device
    def half(
        total,
        thread,
        threads,
        memory,
        source,
        units,
        target,
        columns,
        groups,
        w,
        w_at,
        given,
        spread,
        begin,
        count,
        key_of,
        row_of,
        sweep,
    ):
        quarter = (columns + 3) >> 2
        for e in range(thread, quarter * groups, threads):
            g, j = e // quarter, e % quarter
            add_up(total, memory, source, units, groups, g, w, w_at, columns, quarter, j)
            for r in range(each):
                row = min(begin + g * each + r, count - 1)
                for part in range(4):
                    unit = j + part * quarter
                    total[part, r] = settle(
                        total[part, r],
                        given,
                        row,
                        min(unit, columns - 1),
                        (unit * groups + g) * each + r,
                    )
            draw(total, spread, memory, target, groups, g, quarter, j, key_of, row_of, sweep)

    return half


@device
def biased(x, given, row, unit, place):
    """Add a unit's bias and multiply by a factor: the `settle` of half_sweep for Gibbs sampling."""
    bias, at, scale = given
    return scale * (x + bias[at[0] + row * at[1] + unit])


@cache
def _chain(real, gaussian, each, most):
    """Make the kernel.

    States of Gaussian units are x = exp(-z/2) v; alpha = exp(-z/2) a is in `out` until the chains
    end.
    """
    kind, zero, one, half = NUMBA_TYPE[real], real(0), real(1), real(0.5)
    draw_hidden, draw_visible = (
        half_sweep(real, each, normal, biased) for normal in (False, gaussian)
    )

    @jit()
    def chain(
        count,
        groups,
        visible,
        hidden,
        first,
        sweeps,
        beta,
        spread,
        keys,
        first_rows,
        w,
        w_at,
        wt,
        wt_at,
        v,
        v_at,
        a,
        a_at,
        b,
        b_at,
        z,
        z_at,
        out,
        out_at,
    ):
        memory = cuda.shared.array(0, kind)
        key_of = cuda.shared.array(most, uint64)
        row_of = cuda.shared.array(most, uint64)
        total = cuda.local.array((4, each), kind)
        thread, threads, rows = cuda.threadIdx.x, cuda.blockDim.x, groups * each
        begin, behind = cuda.blockIdx.x * rows, (visible + 3 >> 2) * 4
        load_keys(thread, threads, begin, rows, count, keys, first_rows, key_of, row_of)
        for e in range(thread, rows * visible, threads):
            n, i, value = begin + e // visible, e % visible, zero
            if n < count:
                value = v[v_at[0] + n * v_at[1] + i]
                if gaussian:
                    inverse = math.exp(-half * z[z_at[0] + n * z_at[1] + i])
                    value *= inverse
                    out[out_at[0] + n * out_at[1] + i] = inverse * a[a_at[0] + n * a_at[1] + i]
            memory[i * rows + e // visible] = value
        given = (out, out_at, one) if gaussian else (a, a_at, beta)
        cuda.syncthreads()
        for sweep in range(first, first + sweeps):
            draw_hidden(
                total,
                thread,
                threads,
                memory,
                0,
                visible,
                behind,
                hidden,
                groups,
                wt,
                wt_at,
                (b, b_at, beta),
                spread,
                begin,
                count,
                key_of,
                row_of,
                2 * sweep,
            )
            cuda.syncthreads()
            draw_visible(
                total,
                thread,
                threads,
                memory,
                behind,
                hidden,
                0,
                visible,
                groups,
                w,
                w_at,
                given,
                spread,
                begin,
                count,
                key_of,
                row_of,
                2 * sweep + 1,
            )
            cuda.syncthreads()
        for e in range(thread, rows * visible, threads):
            n, i = begin + e // visible, e % visible
            if n < count:
                value = memory[i * rows + e // visible]
                if gaussian:
                    value *= math.exp(half * z[z_at[0] + n * z_at[1] + i])
                out[out_at[0] + n * out_at[1] + i] = value

    return chain
