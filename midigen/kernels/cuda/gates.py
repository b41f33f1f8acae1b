"""Copy gates, which weigh what has been: visible biases that the network opens and closes.

    a'_n,i = a_n,i + sum_s g_n,k(s, i) phi_s,n,i + sum_l,d g_n,k(l, d) [i = m_l,n + d]      (27)
    dE/dg_n,k = sum_i dE/da'_n,i phi_k,n,i,      dE/da_n = dE/da'_n                         (28)

Arguments as in its twin midigen.kernels.cpu.gates; g, a, da, v, x and out (N, K) are matrices,
which may be StridedMatrix.  A thread makes one number of a frame, in the order of the CPU.
"""

from functools import cache

from numba import cuda

from midigen.kernels.cuda.blas import MatrixLike, as_matrix
from midigen.kernels.cuda.jit import TILE, Tile, along, device, jit, over
from midigen.kernels.cuda.memory import DeviceArray


def open_gates(
    g: MatrixLike,
    rows: DeviceArray,
    part: DeviceArray,
    gate: DeviceArray,
    lines: DeviceArray,
    interval_gates: DeviceArray,
    intervals: DeviceArray,
    last: DeviceArray,
    a: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Add what the gates let through to the visible biases, Eq. (27).

    Parameters as in midigen.kernels.cpu.gates.open_gates.
    """
    g, a = as_matrix(g), as_matrix(a)
    over(
        _opened(),
        a.rows,
        a.columns,
        *g.operand,
        rows,
        part,
        gate,
        lines,
        interval_gates,
        intervals,
        last,
        *a.operand,
        tile=tile,
    )


@device
def through_intervals(total, i, g, g_row, lines, interval_gates, intervals, line, last):
    """Add what the gates of a line's intervals let through to column i of the visible biases.

    The gates of the frame begin at g[g_row]; `last` is the column of the line's last pitch.
    """
    if interval_gates[line] >= 0 and last >= 0 and lines[line, 0] <= i and i < lines[line, 1]:
        for d in range(intervals.size):
            if last + intervals[d] == i:
                total += g[g_row + interval_gates[line] + d]
    return total


@cache
def _opened():
    @jit()
    def opened(
        count,
        columns,
        g,
        g_at,
        rows,
        part,
        gate,
        lines,
        interval_gates,
        intervals,
        last,
        a,
        a_at,
    ):
        i, y = cuda.grid(2)
        if i < columns:
            for n in range(y, count, cuda.gridDim.y * cuda.blockDim.y):
                at, g_row = a_at[0] + n * a_at[1] + i, g_at[0] + n * g_at[1]
                total = a[at]
                for s in range(gate.shape[0]):
                    k = gate[s, part[i]]
                    if k >= 0:
                        total += g[g_row + k] * rows[s, n, i]
                for line in range(lines.shape[0]):
                    total = through_intervals(
                        total,
                        i,
                        g,
                        g_row,
                        lines,
                        interval_gates,
                        intervals,
                        line,
                        last[line, n],
                    )
                a[at] = total

    return opened


def gate_gradient(
    da: MatrixLike,
    rows: DeviceArray,
    part: DeviceArray,
    gate: DeviceArray,
    lines: DeviceArray,
    interval_gates: DeviceArray,
    intervals: DeviceArray,
    last: DeviceArray,
    out: MatrixLike,
    tile: Tile = TILE,
) -> None:
    """Compute the gradient in the gates, Eq. (28).

    Parameters as in midigen.kernels.cpu.gates.gate_gradient.
    """
    da, out = as_matrix(da), as_matrix(out)
    over(
        _gradient(out.scalar_type),
        out.rows,
        out.columns,
        da.columns,
        *da.operand,
        rows,
        part,
        gate,
        lines,
        interval_gates,
        intervals,
        last,
        *out.operand,
        tile=tile,
    )


@cache
def _gradient(real):
    zero = real(0)

    @jit()
    def gradient(
        count,
        gates,
        visible,
        da,
        da_at,
        rows,
        part,
        gate,
        lines,
        interval_gates,
        intervals,
        last,
        out,
        out_at,
    ):
        k, y = cuda.grid(2)
        if k < gates:
            for n in range(y, count, cuda.gridDim.y * cuda.blockDim.y):
                row, total = da_at[0] + n * da_at[1], zero
                for s in range(gate.shape[0]):
                    # a gate weighs few sources: most of them are passed over part by part
                    weighs = False
                    for p in range(gate.shape[1]):
                        weighs = weighs or gate[s, p] == k
                    if weighs:
                        for i in range(visible):
                            if gate[s, part[i]] == k:
                                total += da[row + i] * rows[s, n, i]
                for line in range(lines.shape[0]):
                    d = k - interval_gates[line]
                    if interval_gates[line] >= 0 and 0 <= d and d < intervals.size:
                        i = last[line, n] + intervals[d]
                        if last[line, n] >= 0 and lines[line, 0] <= i and i < lines[line, 1]:
                            total += da[row + i]
                out[out_at[0] + n * out_at[1] + k] = total

    return gradient


def last_pitch(v: MatrixLike, first: int, stop: int, out: DeviceArray, tile: Tile = TILE) -> None:
    """Find the highest note of a line in every frame.

    Parameters as in midigen.kernels.cpu.gates.last_pitch.
    """
    v = as_matrix(v)
    along(_highest(), v.rows, first, stop, *v.operand, out, tile=tile)


@cache
def _highest():
    @jit()
    def highest(count, first, stop, v, v_at, out):
        n = cuda.grid(1)
        if n < count:
            found = -1
            for i in range(first, stop):
                if v[v_at[0] + n * v_at[1] + i] > 0:
                    found = i
            out[n] = found

    return highest


def recall(
    rows: DeviceArray, lines: DeviceArray, first: int, x: MatrixLike, tile: Tile = TILE
) -> None:
    """Tell the network the notes of every line that began last.

    Parameters as in midigen.kernels.cpu.gates.recall.
    """
    x = as_matrix(x)
    over(_recalled(), x.rows, x.columns - first, first, lines, rows, *x.operand, tile=tile)


@cache
def _recalled():
    """Make the kernel: a thread looks for the line that its column of x is of, if there is one."""

    @jit()
    def recalled(count, columns, first, lines, rows, x, x_at):
        j, y = cuda.grid(2)
        if j < columns:
            line, i = 0, j
            while line < lines.shape[0] and i >= lines[line, 1] - lines[line, 0]:
                i -= lines[line, 1] - lines[line, 0]
                line += 1
            if line < lines.shape[0]:
                for n in range(y, count, cuda.gridDim.y * cuda.blockDim.y):
                    x[x_at[0] + n * x_at[1] + first + j] = rows[line, n, lines[line, 0] + i]

    return recalled
