"""What kernels can run on here."""

from ctypes.util import find_library
from importlib.util import find_spec

import llvmlite.binding as llvm
from numba import cuda

import midigen.kernels.jit  # noqa: F401  (ahead of the first kernel)
from midigen.kernels.cuda.jit import SIMULATED


def cpu_name():
    """The processor as LLVM compiles for it, such as "znver4"."""
    return llvm.get_host_cpu_name()


def gpu_names():
    """The NVIDIA GPUs that Numba can use; [] where there is none or no driver."""
    if SIMULATED or not cuda.is_available():
        return []
    return [
        device.name.decode() if isinstance(device.name, bytes) else device.name
        for device in cuda.gpus
    ]


def missing():
    """What the CUDA kernels lack here, in one line with the remedy, or ""."""
    if SIMULATED:
        return ""
    if not (find_library("cuda") or find_library("nvcuda")):
        return "this machine has no NVIDIA driver, so no GPU that can be used"
    if find_spec("numba_cuda") is None:  # Numba's own CUDA target is an older one
        return "numba-cuda is not installed: pip install 'midigen[cuda]'"
    if cuda.is_available():
        return ""
    return "Numba finds no GPU that it can use: look at nvidia-smi, and at the driver's version (580 or newer)"
