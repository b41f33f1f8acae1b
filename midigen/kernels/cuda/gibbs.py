"""Gibbs chains in one launch: what both kinds of RBM and annealing share.  Eq. (18), (22), (29).

Rows, one chain each, do not depend on each other: a block of threads takes a few, keeps their
states in shared memory and makes all sweeps alone.

Memory: unit i of row r = g each + s is number ((first + i) groups + g) each + s of `memory`,
`first` being the number of units before its layer.  A layer's width is padded to 4 Q; a thread has
columns j, j + Q, j + 2 Q and j + 3 Q, which are drawn from one counter, of `each` rows in
registers.  For columns past a layer's last one and rows past the last row, the last one is taken
again; their results are never read.

A group of visible units is drawn in two steps: the threads of its columns leave their fields where
their states belong, and behind a barrier one thread for each row sums them and writes the states.
Kernels for RBMs without such groups are compiled without the second step.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from numba import cuda, uint64

from midigen.kernels.codes import MOST_ON
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, StridedMatrix, as_matrix, copy, scratch_matrix
from midigen.kernels.cuda.jit import NUMBA_TYPE, SHARED, Scalar, Tile, TooWideError, device, jit
from midigen.kernels.cuda.memory import DeviceArray
from midigen.kernels.cuda.scalar import normals, uniform, words
from midigen.kernels.scalar import f64, u64

READ = 16  # bytes that a thread reads of memory at once: of 4 rows, or of 2 in float64
WARP = 32
ONE_ON, SOME_ON = 1, 2  # kinds of groups of visible units


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
    softmax: DeviceArray | None,
    sweeps: int,
    beta: float,
    keys: DeviceArray,
    first_rows: DeviceArray,
    first_sweep: int,
    out: MatrixLike,
    tile: Tile,
) -> None:
    """Take the steps of gibbs_chain, that of a Bernoulli RBM where z is None.

    softmax int64 (G, 2) are the softmax groups of its visible units, of a Bernoulli RBM alone;
    keys uint64 (B,) and first_rows int64 (B,) are those of B series, on the device; the other
    parameters are those of gibbs_chain.
    """
    v, w, a, b, out = (as_matrix(x) for x in (v, w, a, b, out))
    gaussian, real, wt = z is not None, out.scalar_type, transposed(w, tile)
    z, spread = (as_matrix(z), 1 / math.sqrt(beta)) if gaussian else (a, 1)
    places = [part for x in (w, wt, v, a, b, z, out) for part in x.operand]
    launch(
        _chain,
        (real, gaussian, has_groups(softmax)),
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
            keys if softmax is None else softmax,  # not read without groups
            *places,
        ),
        tile,
    )


def has_groups(softmax: DeviceArray | None) -> int:
    """Tell for what kind of groups a kernel has to be compiled: for none, softmax groups, limits.

    0, ONE_ON or SOME_ON: where groups (G, 3) say of each how many may be on.
    """
    if softmax is None or not softmax.shape[0]:
        return 0
    return SOME_ON if softmax.shape[1] > 2 else ONE_ON


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


@device
def in_group(softmax, unit):
    """Tell whether a visible unit belongs to a softmax group."""
    for k in range(softmax.shape[0]):
        if softmax[k, 0] <= unit and unit < softmax[k, 1]:
            return True
    return False


@cache
def sharer(real: Scalar) -> Callable[..., Any]:
    """Make a device function that weighs the states of a softmax group of one row, Eq. (29).

    Parameters
    ----------
    real : float type
        Of the fields.

    Returns
    -------
    device function (memory, at, step, first, stop) -> tuple of two numbers
        Column j of a row lies at memory[at + j step].  With M = max(0, fields), it writes
        e_j = exp(s_j - M) in the place of the fields s_j of columns first, .., stop - 1, and
        returns e^-M, that of none, and the sum of all.
    """
    shrink, zero = scalar.shrink(real), real(0)

    @device
    def share_out(memory, at, step, first, stop):
        most = zero
        for j in range(first, stop):
            most = max(most, memory[at + j * step])
        none = shrink(-most)
        total = none
        for j in range(first, stop):
            share = shrink(memory[at + j * step] - most)
            memory[at + j * step] = share
            total += share
        return none, total

    return share_out


@device
def _word(key, row, sweep, quarter, column):
    """Draw the random word of a column, as in midigen.kernels.cpu.rbm.uniform_row."""
    drawn, part = words(key, row, sweep, column % quarter), column // quarter
    # by comparisons: a tuple that is indexed by a variable lies in local memory
    word = drawn[0] if part == 0 else drawn[1]
    if part >= 2:
        word = drawn[2] if part == 2 else drawn[3]
    return word


@cache
def chooser(real: Scalar, kind: int) -> Callable[..., Any]:
    """Make a device function that draws a group of one row, Eq. (29) or (33).

    Parameters
    ----------
    real : float type
        Of the states.
    kind : int
        ONE_ON, or SOME_ON where groups say how many may be on.

    Returns
    -------
    device function (memory, at, step, groups, k, columns, key, row, sweep)
        It finds the fields in memory as that of `sharer` does, those of a row of `columns`, and
        writes 0 and 1 in the place of those of group k.  Of none, first, first + 1, .. it takes the
        one at which the sum of their weights gets over u times that of all; u is the uniform number
        of column `first`.
    """
    share_out, zero, one = sharer(real), real(0), real(1)

    @device
    def choose_one(memory, at, step, first, stop, columns, key, row, sweep):
        reached, total = share_out(memory, at, step, first, stop)
        wanted = real(uniform(_word(key, row, sweep, (columns + 3) >> 2, first))) * total
        looking = not wanted < reached
        for j in range(first, stop):
            reached += memory[at + j * step]
            # the last one where rounding leaves none
            chosen = looking and (wanted < reached or j == stop - 1)
            memory[at + j * step] = one if chosen else zero
            looking = looking and not chosen

    choose_some = _some_chooser(real)

    @device
    def choose(memory, at, step, groups, k, columns, key, row, sweep):
        if kind == SOME_ON and groups[k, 2] > 1:
            choose_some(
                memory, at, step, groups[k, 0], groups[k, 1], groups[k, 2], columns, key, row, sweep
            )
        else:
            choose_one(memory, at, step, groups[k, 0], groups[k, 1], columns, key, row, sweep)

    return choose


@device
def _pick(within, k):
    """Return within[k]; by comparisons, see `_word`."""
    found = within[0]
    found = within[1] if k == 1 else found
    found = within[2] if k == 2 else found
    found = within[3] if k == 3 else found
    found = within[4] if k == 4 else found
    found = within[5] if k == 5 else found
    found = within[6] if k == 6 else found
    found = within[7] if k == 7 else found
    return within[8] if k == MOST_ON else found


@device
def _with_one_more(within, on, off):
    """Return the chances that at most 0, 1, .. MOST_ON units are on, with one more unit."""
    return (
        off * within[0],
        off * within[1] + on * within[0],
        off * within[2] + on * within[1],
        off * within[3] + on * within[2],
        off * within[4] + on * within[3],
        off * within[5] + on * within[4],
        off * within[6] + on * within[5],
        off * within[7] + on * within[6],
        off * within[8] + on * within[7],
    )


@cache
def _some_chooser(real):
    """Make a device function that draws a group of which at most `most` are on, Eq. (33).

    Where the CPU keeps a table of all columns a thread has one row of it, in registers, and makes
    that anew for each column.
    """
    zero, one = real(0), real(1)

    @device
    def choose_some(memory, at, step, first, stop, most, columns, key, row, sweep):
        left = most
        for j in range(first, stop):
            within = 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0
            for i in range(stop - 1, j, -1):
                field = f64(memory[at + i * step])
                scale = 1.0 / _pick(within, most)
                on, off = scale / (1.0 + math.exp(-field)), scale / (1.0 + math.exp(field))
                within = _with_one_more(within, on, off)
            field = f64(memory[at + j * step])
            on, off = 1.0 / (1.0 + math.exp(-field)), 1.0 / (1.0 + math.exp(field))
            with_it = on * _pick(within, left - 1) if left > 0 else 0.0
            number = f64(uniform(_word(key, row, sweep, (columns + 3) >> 2, j)))
            drawn = number * (with_it + off * _pick(within, left)) < with_it
            memory[at + j * step] = one if drawn else zero
            left -= 1 if drawn else 0

    return choose_some


@cache
def group_drawer(real: Scalar, kind: int) -> Callable[..., Any]:
    """Make a device function that draws all groups of a layer from their fields in memory.

    A block calls it between two barriers: threads have left the fields of other threads' groups,
    and will read the states of others.  kind is that of `chooser`.
    """
    choose = chooser(real, kind)

    @device
    def draw_groups(thread, threads, memory, first, columns, rows, softmax, key_of, row_of, sweep):
        for e in range(thread, rows * softmax.shape[0], threads):
            r, k = e % rows, e // rows
            choose(memory, first * rows + r, rows, softmax, k, columns, key_of[r], row_of[r], sweep)

    return draw_groups


@cache
def _drawer(real, each, normal, grouped):
    """Make a device function that draws units from `total`.

    total (4, each) holds their fields or, where `normal`, their means, `spread` being the
    deviation.  Where `grouped`, the fields of units in softmax groups stay what they are.
    """
    sigmoid, zero, one = scalar.sigmoid(real), real(0), real(1)

    @device
    def draw(total, spread, memory, first, groups, g, quarter, j, key_of, row_of, sweep, softmax):
        kept = 0  # a bit for each of the four columns
        if (
            grouped
        ):  # written out, as a loop with another in it would not leave `total` in registers
            kept |= 1 if in_group(softmax, j) else 0
            kept |= 2 if in_group(softmax, j + quarter) else 0
            kept |= 4 if in_group(softmax, j + 2 * quarter) else 0
            kept |= 8 if in_group(softmax, j + 3 * quarter) else 0
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
                    if not (grouped and kept >> part & 1):
                        on = uniform(drawn[part]) < sigmoid(total[part, r])
                        total[part, r] = one if on else zero
        for part in range(4):
            for r in range(each):
                memory[((first + j + part * quarter) * groups + g) * each + r] = total[part, r]

    return draw


@cache
def half_sweep(
    real: Scalar, each: int, normal: bool, settle: Callable[..., Any], grouped: bool = False
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
    grouped : bool
        Whether units belong to softmax groups; their fields are left, for `group_drawer`.

    Returns
    -------
    device function
        The layer has `columns` units from `target` on, the other one `units` from `source` on.
    """
    add_up, draw = _adder(real, each), _drawer(real, each, normal, grouped)

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
        softmax,
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
            draw(
                total, spread, memory, target, groups, g, quarter, j, key_of, row_of, sweep, softmax
            )

    return half


@device
def biased(x, given, row, unit, place):
    """Add a unit's bias and multiply by a factor: the `settle` of half_sweep for Gibbs sampling."""
    bias, at, scale = given
    return scale * (x + bias[at[0] + row * at[1] + unit])


@cache
def _chain(real, gaussian, grouped, each, most):
    """Make the kernel.

    States of Gaussian units are x = exp(-z/2) v; alpha = exp(-z/2) a is in `out` until the chains
    end.
    """
    kind, zero, one, half = NUMBA_TYPE[real], real(0), real(1), real(0.5)
    draw_hidden = half_sweep(real, each, False, biased)
    draw_visible = half_sweep(real, each, gaussian, biased, grouped)
    draw_groups = group_drawer(real, grouped)

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
        softmax,
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
                softmax,
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
                softmax,
            )
            cuda.syncthreads()
            if grouped:  # the fields are all there; the states, which others read, behind a barrier
                draw_groups(
                    thread,
                    threads,
                    memory,
                    0,
                    visible,
                    rows,
                    softmax,
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
