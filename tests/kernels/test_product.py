"""Products of matrices in device arrays, in every form that kernels use."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.kernels.cuda.blas import SPLIT_UNDER, StridedMatrix, copy, gemm, matrix
from midigen.kernels.cuda.jit import SIMULATED, TILE
from midigen.kernels.cuda.memory import upload

M, N = (
    (9, 11) if SIMULATED else (150, 139)
)  # more than a tile of either, and not a whole number of them
LARGE = replace(TILE, many=1)
pytestmark = pytest.mark.cuda


def problem(dtype, k, *shape):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(s).astype(dtype) for s in ((M, k), (k, N), (M, N), *shape))


def near(found, expected):
    return np.abs(found.copy_to_host().reshape(expected.shape) - expected).max() < (
        1e-11 if expected.dtype == np.float64 else 1e-3
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("tile", [TILE, LARGE], ids=["small tiles", "large tiles"])
def test_transposes_and_accumulation(dtype, trans_a, trans_b, tile):
    a, b, c = problem(dtype, 13)
    out = upload(c)
    gemm(
        trans_a,
        trans_b,
        0.5,
        upload(a.T if trans_a else a),
        upload(b.T if trans_b else b),
        2,
        out,
        tile=tile,
    )
    assert near(out, dtype(0.5) * a @ b + 2 * c)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [0, 13, 600])
def test_a_source_and_a_factor_for_every_number(dtype, k):
    """Also where a long product is cut in pieces, and where there is nothing to add up."""
    a, b, c, source, scale = problem(dtype, k, (N,), (2, N))
    out, rows = upload(c), -(-M // 2)
    if SIMULATED:
        assert (k == 600) == (
            k // 256 > 1 and -(-M // TILE.rows) * -(-N // TILE.columns) < SPLIT_UNDER
        )
    a, b = (
        matrix(upload(x if k else np.zeros(1, dtype)), 0, *shape)
        for x, shape in ((a, (M, k)), (b, (k, N)))
    )
    gemm(
        False,
        False,
        1,
        a,
        b,
        3,
        out,
        StridedMatrix(upload(source), 0, M, N, 0),
        StridedMatrix(upload(scale.ravel()), 0, M, N, 0, rows_per_group=rows, group_stride=N),
    )
    exact = (
        a.array.copy_to_host().reshape(M, k) @ b.array.copy_to_host().reshape(k, N) if k else 0
    ) + 3 * source
    assert near(out, exact * scale[np.arange(M) // rows])


def test_batches_along_two_axes_and_rows_in_groups():
    """Parts of larger arrays: (2, 3) products, whose rows come by threes with a gap behind them."""
    rng = np.random.default_rng(1)
    a, b, c = (
        rng.standard_normal((2, 3, 6, 5)),
        rng.standard_normal((2, 5, 4)),
        rng.standard_normal((2, 3, 2, 20)),
    )
    expected, out = c.copy(), upload(c)
    for i in range(2):
        for j in range(3):
            expected[i, j, :, 1:13] = (a[i, j] @ b[i]).reshape(2, 12)
    gemm(
        False,
        False,
        1,
        matrix(upload(a), 0, 6, 5, batch_strides=(90, 30)),
        matrix(upload(b), 0, 5, 4, batch_strides=(20, 0)),
        0,
        matrix(out, 1, 6, 4, 4, rows_per_group=3, group_stride=20, batch_strides=(120, 40)),
        batches=(2, 3),
    )
    assert near(out, expected)


def test_copies_turn_gather_and_scale():
    a = np.arange(12.0).reshape(3, 4)
    turned, gathered, out = (
        upload(np.zeros((4, 3))),
        upload(np.zeros((2, 4))),
        upload(np.zeros((3, 4))),
    )
    copy(matrix(upload(a), 0, 3, 4).transposed, turned)
    copy(StridedMatrix(upload(a.ravel()), 0, 2, 4, 4, rows_per_group=1, group_stride=8), gathered)
    copy(upload(a), out, scale=StridedMatrix(upload(np.array([2.0])), 0, 3, 4, 0, 0))
    assert near(turned, a.T.copy()) and near(gathered, a[::2].copy()) and near(out, 2 * a)
