"""Matrix products on the GPU, register-blocked: each thread keeps a square of the result in registers."""

from dataclasses import dataclass
from functools import cache

from numba import cuda

from midigen.kernels.cuda.jit import NUMBA_TYPE, TILE, device, jit, over
from midigen.kernels.cuda.memory import scratch
from midigen.kernels.scalar import f64, i64, u32, u64

WHOLE = (1 << 31) - 1  # rows of a group where there is but one
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


@device
def position(begin, at, i, j):
    """Where element (i, j) of a Matrix lies that is told by its place, `begin` standing for its start.

    Unsigned: signed indices would be looked at for being negative; and a division of 32 bits, the others being long.
    """
    group = i64(u32(i) // u32(at[3]))
    return u64(begin + group * at[4] + (i - group * at[3]) * at[1] + j * at[2])


@device
def ungrouped(begin, at, i, j):
    """The position in a Matrix without groups of rows, sooner found."""
    return u64(begin + i * at[1] + j * at[2])


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


def gemm(transpose_a, transpose_b, alpha, a, b, beta, c, source=None, scale=None, batches=(1, 1), tile=TILE):
    """c <- (alpha op(a) op(b) + beta source) scale, op being the transpose or nothing; scale goes number by number.

    source is c where it is left out, scale 1.  All are Matrix or contiguous device arrays of one float type.  batches:
    how many products are made, along each of the two batch axes.  A product with few tiles and long rows is cut along
    them and added up in a fixed order; one with many tiles is made of larger ones.
    """
    a, b, c = as_matrix(a), as_matrix(b), as_matrix(c)
    source = c if source is None else as_matrix(source)
    scaled, scale = scale is not None, c if scale is None else as_matrix(scale)
    a, b = a.turned if transpose_a else a, b.turned if transpose_b else b
    m, n, k = c.rows, c.columns, a.columns
    count = batches[0] * batches[1]
    if not (m and n and count):
        return
    rows, columns = tile.rows * tile.enlarged, tile.columns * tile.enlarged
    if c.real is f64 or -(-m // rows) * -(-n // columns) * count < tile.many:  # float64: too much shared memory
        rows, columns = tile.rows, tile.columns
    tiles = -(-m // rows), -(-n // columns)
    pieces = 1
    if tiles[0] * tiles[1] * count < SPLIT_UNDER and count == 1:
        pieces = max(1, min(k // PIECE, SPLIT_UNDER // (tiles[0] * tiles[1])))
    real, threads = c.real, rows * columns // tile.each**2
    grouped = min(c.group, source.group, scale.group) < WHOLE
    kernel = _product(real, a.stride == 1, b.stride == 1, rows, columns, tile.depth, tile.each, grouped,
                      scaled and pieces == 1)
    depth = -(-k // pieces)
    blocks = tiles[1], tiles[0], count * pieces
    if pieces == 1:
        kernel[blocks, threads](m, n, k, depth, 1, batches[1], real(alpha), a.array, a.place, b.array, b.place,
                                real(beta), source.array, source.place, scale.array, scale.place, c.array, c.place)
        return
    parts = matrix(scratch("gemm", pieces * m * n, real), 0, m, n, batch=(m * n, 0))
    kernel[blocks, threads](m, n, k, depth, pieces, 1, real(alpha), a.array, a.place, b.array, b.place, real(0),
                            parts.array, parts.place, parts.array, parts.place, parts.array, parts.place)
    over(_added(real, scaled), m, n, pieces, parts.array, real(beta), source.array, source.place, scale.array,
         scale.place, c.array, c.place, tile=tile)


@cache
def _taker(real, threads, size, wide, depth, along_depth):
    """Two device functions for a tile of `size` lines: fetch what a thread takes of it, 0 outside, into registers;
    put that in shared memory (depth, wide).  Neighbours read neighbours."""
    log_size, log_depth, zero, parts = size.bit_length() - 1, depth.bit_length() - 1, real(0), size * depth // threads

    @device
    def fetch(ahead, thread, array, begin, step, depth_step, line, lines, start, stop):
        for part in range(parts):
            e = thread + part * threads
            i, d = (e >> log_depth, e & (depth - 1)) if along_depth else (e & (size - 1), e >> log_size)
            ahead[part] = zero
            if line + i < lines and start + d < stop:
                ahead[part] = array[u64(begin + (line + i) * step + (start + d) * depth_step)]

    @device
    def put(ahead, thread, shared):
        for part in range(parts):
            e = thread + part * threads
            i, d = (e >> log_depth, e & (depth - 1)) if along_depth else (e & (size - 1), e >> log_size)
            shared[d * wide + i] = ahead[part]

    return fetch, put


@cache
def _product(real, a_along_k, b_along_n, rows, columns, depth, each, grouped, scaled):
    """The kernel of gemm.  A thread's rows and columns come in one or two runs of 4, which it reads at once."""
    down, across = rows // each, columns // each
    threads, run_a, run_b = down * across, rows // each * 4, columns // each * 4
    kind, zero, wide_a = NUMBA_TYPE[real], real(0), rows + 4  # padded: neighbours in a column are in different banks
    size_a, size_b, size_c, runs = depth * wide_a, depth * columns, run_a * columns, each // 4
    # tile sizes are powers of 2: shifts and masks, unlike // and %, let the compiler see that addresses are aligned
    log_across, log_columns = across.bit_length() - 1, columns.bit_length() - 1
    where = position if grouped else ungrouped
    fetch_a, put_a = _taker(real, threads, rows, wide_a, depth, a_along_k)
    fetch_b, put_b = _taker(real, threads, columns, columns, depth, not b_along_n)
    parts_a, parts_b = rows * depth // threads, columns * depth // threads

    @device
    def add(shared_a, shared_b, total, left, right, d, y, x):
        """total += column d of A by row d of B; d is a literal: LLVM does not unroll a loop over so much by itself."""
        for i in range(each):
            left[i] = shared_a[d * wide_a + (i >> 2) * run_a + y + (i & 3)]
        for j in range(each):
            right[j] = shared_b[d * columns + (j >> 2) * run_b + x + (j & 3)]
        for i in range(each):
            for j in range(each):
                total[i, j] += left[i] * right[j]

    @device
    def lay(done, total, first, y, x):
        """Four of a thread's rows into shared memory; `first` is a literal, so that `total` stays in registers."""
        for i in range(4):
            for j in range(each):
                done[(y + i) * columns + (j >> 2) * run_b + x + (j & 3)] = total[first + i, j]

    @jit(launch_bounds=threads)
    def product(m, n, k, piece, pieces, inner, alpha, a, a_at, b, b_at, beta, source, source_at, scale, scale_at, c,
                c_at):
        shared_a = cuda.shared.array(size_a, kind)  # one a line: the simulator tells them apart by that
        shared_b = cuda.shared.array(size_b, kind)
        total = cuda.local.array((each, each), kind)
        left = cuda.local.array(each, kind)
        right = cuda.local.array(each, kind)
        ahead_a = cuda.local.array(parts_a, kind)
        ahead_b = cuda.local.array(parts_b, kind)
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
        fetch_a(ahead_a, thread, a, from_a, a_at[1], a_at[2], row, m, first, last)
        fetch_b(ahead_b, thread, b, from_b, b_at[2], b_at[1], column, n, first, last)
        for start in range(first, last, depth):
            put_a(ahead_a, thread, shared_a)
            put_b(ahead_b, thread, shared_b)
            cuda.syncthreads()
            # the next tile is on its way while this one is added
            fetch_a(ahead_a, thread, a, from_a, a_at[1], a_at[2], row, m, start + depth, last)
            fetch_b(ahead_b, thread, b, from_b, b_at[2], b_at[1], column, n, start + depth, last)
            add(shared_a, shared_b, total, left, right, 0, y, x)
            add(shared_a, shared_b, total, left, right, 1, y, x)
            add(shared_a, shared_b, total, left, right, 2, y, x)
            add(shared_a, shared_b, total, left, right, 3, y, x)
            if depth > 4:
                add(shared_a, shared_b, total, left, right, 4, y, x)
                add(shared_a, shared_b, total, left, right, 5, y, x)
                add(shared_a, shared_b, total, left, right, 6, y, x)
                add(shared_a, shared_b, total, left, right, 7, y, x)
            cuda.syncthreads()
        to_c = c_at[0] + outer * c_at[5] + within * c_at[6]
        to_source = source_at[0] + outer * source_at[5] + within * source_at[6]
        to_scale = scale_at[0] + outer * scale_at[5] + within * scale_at[6]
        # through shared memory, run by run: neighbours write to neighbours
        for run in range(runs):
            if run == 0:
                lay(done, total, 0, y, x)
            else:
                lay(done, total, each - 4, y, x)
            cuda.syncthreads()
            for e in range(thread, size_c, threads):
                r, s = row + run * run_a + (e >> log_columns), column + (e & (columns - 1))
                if r < m and s < n:
                    value = alpha * done[e]
                    if beta != zero:
                        value += beta * source[where(to_source, source_at, r, s)]
                    if scaled:
                        value *= scale[where(to_scale, scale_at, r, s)]
                    c[where(to_c, c_at, r, s)] = value
            cuda.syncthreads()

    return product


@cache
def _added(real, scaled):
    """c <- (the sum of the parts (pieces, m, n) + beta source) scale."""
    zero = real(0)

    @jit()
    def added(m, n, pieces, parts, beta, source, source_at, scale, scale_at, c, c_at):
        j, i = cuda.grid(2)
        if j < n:
            for r in range(i, m, cuda.gridDim.y * cuda.blockDim.y):
                value = zero
                for piece in range(pieces):
                    value += parts[piece * m * n + r * n + j]
                if beta != zero:
                    value += beta * source[position(source_at[0], source_at, r, j)]
                if scaled:
                    value *= scale[position(scale_at[0], scale_at, r, j)]
                c[position(c_at[0], c_at, r, j)] = value

    return added


def copy(a, b, tile=TILE, scale=None):
    """b <- a, or a times scale, number by number; all Matrix or contiguous device arrays.  A turned a is transposed."""
    a, b = as_matrix(a), as_matrix(b)
    scaled, scale = scale is not None, a if scale is None else as_matrix(scale)
    over(_copied(scaled), b.rows, b.columns, a.array, a.place, scale.array, scale.place, b.array, b.place, tile=tile)


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
