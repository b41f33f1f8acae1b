"""The serial part of wide networks, which all blocks of threads do together.  Eq. (8), (13).

The weights of wide layers do not fit into a multiprocessor's cache, and each multiprocessor reads
but a few per cent of the memory's rate.  So every step, one layer of one frame, is shared out: a
block of threads makes a tile of series by units, and the grid waits for all before the next step.
A block has `parts` crews of threads, which share each sum among them; a thread of a crew has `each`
series by 4 units in registers.  `states` (2, widest, padded series) keeps what goes into a step and
what comes out of it, unit by unit, so that neighbouring threads read neighbouring series.

The blocks wait for one another, so that all of them have to run at once: there is at most one for
each multiprocessor.  (Programs that take turns on a GPU do no harm; two that share it at the same
time, by NVIDIA's MPS, could.)
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.jit import NUMBA_TYPE, SHARED, SIMULATED, Scalar, Tile, device, jit
from midigen.kernels.cuda.layers import (
    ALL,
    BELOW,
    CODES,
    DELTAS,
    INPUTS,
    PARAMS,
    TRANSPOSED,
    UNITS,
    adders,
)
from midigen.kernels.cuda.memory import DeviceArray, scratch, upload
from midigen.kernels.scalar import u64

COLUMNS = 4  # of a thread


def walk(
    real: Scalar,
    backward: bool,
    run: tuple[Any, ...],
    starts: DeviceArray,
    end: DeviceArray,
    inputs: DeviceArray,
    u: DeviceArray,
    du: DeviceArray,
    deltas: DeviceArray,
    tile: Tile,
) -> None:
    """Run the serial part over a block, forward or backward.

    Parameters
    ----------
    real : float type
        Of all numbers.
    backward : bool
        Which of the two.
    run : tuple
        h, B, layers, X, R, n_L, the widest step's units, the table of layers, codes, the weights
        (those of midigen.kernels.cuda.layers.transposed_layers forward, params backward) and what
        x, or the y rows of the last layer, add.
    starts, inputs, u, du, deltas : flat device arrays
        As in midigen.kernels.cuda.network; forward there are no du and deltas, and any array
        serves.
    end : flat device array (B R,)
        The state or the adjoint, replaced.
    tile : Tile
        Sizes.
    """
    _, n_series, *_, widest, _, _, _, _ = run
    down, across = tile.crew
    each = 1 if n_series <= down else 4
    high, long = down * each, across * COLUMNS
    parts = min(tile.parts, SHARED // (high * long * real().itemsize))
    padded = -(-n_series // high) * high
    blocks = min(padded // high * -(-widest // long), multiprocessors())
    _walked(real, backward, each, down, across, parts)[blocks, down * across * parts](
        padded,
        scratch("states", 2 * widest * padded, real),
        upload(np.zeros(1, np.int32)),
        *run,
        starts,
        end,
        inputs,
        u,
        du,
        deltas,
    )


def multiprocessors() -> int:
    """Count the GPU's multiprocessors; Numba's simulator may tell of none, and has one."""
    device = cuda.current_context().device
    return getattr(device, "MULTIPROCESSOR_COUNT", 1) if SIMULATED else device.MULTIPROCESSOR_COUNT


@device
def meet(met, times):
    """Wait until all blocks are here, for the times-th time.

    What each has written before, all read behind it.
    """
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.threadfence()
        cuda.atomic.add(met, 0, 1)
        while cuda.atomic.add(met, 0, 0) < times * cuda.gridDim.x:
            cuda.nanosleep(20)
        cuda.threadfence()
    cuda.syncthreads()


@cache
def _forward(real):
    """Make three device functions of the way forward: begin, step and finish.

    begin gives a unit of r ahead of the first frame; step gives of step n the frame, the layer, how
    many numbers each sum is of, how many sums there are, and where and how far apart their weights
    lie; and finish makes of a sum what the step is for.
    """
    activation, zero = scalar.activation(real), real(0)

    @device
    def begin(series, i, shape, arrays):
        _, _, _, outside, recurrent, _ = shape
        _, _, _, _, starts, end, inputs, _, _, _ = arrays
        value = zero if starts[series] != 0 else end[series * recurrent + i]
        inputs[series * (outside + recurrent + 1) + outside + i] = value
        return value

    @device
    def step(n, shape, arrays):
        _, _, layers, outside, _, _ = shape
        k, table = n % layers, arrays[0]
        units, skipped = table[k, UNITS], outside if k == 0 else 0
        return (
            n // layers,
            k,
            table[k, BELOW] - skipped,
            units,
            table[k, TRANSPOSED] + skipped * units,
            units,
        )

    @device
    def finish(total, t, k, series, i, shape, arrays):
        h, n_series, layers, outside, recurrent, outputs = shape
        table, codes, w, field, starts, end, inputs, u, _, _ = arrays
        row, units = t * n_series + series, table[k, UNITS]
        total += (
            field[row * units + i]
            if k == 0
            else w[table[k, TRANSPOSED] + table[k, BELOW] * units + i]
        )
        total = activation(codes[table[k, CODES] + i], total)
        if k < layers - 1:
            inputs[table[k + 1, INPUTS] + row * (units + 1) + i] = total
            return total
        u[row * outputs + i] = total
        if t == h - 1:
            end[series * recurrent + i] = total
            return total
        row += n_series
        value = zero if starts[row] != 0 else total
        inputs[row * (outside + recurrent + 1) + outside + i] = value
        return value

    return begin, step, finish


@cache
def _backward(real):
    """Make the same three of the way back, where states are dE/ds of a layer."""
    slope, zero = scalar.slope(real), real(0)

    @device
    def recurrent_delta(d, t, series, i, shape, arrays):
        """Compute dE/ds of unit i of r at frame t, from dE/dr of what follows."""
        _, n_series, layers, _, _, outputs = shape
        table, codes, _, _, _, _, _, u, du, deltas = arrays
        row, k = t * n_series + series, layers - 1
        d = (d + du[row * outputs + i]) * slope(codes[table[k, CODES] + i], u[row * outputs + i])
        deltas[table[k, DELTAS] + row * table[k, ALL] + i] = d
        return d

    @device
    def begin(series, i, shape, arrays):
        h, _, _, _, recurrent, _ = shape
        return recurrent_delta(arrays[5][series * recurrent + i], h - 1, series, i, shape, arrays)

    @device
    def step(n, shape, arrays):
        h, _, layers, outside, _, _ = shape
        k, table = layers - 1 - n % layers, arrays[0]
        below, skipped = table[k, BELOW], outside if k == 0 else 0
        return (
            h - 1 - n // layers,
            k,
            table[k, UNITS],
            below - skipped,
            table[k, PARAMS] + skipped,
            below + 1,
        )

    @device
    def finish(total, t, k, series, j, shape, arrays):
        _, n_series, layers, outside, recurrent, _ = shape
        table, codes, _, down, starts, end, inputs, _, _, deltas = arrays
        row, below = t * n_series + series, table[k, BELOW] - (outside if k == 0 else 0)
        if k == layers - 1:
            total += down[row * below + j]
        if k > 0:
            total *= slope(
                codes[table[k - 1, CODES] + j], inputs[table[k, INPUTS] + row * (below + 1) + j]
            )
            deltas[table[k - 1, DELTAS] + row * table[k - 1, ALL] + j] = total
            return total
        total = zero if starts[row] != 0 else total
        if t > 0:
            return recurrent_delta(total, t - 1, series, j, shape, arrays)
        end[series * recurrent + j] = total
        return total

    return begin, step, finish


@cache
def _adder(real, each, down, across):
    """Make a device function: total (each, COLUMNS) <- a crew's part of its thread's sums."""
    zero, span, (two, three, four, eight) = real(0), u64(down), (u64(n) for n in (2, 3, 4, 8))

    @device
    def add_one(total, states, state, w, at, units):
        weights = w[at], w[at + units[0]], w[at + units[1]], w[at + units[2]]
        for r in range(each):
            value = states[state + u64(r) * span]
            for c in range(COLUMNS):
                total[r, c] += value * weights[c]

    @device
    def add_four(total, states, state, forth, w, at, on, units):
        """Add four, by literals: LLVM unrolls no such loop, and their reads wait together."""
        add_one(total, states, state, w, at, units)
        add_one(total, states, state + forth, w, at + on, units)
        add_one(total, states, state + two * forth, w, at + two * on, units)
        add_one(total, states, state + three * forth, w, at + three * on, units)

    @device
    def add_up(total, states, state, padded, w, at, step, unit, units, part, parts, count):
        for r in range(each):
            for c in range(COLUMNS):
                total[r, c] = zero
        # units past the last one are that one again, and never read
        last = units - 1
        first = min(unit, last)
        others = (
            u64(min(unit + across, last) - first),
            u64(min(unit + 2 * across, last) - first),
            u64(min(unit + 3 * across, last) - first),
        )
        state, at = u64(state + part * padded), u64(at + part * step + first)
        forth, on = u64(parts * padded), u64(parts * step)
        rounds = (count - part + parts - 1) // parts
        for _ in range(rounds >> 3):
            add_four(total, states, state, forth, w, at, on, others)
            add_four(total, states, state + four * forth, forth, w, at + four * on, on, others)
            state += eight * forth
            at += eight * on
        if rounds & 4:
            add_four(total, states, state, forth, w, at, on, others)
            state += four * forth
            at += four * on
        for _ in range(rounds & 3):
            add_one(total, states, state, w, at, others)
            state += forth
            at += on

    return add_up


@cache
def _walked(real, backward, each, down, across, parts):
    kind, zero, (begin, step, finish) = (
        NUMBA_TYPE[real],
        real(0),
        (_backward if backward else _forward)(real),
    )
    crew, high, long = down * across, down * each, across * COLUMNS
    area, kept = high * long, high * long * parts
    add_up, (_, whole) = _adder(real, each, down, across), adders(real)

    @jit(launch_bounds=crew * parts)
    def walked(
        padded,
        states,
        met,
        h,
        n_series,
        layers,
        outside,
        recurrent,
        outputs,
        widest,
        table,
        codes,
        w,
        base,
        starts,
        end,
        inputs,
        u,
        du,
        deltas,
    ):
        sums = cuda.shared.array(kept, kind)
        total = cuda.local.array((each, COLUMNS), kind)
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        block, blocks = cuda.blockIdx.x, cuda.gridDim.x
        part, y, x = thread // crew, thread % crew // across, thread % across
        old, new = 0, widest * padded
        shape = h, n_series, layers, outside, recurrent, outputs
        arrays = table, codes, w, base, starts, end, inputs, u, du, deltas
        for e in range(block * threads + thread, n_series * recurrent, blocks * threads):
            states[old + e % recurrent * padded + e // recurrent] = begin(
                e // recurrent, e % recurrent, shape, arrays
            )
        meet(met, 1)
        for n in range(h * layers):
            t, k, count, units, at, apart = step(n, shape, arrays)
            wide = (units + long - 1) // long
            for tile in range(block, wide * (padded // high), blocks):
                row, unit = tile // wide * high, tile % wide * long
                add_up(
                    total,
                    states,
                    old + row + y,
                    padded,
                    w,
                    at,
                    apart,
                    unit + x,
                    units,
                    part,
                    parts,
                    count,
                )
                for r in range(each):
                    for c in range(COLUMNS):
                        sums[part * area + (y + r * down) * long + x + c * across] = total[r, c]
                cuda.syncthreads()
                for e in range(thread, area, threads):
                    series, i = row + e // long, unit + e % long
                    if series < n_series and i < units:
                        value = whole(zero, sums, e, area, parts)
                        states[new + i * padded + series] = finish(
                            value, t, k, series, i, shape, arrays
                        )
                cuda.syncthreads()
            meet(met, n + 2)
            old, new = new, old

    return walked
