"""Tests marked `cuda` run on an NVIDIA GPU or, with NUMBA_ENABLE_CUDASIM=1 in the environment, in Numba's simulator."""

import sys
import threading

import numpy as np
import pytest

import midigen.kernels  # noqa: F401  ahead of numba, for the compiled code
from midigen.kernels.cuda.jit import SIMULATED
from numba import cuda
from numba.np import numpy_support

if SIMULATED:
    from numba.cuda.simulator.kernelapi import FakeCUDAShared

    sys.setswitchinterval(1e-5)  # its threads wait for each other: they take turns at once
    lock, made = threading.Lock(), FakeCUDAShared.array

    def array(self, shape, dtype):
        """Shared memory that two threads which ask at once do share: the simulator's own gives each another."""
        if shape == 0:
            return made(self, shape, dtype)
        caller = sys._getframe(1)
        with lock:
            key = caller.f_code.co_filename, caller.f_lineno
            if key not in self._allocations:
                self._allocations[key] = np.empty(shape, numpy_support.as_dtype(dtype))
            return self._allocations[key]

    FakeCUDAShared.array = array


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is neither a GPU nor the simulator."""
    if not cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU, or NUMBA_ENABLE_CUDASIM=1"))
