"""Matrix products on the GPU, register-blocked: each thread keeps a square of the result in registers."""

from dataclasses import dataclass
from functools import cache

from numba import cuda

from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, device, jit, over
from midigen.kernels.cuda.memory import scratch

WHOLE = 1 << 40  # rows of a group where there is but one
PIECE, SPLIT_UNDER = 256, 128  # a product with fewer tiles than this is cut along its depth, in pieces of that or more


@dataclass(frozen=True)
class Matrix:
    """A matrix in a flat device array: element (i, j) is at start + i step + j stride.

    group, leap: where its rows come in groups, row i is at (i // group) leap + (i % group) step.  batch: what a batch
    adds to start, for each of two batch axes.  A step of 0 gives one row many times.
    """

    array: object
    start: int
    rows: int
    columns: int
    step: int
    stride: int = 1
    group: int = WHOLE
    leap: int = 0
    batch: tuple = (0, 0)

    @property
    def turned(self):
        """The transpose, of a matrix without groups."""
        return Matrix(self.array, self.start, self.columns, self.rows, self.stride, self.step, batch=self.batch)

    @property
    def place(self):
        """What kernels are told of it besides the array."""
        return self.start, self.step, self.stride, self.group, self.leap, *self.batch

    @property
    def real(self):
        """Its number type, np.float32 or np.float64."""
        return self.array.dtype.type


def flat(array):
    """A contiguous device array as a flat one of the same memory."""
    return array if array.ndim == 1 else array.reshape(array.size)


def matrix(array, start, rows, columns, step=None, **others):
    """A (rows, columns) Matrix in a device array; step is `columns` where it is left out."""
    return Matrix(flat(array), start, rows, columns, columns if step is None else step, **others)


