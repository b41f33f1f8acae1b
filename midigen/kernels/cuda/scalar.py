"""Device functions made from the one source of scalar mathematics, midigen.kernels.scalar."""

import math
from functools import cache
from types import FunctionType

from midigen.kernels import scalar
from midigen.kernels.codes import LEAK, LEAKY, SIGMOID, SOFTPLUS, TANH
from midigen.kernels.cuda.jit import SIMULATED, device
from midigen.kernels.scalar import f32, f64, u64

# of angles in half turns: the GPU's sin and cos of radians keep room for large ones in local memory
if SIMULATED:

    def _cospi(x):
        return math.cos(math.pi * x)

    def _sinpi(x):
        return math.sin(math.pi * x)
else:
    from numba.cuda.libdevice import cospif as _cospi
    from numba.cuda.libdevice import sinpif as _sinpi


def _made(function, **names):
    """A device function of the same code, which sees `names` in place of its module's."""
    plain = getattr(function, "py_func", function)
    return device(FunctionType(plain.__code__, {**plain.__globals__, **names}, plain.__name__))


philox = _made(scalar.philox, _philox_round=_made(scalar._philox_round))
uniform = _made(scalar.uniform)
softplus = _made(scalar.softplus)
_LOW, _WORD, _NONE = u64(0xFFFFFFFF), u64(32), u64(0)


@device
def words(key, row, sweep, j):
    """The four words of a row that belong to column j and to those a quarter of the row's width apart from it."""
    return philox(u64(j), u64(row), u64(sweep), _NONE, key & _LOW, key >> _WORD)


@device
def normals(first, second):
    """Two independent standard normal numbers, float32, of two uniform ones in [0, 1), by Box and Muller."""
    radius, angle = math.sqrt(f32(-2) * math.log(f32(1) - first)), f32(2) * second
    return radius * _cospi(angle), radius * _sinpi(angle)


_TANH = {f32: _made(scalar._tanh_float32), f64: _made(scalar._tanh_float64)}
_SIGMOID = {
    f32: _made(scalar._sigmoid_float32, tanh=_TANH[f32]),
    f64: _made(scalar._sigmoid_float64),
}


def tanh(real):
    """tanh of a float type."""
    return _TANH[real]


def sigmoid(real):
    """The logistic function of a float type."""
    return _SIGMOID[real]


@cache
def activation(real):
    """phi(s) of one unit, from its code and s."""
    tanh, sigmoid = _TANH[real], _SIGMOID[real]

    @device
    def activation(code, s):
        if code == TANH:
            return tanh(s)
        if code == SIGMOID:
            return sigmoid(s)
        if code == SOFTPLUS:
            return real(softplus(s))
        if code == LEAKY and s <= real(0):
            return real(LEAK) * s
        return s

    return activation


@cache
def slope(real):
    """phi'(s) of one unit, from its code and y = phi(s)."""
    one = real(1)

    @device
    def slope(code, y):
        if code == TANH:
            return one - y * y
        if code == SIGMOID:
            return y * (one - y)
        if code == SOFTPLUS:
            return real(-math.expm1(-y))
        if code == LEAKY and y <= real(0):
            return real(LEAK)
        return one

    return slope
