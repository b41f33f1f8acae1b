"""Random songs whose gradient is subtracted.  Eq. (23)-(24)."""

import numpy as np
import scipy  # scipy.special itself is loaded at its first use: it would slow the start of training

from midigen.kernels.cpu import rbm as kernels


def random_song(rng, frames, channels, density):
    """A song of noise: uint8 (frames, channels), every note on with probability `density` in every frame."""
    return (rng.random((frames, channels)) < density).astype(np.uint8)


def push_weights(settings, noise, sample, w, a, b):
    """Weight of each noise frame's gradient, (T,): -lambda (literal), or Eq. (24)'s -lambda s_t (bounded).

    noise and sample (T, V): a random song, and the ends of the chains started at it, in the same RBMs.
    """
    if settings.negative == "literal":
        return np.full(len(noise), -settings.negative_weight, noise.dtype)
    f_noise, f_sample = np.empty(len(noise)), np.empty(len(noise))
    kernels.free_energy(noise, w, a, b, f_noise)
    kernels.free_energy(sample, w, a, b, f_sample)
    s = scipy.special.expit(settings.negative_margin - (f_noise - f_sample))
    return (-settings.negative_weight * s).astype(noise.dtype)
