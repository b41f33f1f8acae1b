"""Tests that take `backend` run on the CPU and, marked `cuda`, on an NVIDIA GPU.

With NUMBA_ENABLE_CUDASIM=1 in the environment Numba's simulator takes the place of the GPU.
"""

import pytest

import midigen.kernels  # noqa: F401  ahead of numba, for the compiled code
from midigen.backends.choose import available, backend_of
from tests import SIMULATED

if SIMULATED:
    from tests import simulator  # noqa: F401


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def backend(request):
    """A backend."""
    return backend_of(request.param)


def pytest_collection_modifyitems(items):
    """Skip what needs a GPU where there is neither a GPU nor the simulator."""
    if "cuda" not in available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(
                    pytest.mark.skip(reason="needs an NVIDIA GPU, or NUMBA_ENABLE_CUDASIM=1")
                )
