"""New songs, every frame drawn from the RBM of its own past.  Eq. (8), (14), (18), (22).

    u_t = [r_t; a_t; b_t; (s_t)] = f([v_{t-1}; r_{t-1}]),   v_t ~ RBM(a_t, b_t, (z_t))

Axes and memory of the network as in midigen.kernels.cpu.network, those of the RBM as in
midigen.kernels.cpu.rbm and gaussian; B songs of n frames.
"""

import numpy as np
from numba import njit

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
) -> None:
    """Make frames first, first + 1, .. of B songs.

    sizes, codes, params, recurrent: see midigen.kernels.cpu.network; w: midigen.kernels.cpu.rbm.

    Parameters
    ----------
    log_variances : (2,) or None
        Bounds of z; None of a model with Bernoulli units.
    levels : tuple (threshold, gain, offset, loudest) or None
        How Gaussian values become the levels of a roll: 0 up to the threshold, and else the nearest
        of 1, 2, .. loudest to loudest (gain value + offset), which is heard divided by loudest.
        None of a model with Bernoulli units.
    sweeps : int
        Steps of Gibbs sampling for each frame, which start at the frame before.
    beta : float
        Inverse temperature.
    keys : uint64 (B,)
        Of each song's draws; frame t draws as row t.
    first : int
        Number of the first frame.
    x : (B, V + R)
        What the network hears first, the frame before and r; replaced by what it would hear next.
    songs : uint8 (B, n, V)
        Overwritten.
    """
    visible, hidden, layers = songs.shape[2], w.shape[0], sizes.size - 1
    width = 0
    for k in range(layers):
        width += sizes[k] + 1
    inputs, u = np.empty(width, x.dtype), np.empty(sizes[layers], x.dtype)
    starts, sample = np.zeros(1, np.uint8), np.empty((1, visible), x.dtype)
    at_b = recurrent + visible
    a, b = matrix(u, recurrent, 1, visible), matrix(u, at_b, 1, hidden)
    for song in range(songs.shape[0]):
        v, state = x[song, :visible].copy().reshape(1, visible), x[song, visible:].copy()
        for t in range(songs.shape[1]):
            row = first + t
            forward_block(
                sizes, codes, params, recurrent, v, starts, state, inputs, u.reshape(1, u.size)
            )
            if log_variances is None:
                rbm.gibbs_chain(v, w, a, b, sweeps, beta, keys[song], 0, row, sample)
                for i in range(visible):
                    songs[song, t, i] = np.uint8(sample[0, i])
                    v[0, i] = sample[0, i]
            else:
                z = np.empty((1, visible), x.dtype)
                s = matrix(u, at_b + hidden, 1, visible)
                gaussian.log_variance(s, log_variances[0], log_variances[1], z)
                gaussian.gibbs_chain(v, w, a, b, z, sweeps, beta, keys[song], 0, row, sample)
                for i in range(visible):
                    level = _level(sample[0, i], levels)
                    songs[song, t, i] = level
                    v[0, i] = x.dtype.type(level) / x.dtype.type(levels[3])
        x[song, :visible] = v[0]
        x[song, visible:] = state
