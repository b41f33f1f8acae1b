"""What rows of the propagator span, series by series: the basis Z of Eq. (12a).

    S = (S Z^T) Z + remainder,   Z Z^T = I,   |rows of the remainder| <= tolerance max(1, |rows of
    S|)

The CPU takes np.linalg.svd in its place.
"""

import math
from functools import cache

from numba import cuda, float64

from midigen.kernels.cuda.blas import flat
from midigen.kernels.cuda.jit import TILE, Tile, device, jit
from midigen.kernels.cuda.memory import DeviceArray, scratch
from midigen.kernels.scalar import f64


def orthonormal_rows(
    s: DeviceArray,
    units: int,
    tolerance: float,
    out: DeviceArray,
    ranks: DeviceArray,
    tile: Tile = TILE,
) -> None:
    """Find orthonormal rows that span those of s, up to a tolerance.

    Gram-Schmidt in float64, the longest remainder first, until all remainders are at most
    tolerance max(1, the longest row of s) long.

    Parameters
    ----------
    s : (B, M, n)
        Columns from `units` on do not count.
    units : int
        n_cut.
    tolerance : float
        See above.
    out : (B, M, units)
        Overwritten; rows from a series' rank on are 0.  Where s is not finite they are anything.
    ranks : int64 (B,)
        Overwritten with the number of rows; M where s is not finite.
    """
    n_series, count, step = tuple(s.shape)
    threads, across = tile.threads, min(tile.across, tile.threads)
    rest = scratch("rest", n_series * count * units, f64)
    unit = scratch("unit", n_series * units, f64)
    _gram_schmidt()[n_series, threads, 0, count * (across + 1) * f64().itemsize](
        count, units, step, across, tolerance * tolerance, flat(s), rest, unit, flat(out), ranks
    )


@device
def _add_up(memory, count, across, thread, threads):
    """Put every row's sum of its threads' numbers behind them all."""
    for r in range(thread, count, threads):
        total = 0.0
        for p in range(across):
            total += memory[r * across + p]
        memory[count * across + r] = total


@device
def _longest(memory, first, count):
    """Find the longest of `count` rows, its squared length, and whether all rows are finite."""
    best, length, finite = 0, -1.0, True
    for r in range(count):
        if not memory[first + r] < math.inf:  # also what is no number
            finite = False
        if memory[first + r] > length:
            best, length = r, memory[first + r]
    return best, length, finite


@device
def _take_row(s, from_s, rest, out, to, units, place, across):
    """Copy a row of s into `rest`, set it to 0 in `out`; return a thread's part of its square."""
    total = 0.0
    for j in range(place, units, across):
        x = float64(s[from_s + j])
        rest[to + j] = x
        out[to + j] = 0
        total += x * x
    return total


@device
def _dot(rest, row, unit, first, units, place, across):
    """Return a thread's part of the product of a row and the unit vector."""
    total = 0.0
    for j in range(place, units, across):
        total += rest[row + j] * unit[first + j]
    return total


@device
def _remove(rest, row, unit, first, product, units, place, across):
    """Take the unit vector's part out of a row; return a thread's part of what is left, squared."""
    total = 0.0
    for j in range(place, units, across):
        x = rest[row + j] - product * unit[first + j]
        rest[row + j] = x
        total += x * x
    return total


@cache
def _gram_schmidt():
    """Make the kernel: one series a block of threads.

    `memory` holds a sum of each thread for every row, (M, across), and the rows' totals, (M,).
    """

    @jit()
    def gram_schmidt(count, units, step, across, smallest, s, rest, unit, out, ranks):
        memory = cuda.shared.array(0, float64)
        thread, threads, series = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        group, place, groups = thread // across, thread % across, threads // across
        begin, first, totals = series * count * units, series * units, count * across
        found, longest = 0, 1.0
        for r in range(group, count, groups):
            memory[r * across + place] = _take_row(
                s, (series * count + r) * step, rest, out, begin + r * units, units, place, across
            )
        while True:
            cuda.syncthreads()
            _add_up(memory, count, across, thread, threads)
            cuda.syncthreads()
            best, length, finite = _longest(memory, totals, count)
            if not finite:
                found = count
            if found == 0:
                longest = max(longest, length)
            if found >= count or length <= smallest * longest:
                break
            for j in range(thread, units, threads):
                x = rest[begin + best * units + j] / math.sqrt(length)
                unit[first + j] = x
                out[begin + found * units + j] = x
            found += 1
            cuda.syncthreads()
            for r in range(group, count, groups):
                memory[r * across + place] = _dot(
                    rest, begin + r * units, unit, first, units, place, across
                )
            cuda.syncthreads()
            _add_up(memory, count, across, thread, threads)
            cuda.syncthreads()
            for r in range(group, count, groups):
                product = memory[totals + r]
                memory[r * across + place] = _remove(
                    rest, begin + r * units, unit, first, product, units, place, across
                )
        if thread == 0:
            ranks[series] = found

    return gram_schmidt
