"""The processor that kernels are compiled for."""

import llvmlite.binding as llvm


def cpu_name() -> str:
    """Name the processor as LLVM compiles for it, such as "znver4"."""
    return llvm.get_host_cpu_name()
