"""Songs kept in one array, a row a frame, and read and written transposed.

Axes and memory:
  F frames of all songs, N frames read or written, V channels: one range of pitches or two, each of `pitches`.
  packed  uint8 (F, W), W = ceil(V / 8): notes of 0 and 1 as bits, np.packbits of rolls (F, V).
  values  (F, V), numbers of any type.
  place   int64 (N,): `row << SHIFT_BITS | shift`, a row of packed or values and a transposition up by `shift`
          semitones, 0 <= shift < pitches; -1 for a silent frame that belongs to no song.
A note that leaves its range of pitches at one end comes back at the other.
"""

import math

import numpy as np
from numba import njit

from midigen.kernels.codes import SHIFT_BITS
from midigen.kernels.jit import KERNEL

_SHIFT = (1 << SHIFT_BITS) - 1


@njit(**KERNEL)
def _transpose(source, shift, pitches, out):
    """out (V,) <- source (V or more,), every range of pitches moved up by `shift`."""
    for low in range(0, out.size, pitches):
        for i in range(pitches - shift):
            out[low + shift + i] = source[low + i]
        for i in range(shift):
            out[low + i] = source[low + pitches - shift + i]


@njit(**KERNEL)
def unpack(packed, place, pitches, out):
    """out (N, V) <- the notes, kept as bits, at every place, transposed by its shift."""
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
def pack(v, place, pitches, packed):
    """Put notes v (N, V) as bits at their places, transposed back; silent frames go nowhere."""
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
def take(values, loudest, place, pitches, out):
    """out (N, V) <- the numbers at every place over `loudest`, transposed by its shift."""
    divisor = out.dtype.type(loudest)
    for n in range(place.size):
        if place[n] < 0:
            out[n] = 0
            continue
        _transpose(values[place[n] >> SHIFT_BITS], place[n] & _SHIFT, pitches, out[n])
        for i in range(out.shape[1]):
            out[n, i] /= divisor


@njit(**KERNEL)
def put(v, place, pitches, values):
    """Put numbers v (N, V) at their places, transposed back; silent frames go nowhere."""
    for n in range(place.size):
        if place[n] >= 0:
            back = -(place[n] & _SHIFT) % pitches
            _transpose(v[n], back, pitches, values[place[n] >> SHIFT_BITS])


@njit(**KERNEL)
def weigh(place, weight, out):
    """out (N,) <- weight, or 0 for what is no frame of a song."""
    one, zero = out.dtype.type(weight), out.dtype.type(0)
    for n in range(place.size):
        out[n] = one if place[n] >= 0 else zero


@njit(**KERNEL)
def lessen(margin, noise, sample, out):
    """out (N,) <- out s, Eq. (24), from the free energies of noise and of the model's samples, float64 (N,)."""
    for n in range(out.size):
        s = 1.0 / (1.0 + math.exp(noise[n] - sample[n] - margin))
        out[n] = np.float64(out[n]) * s
