"""Scalar mathematics and random numbers: one source for @njit, for the GPU and for plain Python.

Philox4x32-10 (Salmon et al., SC 2011) turns a 64-bit key and four 32-bit counters into four 32-bit
words, so that a draw depends on its place alone, never on the order or the number of threads.
Every integer is a uint64 of which the lower 32 bits count; only what is multiplied or handed out is
masked, which a vector multiplication of 32 bits does for nothing.  Nothing overflows, and Numba
never falls back to float64.

`tanh`, `sigmoid` and `shrink` in float32 are a rational function of + * / only, which LLVM
vectorises (math.exp it does not); the coefficients are the minimax fit that Eigen and XLA use, good
to about 2 units in the last place.
"""

import math

import numpy as np
from numba import njit, types
from numba.extending import overload, register_jitable

from midigen.kernels.jit import SCALAR

f32, f64, i32, i64, u32, u64 = np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64
_MULTIPLIER_0, _MULTIPLIER_1 = u64(0xD2511F53), u64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = u64(0x9E3779B9), u64(0xBB67AE85)
_MASK, _WORD, _BYTE = u64(0xFFFFFFFF), u64(32), u64(8)
_TO_UNIT = f32(2.0**-24)

_inlined = njit(**SCALAR)
_overloaded = {
    "jit_options": {option: SCALAR[option] for option in ("forceinline", "error_model", "fastmath")}
}


@_inlined
def _philox_round(c0, c1, c2, c3, k0, k1):
    p0 = _MULTIPLIER_0 * (c0 & _MASK)
    p1 = _MULTIPLIER_1 * (c2 & _MASK)
    return (p1 >> _WORD) ^ c1 ^ k0, p1, (p0 >> _WORD) ^ c3 ^ k1, p0


@_inlined
def philox(c0, c1, c2, c3, k0, k1):
    """Make four random 32-bit words: ten rounds, written out for LLVM to vectorise.

    Parameters
    ----------
    c0, c1, c2, c3 : uint64
        Counters, of 32 bits.
    k0, k1 : uint64
        The lower and the upper 32 bits of the key.

    Returns
    -------
    tuple of four uint64
        Of 32 bits.

    Examples
    --------
    >>> [hex(word) for word in philox(*(np.uint64(0) for _ in range(6)))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    c0, c1, c2, c3 = _philox_round(c0, c1, c2, c3, k0, k1)
    return c0 & _MASK, c1 & _MASK, c2 & _MASK, c3 & _MASK


@_inlined
def uniform(word):
    """Turn a 32-bit word (uint64) into a float32 in [0, 1): its upper 24 bits, exactly."""
    return f32(i32(word >> _BYTE)) * _TO_UNIT


def _tanh_float32(x):
    x = min(max(x, f32(-7.90531110763549805)), f32(7.90531110763549805))
    s = x * x
    p = f32(-2.76076847742355e-16) * s + f32(2.00018790482477e-13)
    p = p * s + f32(-8.60467152213735e-11)
    p = p * s + f32(5.12229709037114e-08)
    p = p * s + f32(1.48572235717979e-05)
    p = p * s + f32(6.37261928875436e-04)
    p = p * s + f32(4.89352455891786e-03)
    q = f32(1.19825839466702e-06) * s + f32(1.18534705686654e-04)
    q = q * s + f32(2.26843463243900e-03)
    q = q * s + f32(4.89352518554385e-03)
    return x * p / q


def _tanh_float64(x):
    return math.tanh(x)


def tanh(x):
    """Compute tanh(x), in the precision of x, float32 or float64."""
    return _tanh_float32(x) if isinstance(x, f32) else _tanh_float64(x)


@overload(tanh, **_overloaded)
def _tanh_overload(x):
    return _tanh_float32 if x == types.float32 else _tanh_float64


def _sigmoid_float32(x):
    return f32(0.5) + f32(0.5) * tanh(f32(0.5) * x)


def _sigmoid_float64(x):
    return 0.5 + 0.5 * math.tanh(0.5 * x)


def sigmoid(x):
    """Compute 1 / (1 + exp(-x)), in the precision of x, float32 or float64.

    As 1/2 + 1/2 tanh(x/2), which overflows at neither end.
    """
    return _sigmoid_float32(x) if isinstance(x, f32) else _sigmoid_float64(x)


@overload(sigmoid, **_overloaded)
def _sigmoid_overload(x):
    return _sigmoid_float32 if x == types.float32 else _sigmoid_float64


def _shrink_float32(x):
    t = tanh(f32(0.5) * x)
    return (f32(1) + t) / (f32(1) - t)


def _shrink_float64(x):
    t = math.tanh(0.5 * x)
    return (1.0 + t) / (1.0 - t)


def shrink(x):
    """Compute exp(x) of x <= 0, in the precision of x, float32 or float64.

    As (1 + t) / (1 - t), t = tanh(x/2): its error is some units in the last place of 1, not of
    exp(x), which is enough for a share of a sum that is 1 or more.
    """
    return _shrink_float32(x) if isinstance(x, f32) else _shrink_float64(x)


@overload(shrink, **_overloaded)
def _shrink_overload(x):
    return _shrink_float32 if x == types.float32 else _shrink_float64


@register_jitable
def softplus(x):
    """Compute log(1 + exp(x)) as float64, without overflow."""
    x = f64(x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
