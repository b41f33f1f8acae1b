"""New songs, every frame drawn from the RBM of its own past.  Eq. (8), (14), (18), (22).

    u_t = [r_t; a_t; b_t; (s_t)] = f([v_{t-1}; r_{t-1}]),   v_t ~ RBM(a_t, b_t, (z_t))

A song's frames wait for one another and are little work, which launches of their own would outlast:
one block of threads makes many frames of a song in one launch.

Memory: what goes into a layer and what comes out of it, a sum for each thread, and the states of
the RBM, laid out as midigen.kernels.cuda.gibbs has them for a single row; its biases are read where
the network leaves them.  Its twin is midigen.kernels.cpu.play.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, uint64
from numpy.typing import NDArray

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, as_matrix
from midigen.kernels.cuda.gibbs import biased, half_sweep, padded, transposed
from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, Tile, device, jit, shared_bytes
from midigen.kernels.cuda.layers import (
    ACROSS,
    BELOW,
    CODES,
    TRANSPOSED,
    UNITS,
    adders,
    layers_of,
    transposed_layers,
    walkers,
)
from midigen.kernels.cuda.memory import DeviceArray
from midigen.kernels.scalar import u64

NO_LEVELS = 0, 1, 0, 1


@device
def _level(value, threshold, gain, offset, loudest):
    """Find the level in a roll of a Gaussian value."""
    return (
        min(max(round(loudest * (gain * value + offset)), 1), int(loudest))
        if value > threshold
        else 0
    )


@cache
def _forward(real):
    """Make a device function: y of the last layer from what goes into the first, both in memory."""
    activation, (part, whole) = scalar.activation(real), adders(real)

    @device
    def forward(memory, old, new, sums, thread, threads, layers, table, codes, params):
        for k in range(layers):
            units, below, step = table[k, UNITS], table[k, BELOW], table[k, ACROSS]
            group, groups, place = thread // step, threads // step, thread % step
            for base in range(0, units, step):
                i, at = base + place, table[k, TRANSPOSED] + base + place
                if i < units:
                    memory[sums + thread] = part(
                        memory, old, below, params, at, units, group, groups
                    )
                cuda.syncthreads()
                if group == 0 and i < units:
                    field = whole(params[at + below * units], memory, sums + place, step, groups)
                    memory[new + i] = activation(codes[table[k, CODES] + i], field)
                cuda.syncthreads()
            old, new = new, old
        return old, new

    return forward


def play(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    recurrent: int,
    w: MatrixLike,
    log_variances: NDArray[Any] | None,
    levels: tuple[float, float, float, float] | None,
    sweeps: int,
    beta: float,
    keys: DeviceArray,
    first: int,
    x: DeviceArray,
    songs: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Make frames first, first + 1, .. of B songs.

    Parameters as in midigen.kernels.cpu.play.play; sizes and log_variances are NumPy arrays, all
    other arrays lie on the device, and params may be longer than P.

    Raises
    ------
    TooWideError
        Where a song does not fit into a block's shared memory.
    """
    w, real, gaussian = as_matrix(w), x.dtype.type, log_variances is not None
    count, frames, visible = tuple(songs.shape)
    threads = walkers(sizes, int(sizes[-1]), tile)
    table, on_device = layers_of(tuple(int(n) for n in sizes), int(sizes[-1]), 0, threads)
    widest, states, wt = int(sizes.max()), padded(visible) + padded(w.rows), transposed(w, tile)
    low, high = (0, 0) if log_variances is None else log_variances
    numbers = beta, 1 / math.sqrt(beta) if gaussian else 1, low, high - low, *(levels or NO_LEVELS)
    _played(real, gaussian)[
        count, threads, 0, shared_bytes(2 * widest + threads + states, real, "a song")
    ](
        first,
        frames,
        len(table),
        recurrent,
        visible,
        w.rows,
        widest,
        on_device,
        codes,
        transposed_layers(table, params, tile),
        *w.operand,
        *wt.operand,
        keys,
        sweeps,
        tuple(real(number) for number in numbers),
        x,
        songs,
    )


@cache
def _played(real, gaussian):
    kind, one, half, forward = NUMBA_TYPE[real], real(1), real(0.5), _forward(real)
    draw_hidden, draw_visible = (
        half_sweep(real, 1, normal, biased) for normal in (False, gaussian)
    )

    @jit(launch_bounds=TILE.most)
    def played(
        first,
        frames,
        layers,
        recurrent,
        visible,
        hidden,
        widest,
        table,
        codes,
        params,
        w,
        w_at,
        wt,
        wt_at,
        keys,
        sweeps,
        numbers,
        x,
        songs,
    ):
        memory = cuda.shared.array(0, kind)
        key_of = cuda.shared.array(1, uint64)
        row_of = cuda.shared.array(1, uint64)
        total = cuda.local.array((4, 1), kind)
        beta, spread, low, length, threshold, gain, offset, loudest = numbers
        thread, threads, song = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        old, new, sums = 0, widest, 2 * widest
        chain = sums + threads
        behind = chain + (visible + 3 >> 2) * 4
        key_of[0] = keys[song]
        for i in range(thread, visible + recurrent, threads):
            memory[old + i] = x[song, i]
        cuda.syncthreads()
        for t in range(frames):
            for i in range(thread, visible, threads):
                memory[chain + i] = memory[old + i]
            row_of[0] = u64(first + t)
            old, new = forward(
                memory, old, new, sums, thread, threads, layers, table, codes, params
            )
            a, b, z = old + recurrent, old + recurrent + visible, old + recurrent + visible + hidden
            if gaussian:  # states and means in units of the deviations
                for i in range(thread, visible, threads):
                    memory[z + i] = low + length * memory[z + i]
                    inverse = math.exp(-half * memory[z + i])
                    memory[a + i] *= inverse
                    memory[chain + i] *= inverse
                cuda.syncthreads()
            for sweep in range(sweeps):
                draw_hidden(
                    total,
                    thread,
                    threads,
                    memory,
                    chain,
                    visible,
                    behind,
                    hidden,
                    1,
                    wt,
                    wt_at,
                    (memory, (b, 0), beta),
                    spread,
                    0,
                    1,
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
                    chain,
                    visible,
                    1,
                    w,
                    w_at,
                    (memory, (a, 0), one if gaussian else beta),
                    spread,
                    0,
                    1,
                    key_of,
                    row_of,
                    2 * sweep + 1,
                )
                cuda.syncthreads()
            for i in range(thread, visible, threads):
                value = memory[chain + i]
                if gaussian:
                    value *= math.exp(half * memory[z + i])
                    songs[song, t, i] = _level(value, threshold, gain, offset, loudest)
                    memory[new + i] = real(songs[song, t, i]) / loudest
                else:
                    songs[song, t, i] = int(value)
                    memory[new + i] = value
            for i in range(thread, recurrent, threads):
                memory[new + visible + i] = memory[old + i]
            old, new = new, old
            cuda.syncthreads()
        for i in range(thread, visible + recurrent, threads):
            x[song, i] = memory[old + i]

    return played
