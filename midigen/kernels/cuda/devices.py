"""The GPUs of this machine, and what is missing where there is none."""

from ctypes.util import find_library
from importlib.util import find_spec

from numba import cuda

from midigen.kernels.cuda.jit import SIMULATED


def gpu_names() -> list[str]:
    """Name the NVIDIA GPUs that Numba can use; [] where there is none or no driver."""
    if SIMULATED or not cuda.is_available():
        return []
    names = [device.name for device in cuda.gpus]
    return [name.decode() if isinstance(name, bytes) else name for name in names]


def missing() -> str:
    """Say in one line, with the remedy, what the CUDA kernels lack here; "" for nothing."""
    if SIMULATED:
        return ""
    if not (find_library("cuda") or find_library("nvcuda")):
        return "this machine has no NVIDIA driver, so no GPU that can be used"
    if find_spec("numba_cuda") is None:  # Numba's own CUDA target is an older one
        return "install numba-cuda: pip install '.[cuda]' in the checkout"
    if cuda.is_available():
        return ""
    return (
        "Numba finds no GPU that it can use: look at nvidia-smi, and at the driver's version "
        "(580 or newer)"
    )
