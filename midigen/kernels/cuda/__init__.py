"""The kernels as @cuda.jit functions, with the names and the argument order of midigen.kernels.cpu.

Axes: B series that run side by side.  Frames come first and series next, so that a block is h B rows, row t B + b
being frame t of series b, and with one series the arrays are those of the CPU.  Arrays lie on the device; a function
queues its work and returns at once.
"""
