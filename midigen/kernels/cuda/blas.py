"""Matrices in device arrays: products, copies, transposition.

    C <- (alpha op(A) op(B) + beta source) scale

The twin of gemm is midigen.kernels.cpu.blas.gemm.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from numba import cuda

from midigen.kernels.cuda.jit import TILE, Scalar, Tile, jit, over
from midigen.kernels.cuda.memory import DeviceArray, scratch
from midigen.kernels.cuda.product import position, product_kernel, sum_kernel
from midigen.kernels.scalar import f64

WHOLE = (1 << 31) - 1  # rows of a group where there is but one
SPLIT_UNDER = 128  # a product with fewer tiles is cut along its depth,
PIECE = 256  # in pieces of this depth or more


@dataclass(frozen=True)
class StridedMatrix:
    """A matrix in a flat device array.

    Element (i, j) is at offset + i row_stride + j column_stride.

    Parameters
    ----------
    array : device array (size,)
        Holds the matrix, among other things.
    offset : int
        Where element (0, 0) is.
    rows, columns : int
        The shape.
    row_stride, column_stride : int
        Numbers from a row to the next, and from a column to the next.  A row_stride of 0 makes
        all rows the same one.
    rows_per_group, group_stride : int
        Where rows come in groups, row i is i % rows_per_group row_strides behind the first row of
        its group, and the groups are group_stride apart.
    batch_strides : tuple of int
        What a batch adds to the offset, for each of two batch axes.
    """

    array: DeviceArray
    offset: int
    rows: int
    columns: int
    row_stride: int
    column_stride: int = 1
    rows_per_group: int = WHOLE
    group_stride: int = 0
    batch_strides: tuple[int, int] = (0, 0)

    @property
    def transposed(self) -> "StridedMatrix":
        """Transpose it; a matrix without groups only."""
        return StridedMatrix(
            self.array,
            self.offset,
            self.columns,
            self.rows,
            self.column_stride,
            self.row_stride,
            batch_strides=self.batch_strides,
        )

    @property
    def layout(self) -> tuple[int, ...]:
        """Tell kernels all but the array: a tuple of seven numbers."""
        return (
            self.offset,
            self.row_stride,
            self.column_stride,
            self.rows_per_group,
            self.group_stride,
            *self.batch_strides,
        )

    @property
    def operand(self) -> tuple[DeviceArray, tuple[int, ...]]:
        """Give what kernels take of it: the array and the layout."""
        return self.array, self.layout

    @property
    def scalar_type(self) -> Scalar:
        """Tell the type of its numbers, np.float32 or np.float64."""
        return self.array.dtype.type


MatrixLike: TypeAlias = StridedMatrix | DeviceArray


def flat(array: DeviceArray) -> DeviceArray:
    """View a contiguous device array as a flat one of the same memory."""
    return array if array.ndim == 1 else array.reshape(array.size)


def matrix(
    array: DeviceArray,
    offset: int,
    rows: int,
    columns: int,
    row_stride: int | None = None,
    **others: Any,
) -> StridedMatrix:
    """View a part of a device array as a (rows, columns) StridedMatrix.

    Parameters
    ----------
    array : contiguous device array
        Of any shape.
    offset, rows, columns : int
        As in StridedMatrix.
    row_stride : int, optional
        `columns` where it is left out.
    **others
        Other fields of StridedMatrix.
    """
    stride = columns if row_stride is None else row_stride
    return StridedMatrix(flat(array), offset, rows, columns, stride, **others)


def scratch_matrix(name: str, rows: int, columns: int, real: Scalar) -> StridedMatrix:
    """Take a contiguous (rows, columns) StridedMatrix from the scratch memory of that name."""
    return matrix(scratch(name, rows * columns, real), 0, rows, columns)


def as_matrix(array: MatrixLike) -> StridedMatrix:
    """View a contiguous device array (.., n) as a StridedMatrix (.., n), which stays as it is."""
    if isinstance(array, StridedMatrix):
        return array
    columns = tuple(array.shape)[-1]
    return matrix(array, 0, array.size // max(columns, 1), columns)


def gemm(
    transpose_a: bool,
    transpose_b: bool,
    alpha: float,
    a: MatrixLike,
    b: MatrixLike,
    beta: float,
    c: MatrixLike,
    source: MatrixLike | None = None,
    scale: MatrixLike | None = None,
    batches: tuple[int, int] = (1, 1),
    tile: Tile = TILE,
) -> None:
    """Compute c <- (alpha op(a) op(b) + beta source) scale.

    A product with few tiles and long rows is cut along them and added up in a fixed order; one with
    many tiles is made of larger ones.

    Parameters
    ----------
    transpose_a, transpose_b : bool
        Whether op transposes.
    alpha, beta : float
        Factors.
    a, b, c : matrices
        StridedMatrix or contiguous device arrays of one float type; c is overwritten.
    source : matrix, optional
        c where it is left out.
    scale : matrix, optional
        A factor for every number of c; 1 where it is left out.
    batches : tuple of two int
        How many products are made, along each of the two batch axes.
    """
    a, b, c = as_matrix(a), as_matrix(b), as_matrix(c)
    source = c if source is None else as_matrix(source)
    scaled, scale = scale is not None, c if scale is None else as_matrix(scale)
    a, b = a.transposed if transpose_a else a, b.transposed if transpose_b else b
    m, n, k = c.rows, c.columns, a.columns
    count = batches[0] * batches[1]
    if not (m and n and count):
        return
    rows, columns = tile.rows * tile.enlarged, tile.columns * tile.enlarged
    if (
        c.scalar_type is f64 or -(-m // rows) * -(-n // columns) * count < tile.many
    ):  # float64: too much shared memory
        rows, columns = tile.rows, tile.columns
    tiles = -(-m // rows), -(-n // columns)
    pieces = 1
    if tiles[0] * tiles[1] * count < SPLIT_UNDER and count == 1:
        pieces = max(1, min(k // PIECE, SPLIT_UNDER // (tiles[0] * tiles[1])))
    real, threads = c.scalar_type, rows * columns // tile.each**2
    grouped = min(c.rows_per_group, source.rows_per_group, scale.rows_per_group) < WHOLE
    kernel = product_kernel(
        real,
        a.column_stride == 1,
        b.column_stride == 1,
        rows,
        columns,
        tile.depth,
        tile.each,
        grouped,
        scaled and pieces == 1,
    )
    depth = -(-k // pieces)
    blocks = tiles[1], tiles[0], count * pieces
    if pieces == 1:
        kernel[blocks, threads](
            m,
            n,
            k,
            depth,
            1,
            batches[1],
            real(alpha),
            *a.operand,
            *b.operand,
            real(beta),
            *source.operand,
            *scale.operand,
            *c.operand,
        )
        return
    parts = matrix(scratch("gemm", pieces * m * n, real), 0, m, n, batch_strides=(m * n, 0))
    kernel[blocks, threads](
        m,
        n,
        k,
        depth,
        pieces,
        1,
        real(alpha),
        *a.operand,
        *b.operand,
        real(0),
        *parts.operand,
        *parts.operand,
        *parts.operand,
    )
    over(
        sum_kernel(real, scaled),
        m,
        n,
        pieces,
        parts.array,
        real(beta),
        *source.operand,
        *scale.operand,
        *c.operand,
        tile=tile,
    )


def copy(a: MatrixLike, b: MatrixLike, tile: Tile = TILE, scale: MatrixLike | None = None) -> None:
    """Copy a to b, times a factor for every number.

    Parameters
    ----------
    a, b : matrices
        StridedMatrix or contiguous device arrays; b is overwritten.  A transposed a is transposed.
    scale : matrix, optional
        The factors; 1 where it is left out.
    """
    a, b = as_matrix(a), as_matrix(b)
    scaled, scale = scale is not None, a if scale is None else as_matrix(scale)
    over(
        _copied(scaled),
        b.rows,
        b.columns,
        *a.operand,
        *scale.operand,
        *b.operand,
        tile=tile,
    )


@cache
def _copied(scaled):
    @jit()
    def copied(rows, columns, a, a_at, scale, scale_at, b, b_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                value = a[position(a_at[0], a_at, r, j)]
                if scaled:
                    value *= scale[position(scale_at[0], scale_at, r, j)]
                b[position(b_at[0], b_at, r, j)] = value

    return copied


def fill(a: MatrixLike, value: float, tile: Tile = TILE) -> None:
    """Set all numbers of a matrix to one value.

    Parameters
    ----------
    a : matrix
        StridedMatrix without groups or contiguous device array, overwritten.
    value : float
        The value.
    """
    a = as_matrix(a)
    over(_filled(), a.rows, a.columns, *a.operand, a.scalar_type(value), tile=tile)


@cache
def _filled():
    @jit()
    def filled(rows, columns, a, a_at, value):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                a[a_at[0] + r * a_at[1] + j * a_at[2]] = value

    return filled
