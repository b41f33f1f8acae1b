"""Copy gates against their planes written out, and finite differences.  Eq. (27)-(28)."""

import numpy as np
import pytest

from tests import reference

N, V, S, K = 6, 11, 3, 9
PART = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
# a source may have a gate for each part, one for several, none; two sources may share one
GATE = np.array([[0, 1, -1], [2, 2, 2], [1, -1, 3]])
LINES = np.array([(0, 4), (5, 9)])
INTERVAL_GATES = {"both lines": np.array([4, 4]), "one line": np.array([-1, 5])}
INTERVALS = np.array([-2, 0, 1])
LAST = np.array([[0, 3, -1, 2, 1, -1], [8, 5, 6, -1, 7, 5]])
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-6}
on_dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
on_interval_gates = pytest.mark.parametrize(
    "interval_gates", INTERVAL_GATES.values(), ids=INTERVAL_GATES
)


def problem(dtype):
    """g (N, K), rows (S, N, V), a (N, V)."""
    rng = np.random.default_rng(0)
    rows = rng.random((S, N, V)) * (rng.random((S, N, V)) < 0.4)
    return (x.astype(dtype) for x in (rng.normal(size=(N, K)), rows, rng.normal(size=(N, V))))


def planes(rows, interval_gates):
    """phi (N, K, V)."""
    tables = PART, GATE, LINES, interval_gates, INTERVALS
    return np.array(
        [reference.gate_planes(K, rows[:, n], *tables, LAST[:, n]) for n in range(N)], np.float64
    )


@on_dtypes
@on_interval_gates
def test_gates_let_their_planes_through(kernels, dtype, interval_gates):
    g, rows, a = problem(dtype)
    expected = a + np.einsum("nk,nki->ni", g.astype(np.float64), planes(rows, interval_gates))
    tables = PART, GATE, LINES, interval_gates, INTERVALS, LAST
    kernels("gates").open_gates(g, rows, *tables, a)
    assert np.abs(a - expected).max() < TOLERANCE[dtype]


@on_dtypes
@on_interval_gates
def test_the_gradient_is_what_the_planes_see(kernels, dtype, interval_gates):
    _, rows, da = problem(dtype)
    out = np.full((N, K), np.nan, dtype)
    tables = PART, GATE, LINES, interval_gates, INTERVALS, LAST
    kernels("gates").gate_gradient(da, rows, *tables, out)
    expected = np.einsum("ni,nki->nk", da.astype(np.float64), planes(rows, interval_gates))
    assert np.abs(out - expected).max() < TOLERANCE[dtype]


@on_interval_gates
def test_the_gradient_is_that_of_finite_differences(kernels, interval_gates):
    """Of sum cos(a'), a' being what `open_gates` makes."""
    g, rows, a = problem(np.float64)
    gates, tables = kernels("gates"), (PART, GATE, LINES, interval_gates, INTERVALS, LAST)

    def opened(flat):
        biases = a.copy()
        gates.open_gates(flat.reshape(N, K), rows, *tables, biases)
        return biases

    out = np.empty((N, K))
    gates.gate_gradient(-np.sin(opened(g.ravel())), rows, *tables, out)
    numeric = reference.central_differences(lambda x: np.cos(opened(x)).sum(), g.ravel())
    assert np.abs(out.ravel() - numeric).max() < 1e-8 and np.abs(numeric).max() > 0.1


@on_dtypes
def test_matrices_may_be_columns_of_wider_ones(kernels, dtype):
    """As the gates and biases are parts of what the network gives."""
    g, rows, a = problem(dtype)
    tables = PART, GATE, LINES, INTERVAL_GATES["both lines"], INTERVALS, LAST
    u = np.concatenate([np.full((N, 2), 5, dtype), a, g], axis=1)
    du = np.concatenate([np.full((N, 2), 5, dtype), a, np.empty_like(g)], axis=1)
    kernels("gates").gate_gradient(du[:, 2 : 2 + V], rows, *tables, du[:, 2 + V :])
    kernels("gates").open_gates(u[:, 2 + V :], rows, *tables, u[:, 2 : 2 + V])
    gradient = np.empty_like(g)
    kernels("gates").gate_gradient(a, rows, *tables, gradient)
    kernels("gates").open_gates(g, rows, *tables, a)
    for got, expected in ((u, (a, g)), (du, (du[:, 2 : 2 + V], gradient))):
        assert (got[:, :2] == 5).all()
        np.testing.assert_allclose(got[:, 2:], np.concatenate(expected, axis=1), rtol=1e-6)


@on_dtypes
@pytest.mark.parametrize("first, stop", [(0, V), (3, 7)])
def test_the_highest_note_of_a_line(kernels, dtype, first, stop):
    v = (np.random.default_rng(3).random((20, V)) < 0.15).astype(dtype) * dtype(0.25)
    out = np.full(20, 99)
    kernels("gates").last_pitch(v, first, stop, out)
    expected = [reference.latest_notes(row[None], 1, [(first, stop)])[0][1] for row in v]
    np.testing.assert_array_equal(out, expected)
    assert -1 in out and out.max() > first


@on_dtypes
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("behind", [0, 3])
def test_lines_are_recalled(kernels, dtype, count, behind):
    """Each from its own source, into columns that lie between those of others."""
    _, rows, _ = problem(dtype)
    first, widths = 2, np.diff(LINES[:count])[:, 0]
    x = np.full((N, first + widths.sum() + behind), 7, dtype)
    expected, at = x.copy(), first
    for line, (low, high) in enumerate(LINES[:count]):
        expected[:, at : at + high - low] = rows[line, :, low:high]
        at += high - low
    kernels("gates").recall(rows, LINES[:count], first, x)
    np.testing.assert_array_equal(x, expected)
