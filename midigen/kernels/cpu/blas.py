"""Matrix products inside @njit: SciPy's BLAS with transposes, alpha, beta and leading dimensions.

    C <- alpha op(A) op(B) + beta C,   y <- alpha op(A) x + beta y

np.dot has none of these.  The addresses come from scipy.linalg.cython_blas and are registered with
LLVM by name, so that compiled callers can be cached on disk and still find the BLAS of the next
process.
"""

import llvmlite.binding as llvm
import scipy.linalg.cython_blas  # noqa: F401  (loads the library whose addresses are taken below)
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

_SYMBOLS = {
    (kind, precision): f"midigen_{precision}{kind}"
    for kind in ("gemm", "gemv")
    for precision in "sd"
}
for (_kind, _precision), _symbol in _SYMBOLS.items():
    llvm.add_symbol(
        _symbol, get_cython_function_address("scipy.linalg.cython_blas", _precision + _kind)
    )


def _call(builder, symbol, values):
    """Generate the call of a Fortran routine: arguments by address, scalars through the stack."""
    pointer = cgutils.voidptr_t
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [pointer] * len(values)), symbol
    )
    arguments = []
    for value in values:
        if not isinstance(value.type, ir.PointerType):
            value = cgutils.alloca_once_value(builder, value)
        arguments.append(builder.bitcast(value, pointer))
    builder.call(function, arguments)


def _letter(dtype):
    return "s" if dtype == types.float32 else "d"


def _largest(builder, *values):
    result = values[0]
    for value in values[1:]:
        result = builder.select(builder.icmp_signed(">", value, result), value, result)
    return result


def _matrix(context, builder, kind, value):
    """Generate rows, columns, leading dimension and data pointer of a 2-D array."""
    array = context.make_array(kind)(context, builder, value)
    rows, columns = cgutils.unpack_tuple(builder, array.shape, 2)
    stride = builder.sdiv(cgutils.unpack_tuple(builder, array.strides, 2)[0], array.itemsize)
    # a lone row may have any stride, x[None] has 0: BLAS wants one no shorter than the row
    return rows, columns, _largest(builder, stride, columns, rows.type(1)), array.data


def _vector(context, builder, kind, value):
    """Generate length and data pointer of a 1-D array."""
    array = context.make_array(kind)(context, builder, value)
    return cgutils.unpack_tuple(builder, array.shape, 1)[0], array.data


def _differ(builder, *pairs):
    result = ir.IntType(1)(0)
    for a, b in pairs:
        result = builder.or_(result, builder.icmp_signed("!=", a, b))
    return result


def _blas(context, builder, kind, dtype, wrong, results, arguments):
    """Generate a call of BLAS, if all of `results` are over 0; ValueError where `wrong`."""
    with cgutils.if_unlikely(builder, wrong):
        context.call_conv.return_user_exc(builder, ValueError, (f"{kind}: shapes do not match",))
    some = ir.IntType(1)(1)
    for count in results:
        some = builder.and_(some, builder.icmp_signed(">", count, count.type(0)))
    with builder.if_then(some):
        size = ir.IntType(32)
        _call(
            builder,
            _SYMBOLS[kind, _letter(dtype)],
            [builder.trunc(x, size) if x.type == ir.IntType(64) else x for x in arguments],
        )
    return context.get_dummy_value()


def _flag(builder, transposed):
    return builder.select(transposed, ir.IntType(8)(ord("T")), ir.IntType(8)(ord("N")))


# Written as code generators, not as @njit functions: those would be compiled anew for every layout
# of their arrays, which took half of all the time that the kernels needed to compile.
@intrinsic
def gemm(typing, trans_a, trans_b, alpha, a, b, beta, c):
    """Compute c = alpha op(a) op(b) + beta c, inside @njit.

    Parameters
    ----------
    trans_a, trans_b : bool
        Whether op transposes.
    alpha, beta : float
        Factors.
    a, b, c : 2-D arrays of one dtype, float32 or float64
        Their rows are contiguous, and may be slices of longer ones; c is overwritten.

    Raises
    ------
    ValueError
        Where the shapes do not match.
    """

    def generate(context, builder, signature, args):
        transposed_a, transposed_b, factor, _, _, keep, _ = args
        (rows_a, columns_a, lda, data_a), (rows_b, columns_b, ldb, data_b), (m, n, ldc, data_c) = (
            _matrix(context, builder, signature.args[i], args[i]) for i in (3, 4, 6)
        )
        wrong = _differ(
            builder,
            (builder.select(transposed_a, columns_a, rows_a), m),
            (builder.select(transposed_b, rows_b, columns_b), n),
            (
                builder.select(transposed_a, rows_a, columns_a),
                builder.select(transposed_b, columns_b, rows_b),
            ),
        )
        k = builder.select(transposed_a, rows_a, columns_a)
        # BLAS is column-major: the row-major product is c^T = op(b)^T op(a)^T on the same memory
        return _blas(
            context,
            builder,
            "gemm",
            c.dtype,
            wrong,
            (m, n),
            [
                _flag(builder, transposed_b),
                _flag(builder, transposed_a),
                n,
                m,
                k,
                factor,
                data_b,
                ldb,
                data_a,
                lda,
                keep,
                data_c,
                ldc,
            ],
        )

    return types.void(types.boolean, types.boolean, c.dtype, a, b, c.dtype, c), generate


@intrinsic
def gemv(typing, trans, alpha, a, x, beta, y):
    """Compute y = alpha op(a) x + beta y, inside @njit.

    Parameters
    ----------
    trans : bool
        Whether op transposes.
    alpha, beta : float
        Factors.
    a : 2-D array, float32 or float64
        Its rows are contiguous, and may be slices of longer ones.
    x, y : contiguous 1-D arrays of its dtype
        y is overwritten.

    Raises
    ------
    ValueError
        Where the shapes do not match.
    """

    def generate(context, builder, signature, args):
        transposed, factor, _, _, keep, _ = args
        m, n, lda, data_a = _matrix(context, builder, signature.args[2], args[2])
        size_x, data_x = _vector(context, builder, signature.args[3], args[3])
        size_y, data_y = _vector(context, builder, signature.args[5], args[5])
        wrong = _differ(
            builder,
            (builder.select(transposed, m, n), size_x),
            (builder.select(transposed, n, m), size_y),
        )
        one = ir.IntType(32)(1)
        return _blas(
            context,
            builder,
            "gemv",
            y.dtype,
            wrong,
            (m, n),
            [
                _flag(builder, builder.not_(transposed)),
                n,
                m,
                factor,
                data_a,
                lda,
                data_x,
                one,
                keep,
                data_y,
                one,
            ],
        )

    return types.void(types.boolean, y.dtype, a, x, y.dtype, y), generate
