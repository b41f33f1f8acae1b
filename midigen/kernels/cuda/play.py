"""New songs, every frame drawn from the RBM of its own past.  Eq. (8), (14), (18), (22), (26)-(29).

    u_t = [r_t; a_t; b_t; (s_t); g_t] = f([v_{t-1}; m_t; c_t; r_{t-1}])
    v_t ~ RBM(a'_t, b_t, (z_t)),   a'_t = a_t and what the gates g_t let through

m_t are the latest notes of lines, and c_t is what is known of the song ahead.

A song's frames wait for one another and are little work, which launches of their own would outlast:
one block of threads makes many frames of a song in one launch.

Memory: what goes into a layer and what comes out of it, a sum for each thread, the states of the
RBM, laid out as midigen.kernels.cuda.gibbs has them for a single row, and of each line the column
of its last pitch and the latest frame in which it had any, as numbers of the model's type; biases
are read where the network leaves them.  Frames that are copied are read in `songs`, where a barrier
has come between who wrote them and who reads.
Its twin is midigen.kernels.cpu.play.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import cuda, uint64
from numpy.typing import NDArray

from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, as_matrix
from midigen.kernels.cuda.gates import through_intervals
from midigen.kernels.cuda.gibbs import (
    biased,
    group_drawer,
    half_sweep,
    has_groups,
    padded,
    transposed,
)
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
from midigen.kernels.cuda.memory import DeviceArray, upload
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
                cuda.syncthreads()  # a unit's sum is shared out to threads
                if group == 0 and i < units:
                    field = whole(params[at + below * units], memory, sums + place, step, groups)
                    memory[new + i] = activation(codes[table[k, CODES] + i], field)
                cuda.syncthreads()  # all units go into each of the next layer
            old, new = new, old
        return old, new

    return forward


@device
def _load(memory, at, thread, threads, visible, recurrent, outside, x, song):
    """Bring what the network hears first from x to its input."""
    for i in range(thread, visible, threads):
        memory[at + i] = x[song, i]
    for i in range(thread, recurrent, threads):
        memory[at + outside + i] = x[song, visible + i]


@device
def _store(memory, at, thread, threads, visible, recurrent, outside, x, song):
    """Bring the network's next input back to x."""
    for i in range(thread, visible, threads):
        x[song, i] = memory[at + i]
    for i in range(thread, recurrent, threads):
        x[song, visible + i] = memory[at + outside + i]


@cache
def _carrier(real, gaussian):
    """Make two device functions of a frame, a thread those of its own units."""
    half, value_of = real(0.5), _value(real, gaussian)

    @device
    def scale(memory, a, z, chain, thread, threads, visible, low, length):
        """Bring states and means into units of the deviations; s becomes z."""
        for i in range(thread, visible, threads):
            memory[z + i] = low + length * memory[z + i]
            inverse = math.exp(-half * memory[z + i])
            memory[a + i] *= inverse
            memory[chain + i] *= inverse

    @device
    def keep(
        memory,
        chain,
        z,
        old,
        new,
        thread,
        threads,
        visible,
        recurrent,
        outside,
        levels,
        songs,
        song,
        t,
    ):
        """Write the frame that has been drawn into the song, and with r into the next input."""
        threshold, gain, offset, loudest = levels
        for i in range(thread, visible, threads):
            value = value_of(memory, chain + i, z + i)
            if gaussian:
                songs[song, t, i] = _level(value, threshold, gain, offset, loudest)
                memory[new + i] = real(songs[song, t, i]) / loudest
            else:
                songs[song, t, i] = int(value)
                memory[new + i] = value
        for i in range(thread, recurrent, threads):
            memory[new + outside + i] = memory[old + i]

    return scale, keep


@cache
def _value(real, gaussian):
    """Make a device function: a unit's value, from its state and the place of its log variance."""
    half = real(0.5)

    @device
    def value_of(memory, state, z):
        return memory[state] * math.exp(half * memory[z]) if gaussian else memory[state]

    return value_of


@cache
def _liner(real, gaussian):
    """Make two device functions for what is remembered of the lines, from `lasts` on in memory.

    That is the column of each line's last pitch, and behind all of these the frame that it is of.
    """
    value_of = _value(real, gaussian)

    @device
    def look_back(memory, lasts, thread, threads, lines, songs, song, first):
        """Find them in the frames of a song before `first`, a thread for each line."""
        for line in range(thread, lines.shape[0], threads):
            found, t = -1, first
            while t > 0 and found < 0:
                t -= 1
                for i in range(lines[line, 0], lines[line, 1]):
                    if songs[song, t, i] > 0:
                        found = i
            memory[lasts + line] = real(found)
            memory[lasts + lines.shape[0] + line] = real(t if found >= 0 else -1)

    @device
    def look(memory, lasts, thread, threads, lines, chain, z, threshold, t):
        """Move them on over frame t, which has been drawn, a thread for each line."""
        for line in range(thread, lines.shape[0], threads):
            for i in range(lines[line, 0], lines[line, 1]):
                if value_of(memory, chain + i, z + i) > threshold:
                    memory[lasts + line] = real(i)
                    memory[lasts + lines.shape[0] + line] = real(t)

    return look_back, look


