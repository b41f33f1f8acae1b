import numpy as np
import pytest
from numba import njit

from midigen.kernels.cpu import blas


@njit
def gemm(trans_a, trans_b, alpha, a, b, beta, c):
    blas.gemm(trans_a, trans_b, alpha, a, b, beta, c)


@njit
def gemv(trans, alpha, a, x, beta, y):
    blas.gemv(trans, alpha, a, x, beta, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
def test_gemm_with_transposes_slices_and_accumulation(dtype, trans_a, trans_b):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((9, 12) if trans_a else (7, 14)).astype(dtype)[
        :, 2 : 2 + (7 if trans_a else 9)
    ]
    b = rng.standard_normal((5, 9) if trans_b else (9, 5)).astype(dtype)
    whole = rng.standard_normal((7, 8)).astype(dtype)
    c = whole[:, 1:6]
    expected = whole.copy()
    expected[:, 1:6] = 0.5 * (a.T if trans_a else a) @ (b.T if trans_b else b) + 2 * c
    gemm(trans_a, trans_b, 0.5, a, b, 2.0, c)
    assert np.allclose(whole, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trans", [False, True])
def test_gemv(dtype, trans):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((7, 9)).astype(dtype)[:, 1:6]
    x, y = (
        rng.standard_normal(7 if trans else 5).astype(dtype),
        rng.standard_normal(5 if trans else 7).astype(dtype),
    )
    expected = (a.T if trans else a) @ x + y
    gemv(trans, 1.0, a, x, 1.0, y)
    assert np.allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_a_lone_row_has_no_stride():
    """x[None] has row stride 0, which BLAS refuses, and then leaves the result as it was."""
    row, b = np.arange(1.0, 4.0), np.arange(12.0).reshape(3, 4)
    c, y = np.full((1, 4), np.nan), np.full(1, np.nan)
    gemm(False, False, 1.0, row[None], b, 0.0, c)
    gemv(False, 1.0, row[None], row, 0.0, y)
    assert np.array_equal(c[0], row @ b) and y[0] == 14
    total, out = np.zeros(3), np.full((4, 1), np.nan)
    gemm(True, True, 1.0, b, row[None], 0.0, out)
    gemm(True, False, 1.0, np.ones(1)[None], row[None], 0.0, total[None])
    assert np.array_equal(out[:, 0], row @ b) and np.array_equal(total, row)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        gemm(False, False, 1.0, np.zeros((2, 3)), np.zeros((4, 2)), 0.0, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="shapes"):
        gemv(False, 1.0, np.zeros((2, 3)), np.zeros(4), 0.0, np.zeros(2))
