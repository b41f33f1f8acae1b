"""The kernels as @njit functions, which release the GIL.

Outputs come last and are overwritten unless a function says that it adds to them.  The twins of
midigen.kernels.cuda have the same names and the same parameters.
"""
