"""Numba kernels, for the CPU and for NVIDIA GPUs; they import nothing else of midigen."""

# where compiled code is kept has to be said before numba is imported
from midigen.kernels import jit  # noqa: F401
