"""Memory on the device."""

import math

import numpy as np
from numba import cuda


def upload(array, dtype=None):
    """A NumPy array on the device, contiguous: of a copy, since an axis made by [None] has a stride of its own."""
    return cuda.to_device(np.array(array, dtype, order="C"))


def empty(shape, dtype):
    """An array on the device that holds anything."""
    return cuda.device_array(shape, dtype)


class Scratch:
    """Memory that is used again: a name's array grows to the largest size asked for, and its contents are anything.

    Work is queued in one stream, so that a buffer's next use waits for the one before.
    """

    def __init__(self):
        self._arrays = {}

    def __call__(self, name, size, dtype):
        """A flat array of at least `size` numbers, the same one for the same name and dtype."""
        array = self._arrays.get((name, dtype))
        if array is None or array.size < size:
            array = self._arrays[name, dtype] = empty(max(int(size), 1), dtype)
        return array

    def shaped(self, name, shape, dtype):
        """The same memory as an array of that shape."""
        return self(name, math.prod(shape), dtype)[: math.prod(shape)].reshape(shape)


scratch = Scratch()
