"""Real-time recurrent learning in blocks, of B series.  Eq. (11)-(13), (12a).

    S_h = I,   S_{i-1} = S_i A_{t0+i},   Q_i^(k) = S_i M_{t0+i}^(k)                         (11)
    J_{t0+h} = S_0 J_{t0} + sum_i Q_i^(k)[:,j] x_{t0+i}^(k-1)[m]                            (12)

Axes and memory as in its twin midigen.kernels.cpu.rtrl, with the series first: s (B, M, n), J and
`out` (B, M, P_r), adjoint (B, R), and `known` and `origin`, of whole numbers (B,), one for each
series.  plan, known and origin are NumPy arrays, all else lies on the device.

Rows of the propagator do not depend on each other.  Of small networks a block of threads takes a
few rows of one series, keeps them in shared memory and goes back over all frames of a chunk alone:
one launch.  Of large ones, and many rows, a step over a layer is one product of them all, which
reads the weights less often.  What the rows meet is one product for each layer either way.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from midigen.kernels.codes import BELOW, CODES, COLUMNS, INPUTS, PARAMS, UNITS
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import StridedMatrix, copy, flat, gemm, matrix, scratch_matrix
from midigen.kernels.cuda.jit import (
    MOST_BATCHES,
    NUMBA_TYPE,
    SHARED,
    TILE,
    Tile,
    along,
    device,
    jit,
    over,
    shared_bytes,
)
from midigen.kernels.cuda.memory import DeviceArray, scratch, upload
from midigen.kernels.cuda.network import sloped
from midigen.kernels.scalar import u64

# numbers of Q, at most and about, that are gathered for one product: 1 GB in float32
GATHERED = 1 << 28
LONGEST = 128  # frames of a chunk
PASSING = 2  # frames whose Q products need at a time
WIDE = 256  # units of a layer from which on its weights are too many for the core's own cache


def influence_stage(
    plan: NDArray[np.int64],
    cut: int,
    outside: int,
    codes: DeviceArray,
    params: DeviceArray,
    inputs: DeviceArray,
    u: DeviceArray,
    before_params: DeviceArray,
    before_inputs: DeviceArray,
    before_u: DeviceArray,
    known: NDArray[Any],
    origin: NDArray[Any],
    start: int,
    stop: int,
    accumulate: bool,
    s: DeviceArray,
    out: DeviceArray | None,
    tile: Tile = TILE,
) -> None:
    """Carry rows of S back over frames, and sum what they meet on the way.  Eq. (11)-(12), (12a).

    Parameters as in midigen.kernels.cpu.rtrl.influence_stage, with the shapes of the module.
    Frames from 0 on are gone back over for all series: where nothing before a series' origin is
    `known`, its S is 0 from there on.

    Raises
    ------
    TooWideError
        Where a row does not fit into a block's shared memory.
    """
    n_series, rows, _ = tuple(s.shape)
    units, (h, *_) = plan[:, UNITS].tolist(), tuple(u.shape)
    chunk = min(stop - start, LONGEST, max(1, GATHERED // (n_series * rows * sum(units))))
    frames = [  # the one before the block, and the block: how many, weights, inputs and outputs
        (1, flat(before_params), flat(before_inputs), flat(before_u)),
        (h, flat(params), flat(inputs), flat(u)),
    ]
    begins = (np.arange(h + 1)[:, None] == origin) & (np.asarray(known) == 0)
    # of frames -1 and on, for every series: 0 where S ends on its way back to it
    going = upload(1 - begins.ravel(), u.dtype)
    slots = chunk if out is not None else 0  # frames whose Q are gathered
    q = scratch("q", max(slots, PASSING) * n_series * rows * sum(units), u.dtype.type)
    carry = _carried_by_products if _worth_products(units, n_series * rows, tile) else _carried
    beta = 1 if accumulate else 0
    while stop > start:
        first = max(start, stop - chunk)
        carry(plan, cut, outside, codes, frames, going, first, stop, s, q, slots, tile)
        for k in range(len(plan) if slots else 0):
            _sum(plan, k, cut, outside, frames, first, stop, q, slots, beta, out, tile)
        stop, beta = first, 1


def _worth_products(units, rows, tile):
    """Tell whether steps back should be products: where there are tiles for the whole GPU."""
    return (
        min(units) >= WIDE
        and 2 * -(-rows // tile.rows) * -(-min(units) // tile.columns) >= tile.many
    )


def _part(plan, k, n_series, rows, slots):
    """Find where layer k's part of q, (slots, B, M, n_k), begins."""
    return slots * n_series * rows * int(plan[:k, UNITS].sum())


