"""What rows of the propagator span, series by series: the basis of Eq. (12a)."""

import math
from functools import cache

from numba import cuda, float64

from midigen.kernels.cuda.blas import flat
from midigen.kernels.cuda.jit import TILE, device, jit
from midigen.kernels.cuda.memory import scratch
from midigen.kernels.scalar import f64


def orthonormal_rows(s, units, tolerance, out, ranks, tile=TILE):
    """out (B, M, units) <- orthonormal rows that span those of s (B, M, n), n >= units, and ranks (B,) int64 how many.

    Columns of s from `units` on do not count; rows of out from a series's rank on are 0.  Gram-Schmidt in float64, the
    longest remainder first, until all remainders are at most tolerance max(1, the longest row of s) long.  Where s is
    not finite the rank is M and the rows are anything.
    """
    n_series, count, step = tuple(s.shape)
    threads, across = tile.threads, min(tile.across, tile.threads)
    rest, unit = (
        scratch("rest", n_series * count * units, f64),
        scratch("unit", n_series * units, f64),
    )
    _peeled()[n_series, threads, 0, count * (across + 1) * f64().itemsize](
        count, units, step, across, tolerance * tolerance, flat(s), rest, unit, flat(out), ranks
    )


@cache
def _peeled():
    """One series a block.  `memory` holds a sum of each thread for every row, (M, across), and the rows' totals (M,)."""

    @device
    def add_up(memory, count, across, thread, threads):
        for r in range(thread, count, threads):
            total = 0.0
            for p in range(across):
                total += memory[r * across + p]
            memory[count * across + r] = total

    @jit()
    def peeled(count, units, step, across, smallest, s, rest, unit, out, ranks):
        memory = cuda.shared.array(0, float64)
        thread, threads, series = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x
        group, place, groups = thread // across, thread % across, threads // across
        begin, found, longest = series * count * units, 0, 1.0
        for r in range(group, count, groups):
            total = 0.0
            for j in range(place, units, across):
                x = float64(s[(series * count + r) * step + j])
                rest[begin + r * units + j] = x
                out[begin + r * units + j] = 0
                total += x * x
            memory[r * across + place] = total
        while True:
            cuda.syncthreads()
            add_up(memory, count, across, thread, threads)
            cuda.syncthreads()
            best, length = 0, -1.0
            for r in range(count):
                if not memory[count * across + r] < math.inf:  # also what is no number
                    found = count
                if memory[count * across + r] > length:
                    best, length = r, memory[count * across + r]
            if found == 0:
                longest = max(longest, length)
            if found >= count or length <= smallest * longest:
                break
            for j in range(thread, units, threads):
                x = rest[begin + best * units + j] / math.sqrt(length)
                unit[series * units + j] = x
                out[begin + found * units + j] = x
            found += 1
            cuda.syncthreads()
            for r in range(group, count, groups):
                total = 0.0
                for j in range(place, units, across):
                    total += rest[begin + r * units + j] * unit[series * units + j]
                memory[r * across + place] = total
            cuda.syncthreads()
            add_up(memory, count, across, thread, threads)
            cuda.syncthreads()
            for r in range(group, count, groups):
                total = 0.0
                for j in range(place, units, across):
                    x = (
                        rest[begin + r * units + j]
                        - memory[count * across + r] * unit[series * units + j]
                    )
                    rest[begin + r * units + j] = x
                    total += x * x
                memory[r * across + place] = total
        if thread == 0:
            ranks[series] = found

    return peeled
