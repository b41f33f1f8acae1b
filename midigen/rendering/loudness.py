"""Loudness as ITU-R BS.1770-5 measures it, and sound brought to one loudness.

Annex 1: sound is filtered as the head and the ear do, its power is averaged over blocks of 400 ms,
and blocks that are silent or far below the rest do not count.  Annex 2: the true peak is that of
the waveform between the samples, found by sampling it four times as often.
"""

import math

import numpy as np
from numpy.typing import NDArray

RATE = 48_000  # samples a second, for which the standard gives its filters
# each stage's numerator and denominator: table 1, the head, and table 2, the low frequencies
HEAD = [1.53512485958697, -2.69169618940638, 1.19839281085285]
HEAD += [1.0, -1.69065929318241, 0.73248077421585]
LOW = [1.0, -2.0, 1.0]
LOW += [1.0, -1.99004745483398, 0.99007225036621]
FILTERS = np.array([HEAD, LOW])
HOP = RATE // 10  # blocks begin every 100 ms
HOPS = 4  # and last so many of these
OFFSET = -0.691  # dB
ABSOLUTE_GATE = -70.0  # LUFS
RELATIVE_GATE = -10.0  # LU
OVERSAMPLING = 4
CHUNK = 10 * RATE  # samples that are looked at at a time
MARGIN = 64  # samples beside a chunk, for filters that need to settle

Samples = NDArray[np.float32]


def measure_loudness(samples: Samples) -> float:
    """Measure the integrated loudness of a stereo sound.

    Parameters
    ----------
    samples : NDArray[np.float32], shape (N, 2)
        At 48 kHz.

    Returns
    -------
    float
        In LUFS; -inf where all is silence, or shorter than 400 ms.
    """
    power = _block_power(samples)
    heard = power[power > _power(ABSOLUTE_GATE)]
    if not len(heard):
        return -math.inf
    gate = _power(_loudness(heard.mean()) + RELATIVE_GATE)
    return _loudness(heard[heard > gate].mean())


def measure_peak(samples: Samples) -> float:
    """Measure the true peak of a sound (N, channels) at 48 kHz, as a share of full scale."""
    from scipy.signal import resample_poly

    peak = 0.0
    for start in range(0, len(samples), CHUNK):
        chunk = samples[max(start - MARGIN, 0) : start + CHUNK + MARGIN]
        peak = max(peak, float(np.abs(resample_poly(chunk, OVERSAMPLING, 1)).max()))
    return peak


def normalise(samples: Samples, target: float, ceiling: float) -> float:
    """Bring a sound to a loudness, in place, as far as its peaks allow.

    It is made louder or softer as a whole: nothing is compressed, limited or cut off.

    Parameters
    ----------
    samples : NDArray[np.float32], shape (N, 2)
        At 48 kHz; silence stays silence.
    target : float
        Loudness, LUFS.
    ceiling : float
        Highest true peak, dB of full scale.

    Returns
    -------
    float
        The loudness that it has now.
    """
    peak = measure_peak(samples)
    if peak == 0:
        return -math.inf
    # first as loud as can be: the absolute gate would take a soft sound for silence
    samples *= np.float32(10 ** (ceiling / 20) / peak)
    loudness = measure_loudness(samples)
    if loudness > target:
        samples *= np.float32(10 ** ((target - loudness) / 20))
    return min(loudness, target)


def _block_power(samples: Samples) -> NDArray[np.float64]:
    """Return the mean square of the filtered channels, added up, of each block."""
    from scipy.signal import sosfilt

    state = np.zeros((len(FILTERS), 2, samples.shape[1]))
    hops = []
    for start in range(0, len(samples) // HOP * HOP, CHUNK):
        chunk, state = sosfilt(FILTERS, samples[start : start + CHUNK], axis=0, zi=state)
        chunk = chunk[: len(chunk) // HOP * HOP]
        hops.append(np.square(chunk).reshape(-1, HOP * samples.shape[1]).sum(axis=1))
    power = np.concatenate([np.zeros(0), *hops])
    if len(power) < HOPS:
        return np.zeros(0)
    return np.convolve(power, np.ones(HOPS), "valid") / (HOPS * HOP)


def _loudness(power: float) -> float:
    """Return the loudness, in LUFS, of a power."""
    return OFFSET + 10 * math.log10(power)


def _power(loudness: float) -> float:
    """Return the power of a loudness."""
    return float(10 ** ((loudness - OFFSET) / 10))
