"""New songs, every frame drawn from the RBM of its own past.  Eq. (8), (14), (18), (22), (26)-(29).

    u_t = [r_t; a_t; b_t; (s_t); g_t] = f([v_{t-1}; m_t; c_t; r_{t-1}])
    v_t ~ RBM(a'_t, b_t, (z_t))

m_t are the latest notes of lines, c_t is what is known of the song ahead, a'_t is a_t and what the
gates g_t let through.  Axes and memory of the network as in midigen.kernels.cpu.network, those of
the RBM as in midigen.kernels.cpu.rbm and gaussian, of the gates as in midigen.kernels.cpu.gates; B
songs of T frames, C numbers known ahead of each.
"""

import numpy as np
from numba import njit

from midigen.kernels.cpu import gates as copying
from midigen.kernels.cpu import gaussian, rbm
from midigen.kernels.cpu.network import forward_block, matrix
from midigen.kernels.jit import KERNEL, UNFUSED


@njit(**UNFUSED)
def _level(value, levels):
    """Find the level in a roll of a Gaussian value, rounded as NumPy does."""
    real = type(value)
    threshold, gain, offset, loudest = levels
    if not value > real(threshold):
        return 0
    level = np.rint(real(loudest) * (real(gain) * value + real(offset)))
    return int(min(max(level, real(1)), real(loudest)))


@njit(**KERNEL)
def _follow(song, t, lines, latest) -> None:
    """Move the latest frames (L,) in which lines had notes on over frame t of a song (T, V)."""
    for line in range(lines.shape[0]):
        for i in range(lines[line, 0], lines[line, 1]):
            if song[t, i] > 0:
                latest[line] = t
                break


@njit(**KERNEL)
def _look_back(song, t, latest, back, loudest, rows) -> None:
    """Read the sources of frame t of a song (T, V) to rows (S, 1, V), the lines' own first."""
    real = type(loudest)
    for s in range(rows.shape[0]):
        source = latest[s] if s < latest.size else t - back[s - latest.size]
        for i in range(rows.shape[2]):
            rows[s, 0, i] = 0
            if 0 <= source < t:
                rows[s, 0, i] = real(song[source, i]) / loudest


@njit(**KERNEL)
def play(
    sizes,
    codes,
    params,
    recurrent,
    w,
    log_variances,
    levels,
    groups,
    gates,
    sweeps,
    beta,
    keys,
    first,
    stop,
    context,
    back,
    x,
    songs,
) -> None:
    """Make frames first..stop-1 of B songs.

    sizes, codes, params, recurrent: see midigen.kernels.cpu.network; w, groups:
    midigen.kernels.cpu.rbm.

    Parameters
    ----------
    log_variances : (2,) or None
        Bounds of z; None of a model with Bernoulli units.
    levels : tuple (threshold, gain, offset, loudest) or None
        How Gaussian values become the levels of a roll: 0 up to the threshold, and else the nearest
        of 1, 2, .. loudest to loudest (gain value + offset), which is heard divided by loudest.
        None of a model with Bernoulli units.
    gates : tuple (part, gate, lines, heard_lines, interval_gates, intervals)
        As in midigen.kernels.cpu.gates; the latest notes of the first `heard_lines` of the lines
        are also inputs of the network.
    sweeps : int
        Steps of Gibbs sampling for each frame, which start at the frame before.
    beta : float
        Inverse temperature.
    keys : uint64 (B,)
        Of each song's draws; frame t draws as row t.
    first, stop : int
        The frames to be made.
    context : (B, T, C)
        What is known ahead of every frame.
    back : int64 (B, T, S - L)
        How many frames before a frame each source but the lines' own lies; 0 for none, which is
        silent.
    x : (B, V + R)
        What the network hears first, the frame before and r; replaced by what it would hear next.
    songs : uint8 (B, T, V)
        Whole songs, of which the frames before `first` are there; those to be made are overwritten.
    """
    visible, hidden, layers = songs.shape[2], w.shape[0], sizes.size - 1
    part, gate, lines, heard_lines, interval_gates, intervals = gates
    real = x.dtype.type
    width, known = 0, sizes[0] - recurrent - context.shape[2]
    for k in range(layers):
        width += sizes[k] + 1
    inputs, u = np.empty(width, x.dtype), np.empty(sizes[layers], x.dtype)
    starts, sample = np.zeros(1, np.uint8), np.empty((1, visible), x.dtype)
    heard = np.empty((1, sizes[0] - recurrent), x.dtype)
    rows = np.empty((gate.shape[0], 1, visible), x.dtype)
    count = lines.shape[0]
    last, latest = np.empty((count, 1), np.int64), np.empty(count, np.int64)
    at_b = recurrent + visible
    a, b = matrix(u, recurrent, 1, visible), matrix(u, at_b, 1, hidden)
    at_g = at_b + hidden + (0 if log_variances is None else visible)
    g = matrix(u, at_g, 1, u.size - at_g)
    loudest = real(1)
    if levels is not None:
        loudest = real(levels[3])
    for song in range(songs.shape[0]):
        v, state = x[song, :visible].copy().reshape(1, visible), x[song, visible:].copy()
        latest[:] = -1
        for t in range(first):
            _follow(songs[song], t, lines, latest)
        for t in range(first, stop):
            _look_back(songs[song], t, latest, back[song, t], loudest, rows)
            for line in range(count):
                copying.last_pitch(rows[line], lines[line, 0], lines[line, 1], last[line])
            heard[0, :visible] = v[0]
            copying.recall(rows, lines[:heard_lines], visible, heard)
            heard[0, known:] = context[song, t]
            forward_block(
                sizes, codes, params, recurrent, heard, starts, state, inputs, u.reshape(1, u.size)
            )
            copying.open_gates(g, rows, part, gate, lines, interval_gates, intervals, last, a)
            if log_variances is None:
                rbm.gibbs_chain(v, w, a, b, groups, sweeps, beta, keys[song], 0, t, sample)
                for i in range(visible):
                    songs[song, t, i] = np.uint8(sample[0, i])
                    v[0, i] = sample[0, i]
            else:
                z = np.empty((1, visible), x.dtype)
                share = matrix(u, at_b + hidden, 1, visible)
                gaussian.log_variance(share, log_variances[0], log_variances[1], z)
                gaussian.gibbs_chain(v, w, a, b, z, sweeps, beta, keys[song], 0, t, sample)
                for i in range(visible):
                    level = _level(sample[0, i], levels)
                    songs[song, t, i] = level
                    v[0, i] = real(level) / loudest
            _follow(songs[song], t, lines, latest)
        x[song, :visible] = v[0]
        x[song, visible:] = state
