"""The backends that kernel tests run on."""

from importlib import import_module

import numpy as np
import pytest
from numba import cuda


class OnDevice:
    """A module of midigen.kernels.cuda, called like its twin on the CPU: arrays go to the device and come back."""

    def __init__(self, name):
        self._module = import_module(f"midigen.kernels.cuda.{name}")

    def __getattr__(self, name):
        function = getattr(self._module, name)

        def call(*arguments):
            moved = [cuda.to_device(np.ascontiguousarray(x)) if isinstance(x, np.ndarray) else x for x in arguments]
            function(*moved)
            for here, there in zip(arguments, moved, strict=True):
                if isinstance(here, np.ndarray):
                    here[...] = there.copy_to_host()

        return call


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def kernels(request):
    """kernels(name): the module of that name of a backend, to be called with NumPy arrays."""
    if request.param == "cpu":
        return lambda name: import_module(f"midigen.kernels.cpu.{name}")
    return OnDevice
