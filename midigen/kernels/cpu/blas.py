"""Matrix products inside @njit: SciPy's BLAS with transposes, alpha, beta and leading dimensions, which np.dot has not.

The addresses come from scipy.linalg.cython_blas and are registered with LLVM by name, so compiled callers can be
cached on disk and still find the BLAS of the next process.
"""

import llvmlite.binding as llvm
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (loads the library whose addresses are taken below)
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from midigen.kernels.jit import KERNEL

_SYMBOLS = {(kind, letter): f"midigen_{letter}{kind}" for kind in ("gemm", "gemv") for letter in "sd"}
for (_kind, _letter), _symbol in _SYMBOLS.items():
    llvm.add_symbol(_symbol, get_cython_function_address("scipy.linalg.cython_blas", _letter + _kind))


def _call(builder, symbol, values):
    """Call a Fortran routine: every argument by address, scalars through the stack."""
    pointer = cgutils.voidptr_t
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [pointer] * len(values)), symbol)
    arguments = []
    for value in values:
        if not isinstance(value.type, ir.PointerType):
            value = cgutils.alloca_once_value(builder, value)
        arguments.append(builder.bitcast(value, pointer))
    builder.call(function, arguments)


def _letter(dtype):
    return "s" if dtype == types.float32 else "d"


@intrinsic
def _data(typing, array):
    """Pointer to an array's first item, whatever its layout."""
    def generate(context, builder, signature, args):
        from numba.np import arrayobj
        return arrayobj.make_array(signature.args[0])(context, builder, args[0]).data
    return types.CPointer(array.dtype)(array), generate


@intrinsic
def _gemm(typing, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    dtype, flag, size = c.dtype, types.uint8, types.int32
    signature = types.void(flag, flag, size, size, size, dtype, a, size, b, size, dtype, c, size)
    return signature, lambda context, builder, sig, args: (
        _call(builder, _SYMBOLS["gemm", _letter(dtype)], args), context.get_dummy_value())[1]


@intrinsic
def _gemv(typing, trans, m, n, alpha, a, lda, x, incx, beta, y, incy):
    dtype, flag, size = y.dtype, types.uint8, types.int32
    signature = types.void(flag, size, size, dtype, a, size, x, size, dtype, y, size)
    return signature, lambda context, builder, sig, args: (
        _call(builder, _SYMBOLS["gemv", _letter(dtype)], args), context.get_dummy_value())[1]


_N, _T = np.uint8(ord("N")), np.uint8(ord("T"))


@njit(**KERNEL)
def gemm(trans_a, trans_b, alpha, a, b, beta, c):
    """c = alpha op(a) op(b) + beta c; op transposes where its flag is true.

    2-D arrays of one dtype (float32 or float64) whose rows are contiguous; a row may be a slice of a longer one.
    """
    m, n = c.shape
    k = a.shape[0] if trans_a else a.shape[1]
    if (a.shape[1] if trans_a else a.shape[0]) != m or (b.shape[0] if trans_b else b.shape[1]) != n \
            or (b.shape[1] if trans_b else b.shape[0]) != k:
        raise ValueError("gemm: shapes do not match")
    if m == 0 or n == 0:
        return
    size = c.itemsize
    # a lone row may have any stride, x[None] has 0: BLAS wants one no shorter than the row
    lda, ldb = max(1, a.shape[1], a.strides[0] // size), max(1, b.shape[1], b.strides[0] // size)
    # BLAS is column-major: the row-major product is c^T = op(b)^T op(a)^T on the same memory
    _gemm(_T if trans_b else _N, _T if trans_a else _N, np.int32(n), np.int32(m), np.int32(k), c.dtype.type(alpha),
          _data(b), np.int32(ldb), _data(a), np.int32(lda),
          c.dtype.type(beta), _data(c), np.int32(max(n, c.strides[0] // size)))


@njit(**KERNEL)
def gemv(trans, alpha, a, x, beta, y):
    """y = alpha op(a) x + beta y for a 2-D array a with contiguous rows and contiguous vectors x, y of its dtype."""
    m, n = a.shape
    if x.size != (m if trans else n) or y.size != (n if trans else m):
        raise ValueError("gemv: shapes do not match")
    if m == 0 or n == 0:
        return
    _gemv(_N if trans else _T, np.int32(n), np.int32(m), y.dtype.type(alpha), _data(a),
          np.int32(max(n, a.strides[0] // y.itemsize)), _data(x), np.int32(1), y.dtype.type(beta), _data(y),
          np.int32(1))
