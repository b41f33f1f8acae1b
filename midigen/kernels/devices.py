"""What kernels can run on here."""

import llvmlite.binding as llvm
from numba import cuda


def cpu_name():
    """The processor as LLVM compiles for it, such as "znver4"."""
    return llvm.get_host_cpu_name()


def gpu_names():
    """The NVIDIA GPUs that Numba can use; [] where there is none or no driver."""
    if not cuda.is_available():
        return []
    return [device.name.decode() if isinstance(device.name, bytes) else device.name for device in cuda.gpus]
