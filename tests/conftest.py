"""Tests marked `cuda` run on an NVIDIA GPU or, with NUMBA_ENABLE_CUDASIM=1 in the environment, in Numba's simulator."""

import pytest

import midigen.kernels  # noqa: F401  ahead of numba, for the compiled code
from midigen.kernels.cuda.jit import SIMULATED
from numba import cuda

if SIMULATED:
    from tests import simulator  # noqa: F401


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is neither a GPU nor the simulator."""
    if not cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(
                    pytest.mark.skip(reason="needs an NVIDIA GPU, or NUMBA_ENABLE_CUDASIM=1")
                )
