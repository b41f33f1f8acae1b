"""The kernels as @cuda.jit functions behind Python functions, the twins of midigen.kernels.cpu.

Axes: B series run side by side.  Frames come first and series next, so that a block is h B rows,
row t B + b being frame t of series b, and with one series the arrays are those of the CPU.

Names and parameters are those of midigen.kernels.cpu, where they are told; here stands what
differs.  Every function also takes `tile`, the sizes that its kernels are built and launched with
(jit.Tile), and needs its arrays on the device, contiguous; a function that takes a matrix also
takes a StridedMatrix (blas), a part of a larger array.  A function queues its work and returns at
once.
"""
