"""The kernels of gemm, register-blocked: each thread keeps a square of the result in registers.

    C[i, j] <- (alpha sum_k A[i, k] B[k, j] + beta source[i, j]) scale[i, j]

A matrix is an array and its layout, see StridedMatrix.layout.
"""

from functools import cache
from typing import Any

from numba import cuda

from midigen.kernels.cuda.jit import NUMBA_TYPE, Scalar, device, jit
from midigen.kernels.scalar import i64, u32, u64


@device
def start_of(at, outer, within):
    """Find where a matrix of a batch starts."""
    return at[0] + outer * at[5] + within * at[6]


@device
def position(begin, at, i, j):
    """Find where element (i, j) of a matrix is that starts at `begin`.

    Unsigned: signed indices would be looked at for being negative; and a division of 32 bits, as
    one of 64 takes long.
    """
    group = i64(u32(i) // u32(at[3]))
    return u64(begin + group * at[4] + (i - group * at[3]) * at[1] + j * at[2])


@device
def ungrouped(begin, at, i, j):
    """Find the same in a matrix without groups of rows, which is faster."""
    return u64(begin + i * at[1] + j * at[2])


@cache
def _tile_loader(real, threads, size, wide, depth, along_depth):
    """Make two device functions for a tile of `size` lines.

    fetch reads what a thread takes of it, 0 outside, into registers; put writes that to shared
    memory (depth, wide).  Neighbouring threads read neighbours.
    """
    log_size, log_depth = size.bit_length() - 1, depth.bit_length() - 1
    zero, parts = real(0), size * depth // threads

    @device
    def place(e):
        """Find the line and the depth of a tile's number e."""
        if along_depth:
            return e >> log_depth, e & (depth - 1)
        return e & (size - 1), e >> log_size

    @device
    def fetch(ahead, thread, array, begin, step, depth_step, line, lines, start, stop):
        for part in range(parts):
            i, d = place(thread + part * threads)
            ahead[part] = zero
            if line + i < lines and start + d < stop:
                ahead[part] = array[u64(begin + (line + i) * step + (start + d) * depth_step)]

    @device
    def put(ahead, thread, shared):
        for part in range(parts):
            i, d = place(thread + part * threads)
            shared[d * wide + i] = ahead[part]

    return fetch, put


@cache
def _square(depth, each, wide_a, columns, run_a, run_b):
    """Make two device functions for the square of the result that a thread keeps in registers."""

    @device
    def add_one(shared_a, shared_b, total, left, right, d, y, x):
        """Add column d of A by row d of B to total."""
        for i in range(each):
            left[i] = shared_a[d * wide_a + (i >> 2) * run_a + y + (i & 3)]
        for j in range(each):
            right[j] = shared_b[d * columns + (j >> 2) * run_b + x + (j & 3)]
        for i in range(each):
            for j in range(each):
                total[i, j] += left[i] * right[j]

    @device
    def add(shared_a, shared_b, total, left, right, y, x):
        """Add a tile of A by one of B to total, by literals: LLVM unrolls no such loop."""
        add_one(shared_a, shared_b, total, left, right, 0, y, x)
        add_one(shared_a, shared_b, total, left, right, 1, y, x)
        add_one(shared_a, shared_b, total, left, right, 2, y, x)
        add_one(shared_a, shared_b, total, left, right, 3, y, x)
        if depth > 4:
            add_one(shared_a, shared_b, total, left, right, 4, y, x)
            add_one(shared_a, shared_b, total, left, right, 5, y, x)
            add_one(shared_a, shared_b, total, left, right, 6, y, x)
            add_one(shared_a, shared_b, total, left, right, 7, y, x)

    @device
    def store(done, total, first, y, x):
        """Write four of a thread's rows to shared memory.

        `first` is a literal, so that `total` stays in registers.
        """
        for i in range(4):
            for j in range(each):
                done[(y + i) * columns + (j >> 2) * run_b + x + (j & 3)] = total[first + i, j]

    return add, store


@cache
def _writer(real, threads, size, log_columns, grouped, scaled):
    """Make a device function: c <- (alpha done + beta source) scale.

    For `size` numbers from (row, column) on.
    """
    where, zero, mask = position if grouped else ungrouped, real(0), (1 << log_columns) - 1

    @device
    def write(
        done,
        thread,
        row,
        column,
        m,
        n,
        alpha,
        beta,
        source,
        to_source,
        source_at,
        scale,
        to_scale,
        scale_at,
        c,
        to_c,
        c_at,
    ):
        for e in range(thread, size, threads):
            r, s = row + (e >> log_columns), column + (e & mask)
            if r < m and s < n:
                value = alpha * done[e]
                if beta != zero:
                    value += beta * source[where(to_source, source_at, r, s)]
                if scaled:
                    value *= scale[where(to_scale, scale_at, r, s)]
                c[where(to_c, c_at, r, s)] = value

    return write


@cache
def product_kernel(
    real: Scalar,
    a_along_k: bool,
    b_along_n: bool,
    rows: int,
    columns: int,
    depth: int,
    each: int,
    grouped: bool,
    scaled: bool,
) -> Any:
    """Make the kernel of gemm.

    A thread's rows and columns come in one or two runs of 4, which it reads at once.

    Parameters
    ----------
    real : float type
        Of all matrices.
    a_along_k, b_along_n : bool
        Whether neighbours in a row are neighbours in memory.
    rows, columns, depth, each : int
        Sizes, see midigen.kernels.cuda.jit.Tile.
    grouped, scaled : bool
        Whether a matrix has groups of rows, and whether there is a `scale`.
    """
    down, across = rows // each, columns // each
    threads, run_a, run_b = down * across, rows // each * 4, columns // each * 4
    kind, zero = NUMBA_TYPE[real], real(0)
    wide_a = rows + 4  # padded: neighbours in a column are in different banks
    size_a, size_b, size_c, runs = depth * wide_a, depth * columns, run_a * columns, each // 4
    # tile sizes are powers of 2: shifts and masks, unlike // and %, let the compiler see that
    # addresses are aligned
    log_across, log_columns = across.bit_length() - 1, columns.bit_length() - 1
    fetch_a, put_a = _tile_loader(real, threads, rows, wide_a, depth, a_along_k)
    fetch_b, put_b = _tile_loader(real, threads, columns, columns, depth, not b_along_n)
    add, store = _square(depth, each, wide_a, columns, run_a, run_b)
    write = _writer(real, threads, size_c, log_columns, grouped, scaled)
    parts_a, parts_b = rows * depth // threads, columns * depth // threads

    @jit(launch_bounds=threads)
    def product(
        m,
        n,
        k,
        piece,
        pieces,
        inner,
        alpha,
        a,
        a_at,
        b,
        b_at,
        beta,
        source,
        source_at,
        scale,
        scale_at,
        c,
        c_at,
    ):
        # one a line: the simulator tells them apart by that
        shared_a = cuda.shared.array(size_a, kind)
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
        from_a, from_b = start_of(a_at, outer, within), start_of(b_at, outer, within)
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
            add(shared_a, shared_b, total, left, right, y, x)
            cuda.syncthreads()
        to_source, to_scale = start_of(source_at, outer, within), start_of(scale_at, outer, within)
        to_c = start_of(c_at, outer, within)
        # through shared memory, run by run: neighbours write to neighbours
        for run in range(runs):
            if run == 0:
                store(done, total, 0, y, x)
            else:
                store(done, total, each - 4, y, x)
            cuda.syncthreads()
            write(
                done,
                thread,
                row + run * run_a,
                column,
                m,
                n,
                alpha,
                beta,
                source,
                to_source,
                source_at,
                scale,
                to_scale,
                scale_at,
                c,
                to_c,
                c_at,
            )
            cuda.syncthreads()

    return product


@cache
def sum_kernel(real: Scalar, scaled: bool) -> Any:
    """Make the kernel c <- (the sum of the parts (pieces, m, n) + beta source) scale.

    Parameters
    ----------
    real : float type
        Of all matrices.
    scaled : bool
        Whether there is a `scale`.
    """
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