def _sum(plan, k, cut, outside, frames, first, stop, q, slots, beta, out, tile):
    """Replace layer k's columns of `out` by beta times themselves plus the sum of Q x.

    Over the cut, x is that of a frame earlier.
    """
    n_series, rows, width = tuple(out.shape)
    units, below, given, columns = (int(plan[k, c]) for c in (UNITS, BELOW, INPUTS, COLUMNS))
    # rows of J that one product makes: narrow ones would waste parts of tiles
    each = 1 if units >= WIDE and n_series * rows <= MOST_BATCHES else rows

    def product(inside, at, slot, count, beta, low, high, to, step, stride):
        h, _, inputs, _ = frames[inside]
        x = matrix(
            inputs,
            h * n_series * given + at * n_series * (below + 1) + low,
            count,
            high - low,
            n_series * (below + 1),
            batch_strides=(below + 1, 0),
        )
        gathered = matrix(
            q,
            _part(plan, k, n_series, rows, slots) + slot * n_series * rows * units,
            count,
            each * units,
            n_series * rows * units,
            batch_strides=(rows * units, units),
        )
        target = matrix(
            out,
            columns + to,
            each * units,
            high - low,
            step,
            column_stride=stride,
            rows_per_group=units,
            group_stride=width,
            batch_strides=(rows * width, width),
        )
        gemm(True, False, 1, gathered, x, beta, target, batches=(n_series, rows // each), tile=tile)

    def columns_of(*run):
        if k:
            product(*run, 0, below + 1, 0, below + 1, 1)
        else:
            product(*run, 0, outside, 0, 1, units)
            product(*run, outside, below + 1, outside * units, below + 1 - outside, 1)

    late, slot = int(k >= cut), 0  # frames that x comes before Q
    if late and first == 0:
        columns_of(0, 0, 0, 1, beta)
        first, beta, slot = 1, 1, 1
    if stop > first:
        columns_of(1, first - late, slot, stop - first, beta)


def _carried(plan, cut, outside, codes, frames, going, first, stop, s, q, slots, tile):
    """Carry S back over a chunk of frames in one launch.

    Q of every layer is left in q, if that has slots for them.
    """
    n_series, rows, width = tuple(s.shape)
    real, (h, _, _, u) = s.dtype.type, frames[1]
    widest = int(max(width, plan[:, UNITS].max(), plan[1:, BELOW].max(initial=0)))
    walked, busy = tile.walked, tile.many // 2
    while walked > 1 and (
        2 * walked * widest * real().itemsize > SHARED or -(-rows // walked) * n_series < busy
    ):
        walked //= 2
    shared = shared_bytes(2 * walked * widest, real, "a row of J")
    _walked(real, walked)[(-(-rows // walked), n_series), tile.threads, 0, shared](
        upload(plan),
        cut,
        outside,
        u.size // (h * n_series),
        h,
        n_series,
        rows,
        width,
        widest,
        slots,
        first,
        stop,
        codes,
        *frames[1][1:],
        *frames[0][1:],
        going,
        flat(s),
        q,
    )


def _carried_by_products(plan, cut, outside, codes, frames, going, first, stop, s, q, slots, tile):
    """Do what _carried does by a product for every layer and frame: the next Q is (Q W) slope."""
    (n_series, rows, width), slots = tuple(s.shape), slots or PASSING
    slopes = [
        _slopes(plan, k, first - (k >= cut), stop - first, codes, frames, going, n_series, tile)
        for k in range(len(plan))
    ]
    crossed = [
        (k, t)
        for t in range(stop - 1, first - 1, -1)
        for k in (*range(cut - 1, -1, -1), *range(len(plan) - 1, cut - 1, -1))
    ]

    def part(k, t):
        units = int(plan[k, UNITS])
        at = _part(plan, k, n_series, rows, slots) + (t - first) % slots * n_series * rows * units
        slope = StridedMatrix(  # a row of it is that of all rows of its series
            slopes[k],
            (t - first) * n_series * units,
            n_series * rows,
            units,
            0,
            rows_per_group=rows,
            group_stride=units,
        )
        return matrix(q, at, n_series * rows, units), slope

    here, slope = part(*crossed[0])
    copy(matrix(s, 0, n_series * rows, here.columns, width), here, tile, slope)
    for (k, t), following in zip(crossed, [*crossed[1:], None], strict=True):
        low, below = outside if k == 0 else 0, int(plan[k, BELOW])
        params = frames[0 if k >= cut and t == 0 else 1][1]
        weights = matrix(
            params, int(plan[k, PARAMS]) + low, int(plan[k, UNITS]), below - low, below + 1
        )
        if following:
            new, slope = part(*following)
        else:
            new = matrix(s, 0, n_series * rows, below - low, width)
            slope = None
            if k == 0:
                slope = StridedMatrix(
                    going, first * n_series, n_series * rows, below, 0, 0, rows, 1
                )
        gemm(False, False, 1, here, weights, 0, new, scale=slope, tile=tile)
        here = new


def _slopes(plan, k, first, count, codes, frames, going, n_series, tile):
    """Compute slopes of layer k at frames first.., (count, B, n_k), 0 where S has ended.

    Frame -1 is the one before the block.
    """
    units = int(plan[k, UNITS])
    out = scratch(f"slopes {k}", count * n_series * units, going.dtype.type)
    for inside, start, stop in (
        (0, first, min(first + count, 0)),
        (1, max(first, 0), first + count),
    ):
        h, _, inputs, u = frames[inside]
        y, begin, step = u, 0, u.size // (h * n_series)
        if k < len(plan) - 1:
            y, begin, step = inputs, h * n_series * int(plan[k + 1, INPUTS]), units + 1
        at = start if inside else 0
        over(
            sloped(going.dtype.type),
            max(stop - start, 0) * n_series,
            units,
            codes,
            int(plan[k, CODES]),
            y,
            begin + at * n_series * step,
            step,
            going,
            (start + 1) * n_series,
            1,
            0,
            out,
            (start - first) * n_series * units,
            units,
            tile=tile,
        )
    return out


@device
def _units_below(plan, k):
    """Count the units of all layers below layer k."""
    total = 0
    for lower in range(k):
        total += plan[lower, UNITS]
    return total


@cache
def _crossing(real, rows_each):
    """Make two device functions that take a block's rows over a layer: by its slopes, its weights.

    Number i of row r is memory[.. + i rows_each + r].
    """
    slope, zero = scalar.slope(real), real(0)

    @device
    def by_slopes(memory, old, thread, threads, units, codes, code, y, at, q, gathered, kept):
        """Multiply by slopes, and leave the products of the first `kept` rows in q."""
        for i in range(thread, units, threads):
            value = slope(codes[code + i], y[at + i])
            for r in range(rows_each):
                m = memory[old + i * rows_each + r] * value
                memory[old + i * rows_each + r] = m
                if r < kept:
                    q[gathered + r * units + i] = m

    @device
    def by_weights(total, memory, old, new, thread, threads, units, columns, w, at, stride):
        """Multiply rows of `units` numbers by a matrix (units, columns) of w."""
        for j in range(thread, columns, threads):
            for r in range(rows_each):
                total[r] = zero
            for i in range(units):
                weight = w[u64(at + j + i * stride)]
                for r in range(rows_each):
                    total[r] += memory[u64(old + i * rows_each + r)] * weight
            for r in range(rows_each):
                memory[new + j * rows_each + r] = total[r]

    return by_slopes, by_weights


@cache
def _walked(real, rows_each):
    """Make the kernel that carries rows of S back over a chunk of frames.

    A block of threads has rows_each rows of one series.  `memory` holds them in front of a layer
    and behind it, number by number, those of the rows side by side.
    """
    zero, kind = real(0), NUMBA_TYPE[real]
    by_slopes, by_weights = _crossing(real, rows_each)

    @jit()
    def walked(
        plan,
        cut,
        outside,
        outputs,
        h,
        n_series,
        rows,
        width,
        widest,
        slots,
        first,
        stop,
        codes,
        params,
        inputs,
        u,
        before_params,
        before_inputs,
        before_u,
        going,
        s,
        q,
    ):
        memory = cuda.shared.array(0, kind)
        total = cuda.local.array(rows_each, kind)
        thread, threads, series = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.y
        row, layers, old, new = cuda.blockIdx.x * rows_each, plan.shape[0], 0, rows_each * widest
        kept = rows - row if slots > 0 else 0
        for e in range(thread, rows_each * width, threads):
            r, i = e // width, e % width
            memory[i * rows_each + r] = (
                s[(series * rows + row + r) * width + i] if row + r < rows else zero
            )
        for t in range(stop - 1, first - 1, -1):
            for crossed in range(layers):
                # from the cut down at frame t, then from the top down to the cut, a frame earlier
                here = crossed < cut
                k = cut - 1 - crossed if here else layers - 1 - (crossed - cut)
                inside = here or t > 0
                w, x, y = before_params, before_inputs, before_u
                frames, place = 1, series
                if inside:
                    w, x, y = params, inputs, u
                    frames, place = h, (t if here else t - 1) * n_series + series
                units, below = plan[k, UNITS], plan[k, BELOW]
                at = place * outputs
                if k < layers - 1:
                    y = x
                    at = frames * n_series * plan[k + 1, INPUTS] + place * (units + 1)
                gathered = slots * n_series * rows * _units_below(plan, k)
                gathered += (((t - first) * n_series + series) * rows + row) * units
                cuda.syncthreads()
                code = plan[k, CODES]
                by_slopes(
                    memory, old, thread, threads, units, codes, code, y, at, q, gathered, kept
                )
                cuda.syncthreads()
                low = outside if k == 0 else 0
                if k == 0 and going[t * n_series + series] == zero:
                    units = 0  # the series begins here
                columns, at = below - low, plan[k, PARAMS] + low
                by_weights(
                    total, memory, old, new, thread, threads, units, columns, w, at, below + 1
                )
                old, new = new, old
        cuda.syncthreads()
        for e in range(thread, rows_each * width, threads):
            r, i = e // width, e % width
            if row + r < rows:
                s[(series * rows + row + r) * width + i] = memory[old + i * rows_each + r]

    return walked


def influence_expand(
    left: DeviceArray,
    inner: DeviceArray,
    first: int,
    stop: int,
    out: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Add left inner to columns first..stop - 1 of `out`.  Eq. (12), (12a).

    Parameters
    ----------
    left : (B, N, n)
        n may be more than M, as it is in influence_stage's s: columns from M on do not count.
    inner : (B, M, P_r)
        J, or Z J.
    first, stop : int
        The columns.
    out : (B, N, P_r)
        Added to.
    """
    n_series, rows, step = tuple(left.shape)
    middle, width = tuple(inner.shape)[1:]
    gemm(
        False,
        False,
        1,
        matrix(left, 0, rows, middle, step, batch_strides=(rows * step, 0)),
        matrix(inner, first, middle, stop - first, width, batch_strides=(middle * width, 0)),
        1,
        matrix(out, first, rows, stop - first, width, batch_strides=(rows * width, 0)),
        batches=(n_series, 1),
        tile=tile,
    )


def influence_gradient(
    plan: NDArray[np.int64],
    cut: int,
    outside: int,
    codes: DeviceArray,
    before_params: DeviceArray,
    before_inputs: DeviceArray,
    before_u: DeviceArray,
    adjoint: DeviceArray,
    influence: DeviceArray | None,
    gradient: DeviceArray,
    z: DeviceArray | None,
    tile: Tile = TILE,
) -> None:
    """Add (dE/dr)^T dr/dw to a gradient, summed over the series: the second term of Eq. (13).

    Parameters as in midigen.kernels.cpu.rtrl.influence_gradient, but influence is (B, n_cut, P_r)
    or (B, M, P_r), and z is (B, M, n_cut).
    """
    real, n_series, layers = adjoint.dtype.type, tuple(adjoint.shape)[0], len(plan)
    outputs, inputs, u = tuple(before_u.shape)[-1], flat(before_inputs), flat(before_u)
    m = matrix(adjoint, 0, n_series, int(plan[-1, UNITS]))
    for k in range(layers - 1, cut - 1, -1):
        units, below, params, code, given, _ = plan[k].tolist()
        y, step = (u, outputs) if k == layers - 1 else (inputs, units + 1)
        start = 0 if k == layers - 1 else n_series * int(plan[k + 1, INPUTS])
        delta = scratch_matrix(f"delta {k}", n_series, units, real)
        over(
            sloped(real),
            n_series,
            units,
            codes,
            code,
            y,
            start,
            step,
            m.array,
            0,
            units,
            1,
            delta.array,
            0,
            units,
            tile=tile,
        )
        gemm(
            True,
            False,
            1,
            delta,
            matrix(inputs, n_series * given, n_series, below + 1),
            1,
            matrix(gradient, params, units, below + 1),
            tile=tile,
        )
        m = scratch_matrix(f"m {k}", n_series, below, real)
        gemm(
            False,
            False,
            1,
            delta,
            matrix(before_params, params, units, below, below + 1),
            0,
            m,
            tile=tile,
        )
    if influence is None:
        return
    if z is not None:
        _, count, units = tuple(z.shape)
        inner = scratch_matrix("inner", n_series, count, real)
        gemm(
            False,
            True,
            1,
            StridedMatrix(m.array, m.offset, 1, units, units, batch_strides=(m.row_stride, 0)),
            matrix(z, 0, count, units, batch_strides=(count * units, 0)),
            0,
            matrix(inner.array, 0, 1, count, batch_strides=(count, 0)),
            batches=(n_series, 1),
            tile=tile,
        )
        m = inner
    width = tuple(influence.shape)[-1]
    total = scratch("total", width, real)
    gemm(
        False,
        False,
        1,
        matrix(m.array, 0, 1, n_series * m.columns),
        matrix(influence, 0, n_series * m.columns, width),
        0,
        matrix(total, 0, 1, width),
        tile=tile,
    )
    units, below = int(plan[0, UNITS]), int(plan[0, BELOW])
    along(_added(), width, outside, units, below, total, gradient, tile=tile)


@cache
def _added():
    """Make the kernel: gradient += total, a row laid out like J's."""

    @jit()
    def added(width, outside, units, below, total, gradient):
        e = cuda.grid(1)
        if e < width:
            at, rest = e, below + 1 - outside
            if e < outside * units:
                at = e % units * (below + 1) + e // units
            elif e < units * (below + 1):
                at = e - outside * units
                at = at // rest * (below + 1) + outside + at % rest
            gradient[at] += total[e]

    return added
