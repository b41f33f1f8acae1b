"""The network f over one block of frames of B series: forward, and backpropagation.

    u_t = [r_t; y_t] = f([x_t; r_{t-1}]),   s^(k) = W^(k) x^(k-1) + b^(k),   x^(k) = phi_k(s^(k))

Eq. (1)-(3), (8), (13).  Axes and memory as in its twin midigen.kernels.cpu.network, with the series
behind the frames: x (h, B, X), starts (h, B), state and adjoint (B, R), u and du (h, B, n_L), a
layer's inputs (h, B, n_{k-1} + 1) and deltas (h, B, n_k).  sizes is a NumPy array, all else lies on
the device; params may be longer than P.

What needs the frame before or behind it is done in one launch for all frames, by one block of
threads for each series or, where layers are wide, by all of them together; all else is matrix
products over all frames of all series.
"""

from functools import cache
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from midigen.kernels.cuda import scalar, wide
from midigen.kernels.cuda.blas import copy, fill, flat, gemm, matrix, scratch_matrix
from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, Scalar, Tile, jit, over, shared_bytes
from midigen.kernels.cuda.layers import (
    ACROSS,
    ALL,
    BELOW,
    CODES,
    DELTAS,
    DOWN,
    INPUTS,
    PARAMS,
    TRANSPOSED,
    UNITS,
    adders,
    layers_of,
    transposed_layers,
    walkers,
)
from midigen.kernels.cuda.memory import DeviceArray

# bytes of weights, about: an H100's multiprocessor holds half of them, and reads the others slowly
CACHE = 1 << 19


