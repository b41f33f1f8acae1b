"""Device functions made from the one source of scalar mathematics, midigen.kernels.scalar."""

import math
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from midigen.kernels import scalar
from midigen.kernels.codes import LEAK, LEAKY, SIGMOID, SOFTPLUS, TANH
from midigen.kernels.cuda.jit import SIMULATED, Scalar, device
from midigen.kernels.scalar import f32, f64, u64

# of angles in half turns: the GPU's sin and cos of radians keep room for large ones in local memory
if SIMULATED:

    def _cos_of_turns(x):
        return math.cos(math.pi * x)

    def _sin_of_turns(x):
        return math.sin(math.pi * x)

    _cospi, _sinpi = _cos_of_turns, _sin_of_turns
else:
    from numba.cuda import libdevice

    _cospi, _sinpi = libdevice.cospif, libdevice.sinpif


def _made(function, **names):
    """Make a device function of the same code, which sees `names` in place of its module's."""
    plain = getattr(function, "py_func", function)
    return device(FunctionType(plain.__code__, {**plain.__globals__, **names}, plain.__name__))


philox = _made(scalar.philox, _philox_round=_made(scalar._philox_round))
uniform = _made(scalar.uniform)
softplus = _made(scalar.softplus)
_LOW, _WORD, _NONE = u64(0xFFFFFFFF), u64(32), u64(0)


@device
def words(key, row, sweep, j):
    """Make the four random words of a row for column j and those a quarter of its width apart."""
    return philox(u64(j), u64(row), u64(sweep), _NONE, key & _LOW, key >> _WORD)


@device
def normals(first, second):
    """Make two independent standard normal float32 of two uniform ones, by Box and Muller."""
    radius, angle = math.sqrt(f32(-2) * math.log(f32(1) - first)), f32(2) * second
    return radius * _cospi(angle), radius * _sinpi(angle)


_TANH = {f32: _made(scalar._tanh_float32), f64: _made(scalar._tanh_float64)}
_SIGMOID = {
    f32: _made(scalar._sigmoid_float32, tanh=_TANH[f32]),
    f64: _made(scalar._sigmoid_float64),
}
_SHRINK = {
    f32: _made(scalar._shrink_float32, tanh=_TANH[f32]),
    f64: _made(scalar._shrink_float64),
}


def tanh(real: Scalar) -> Callable[..., Any]:
    """Return the device function tanh of a float type."""
    return _TANH[real]


def sigmoid(real: Scalar) -> Callable[..., Any]:
    """Return the logistic device function of a float type."""
    return _SIGMOID[real]


def shrink(real: Scalar) -> Callable[..., Any]:
    """Return the device function exp of a float type, of numbers that are not over 0."""
    return _SHRINK[real]


@cache
def activation(real: Scalar) -> Callable[..., Any]:
    """Make a device function: phi(s) of one unit, from its code and s."""
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
def slope(real: Scalar) -> Callable[..., Any]:
    """Make a device function: phi'(s) of one unit, from its code and y = phi(s)."""
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
