"""Songs kept in one array, a row a frame, which are read and written transposed.

    out[n, i] = kept[row, moves[shift, i]]

Weights of frames are those of Eq. (23)-(24).

Arguments that the functions share:
  F, N, V   frames of all songs, frames that are read or written, channels of a frame
  moves     int64 (S, V): where the channels of a transposed frame come from, a permutation for
            each transposition
  place     int64 (N,): `row << SHIFT_BITS | shift`, a row of what is kept and one of `moves`; -1
            for a silent frame that belongs to no song
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
def unpack(packed, place, moves, out) -> None:
    """Read notes that are kept as bits.

    packed, place, moves: see the module.

    Parameters
    ----------
    out : (N, V)
        Overwritten with 0 and 1, silent frames with 0; it may be columns of a wider array.
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
        source = moves[place[n] & _SHIFT]
        for i in range(out.shape[1]):
            out[n, i] = bits[source[i]]


@njit(**KERNEL)
def pack(v, place, moves, packed) -> None:
    """Write notes as bits, transposed back; silent frames are written nowhere.

    place, moves, packed: see the module.

    Parameters
    ----------
    v : (N, V)
        Notes of 0 and 1.
    """
    notes, visible = np.empty(v.shape[1], v.dtype), v.shape[1]
    for n in range(place.size):
        if place[n] < 0:
            continue
        target = moves[place[n] & _SHIFT]
        for i in range(visible):
            notes[target[i]] = v[n, i]
        row = packed[place[n] >> SHIFT_BITS]
        for j in range(row.size):
            byte = 0
            for part in range(min(8, visible - 8 * j)):
                if notes[8 * j + part] > 0:
                    byte |= 128 >> part
            row[j] = byte


@njit(**KERNEL)
def take(values, loudest, place, moves, out) -> None:
    """Read numbers.

    values, place, moves: see the module.

    Parameters
    ----------
    loudest : float
        What the numbers are divided by.
    out : (N, V)
        Overwritten, silent frames with 0; it may be columns of a wider array.
    """
    divisor = out.dtype.type(loudest)
    for n in range(place.size):
        if place[n] < 0:
            out[n] = 0
            continue
        row, source = values[place[n] >> SHIFT_BITS], moves[place[n] & _SHIFT]
        for i in range(out.shape[1]):
            out[n, i] = row[source[i]] / divisor


@njit(**KERNEL)
def put(v, place, moves, values) -> None:
    """Write numbers, transposed back; silent frames are written nowhere.

    place, moves, values: see the module.

    Parameters
    ----------
    v : (N, V)
        Numbers.
    """
    for n in range(place.size):
        if place[n] >= 0:
            row, target = values[place[n] >> SHIFT_BITS], moves[place[n] & _SHIFT]
            for i in range(v.shape[1]):
                row[target[i]] = v[n, i]


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
