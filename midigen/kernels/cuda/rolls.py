"""Notes of 0 and 1 that stay on the GPU as bits, a row a frame, and are read and written transposed.

packed: uint8 (F, W), np.packbits of rolls (F, V).  place int64 (h, B): for frame t of lane b a row of it and a shift in
semitones, `row << SHIFT_BITS | shift`, 0 <= shift < pitches, or -1 for a silent frame that is no frame of a song.
What leaves a pitch range at one end comes back at the other.
"""

from functools import cache

from numba import cuda

from midigen.kernels.cuda.blas import as_matrix
from midigen.kernels.cuda.jit import TILE, jit, over

SHIFT_BITS = 8


def unpack(packed, place, pitches, out, tile=TILE):
    """out (h B, V) <- the notes at every place, transposed by its shift."""
    out = as_matrix(out)
    over(_unpacked(out.real), out.rows, out.columns, packed, place, pitches, out.array, out.place, tile=tile)


@cache
def _unpacked(real):
    zero, one = real(0), real(1)

    @jit()
    def unpacked(rows, columns, packed, place, pitches, out, out_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at, value = place[r], zero
                if at >= 0:
                    low = j // pitches * pitches
                    bit = low + (j - low - (at & ((1 << SHIFT_BITS) - 1)) + pitches) % pitches
                    if (packed[at >> SHIFT_BITS, bit >> 3] >> (7 - (bit & 7))) & 1:
                        value = one
                out[out_at[0] + r * out_at[1] + j] = value

    return unpacked


def pack(v, place, pitches, packed, tile=TILE):
    """Put notes v (h B, V) at their places, transposed back; silent frames go nowhere."""
    v = as_matrix(v)
    over(_packed(), v.rows, tuple(packed.shape)[1], v.columns, v.array, v.place, place, pitches, packed, tile=tile)


@cache
def _packed():
    @jit()
    def pack_byte(rows, columns, visible, v, v_at, place, pitches, packed):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at, byte = place[r], 0
                if at >= 0:
                    for part in range(8):
                        bit = 8 * j + part
                        if bit < visible:
                            low = bit // pitches * pitches
                            s = low + (bit - low + (at & ((1 << SHIFT_BITS) - 1))) % pitches
                            if v[v_at[0] + r * v_at[1] + s] > 0:
                                byte |= 128 >> part
                    packed[at >> SHIFT_BITS, j] = byte

    return pack_byte


def weigh(place, weight, out, tile=TILE):
    """out (h B,) <- weight, or 0 for what is no frame of a song."""
    out = as_matrix(out)
    over(_weighed(out.real), 1, out.columns, place, out.real(weight), out.array, tile=tile)


@cache
def _weighed(real):
    zero = real(0)

    @jit()
    def weighed(_, count, place, weight, out):
        j, i = cuda.grid(2)
        if i == 0 and j < count:
            out[j] = weight if place[j] >= 0 else zero

    return weighed
