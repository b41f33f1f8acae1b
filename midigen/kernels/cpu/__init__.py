"""The kernels as @njit functions."""
