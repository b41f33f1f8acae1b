"""Songs kept in one array, a row a frame, which are read and written transposed.

    out[n, l + (i + shift) mod pitches] = kept[row, l + i],   0 <= i < pitches, l = 0 or pitches

What leaves a range of pitches at one end comes back at the other.  Weights of frames are those of
Eq. (23)-(24).

Arguments that the functions share:
  F, N, V   frames of all songs, frames that are read or written, channels of a frame
  pitches   int: V is one range of pitches or two
  place     int64 (N,): `row << SHIFT_BITS | shift`, a row of what is kept and a transposition up by
            `shift` semitones, 0 <= shift < pitches; -1 for a silent frame that belongs to no song
  packed    uint8 (F, W), W = ceil(V / 8): notes of 0 and 1 as bits, np.packbits of rolls (F, V)
  values    (F, V), numbers of any dtype
"""

import math

import numpy as np
from numba import njit

from midigen.kernels.codes import SHIFT_BITS
from midigen.kernels.jit import KERNEL

_SHIFT = (1 << SHIFT_BITS) - 1


@njit(**KERNEL)
def _transpose(source, shift, pitches, out) -> None:
    """Put `source` into `out` (V,), every range of pitches moved up by `shift`."""
    for low in range(0, out.size, pitches):
        for i in range(pitches - shift):
            out[low + shift + i] = source[low + i]
        for i in range(shift):
            out[low + i] = source[low + pitches - shift + i]


@njit(**KERNEL)
def unpack(packed, place, pitches, out) -> None:
    """Read notes that are kept as bits.

    packed, place, pitches: see the module.

    Parameters
    ----------
    out : (N, V)
        Overwritten with 0 and 1, silent frames with 0.
    """
    bits = np.empty(8 * packed.shape[1], np.uint8)
    for n in range(place.size):
        if place[n] < 0:
            out[n] = 0
            continue
        row = packed[place[n] >> SHIFT_BITS]
        for j in range(row.size):
            for part in range(8):
                bits[8 * j + part] = (row[j] >> (7 - part)) & 1
        _transpose(bits, place[n] & _SHIFT, pitches, out[n])


@njit(**KERNEL)
def pack(v, place, pitches, packed) -> None:
    """Write notes as bits, transposed back; silent frames are written nowhere.

    place, pitches, packed: see the module.

    Parameters
    ----------
    v : (N, V)
        Notes of 0 and 1.
    """
    notes, visible = np.empty(v.shape[1], v.dtype), v.shape[1]
    for n in range(place.size):
        if place[n] < 0:
            continue
        _transpose(v[n], -(place[n] & _SHIFT) % pitches, pitches, notes)
        row = packed[place[n] >> SHIFT_BITS]
        for j in range(row.size):
            byte = 0
            for part in range(min(8, visible - 8 * j)):
                if notes[8 * j + part] > 0:
                    byte |= 128 >> part
            row[j] = byte


@njit(**KERNEL)
def take(values, loudest, place, pitches, out) -> None:
    """Read numbers.

    values, place, pitches: see the module.

    Parameters
    ----------
    loudest : float
        What the numbers are divided by.
    out : (N, V)
        Overwritten, silent frames with 0.
    """
    divisor = out.dtype.type(loudest)
    for n in range(place.size):
        if place[n] < 0:
            out[n] = 0
            continue
        _transpose(values[place[n] >> SHIFT_BITS], place[n] & _SHIFT, pitches, out[n])
        for i in range(out.shape[1]):
            out[n, i] /= divisor


@njit(**KERNEL)
def put(v, place, pitches, values) -> None:
    """Write numbers, transposed back; silent frames are written nowhere.

    place, pitches, values: see the module.

    Parameters
    ----------
    v : (N, V)
        Numbers.
    """
    for n in range(place.size):
        if place[n] >= 0:
            back = -(place[n] & _SHIFT) % pitches
            _transpose(v[n], back, pitches, values[place[n] >> SHIFT_BITS])


@njit(**KERNEL)
def weigh(place, weight, out) -> None:
    """Weigh the frames of songs with `weight`, silent frames with 0.

    place: see the module.

    Parameters
    ----------
    weight : float
        Of a frame.
    out : (N,)
        Overwritten.
    """
    one, zero = out.dtype.type(weight), out.dtype.type(0)
    for n in range(place.size):
        out[n] = one if place[n] >= 0 else zero


@njit(**KERNEL)
def lessen(margin, noise, sample, out) -> None:
    """Multiply weights by s = sigmoid(margin - (noise - sample)), Eq. (24).

    Parameters
    ----------
    margin : float
        m of the equation.
    noise, sample : float64 (N,)
        Free energies of the frames of noise and of the samples that the model makes of them.
    out : (N,)
        Weights, multiplied by s in float64.
    """
    for n in range(out.size):
        s = 1.0 / (1.0 + math.exp(noise[n] - sample[n] - margin))
        out[n] = np.float64(out[n]) * s
