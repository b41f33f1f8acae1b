"""What the kernels that walk over time know of a network's layers, and how their threads add up."""

from functools import cache, lru_cache

import numpy as np

from midigen.kernels.cuda.blas import copy, matrix
from midigen.kernels.cuda.jit import device
from midigen.kernels.cuda.memory import scratch, upload
from midigen.kernels.scalar import u64

# columns of a table of layers: units in the walk, width below, all units; where parameters, activation codes, inputs,
# deltas and the turned weights begin; threads that share out the units, and those that share out the width below
UNITS, BELOW, ALL, PARAMS, CODES, INPUTS, DELTAS, TRANSPOSED, ACROSS, DOWN = range(10)


def walkers(sizes, last, tile):
    """Threads of a block that walks over time: a power of 2, about one for each unit of the widest layer.

    last: units of the last layer that it makes.
    """
    widest = max(last, *sizes[1:-1].tolist(), 1)
    return min(tile.most, max(tile.threads, 1 << (widest - 1).bit_length()))


@lru_cache(256)
def layers_of(sizes, last, rows, threads):
    """The table of layers, int64 (L, 10), for `rows` = h B rows and so many threads a series: on host and device."""
    table, at = [], np.zeros(5, np.int64)
    for k, (below, units) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        serial = last if k == len(sizes) - 1 else units
        table.append(
            [
                serial,
                below,
                units,
                *at,
                *(min(threads, 1 << (n - 1).bit_length()) for n in (serial, below)),
            ]
        )
        at += [units * (below + 1), units, rows * (below + 1), rows * units, serial * (below + 1)]
    table = np.array(table, np.int64)
    return table, upload(table)


def transposed_layers(table, params, tile):
    """The layers' parameters in scratch memory, each (n_{k-1} + 1, units): neighbours read neighbours' weights."""
    transposed = scratch(
        "turned layers", int((table[:, UNITS] * (table[:, BELOW] + 1)).sum()), params.dtype.type
    )
    for units, below, _, at, _, _, _, to, *_ in table.tolist():
        copy(
            matrix(params, at, units, below + 1).transposed,
            matrix(transposed, to, below + 1, units),
            tile,
        )
    return transposed


@cache
def adders(real):
    """Two device functions by which `groups` threads add up one weighted sum of numbers in shared memory."""
    zero = real(0)

    @device
    def part(memory, first, count, w, at, step, group, groups):
        """One thread's part: every groups-th of `count` numbers from `first` on, their weights `step` apart."""
        total = zero
        for j in range(group, count, groups):
            total += w[u64(at + j * step)] * memory[u64(first + j)]
        return total

    @device
    def whole(total, memory, first, step, groups):
        """total + the parts, which lie `step` apart from `first` on."""
        for group in range(groups):
            total += memory[first + group * step]
        return total

    return part, whole
