"""Gibbs chains of both kinds of RBM in one launch against the CPU's."""

from importlib import import_module

import numpy as np
import pytest

from midigen.kernels.cuda import gibbs, rbm
from midigen.kernels.cuda.blas import matrix
from midigen.kernels.cuda.jit import SHARED, Tile, TooWideError
from midigen.kernels.cuda.memory import upload

KEY = np.uint64(2**63 + 5)
on_both_kinds = pytest.mark.parametrize("kind", ["rbm", "gaussian"])


def problem(kind, count, visible, hidden, groups=()):
    """v, W, a, b, and z of Gaussian units or groups, in float64, which gives all the same draws."""
    rng = np.random.default_rng(3)
    arrays = [
        rng.normal(0, 0.7, shape)
        for shape in (
            (count, visible),
            (hidden, visible),
            (count, visible),
            (count, hidden),
            (count, visible),
        )
    ]
    if kind == "gaussian":
        return arrays
    return [*arrays[:4], np.array(groups, np.int64).reshape(-1, 2)]


def on_the_cpu(kind, arrays, *settings):
    out = np.empty_like(arrays[0])
    import_module(f"midigen.kernels.cpu.{kind}").gibbs_chain(*arrays, *settings, out)
    return out


@pytest.mark.cuda
@on_both_kinds
@pytest.mark.parametrize(
    "count, visible, hidden", [(9, 6, 5), (19, 4, 8), (3, 2, 3), (1, 9, 1), (2, 5, 0)]
)
def test_chains_are_the_cpu_s(kind, count, visible, hidden):
    """Layers that are no multiple of 4 or less than it, rows that fill no block; out is v."""
    arrays, settings = problem(kind, count, visible, hidden), (3, 0.7, KEY, 2, 2**31)
    v, *others = (upload(x) for x in arrays)
    import_module(f"midigen.kernels.cuda.{kind}").gibbs_chain(v, *others, *settings, v)
    np.testing.assert_allclose(v.copy_to_host(), on_the_cpu(kind, arrays, *settings), atol=1e-5)


@pytest.mark.cuda
@pytest.mark.parametrize(
    "count, visible, hidden, groups",
    [
        (19, 11, 5, [(0, 4), (4, 9)]),
        (3, 6, 3, [(1, 6)]),
        (2, 9, 0, [(2, 3), (8, 9)]),
        (5, 70, 4, [(0, 41), (50, 70)]),
    ],
)
def test_groups_of_chains_are_the_cpu_s(count, visible, hidden, groups):
    """Groups with their first column in each quarter of a row, of one column, wider than a block.

    The simulator's threads take turns in an order that shows a barrier that is missing.
    """
    arrays, settings = problem("rbm", count, visible, hidden, groups), (3, 0.7, KEY, 2, 2**31)
    v, *others = (upload(x) for x in arrays)
    rbm.gibbs_chain(v, *others, *settings, v)
    found = v.copy_to_host()
    np.testing.assert_array_equal(found, on_the_cpu("rbm", arrays, *settings))
    for first, stop in groups:
        assert set(found[:, first:stop].sum(axis=1)) <= {0, 1}


@pytest.mark.cuda
def test_rows_of_several_threads_have_their_own_groups():
    """Many rows in a block, of which a thread has several."""
    arrays, settings = problem("rbm", 37, 13, 5, [(0, 5), (6, 13)]), (2, 1.0, KEY, 0, 7)
    v, *others = (upload(x) for x in arrays)
    rbm.gibbs_chain(v, *others, *settings, v, Tile(threads=4, chains=8, blocks=1))
    np.testing.assert_array_equal(v.copy_to_host(), on_the_cpu("rbm", arrays, *settings))


@pytest.mark.cuda
def test_without_groups_nothing_is_compiled_for_them():
    assert gibbs.has_groups(upload(np.array([[0, 2]])))
    assert not gibbs.has_groups(upload(np.zeros((0, 2), np.int64))) and not gibbs.has_groups(None)


@pytest.mark.cuda
@on_both_kinds
def test_rows_belong_to_series_and_lie_anywhere(kind):
    """Every matrix is a part of a wider one; every series has a key and a first row."""
    n_series, frames, visible, hidden = 2, 3, 6, 5
    arrays = problem(kind, n_series * frames, visible, hidden)
    groups = () if kind == "gaussian" else (np.array([[1, 4]]),)
    arrays = arrays[: len(arrays) - len(groups)]
    wide = np.concatenate([arrays[0], *arrays[2:], np.full_like(arrays[0], np.nan)], axis=1)
    device, width, at, places = upload(wide), wide.shape[1], 0, []
    for n in (x.shape[1] for x in (arrays[0], *arrays[2:], arrays[0])):
        places.append(matrix(device, at, len(wide), n, width))
        at += n
    theta = upload(np.concatenate([[np.nan], arrays[1].ravel()]))
    keys, rows = np.array([7, KEY], np.uint64), np.array([40, 2**33])
    import_module(f"midigen.kernels.cuda.{kind}").gibbs_chain(
        places[0],
        matrix(theta, 1, hidden, visible),
        *places[1:-1],
        *(upload(x) for x in groups),
        3,
        1.0,
        upload(keys),
        1,
        upload(rows),
        places[-1],
    )
    found = device.copy_to_host()
    np.testing.assert_array_equal(found[:, :-visible], wide[:, :-visible])
    for series in range(n_series):
        own = [x if x is arrays[1] else np.ascontiguousarray(x[series::n_series]) for x in arrays]
        expected = on_the_cpu(kind, [*own, *groups], 3, 1.0, keys[series], 1, rows[series])
        np.testing.assert_allclose(found[series::n_series, -visible:], expected, atol=1e-5)


@pytest.mark.cuda
def test_at_beta_0_units_are_independent():
    arrays, settings = problem("rbm", 3, 6, 5), (1, 0.0, KEY, 0, 0)
    v, *others = (upload(x) for x in arrays)
    rbm.gibbs_chain(v, *others, *settings, v)
    np.testing.assert_array_equal(v.copy_to_host(), on_the_cpu("rbm", arrays, *settings))


@pytest.mark.parametrize(
    "count, row_bytes, rows",
    [(10_000, 1000, 16), (10_000, 4000, 8), (10_000, 48_000, 1), (1000, 1000, 4), (5, 1000, 1)],
)
def test_blocks_fit_into_shared_memory_and_are_many(count, row_bytes, rows):
    launched = {}

    class Kernel:
        def __init__(self, real, each, most):
            self.each = each

        def __getitem__(self, configuration):
            launched.update(
                zip(("blocks", "threads", "stream", "bytes"), configuration, strict=True)
            )
            return lambda count, groups: launched.update(rows=groups * self.each)

    gibbs.launch(Kernel, (np.float32,), count, 150, row_bytes, (), Tile())
    assert launched["rows"] == rows and launched["bytes"] == rows * row_bytes <= SHARED
    assert launched["blocks"] * rows >= count > (launched["blocks"] - 1) * rows


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(TooWideError, match="shared memory"):
        gibbs.launch(None, (np.float32,), 1, 20_000, 80_000, (), Tile())
