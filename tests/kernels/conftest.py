"""The kernels of both backends, called with NumPy arrays."""

import inspect
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from tests import SIMULATED

HOST = "sizes", "starts", "log_variances"
# of the GPU alone
collect_ignore = [] if find_spec("midigen.kernels.cuda") else ["test_gibbs.py", "test_product.py"]


class OnDevice:
    """A module of midigen.kernels.cuda, called like its twin on the CPU.

    Arrays go to the device and come back, those in tuples only go; HOST stays on the host, where
    these functions read it.
    """

    def __init__(self, name):
        self._module = import_module(f"midigen.kernels.cuda.{name}")

    def __getattr__(self, name):
        from midigen.kernels.cuda.memory import upload

        function = getattr(self._module, name)

        def there_of(x):
            if isinstance(x, tuple):
                return tuple(there_of(part) for part in x)
            return upload(x) if isinstance(x, np.ndarray) else x

        def call(*arguments):
            parameters = inspect.signature(function).parameters
            moved = [
                x if parameter in HOST else there_of(x)
                for parameter, x in zip(parameters, arguments, strict=False)
            ]
            function(*moved)
            for here, there in zip(arguments, moved, strict=True):
                if isinstance(here, np.ndarray) and here is not there:
                    here[...] = there.copy_to_host()

        return call


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def kernels(request):
    """kernels(name): the module of that name of a backend, to be called with NumPy arrays."""
    if request.param == "cpu":
        return lambda name: import_module(f"midigen.kernels.cpu.{name}")
    return OnDevice


@pytest.fixture
def simulated(kernels):
    """Whether the backend is Numba's simulator, a thousand times slower than the CPU."""
    return SIMULATED and kernels is OnDevice
