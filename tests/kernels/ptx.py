"""Compile every CUDA kernel to PTX without a GPU, and print what each is, one JSON object a line: see test_ptx.py.

Launchers run as they are, with the arrays of numba-cuda, whose memory is the host's; where they would launch a kernel,
it is compiled for the types of its arguments.
"""

import contextlib
import json
import re
import types

import numpy as np

import midigen.kernels  # noqa: F401  ahead of numba
from numba import cuda, typeof
from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices, driver

CAPABILITY = (9, 0)
compiled = set()


class Memory:
    """Bytes of the host in the place of those that the driver gives."""

    __cuda_memory__ = True

    def __init__(self, content):
        self.content = content

    def view(self, start, stop=None):
        return Memory(self.content[start:stop])


def to_device(array, host, size, stream=0):
    array.gpu_data.content[:size] = host.reshape(-1).view(np.uint8)


def to_host(host, array, size, stream=0):
    host.reshape(-1).view(np.uint8)[:] = array.gpu_data.content[:size]


class Compiled:
    """A kernel that is compiled in place of being launched."""

    def __init__(self, function):
        self._function = function

    def __getitem__(self, configuration):
        sizes = np.ravel([*np.atleast_1d(configuration[0]), *np.atleast_1d(configuration[1])])
        assert sizes.dtype.kind == "i" and sizes.min() > 0, f"{self._function.__name__}: {configuration}"
        return self._compile

    def _compile(self, *arguments):
        signature = tuple(typeof(x) for x in arguments)
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
    context = types.SimpleNamespace(memalloc=lambda size: Memory(np.zeros(size, np.uint8)))
    devices._runtime = types.SimpleNamespace(get_or_create_context=lambda _: context,
                                             ensure_context=contextlib.nullcontext)
    driver.host_to_device, driver.device_to_host = to_device, to_host


def main():
    instead_of_a_gpu()
    from tests.kernels.every_kernel import call_all

    for real in (np.float32, np.float64):
        call_all(real)


if __name__ == "__main__":
    main()
