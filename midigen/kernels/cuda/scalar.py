"""Device functions made from the one source of scalar mathematics, midigen.kernels.scalar."""

import math
from functools import cache
from types import FunctionType

from midigen.kernels import scalar
from midigen.kernels.codes import LEAK, LEAKY, SIGMOID, SOFTPLUS, TANH
from midigen.kernels.cuda.jit import device
from midigen.kernels.scalar import f32, f64, i32


def _made(function, **names):
    """A device function of the same code, which sees `names` in place of its module's."""
    plain = getattr(function, "py_func", function)
    return device(FunctionType(plain.__code__, {**plain.__globals__, **names}, plain.__name__))


philox = _made(scalar.philox, _philox_round=_made(scalar._philox_round))
uniform = _made(scalar.uniform)
softplus = _made(scalar.softplus)
_TURN = f32(2 * math.pi)


@device
def _turned(part):
    """Cosine and sine, float32, of a part of a turn in [0, 1), to 2e-7.

    The library's own want local memory, for angles that are far larger.  These are Taylor's with the last terms bent to
    fit an eighth of a turn either way, as in Cephes.
    """
    quarter = i32(f32(4) * part + f32(0.5))
    x = _TURN * (part - f32(0.25) * f32(quarter))
    s = x * x
    sine = x + x * s * (f32(-1.6666654611e-1) + s * (f32(8.3321608736e-3) - s * f32(1.9515295891e-4)))
    cosine = f32(1) - f32(0.5) * s + s * s * (
        f32(4.166664568298827e-2) - s * (f32(1.388731625493765e-3) - s * f32(2.443315711809948e-5)))
    if quarter & 1:
        cosine, sine = -sine, cosine
    if quarter & 2:
        cosine, sine = -cosine, -sine
    return cosine, sine


@device
def normals(first, second):
    """Two independent standard normal numbers, float32, of two uniform ones in [0, 1), by Box and Muller."""
    radius = math.sqrt(f32(-2) * math.log(f32(1) - first))
    cosine, sine = _turned(second)
    return radius * cosine, radius * sine


_TANH = {f32: _made(scalar._tanh_float32), f64: _made(scalar._tanh_float64)}
_SIGMOID = {f32: _made(scalar._sigmoid_float32, tanh=_TANH[f32]), f64: _made(scalar._sigmoid_float64)}


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
