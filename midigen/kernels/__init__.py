"""Numba kernels; they import nothing else of midigen."""