@device
def _latest(memory, lasts, lines, line):
    """Tell the latest frame in which a line had any notes; -1 where there is none."""
    return int(memory[lasts + lines.shape[0] + line])


@cache
def _teller(real):
    """Make a device function: what the network hears of lines and of the song ahead -> its input.

    That is the latest notes of the first `heard` lines, and the context of frame t; both lie
    between v, which ends at `at`, and r, which begins at `end`.
    """
    zero = real(0)

    @device
    def tell(
        memory, lasts, thread, threads, lines, heard, at, end, context, songs, song, t, loudest
    ):
        for line in range(heard):
            low, high, latest = lines[line, 0], lines[line, 1], _latest(memory, lasts, lines, line)
            for i in range(low + thread, high, threads):
                value = zero
                if latest >= 0:
                    value = real(songs[song, latest, i]) / loudest
                memory[at + i - low] = value
            at += high - low
        for i in range(thread, context.shape[2], threads):
            memory[end - context.shape[2] + i] = context[song, t, i]

    return tell


@cache
def _opener(real):
    """Make a device function that adds what the gates let through to a song's biases, Eq. (27).

    The biases lie from `a` on in memory, the gates from `g` on.  A thread has columns of its own.
    """

    @device
    def open_gates(
        memory, a, g, lasts, thread, threads, visible, gates, back, songs, song, t, loudest
    ):
        part, gate, lines, interval_gates, intervals = gates
        for i in range(thread, visible, threads):
            total = memory[a + i]
            for s in range(gate.shape[0]):
                k = gate[s, part[i]]
                if k >= 0:
                    if s < lines.shape[0]:
                        source = _latest(memory, lasts, lines, s)
                    else:
                        source = t - back[song, t, s - lines.shape[0]]
                    if 0 <= source and source < t:
                        total += memory[g + k] * (real(songs[song, source, i]) / loudest)
            for line in range(lines.shape[0]):
                last = int(memory[lasts + line])
                total = through_intervals(
                    total, i, memory, g, lines, interval_gates, intervals, line, last
                )
            memory[a + i] = total

    return open_gates


@cache
def _sampler(real, gaussian, grouped):
    """Make a device function: the steps of Gibbs sampling of a frame, Eq. (18), (22), (29).

    All threads of the block call it, as it has barriers, and its states are there for all of them
    when it returns.
    """
    one = real(1)
    draw_hidden = half_sweep(real, 1, False, biased)
    draw_visible = half_sweep(real, 1, gaussian, biased, grouped)
    draw_groups = group_drawer(real, grouped)

    @device
    def sample(
        total,
        thread,
        threads,
        memory,
        chain,
        visible,
        behind,
        hidden,
        a,
        b,
        w,
        w_at,
        wt,
        wt_at,
        softmax,
        sweeps,
        beta,
        spread,
        key_of,
        row_of,
    ):
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
                softmax,
            )
            cuda.syncthreads()  # all hidden units go into each visible one
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
                softmax,
            )
            cuda.syncthreads()  # all visible units go into what follows: a group, a hidden unit
            if grouped:  # which is known when this is compiled: no thread goes another way
                draw_groups(
                    thread,
                    threads,
                    memory,
                    chain,
                    visible,
                    1,
                    softmax,
                    key_of,
                    row_of,
                    2 * sweep + 1,
                )
                cuda.syncthreads()  # states in the place of fields, for all threads

    return sample


