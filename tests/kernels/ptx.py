"""Compile every CUDA kernel without a GPU, and print what each is, one JSON object a line.

See test_ptx.py.  Launchers run as they are, through numba-cuda's own arrays, dispatcher and linker.
Instead of a driver there is memory of the host, and where a kernel would be launched its arguments
are made ready, and that is all.
"""

import contextlib
import json
import re
import types
import warnings

import numpy as np

import midigen.kernels  # noqa: F401  ahead of numba

# isort: split
from numba.cuda import dispatcher
from numba.cuda.cudadrv import devices, driver

from midigen.kernels.cuda.jit import SHARED

CAPABILITY = (9, 0)


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


def bind(kernel):
    """What is called of every kernel that has been compiled, to load it: link it and tell of it."""
    text, function = kernel._codelibrary.get_asm_str(), kernel.py_func
    kernel._codelibrary.get_cubin()
    print(
        json.dumps(
            {
                "kernel": f"{function.__module__}.{function.__qualname__}",
                "local": "__local_depot" in text,
                "version": re.search(r"\.version (\S+)", text)[1],
            }
        ),
        flush=True,
    )


def launch(kernel, arguments, blocks, threads, stream=0, shared=0):
    """Make the arguments ready, as for the driver.

    None may be an array of the host, which would be copied twice.
    """
    assert all(isinstance(n, int) and n > 0 for n in (*blocks, *threads)), (
        kernel.py_func,
        blocks,
        threads,
    )
    assert shared <= SHARED, kernel.py_func
    copied_back = []
    for kind, argument in zip(kernel.argument_types, arguments, strict=True):
        kernel._prepare_args(kind, argument, stream, copied_back, [])
    assert not copied_back, kernel.py_func


def instead_of_a_gpu():
    """A device of CAPABILITY that computes nothing."""
    device = types.SimpleNamespace(compute_capability=CAPABILITY, MULTIPROCESSOR_COUNT=132)
    context = types.SimpleNamespace(
        memalloc=lambda size: Memory(np.zeros(size, np.uint8)), device=device
    )
    devices._runtime = types.SimpleNamespace(
        get_or_create_context=lambda _: context, ensure_context=contextlib.nullcontext
    )
    dispatcher.get_current_device = lambda: device
    driver.host_to_device, driver.device_to_host, driver._to_core_stream = (
        to_device,
        to_host,
        lambda stream: stream,
    )
    dispatcher._Kernel.bind, dispatcher._Kernel.launch = bind, launch


def main():
    instead_of_a_gpu()
    warnings.simplefilter("error")  # none may reach a user
    from tests.kernels.every_kernel import call_all

    for real in (np.float32, np.float64):
        call_all(real)


if __name__ == "__main__":
    main()
