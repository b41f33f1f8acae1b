"""Numba kernels; they import nothing else of midigen."""

from midigen.kernels import jit  # noqa: F401  (says where compiled code goes; must run before numba is imported)
