"""Compile every CUDA kernel to PTX without a GPU, and print what each is, one JSON object a line: see test_ptx.py.

Launchers run as they are, with NumPy arrays for memory on the device; where they would launch a kernel, it is compiled
for the types of its arguments.
"""

import json
import re
import types

import numpy as np

import midigen.kernels  # noqa: F401  ahead of numba
from numba import cuda, typeof
from numba.cuda import dispatcher

CAPABILITY = (9, 0)
compiled = set()


class Array(np.ndarray):
    """An array that can be read back, as one on the device can."""

    def copy_to_host(self):
        return self.view(np.ndarray)


class Compiled:
    """A kernel that is compiled in place of being launched."""

    def __init__(self, function):
        self._function = function

    def __getitem__(self, configuration):
        return self._compile

    def _compile(self, *arguments):
        signature = tuple(typeof(x.view(np.ndarray) if isinstance(x, np.ndarray) else x) for x in arguments)
        name = f"{self._function.__module__}.{self._function.__qualname__}"
        cells = tuple(repr(c.cell_contents) for c in self._function.__closure__ or ())
        if (name, cells, signature) in compiled:
            return
        compiled.add((name, cells, signature))
        text, _ = cuda.compile_ptx(self._function, signature, cc=CAPABILITY)
        print(json.dumps({"kernel": name, "local": "__local_depot" in text,
                          "version": re.search(r"\.version (\S+)", text)[1]}), flush=True)


def instead_of_a_gpu():
    """Let numba.cuda compile kernels where it would launch them."""
    dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=CAPABILITY)
    jit = cuda.jit

    def only_compile(**options):
        return jit(**options) if options.get("device") else Compiled

    cuda.jit = only_compile
    cuda.to_device = lambda array: array
    cuda.device_array = lambda shape, dtype: np.zeros(shape, dtype).view(Array)


def main():
    instead_of_a_gpu()
    from tests.kernels.every_kernel import call_all

    for real in (np.float32, np.float64):
        call_all(real)


if __name__ == "__main__":
    main()
