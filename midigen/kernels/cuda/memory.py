"""Memory on the device."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numba import cuda
from numpy.typing import ArrayLike, DTypeLike

DeviceArray: TypeAlias = Any  # an array on the device: Numba's, or its simulator's


def upload(array: ArrayLike, dtype: DTypeLike | None = None) -> DeviceArray:
    """Copy values to the device.

    Parameters
    ----------
    array : array_like
        Any layout: the device gets a contiguous copy, as an axis made by [None] has a stride of its
        own.
    dtype : optional
        Of the device array.
    """
    return cuda.to_device(np.array(array, dtype, order="C"))


def empty(shape: int | Sequence[int], dtype: DTypeLike) -> DeviceArray:
    """Make an array on the device, whose contents are anything."""
    return cuda.device_array(shape, dtype)


class Scratch:
    """Memory that is used again: the array of a name grows to the largest size asked for.

    Its contents are anything.  Work is queued in one stream, so that the next use of an array waits
    for the one before.
    """

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, DTypeLike], DeviceArray] = {}

    def __call__(self, name: str, size: int, dtype: DTypeLike) -> DeviceArray:
        """Return a flat array of `size` or more numbers, the same for the same name and dtype."""
        array = self._arrays.get((name, dtype))
        if array is None or array.size < size:
            array = self._arrays[name, dtype] = empty(max(int(size), 1), dtype)
        return array

    def shaped(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> DeviceArray:
        """Return the same memory as an array of that shape."""
        return self(name, math.prod(shape), dtype)[: math.prod(shape)].reshape(shape)


scratch = Scratch()
