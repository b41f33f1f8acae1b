import math

import numpy as np
import pytest
from numba import njit

from midigen.kernels import scalar
from midigen.kernels.cpu import rbm
from tests import reference


@njit
def _philox(c0, c1, c2, c3, k0, k1):
    return scalar.philox(c0, c1, c2, c3, k0, k1)


@njit
def _apply(kind, x, out):
    for i in range(x.size):
        if kind == 0:
            out[i] = scalar.tanh(x[i])
        elif kind == 1:
            out[i] = scalar.sigmoid(x[i])
        else:
            out[i] = scalar.shrink(x[i])


def words(*values):
    return [np.uint64(v) for v in values]


@pytest.mark.parametrize(
    "counters, keys, expected",
    [
        # the known answers that Random123 1.14 ships for philox4x32-10
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counters, keys, expected):
    assert tuple(int(w) for w in _philox(*words(*counters), *words(*keys))) == expected
    assert tuple(reference.philox(counters, keys)) == expected


@pytest.mark.parametrize("kind, exact", [(0, np.tanh), (1, reference.sigmoid)])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-7), (np.float64, 3e-16)])
def test_tanh_and_sigmoid(kind, exact, dtype, tolerance):
    x = np.linspace(-30, 30, 20001).astype(dtype)
    out = np.empty_like(x)
    _apply(kind, x, out)
    assert out.dtype == dtype
    assert np.abs(out - exact(x.astype(np.float64))).max() <= tolerance
    plain = [(scalar.tanh, scalar.sigmoid)[kind](v) for v in x[::500]]
    assert np.allclose(plain, out[::500], rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 3e-7), (np.float64, 3e-16)])
def test_shrink_is_exp_below_0(dtype, tolerance):
    x = np.concatenate([np.linspace(-30, 0, 20001), [-1e4, -np.inf]]).astype(dtype)
    out = np.empty_like(x)
    _apply(2, x, out)
    assert out.dtype == dtype and out[20000] == 1 and out.min() >= 0
    assert np.abs(out - np.exp(x.astype(np.float64))).max() <= tolerance
    assert np.allclose([scalar.shrink(v) for v in x[::500]], out[::500], rtol=0, atol=tolerance)


def test_nan_and_infinity_stay_visible():
    out = np.empty(3, np.float64)
    _apply(0, np.array([np.nan, np.inf, -np.inf]), out)
    assert math.isnan(out[0]) and out[1] == 1 and out[2] == -1


def test_a_row_of_uniforms_is_philox_in_its_place():
    key, sweep, row = 0x1234567_89ABCDEF, 7, 5
    out = np.empty(12, np.float32)
    rbm.uniform_row(np.uint64(key), sweep, row, out)
    expected = np.empty(12)
    for j in range(3):
        for word, value in enumerate(
            reference.philox((j, row, sweep, 0), (key & 0xFFFFFFFF, key >> 32))
        ):
            expected[word * 3 + j] = (value >> 8) / 2**24
    assert np.array_equal(out, expected)


def test_uniforms_are_uniform():
    out = np.empty(400_000, np.float32)
    rbm.uniform_row(np.uint64(3), 0, 0, out)
    counts = np.histogram(out, bins=100, range=(0, 1))[0]
    assert out.min() >= 0 and out.max() < 1
    assert (
        (counts - 4000) ** 2 / 4000
    ).sum() < 160  # chi-square, 99 degrees of freedom: one in 10,000
