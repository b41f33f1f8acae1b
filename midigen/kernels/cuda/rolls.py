"""Songs that stay on the GPU, a row a frame, and are read and written transposed.

    out[n, i] = kept[row, moves[shift, i]]

Arguments as in its twin midigen.kernels.cpu.rolls, with N = h B frames; v and out (N, V) are
matrices, which may be StridedMatrix.
"""

from functools import cache

from numba import cuda

from midigen.kernels.codes import SHIFT_BITS
from midigen.kernels.cuda import scalar
from midigen.kernels.cuda.blas import MatrixLike, as_matrix
from midigen.kernels.cuda.jit import TILE, Tile, jit, over
from midigen.kernels.cuda.memory import DeviceArray
from midigen.kernels.scalar import f64

_SHIFT = (1 << SHIFT_BITS) - 1


def unpack(
    packed: DeviceArray, place: DeviceArray, moves: DeviceArray, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Read notes that are kept as bits.

    Parameters as in midigen.kernels.cpu.rolls.unpack.
    """
    out = as_matrix(out)
    over(
        _unpacked(out.scalar_type),
        out.rows,
        out.columns,
        packed,
        place,
        moves,
        *out.operand,
        tile=tile,
    )


@cache
def _unpacked(real):
    zero, one = real(0), real(1)

    @jit()
    def unpacked(rows, columns, packed, place, moves, out, out_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at, value = place[r], zero
                if at >= 0:
                    bit = moves[at & _SHIFT, j]
                    if (packed[at >> SHIFT_BITS, bit >> 3] >> (7 - (bit & 7))) & 1:
                        value = one
                out[out_at[0] + r * out_at[1] + j] = value

    return unpacked


def pack(
    v: MatrixLike, place: DeviceArray, moves: DeviceArray, packed: DeviceArray, tile: Tile = TILE
) -> None:
    """Write notes as bits, transposed back; silent frames are written nowhere.

    Parameters as in midigen.kernels.cpu.rolls.pack.  A thread writes a byte, which no other one
    may: it looks for the channels that belong into it.
    """
    v = as_matrix(v)
    over(
        _packed(),
        v.rows,
        tuple(packed.shape)[1],
        v.columns,
        *v.operand,
        place,
        moves,
        packed,
        tile=tile,
    )


@cache
def _packed():
    @jit()
    def pack_byte(rows, columns, visible, v, v_at, place, moves, packed):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at, byte = place[r], 0
                if at >= 0:
                    for s in range(visible):
                        bit = moves[at & _SHIFT, s]
                        if bit >> 3 == j and v[v_at[0] + r * v_at[1] + s] > 0:
                            byte |= 128 >> (bit & 7)
                    packed[at >> SHIFT_BITS, j] = byte

    return pack_byte


def take(
    values: DeviceArray,
    loudest: float,
    place: DeviceArray,
    moves: DeviceArray,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Read numbers.

    Parameters as in midigen.kernels.cpu.rolls.take.
    """
    out = as_matrix(out)
    over(
        _taken(out.scalar_type),
        out.rows,
        out.columns,
        values,
        out.scalar_type(loudest),
        place,
        moves,
        *out.operand,
        tile=tile,
    )


@cache
def _taken(real):
    zero = real(0)

    @jit()
    def taken(rows, columns, values, loudest, place, moves, out, out_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at, value = place[r], zero
                if at >= 0:
                    value = real(values[at >> SHIFT_BITS, moves[at & _SHIFT, j]]) / loudest
                out[out_at[0] + r * out_at[1] + j] = value

    return taken


def put(
    v: MatrixLike, place: DeviceArray, moves: DeviceArray, values: DeviceArray, tile: Tile = TILE
) -> None:
    """Write numbers, transposed back; silent frames are written nowhere.

    Parameters as in midigen.kernels.cpu.rolls.put.
    """
    v = as_matrix(v)
    over(_put(), v.rows, v.columns, *v.operand, place, moves, values, tile=tile)


@cache
def _put():
    @jit()
    def put_number(rows, columns, v, v_at, place, moves, values):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                at = place[r]
                if at >= 0:
                    s = moves[at & _SHIFT, j]
                    values[at >> SHIFT_BITS, s] = v[v_at[0] + r * v_at[1] + j]

    return put_number


def weigh(place: DeviceArray, weight: float, out: MatrixLike, tile: Tile = TILE) -> None:
    """Weigh the frames of songs with `weight`, silent frames with 0.

    Parameters as in midigen.kernels.cpu.rolls.weigh.
    """
    out = as_matrix(out)
    over(
        _weighed(out.scalar_type),
        1,
        out.columns,
        place,
        out.scalar_type(weight),
        out.array,
        tile=tile,
    )


@cache
def _weighed(real):
    zero = real(0)

    @jit()
    def weighed(_, count, place, weight, out):
        j, i = cuda.grid(2)
        if i == 0 and j < count:
            out[j] = weight if place[j] >= 0 else zero

    return weighed


def lessen(
    margin: float, noise: DeviceArray, sample: DeviceArray, out: MatrixLike, tile: Tile = TILE
) -> None:
    """Multiply weights by s = sigmoid(margin - (noise - sample)), Eq. (24).

    Parameters as in midigen.kernels.cpu.rolls.lessen.
    """
    out = as_matrix(out)
    over(
        _lessened(out.scalar_type), 1, out.columns, f64(margin), noise, sample, out.array, tile=tile
    )


@cache
def _lessened(real):
    sigmoid = scalar.sigmoid(f64)

    @jit()
    def lessened(_, count, margin, noise, sample, out):
        j, i = cuda.grid(2)
        if i == 0 and j < count:
            out[j] *= real(sigmoid(margin - (noise[j] - sample[j])))

    return lessened
