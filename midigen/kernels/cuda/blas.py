"""Matrices in device arrays, and their products, copies and transpositions."""

from dataclasses import dataclass
from functools import cache

from numba import cuda

from midigen.kernels.cuda.jit import TILE, jit, over
from midigen.kernels.cuda.memory import scratch
from midigen.kernels.cuda.product import position, product_kernel, sum_kernel
from midigen.kernels.scalar import f64

WHOLE = (1 << 31) - 1  # rows of a group where there is but one
PIECE, SPLIT_UNDER = (
    256,
    128,
)  # a product with fewer tiles than this is cut along its depth, in pieces of that or more


@dataclass(frozen=True)
class StridedMatrix:
    """A matrix in a flat device array: element (i, j) is at offset + i row_stride + j column_stride.

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

    array: object
    offset: int
    rows: int
    columns: int
    row_stride: int
    column_stride: int = 1
    rows_per_group: int = WHOLE
    group_stride: int = 0
    batch_strides: tuple = (0, 0)

    @property
    def transposed(self):
        """The transpose, of a matrix without groups."""
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
    def layout(self):
        """What kernels are told of it besides the array: a tuple of seven numbers."""
        return (
            self.offset,
            self.row_stride,
            self.column_stride,
            self.rows_per_group,
            self.group_stride,
            *self.batch_strides,
        )

    @property
    def scalar_type(self):
        """The type of its numbers, np.float32 or np.float64."""
        return self.array.dtype.type


def flat(array):
    """A contiguous device array as a flat one of the same memory."""
    return array if array.ndim == 1 else array.reshape(array.size)


def matrix(array, offset, rows, columns, row_stride=None, **others):
    """A (rows, columns) StridedMatrix in a device array; row_stride is `columns` where it is left out."""
    stride = columns if row_stride is None else row_stride
    return StridedMatrix(flat(array), offset, rows, columns, stride, **others)


def scratch_matrix(name, rows, columns, real):
    """A contiguous (rows, columns) StridedMatrix in scratch memory of that name."""
    return matrix(scratch(name, rows * columns, real), 0, rows, columns)


def as_matrix(array):
    """A StridedMatrix as it is; a contiguous device array (.., n) as one with all its other axes for rows."""
    if isinstance(array, StridedMatrix):
        return array
    columns = tuple(array.shape)[-1]
    return matrix(array, 0, array.size // max(columns, 1), columns)


def gemm(
    transpose_a,
    transpose_b,
    alpha,
    a,
    b,
    beta,
    c,
    source=None,
    scale=None,
    batches=(1, 1),
    tile=TILE,
):
    """c <- (alpha op(a) op(b) + beta source) scale, op being the transpose or nothing; scale goes number by number.

    source is c where it is left out, scale 1.  All are StridedMatrix or contiguous device arrays of one float type.  batches:
    how many products are made, along each of the two batch axes.  A product with few tiles and long rows is cut along
    them and added up in a fixed order; one with many tiles is made of larger ones.
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
            a.array,
            a.layout,
            b.array,
            b.layout,
            real(beta),
            source.array,
            source.layout,
            scale.array,
            scale.layout,
            c.array,
            c.layout,
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
        a.array,
        a.layout,
        b.array,
        b.layout,
        real(0),
        parts.array,
        parts.layout,
        parts.array,
        parts.layout,
        parts.array,
        parts.layout,
    )
    over(
        sum_kernel(real, scaled),
        m,
        n,
        pieces,
        parts.array,
        real(beta),
        source.array,
        source.layout,
        scale.array,
        scale.layout,
        c.array,
        c.layout,
        tile=tile,
    )


def copy(a, b, tile=TILE, scale=None):
    """b <- a, or a times scale, number by number; all StridedMatrix or contiguous device arrays.  A turned a is transposed."""
    a, b = as_matrix(a), as_matrix(b)
    scaled, scale = scale is not None, a if scale is None else as_matrix(scale)
    over(
        _copied(scaled),
        b.rows,
        b.columns,
        a.array,
        a.layout,
        scale.array,
        scale.layout,
        b.array,
        b.layout,
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


def fill(a, value, tile=TILE):
    """a <- one value, a StridedMatrix or a contiguous device array."""
    a = as_matrix(a)
    over(_filled(), a.rows, a.columns, a.array, a.layout, a.scalar_type(value), tile=tile)


@cache
def _filled():
    @jit()
    def filled(rows, columns, a, a_at, value):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                a[a_at[0] + r * a_at[1] + j * a_at[2]] = value

    return filled
