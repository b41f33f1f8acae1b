"""What the kernels of serial parts know of a network's layers, and how their threads add up.

    y_i = phi(sum_g sum_{j = g, g + groups, ..} W_ij x_j + b_i)

A unit's sum is shared among `groups` threads, each of which takes every groups-th number.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.kernels.cuda.blas import copy, matrix
from midigen.kernels.cuda.jit import Scalar, Tile, device
from midigen.kernels.cuda.memory import DeviceArray, scratch, upload
from midigen.kernels.scalar import u64

# columns of a table of layers: units in the serial part, width below, all units; where parameters,
# activation codes, inputs, deltas and the transposed weights begin; threads that share out the
# units, and those that share out the width below
UNITS, BELOW, ALL, PARAMS, CODES, INPUTS, DELTAS, TRANSPOSED, ACROSS, DOWN = range(10)


def walkers(sizes: NDArray[np.int64], last: int, tile: Tile) -> int:
    """Count the threads of a block that does a serial part: about one a unit of the widest layer.

    Parameters
    ----------
    sizes : int64 (L + 1,)
        See midigen.kernels.cpu.network.
    last : int
        Units of the last layer that it makes.
    tile : Tile
        Its `threads` and `most` are the bounds.

    Returns
    -------
    int
        A power of 2.
    """
    widest = max(last, *sizes[1:-1].tolist(), 1)
    return min(tile.most, max(tile.threads, 1 << (widest - 1).bit_length()))


@lru_cache(256)
def layers_of(
    sizes: tuple[int, ...], last: int, rows: int, threads: int
) -> tuple[NDArray[np.int64], DeviceArray]:
    """Make the table of layers, whose columns are named above.

    Parameters
    ----------
    sizes : tuple of int
        See midigen.kernels.cpu.network.
    last : int
        Units of the last layer that the serial part makes.
    rows : int
        h B.
    threads : int
        For each series.

    Returns
    -------
    tuple of two int64 (L, 10)
        The table, on the host and on the device.
    """
    rows_of_table: list[list[int]] = []
    at = np.zeros(5, np.int64)
    for k, (below, units) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        serial = last if k == len(sizes) - 1 else units
        shared_out = (min(threads, 1 << (n - 1).bit_length()) for n in (serial, below))
        rows_of_table.append([serial, below, units, *at, *shared_out])
        at += [units * (below + 1), units, rows * (below + 1), rows * units, serial * (below + 1)]
    table = np.array(rows_of_table, np.int64)
    return table, upload(table)


def transposed_layers(table: NDArray[np.int64], params: DeviceArray, tile: Tile) -> DeviceArray:
    """Transpose all layers into scratch memory: neighbouring threads then read neighbours.

    Parameters
    ----------
    table : int64 (L, 10)
        See layers_of.
    params : device array (P or more,)
        See midigen.kernels.cpu.network.
    tile : Tile
        Sizes.

    Returns
    -------
    flat device array
        Each layer is (n_{k-1} + 1, units).
    """
    transposed = scratch(
        "transposed layers", int((table[:, UNITS] * (table[:, BELOW] + 1)).sum()), params.dtype.type
    )
    for units, below, _, at, _, _, _, to, *_ in table.tolist():
        copy(
            matrix(params, at, units, below + 1).transposed,
            matrix(transposed, to, below + 1, units),
            tile,
        )
    return transposed


@cache
def adders(real: Scalar) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make two device functions by which `groups` threads add up one weighted sum."""
    zero = real(0)

    @device
    def part(memory, first, count, w, at, step, group, groups):
        """Return a thread's part: every groups-th of `count` numbers, weights `step` apart."""
        total = zero
        for j in range(group, count, groups):
            total += w[u64(at + j * step)] * memory[u64(first + j)]
        return total

    @device
    def whole(total, memory, first, step, groups):
        """Return total + the parts, which lie `step` apart from `first` on."""
        for group in range(groups):
            total += memory[first + group * step]
        return total

    return part, whole
