"""The kernels as @njit functions, which release the GIL.

Outputs come last and are overwritten unless a function says that it adds to them.  They have
twins on a GPU with the same names and the same parameters.
"""