def as_matrix(array):
    """A Matrix as it is; a contiguous device array (.., n) as one with all its other axes for rows."""
    if isinstance(array, Matrix):
        return array
    columns = tuple(array.shape)[-1]
    return matrix(array, 0, array.size // max(columns, 1), columns)


def gemm(transpose_a, transpose_b, alpha, a, b, beta, c, source=None, batches=(1, 1), tile=TILE):
    """c <- alpha op(a) op(b) + beta source, op being the transpose or nothing; source is c where it is left out.

    All are Matrix or contiguous device arrays of one float type.  batches: how many products are made, along each of
    the two batch axes.  A product with few tiles and long rows is cut along them and added up in a fixed order.
    """
    a, b, c = as_matrix(a), as_matrix(b), as_matrix(c)
    source = c if source is None else as_matrix(source)
    a, b = a.turned if transpose_a else a, b.turned if transpose_b else b
    m, n, k = c.rows, c.columns, a.columns
    count = batches[0] * batches[1]
    if not (m and n and count):
        return
    tiles = -(-m // tile.rows), -(-n // tile.columns)
    pieces = 1
    if tiles[0] * tiles[1] * count < SPLIT_UNDER and count == 1:
        pieces = max(1, min(k // PIECE, SPLIT_UNDER // (tiles[0] * tiles[1])))
    kernel = _product(c.real, a.stride == 1, b.stride == 1, tile.rows, tile.columns, tile.depth, tile.each)
    real, threads = c.real, tile.rows * tile.columns // tile.each**2
    depth = -(-k // pieces)
    blocks = tiles[1], tiles[0], count * pieces
    if pieces == 1:
        kernel[blocks, threads](m, n, k, depth, 1, batches[1], real(alpha), a.array, a.place, b.array, b.place,
                                real(beta), source.array, source.place, c.array, c.place)
        return
    parts = matrix(scratch("gemm", pieces * m * n, c.real), 0, m, n, batch=(m * n, 0))
    kernel[blocks, threads](m, n, k, depth, pieces, 1, real(alpha), a.array, a.place, b.array, b.place, real(0),
                            parts.array, parts.place, parts.array, parts.place)
    over(_added(c.real), m, n, pieces, parts.array, real(beta), source.array, source.place, c.array, c.place, tile=tile)


@cache
def _taker(real, threads, size, wide, depth, along_depth):
    """A device function: shared (depth, wide) <- a tile of `size` lines, 0 outside; neighbours read neighbours."""
    log_size, log_depth, zero = size.bit_length() - 1, depth.bit_length() - 1, real(0)

    @device
    def take(shared, thread, array, begin, step, depth_step, line, lines, start, stop):
        for e in range(thread, size * depth, threads):
            i, d = (e >> log_depth, e & (depth - 1)) if along_depth else (e & (size - 1), e >> log_size)
            value = zero
            if line + i < lines and start + d < stop:
                value = array[begin + (line + i) * step + (start + d) * depth_step]
            shared[d * wide + i] = value

    return take


@cache
def _product(real, a_along_k, b_along_n, rows, columns, depth, each):
    """The kernel of gemm.  A thread's rows come in runs of 4, so that it reads 4 numbers of shared memory at once."""
    down, across = rows // each, columns // each
    threads, run_a, run_b = down * across, rows // each * 4, columns // each * 4
    kind, zero, wide_a = NUMBA_TYPE[real], real(0), rows + 4  # padded: neighbours in a column are in different banks
    size_a, size_b, size_c = depth * wide_a, depth * columns, rows * columns
    # tile sizes are powers of 2: shifts and masks, unlike // and %, let the compiler see that addresses are aligned
    log_across, log_columns = across.bit_length() - 1, columns.bit_length() - 1
    take_a = _taker(real, threads, rows, wide_a, depth, a_along_k)
    take_b = _taker(real, threads, columns, columns, depth, not b_along_n)

    @jit(launch_bounds=threads)
    def product(m, n, k, piece, pieces, inner, alpha, a, a_at, b, b_at, beta, source, source_at, c, c_at):
        shared_a = cuda.shared.array(size_a, kind)  # one a line: the simulator tells them apart by that
        shared_b = cuda.shared.array(size_b, kind)
        total = cuda.local.array((each, each), kind)
        left = cuda.local.array(each, kind)
        right = cuda.local.array(each, kind)
        done = cuda.shared.array(size_c, kind)
        thread, z = cuda.threadIdx.x, cuda.blockIdx.z
        row, column = cuda.blockIdx.y * rows, cuda.blockIdx.x * columns
        # pieces of one product are the first batch axis of what they write
        outer, within, first = z // inner, z % inner, 0
        from_a, from_b = a_at[0] + outer * a_at[5] + within * a_at[6], b_at[0] + outer * b_at[5] + within * b_at[6]
        if pieces > 1:
            first, from_a, from_b = z * piece, a_at[0], b_at[0]
        last = min(k, first + piece)
        y, x = (thread >> log_across) * 4, (thread & (across - 1)) * 4
        for i in range(each):
            for j in range(each):
                total[i, j] = zero
        for start in range(first, last, depth):
            take_a(shared_a, thread, a, from_a, a_at[1], a_at[2], row, m, start, last)
            take_b(shared_b, thread, b, from_b, b_at[2], b_at[1], column, n, start, last)
            cuda.syncthreads()
            for d in range(depth):
                for i in range(each):
                    left[i] = shared_a[d * wide_a + (i >> 2) * run_a + y + (i & 3)]
                for j in range(each):
                    right[j] = shared_b[d * columns + (j >> 2) * run_b + x + (j & 3)]
                for i in range(each):
                    for j in range(each):
                        total[i, j] += left[i] * right[j]
            cuda.syncthreads()
        to_c = c_at[0] + outer * c_at[5] + within * c_at[6]
        to_source = source_at[0] + outer * source_at[5] + within * source_at[6]
        # through shared memory: neighbours write to neighbours, and a loop so long would not be unrolled, which is what
        # keeps `total` in registers
        for i in range(each):
            for j in range(each):
                done[((i >> 2) * run_a + y + (i & 3)) * columns + (j >> 2) * run_b + x + (j & 3)] = total[i, j]
        cuda.syncthreads()
        for e in range(thread, size_c, threads):
            r, s = row + (e >> log_columns), column + (e & (columns - 1))
            if r < m and s < n:
                value = alpha * done[e]
                if beta != zero:
                    value += beta * source[to_source + r // source_at[3] * source_at[4]
                                           + r % source_at[3] * source_at[1] + s * source_at[2]]
                c[to_c + r // c_at[3] * c_at[4] + r % c_at[3] * c_at[1] + s * c_at[2]] = value

    return product


@cache
def _added(real):
    """c <- the sum of the parts (pieces, m, n) + beta source."""
    zero = real(0)

    @jit()
    def added(m, n, pieces, parts, beta, source, source_at, c, c_at):
        j, i = cuda.grid(2)
        if j < n:
            for r in range(i, m, cuda.gridDim.y * cuda.blockDim.y):
                value = zero
                for piece in range(pieces):
                    value += parts[piece * m * n + r * n + j]
                if beta != zero:
                    value += beta * source[source_at[0] + r // source_at[3] * source_at[4]
                                           + r % source_at[3] * source_at[1] + j * source_at[2]]
                c[c_at[0] + r // c_at[3] * c_at[4] + r % c_at[3] * c_at[1] + j * c_at[2]] = value

    return added


def copy(a, b, tile=TILE):
    """b <- a, both Matrix or contiguous device arrays; one of them turned makes it a transposition."""
    a, b = as_matrix(a), as_matrix(b)
    over(_copied(), b.rows, b.columns, a.array, a.place, b.array, b.place, tile=tile)


@cache
def _copied():
    @jit()
    def copied(rows, columns, a, a_at, b, b_at):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                b[b_at[0] + r * b_at[1] + j * b_at[2]] = a[a_at[0] + r * a_at[1] + j * a_at[2]]

    return copied


def fill(a, value, tile=TILE):
    """a <- one value, a Matrix or a contiguous device array."""
    a = as_matrix(a)
    over(_filled(), a.rows, a.columns, a.array, a.place, a.real(value), tile=tile)


@cache
def _filled():
    @jit()
    def filled(rows, columns, a, a_at, value):
        j, i = cuda.grid(2)
        if j < columns:
            for r in range(i, rows, cuda.gridDim.y * cuda.blockDim.y):
                a[a_at[0] + r * a_at[1] + j * a_at[2]] = value

    return filled