def play(
    sizes: NDArray[np.int64],
    codes: DeviceArray,
    params: DeviceArray,
    recurrent: int,
    w: MatrixLike,
    log_variances: NDArray[Any] | None,
    levels: tuple[float, float, float, float] | None,
    groups: DeviceArray,
    gates: tuple[Any, Any, Any, int, Any, Any],
    sweeps: int,
    beta: float,
    keys: DeviceArray,
    first: int,
    stop: int,
    context: DeviceArray,
    back: DeviceArray,
    x: DeviceArray,
    songs: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Make frames first..stop-1 of B songs.

    Parameters as in midigen.kernels.cpu.play.play; sizes and log_variances are NumPy arrays, those
    of gates NumPy or device arrays, all other arrays lie on the device, and params may be longer
    than P.

    Raises
    ------
    TooWideError
        Where a song does not fit into a block's shared memory.
    """
    w, real, gaussian = as_matrix(w), x.dtype.type, log_variances is not None
    count, _, visible = tuple(songs.shape)
    part, gate, lines, heard_lines, *intervals = gates
    tables = [
        upload(table) if isinstance(table, np.ndarray) else table
        for table in (part, gate, lines, *intervals)
    ]
    n_lines = int(lines.shape[0])
    threads = walkers(sizes, int(sizes[-1]), tile)
    table, on_device = layers_of(tuple(int(n) for n in sizes), int(sizes[-1]), 0, threads)
    widest, states, wt = int(sizes.max()), padded(visible) + padded(w.rows), transposed(w, tile)
    low, high = (0, 0) if log_variances is None else log_variances
    numbers = beta, 1 / math.sqrt(beta) if gaussian else 1, low, high - low, *(levels or NO_LEVELS)
    _played(real, gaussian, has_groups(groups) and not gaussian)[
        count, threads, 0, shared_bytes(2 * widest + threads + states + 2 * n_lines, real, "a song")
    ](
        first,
        stop,
        len(table),
        recurrent,
        int(sizes[0]) - recurrent,
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
        groups,
        heard_lines,
        *tables,
        context,
        back,
        x,
        songs,
    )


@cache
def _played(real, gaussian, grouped):
    kind, forward, sample = NUMBA_TYPE[real], _forward(real), _sampler(real, gaussian, grouped)
    (scale, keep), tell = _carrier(real, gaussian), _teller(real)
    (look_back, look), open_gates = _liner(real, gaussian), _opener(real)

    @jit(launch_bounds=TILE.most)
    def played(
        first,
        stop,
        layers,
        recurrent,
        outside,
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
        softmax,
        heard_lines,
        part,
        gate,
        lines,
        interval_gates,
        intervals,
        context,
        back,
        x,
        songs,
    ):
        memory = cuda.shared.array(0, kind)
        key_of = cuda.shared.array(1, uint64)
        row_of = cuda.shared.array(1, uint64)
        total = cuda.local.array((4, 1), kind)
        beta, spread, low, length, threshold, gain, offset, loudest = numbers
        levels, gates = (
            (threshold, gain, offset, loudest),
            (part, gate, lines, interval_gates, intervals),
        )
        thread, threads, song = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        old, new, sums = 0, widest, 2 * widest
        chain = sums + threads
        behind = chain + (visible + 3 >> 2) * 4
        lasts = behind + (hidden + 3 >> 2) * 4
        key_of[0] = keys[song]
        look_back(memory, lasts, thread, threads, lines, songs, song, first)
        _load(memory, old, thread, threads, visible, recurrent, outside, x, song)
        cuda.syncthreads()  # what the network hears, and the last pitches
        for t in range(first, stop):
            for i in range(thread, visible, threads):
                memory[chain + i] = memory[old + i]
            row_of[0] = u64(t)
            if outside > visible:  # or not, for all threads of the launch
                tell(
                    memory,
                    lasts,
                    thread,
                    threads,
                    lines,
                    heard_lines,
                    old + visible,
                    old + outside,
                    context,
                    songs,
                    song,
                    t,
                    loudest,
                )
                cuda.syncthreads()  # the network hears what other threads have told it
            old, new = forward(
                memory, old, new, sums, thread, threads, layers, table, codes, params
            )
            a, b, z = old + recurrent, old + recurrent + visible, old + recurrent + visible + hidden
            g = z + visible if gaussian else z
            # here and in `scale` a thread changes biases of its own units; others read them behind
            # the barrier between hidden and visible units
            open_gates(
                memory, a, g, lasts, thread, threads, visible, gates, back, songs, song, t, loudest
            )
            if gaussian:
                scale(memory, a, z, chain, thread, threads, visible, low, length)
                cuda.syncthreads()  # all states go into each hidden unit
            sample(
                total,
                thread,
                threads,
                memory,
                chain,
                visible,
                behind,
                hidden,
                a,
                b,
                w,
                w_at,
                wt,
                wt_at,
                softmax,
                sweeps,
                beta,
                spread,
                key_of,
                row_of,
            )
            # both read states and z, which stay until the barrier
            look(memory, lasts, thread, threads, lines, chain, z, threshold, t)
            keep(
                memory,
                chain,
                z,
                old,
                new,
                thread,
                threads,
                visible,
                recurrent,
                outside,
                levels,
                songs,
                song,
                t,
            )
            old, new = new, old
            cuda.syncthreads()  # the next input and the last pitches; v and z are free
        _store(memory, old, thread, threads, visible, recurrent, outside, x, song)

    return played
