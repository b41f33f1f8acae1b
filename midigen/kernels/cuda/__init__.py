"""The kernels as @cuda.jit functions, with the names and the argument order of midigen.kernels.cpu.

Axes: B lanes, series that run side by side.  Frames come first and lanes next, so that a block is h B rows, row t B + b
being frame t of lane b, and with one lane the arrays are those of the CPU.  Arrays lie on the device; a function
queues its work and returns at once.
"""
