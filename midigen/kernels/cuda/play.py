"""New songs, each made by one block of threads, many frames in one launch.  Eq. (8), (14), (18), (22).

A song's frames wait for one another and are little work, which launches of their own would outlast.  `memory` holds
what goes into a layer and what comes out of it, a sum for each thread, and the states of the RBM, laid out as
midigen.kernels.cuda.gibbs has them for a single row; its biases are read where the network leaves them.
"""

import math
from functools import cache

from numba import cuda, uint64

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import as_matrix
from midigen.kernels.cuda.gibbs import biased, half_sweep, padded, transposed
from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, device, jit, shared_bytes
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
from midigen.kernels.scalar import u64

NO_LEVELS = 0, 1, 0, 1


@device
def _level(value, threshold, gain, offset, loudest):
    """The level that a Gaussian value has in a roll."""
    return (
        min(max(round(loudest * (gain * value + offset)), 1), int(loudest))
        if value > threshold
        else 0
    )


@cache
def _forward(real):
    """A device function: y of the last layer from what goes into the first, both in memory, all layers crossed."""
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
    sizes,
    codes,
    params,
    recurrent,
    w,
    log_variances,
    levels,
    sweeps,
    beta,
    keys,
    first,
    x,
    songs,
    tile=TILE,
):
    """Frames first, first + 1, .. of songs side by side, uint8 (B, n, V), which are overwritten.

    sizes is a NumPy array, all else lies on the device.  w (H, V) and params (P,) are the model's.  x (B, V + R), what
    the network hears first, the frame before and r, is replaced by what it would hear next.  keys uint64 (B,): a song's
    draws, of which frame t takes row t, are those of gibbs_chain with that key.  Of Gaussian units log_variances is
    the bounds of z and levels is (threshold, gain, offset, loudest): a value up to the threshold is 0, another the
    nearest of 1, 2, .. loudest to loudest (gain value + offset), which the model sees divided by loudest.  Of Bernoulli
    units both are None.
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
        w.array,
        w.layout,
        wt.array,
        wt.layout,
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