def forward_block(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    recurrent: int,
    x: DeviceArray,
    starts: DeviceArray,
    state: DeviceArray,
    inputs: DeviceArray,
    u: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Run the network over the frames of a block, Eq. (8).

    Parameters as in midigen.kernels.cpu.network.forward_block, with the shapes of the module.

    Raises
    ------
    TooWideError
        Where a series does not fit into a block's shared memory.
    """
    real, rows, layers = u.dtype.type, starts.size, len(sizes) - 1
    n_series, threads = state.size // recurrent, walkers(sizes, recurrent, tile)
    table, on_device = layers_of(tuple(int(n) for n in sizes), recurrent, rows, threads)
    x, starts, inputs, u = (flat(array) for array in (x, starts, inputs, u))
    below, serial, outputs = int(sizes[0]), int(table[0, UNITS]), int(sizes[-1])
    outside = below - recurrent
    x = matrix(x, 0, rows, outside)
    for row in table:
        fill(matrix(inputs, int(row[INPUTS] + row[BELOW]), rows, 1, int(row[BELOW]) + 1), 1, tile)
    copy(x, matrix(inputs, 0, rows, outside, below + 1), tile)
    field = scratch_matrix("field", rows, serial, real)
    bias = matrix(params, below, rows, serial, 0, column_stride=below + 1)
    gemm(
        False,
        True,
        1,
        x,
        matrix(params, 0, serial, outside, below + 1),
        1,
        field,
        bias,
        tile=tile,
    )
    transposed = transposed_layers(table, params, tile)
    widest = max(recurrent, int(table[:, UNITS].max()))
    run = (
        rows // n_series,
        n_series,
        layers,
        outside,
        recurrent,
        outputs,
        widest,
        on_device,
        codes,
        transposed,
        field.array,
    )
    if _worth_a_grid(table, real):
        wide.walk(real, False, run, starts, flat(state), inputs, u, u, u, tile)
    else:
        shared = shared_bytes(2 * widest + threads, real, "a series")
        _walked_forward(real)[n_series, threads, 0, shared](*run, starts, flat(state), inputs, u)
    units, width, _, at, code, given, *_ = table[-1].tolist()
    some = outputs - recurrent
    gemm(
        False,
        True,
        1,
        matrix(inputs, given, rows, width + 1),
        matrix(params, at + recurrent * (width + 1), some, width + 1),
        0,
        matrix(u, recurrent, rows, some, outputs),
        tile=tile,
    )
    over(activated(real), rows, some, codes, code + recurrent, u, recurrent, outputs, tile=tile)


def _worth_a_grid(table, real):
    """Tell whether all multiprocessors should share a frame: its weights exceed one's cache."""
    return int((table[:, UNITS] * table[:, BELOW]).sum()) * real().itemsize > CACHE


@cache
def activated(real: Scalar) -> Any:
    """Make the kernel s <- phi(s), for (rows, columns) numbers with an offset and a row stride."""
    activation = scalar.activation(real)

    @jit()
    def activated(rows, columns, codes, first_code, s, start, step):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = start + r * step + j
                s[at] = activation(codes[first_code + j], s[at])

    return activated


@cache
def _walked_forward(real):
    """Make the kernel of the serial part, forward: one series a block of threads.

    `memory` holds y of the layer below, y of the layer, and a sum for each thread.
    """
    activation, zero, kind = scalar.activation(real), real(0), NUMBA_TYPE[real]
    part, whole = adders(real)

    @jit(launch_bounds=TILE.most)
    def walked(
        h,
        n_series,
        layers,
        outside,
        recurrent,
        outputs,
        widest,
        table,
        codes,
        transposed,
        field,
        starts,
        state,
        inputs,
        u,
    ):
        memory = cuda.shared.array(0, kind)
        thread, threads, series = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        old, new, sums = 0, widest, 2 * widest
        for i in range(thread, recurrent, threads):
            memory[old + i] = state[series * recurrent + i]
        for t in range(h):
            row = t * n_series + series
            for i in range(thread, recurrent, threads):
                if starts[row] != 0:
                    memory[old + i] = zero
                inputs[row * (outside + recurrent + 1) + outside + i] = memory[old + i]
            cuda.syncthreads()
            for k in range(layers):
                units, below, across = table[k, UNITS], table[k, BELOW], table[k, ACROSS]
                skipped = outside if k == 0 else 0
                group, groups, place = thread // across, threads // across, thread % across
                for base in range(0, units, across):
                    i, at = base + place, table[k, TRANSPOSED] + base + place
                    if i < units:
                        memory[sums + thread] = part(
                            memory,
                            old,
                            below - skipped,
                            transposed,
                            at + skipped * units,
                            units,
                            group,
                            groups,
                        )
                    cuda.syncthreads()
                    if group == 0 and i < units:
                        total = field[row * units + i] if k == 0 else transposed[at + below * units]
                        total = activation(
                            codes[table[k, CODES] + i],
                            whole(total, memory, sums + place, across, groups),
                        )
                        memory[new + i] = total
                        if k == layers - 1:
                            u[row * outputs + i] = total
                        else:
                            inputs[table[k + 1, INPUTS] + row * (units + 1) + i] = total
                    cuda.syncthreads()
                old, new = new, old
        for i in range(thread, recurrent, threads):
            state[series * recurrent + i] = memory[old + i]

    return walked


def backward_block(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    recurrent: int,
    inputs: DeviceArray,
    u: DeviceArray,
    starts: DeviceArray,
    du: DeviceArray,
    adjoint: DeviceArray,
    deltas: DeviceArray,
    gradient: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Backpropagate over a block: the first term of Eq. (13), summed over the series.

    Parameters as in midigen.kernels.cpu.network.backward_block, with the shapes of the module.

    Raises
    ------
    TooWideError
        Where a series does not fit into a block's shared memory.
    """
    real, rows, layers = u.dtype.type, starts.size, len(sizes) - 1
    n_series, threads = adjoint.size // recurrent, walkers(sizes, recurrent, tile)
    table, on_device = layers_of(tuple(int(n) for n in sizes), recurrent, rows, threads)
    inputs, u, starts, du, deltas = (flat(array) for array in (inputs, u, starts, du, deltas))
    outputs, outside = int(sizes[-1]), int(sizes[0]) - recurrent
    _, width, _, at, code, _, to, *_ = table[-1].tolist()
    some, low = outputs - recurrent, outside if layers == 1 else 0
    over(
        sloped(real),
        rows,
        some,
        codes,
        code + recurrent,
        u,
        recurrent,
        outputs,
        du,
        recurrent,
        outputs,
        1,
        deltas,
        to + recurrent,
        outputs,
        tile=tile,
    )
    # what the y rows send down does not wait for r: one product for all frames
    down = scratch_matrix("down", rows, width - low, real)
    gemm(
        False,
        False,
        1,
        matrix(deltas, to + recurrent, rows, some, outputs),
        matrix(params, at + recurrent * (width + 1) + low, some, width - low, width + 1),
        0,
        down,
        tile=tile,
    )
    widest = max(recurrent, int(table[:, UNITS].max()), int(table[1:, BELOW].max(initial=0)))
    run = (
        rows // n_series,
        n_series,
        layers,
        outside,
        recurrent,
        outputs,
        widest,
        on_device,
        codes,
        params,
        down.array,
    )
    if _worth_a_grid(table, real):
        wide.walk(real, True, run, starts, flat(adjoint), inputs, u, du, deltas, tile)
    else:
        shared = shared_bytes(2 * widest + threads, real, "a series")
        _walked_backward(real)[n_series, threads, 0, shared](
            *run, starts, flat(adjoint), inputs, u, du, deltas
        )
    for _, below, units, at, _, given, to, *_ in table.tolist():
        gemm(
            True,
            False,
            1,
            matrix(deltas, to, rows, units),
            matrix(inputs, given, rows, below + 1),
            1,
            matrix(gradient, at, units, below + 1),
            tile=tile,
        )


@cache
def sloped(real: Scalar) -> Any:
    """Make the kernel delta <- d phi'(s), from y = phi(s), for (rows, columns) numbers.

    y, d and delta have offsets and row strides; d has a column stride as well: 0 makes it one
    number for a row.
    """
    slope = scalar.slope(real)

    @jit()
    def sloped(
        rows,
        columns,
        codes,
        first_code,
        y,
        y_start,
        y_step,
        d,
        d_start,
        d_step,
        d_stride,
        delta,
        delta_start,
        delta_step,
    ):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                delta[delta_start + r * delta_step + j] = d[
                    d_start + r * d_step + j * d_stride
                ] * slope(codes[first_code + j], y[y_start + r * y_step + j])

    return sloped


@cache
def _walked_backward(real):
    """Make the kernel of the serial part, backward: one series a block of threads.

    `memory` holds dE/dy of the layer's output, its dE/ds, and a sum for each thread.
    """
    slope, zero, kind = scalar.slope(real), real(0), NUMBA_TYPE[real]
    part, whole = adders(real)

    @jit(launch_bounds=TILE.most)
    def walked(
        h,
        n_series,
        layers,
        outside,
        recurrent,
        outputs,
        widest,
        table,
        codes,
        params,
        down,
        starts,
        adjoint,
        inputs,
        u,
        du,
        deltas,
    ):
        memory = cuda.shared.array(0, kind)
        thread, threads, series = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        delta, sums = widest, 2 * widest
        for i in range(thread, recurrent, threads):
            memory[i] = adjoint[series * recurrent + i]
        for t in range(h - 1, -1, -1):
            row = t * n_series + series
            for k in range(layers - 1, -1, -1):
                units, below, all_units = table[k, UNITS], table[k, BELOW], table[k, ALL]
                skipped, top = outside if k == 0 else 0, k == layers - 1
                cuda.syncthreads()
                for i in range(thread, units, threads):
                    if top:
                        y = u[row * outputs + i]
                        d = memory[i] + du[row * outputs + i]
                    else:
                        y = inputs[table[k + 1, INPUTS] + row * (units + 1) + i]
                        d = memory[i]
                    d *= slope(codes[table[k, CODES] + i], y)
                    memory[delta + i] = d
                    deltas[table[k, DELTAS] + row * all_units + i] = d
                cuda.syncthreads()
                across = table[k, DOWN]
                group, groups, place = thread // across, threads // across, thread % across
                for base in range(0, below - skipped, across):
                    j = base + place
                    if j < below - skipped:
                        memory[sums + thread] = part(
                            memory,
                            delta,
                            units,
                            params,
                            table[k, PARAMS] + skipped + j,
                            below + 1,
                            group,
                            groups,
                        )
                    cuda.syncthreads()
                    if group == 0 and j < below - skipped:
                        total = down[row * (below - skipped) + j] if top else zero
                        total = whole(total, memory, sums + place, across, groups)
                        memory[j] = zero if k == 0 and starts[row] != 0 else total
                    cuda.syncthreads()
        for i in range(thread, recurrent, threads):
            adjoint[series * recurrent + i] = memory[i]

    return walked
