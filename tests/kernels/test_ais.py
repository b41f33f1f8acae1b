"""Annealed importance sampling: log weights written out, exact sums, and both backends."""

import numpy as np
import pytest

from midigen.kernels.cpu import ais as on_cpu
from midigen.randomness import derive_key
from tests import reference

V, H = 11, 6
NONE = np.zeros((0, 2), np.int64)  # groups
DTYPES = [np.float32, np.float64]


@pytest.fixture
def ais(kernels):
    return kernels("ais")


def problem(count, dtype=np.float64, visible=V, hidden=H):
    """W, base, a, b of RBMs that differ."""
    rng = np.random.default_rng(20)
    return [
        rng.normal(0, 0.7, shape).astype(dtype)
        for shape in ((hidden, visible), (count, visible), (count, visible), (count, hidden))
    ]


def test_the_log_weight_is_the_growth_of_log_p(ais):
    """One move from the base to the RBM, written out."""
    w, base, a, b = problem(3)
    v, log_weight = np.empty((3, V)), np.ones(3)
    ais.draw_base(base, NONE, derive_key(0), 0, v)
    before = v.copy()
    ais.anneal(w, base, a, b, NONE, 0, 1, 1, False, derive_key(0), 0, v, log_weight)
    growth = (before * (a - base)).sum(axis=1) + (
        np.logaddexp(0, before @ w.T + b) - np.logaddexp(0, b)
    ).sum(axis=1)
    np.testing.assert_allclose(log_weight, 1 + growth)
    np.testing.assert_array_equal(v, before)


def test_moves_can_be_cut_anywhere(ais):
    arrays, key = problem(3), derive_key(1)
    whole, parts = np.zeros((3, V)), np.zeros((3, V))
    ais.draw_base(arrays[1], NONE, key, 0, whole)
    ais.draw_base(arrays[1], NONE, key, 0, parts)
    together, apart = np.zeros(3), np.zeros(3)
    ais.anneal(*arrays, NONE, 0, 20, 20, False, key, 0, whole, together)
    for first, last in ((0, 7), (7, 19), (19, 20)):
        ais.anneal(*arrays, NONE, first, last, 20, False, key, 0, parts, apart)
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_allclose(together, apart)


def test_the_base_has_its_own_means(ais, simulated):
    count = 400 if simulated else 4000
    base = np.repeat(problem(1)[1], count, axis=0)
    v = np.empty_like(base)
    ais.draw_base(base, NONE, derive_key(2), 0, v)
    np.testing.assert_allclose(
        v.mean(axis=0), reference.sigmoid(base[0]), atol=2.5 / np.sqrt(count)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_mean_weight_is_z(ais, simulated, dtype):
    """Its error is the weights' own standard error, and falls with the number of chains."""
    count, moves = (80, 20) if simulated else (4000, 20)
    w, *biases = (x.astype(np.float64) for x in problem(1, dtype))
    base, a, b = (np.repeat(x, count, axis=0).astype(dtype) for x in biases)
    v = np.empty_like(a)
    log_weight = sum(np.logaddexp(0, x.astype(np.float64)).sum(axis=1) for x in (base, b))
    ais.draw_base(base, NONE, derive_key(3), 0, v)
    ais.anneal(
        w.astype(dtype), base, a, b, NONE, 0, moves, moves, False, derive_key(3), 0, v, log_weight
    )
    weights = np.exp(log_weight - reference.log_partition(w, biases[1][0], biases[2][0]))
    error = weights.std() / np.sqrt(count)
    assert abs(weights.mean() - 1) < 3 * error < 0.3


def test_backwards_the_log_weight_falls_as_log_p_does(ais):
    """One move from the RBM to the base, written out, and two, with the state between them."""
    w, base, a, b = problem(3)
    v = (np.random.default_rng(1).random((3, V)) < 0.5).astype(np.float64)
    state, log_weight = v.copy(), np.ones(3)
    ais.anneal(w, base, a, b, NONE, 0, 1, 1, True, derive_key(0), 0, state, log_weight)

    def log_p(v, beta):
        fields = np.logaddexp(0, beta * v @ w.T + b).sum(axis=1)
        return (v * (base + beta * (a - base))).sum(axis=1) + fields

    np.testing.assert_allclose(log_weight, 1 + log_p(v, 0) - log_p(v, 1))
    np.testing.assert_array_equal(state, v)
    log_weight[:] = 0
    ais.anneal(w, base, a, b, NONE, 0, 2, 2, True, derive_key(0), 0, state, log_weight)
    expected = log_p(v, 0.5) - log_p(v, 1) + log_p(state, 0) - log_p(state, 0.5)
    np.testing.assert_allclose(log_weight, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_backwards_from_the_rbm_the_mean_weight_is_one_over_z(ais, simulated, dtype):
    """From states that are drawn from the RBM itself, of all 2^V."""
    count, moves = (80, 20) if simulated else (4000, 20)
    w, *biases = (x.astype(np.float64) for x in problem(1, dtype))
    states = (np.arange(2**V)[:, None] >> np.arange(V) & 1).astype(np.float64)
    log_p = states @ biases[1][0] + np.logaddexp(0, states @ w.T + biases[2][0]).sum(axis=1)
    log_z = reference.log_partition(w, biases[1][0], biases[2][0])
    rows = np.random.default_rng(2).choice(2**V, count, p=np.exp(log_p - log_z))
    base, a, b = (np.repeat(x, count, axis=0).astype(dtype) for x in biases)
    v, log_weight = states[rows].astype(dtype), np.zeros(count)
    moved = (0, moves, moves, True)
    ais.anneal(w.astype(dtype), base, a, b, NONE, *moved, derive_key(3), 0, v, log_weight)
    of_base = sum(np.logaddexp(0, x).sum() for x in (biases[0], biases[2]))
    weights = np.exp(log_weight - of_base + log_z)
    error = weights.std() / np.sqrt(count)
    assert abs(weights.mean() - 1) < 3 * error < 0.3
    if not simulated:  # in which there are too few to tell
        assert (of_base - log_weight).mean() > log_z + 2 * log_weight.std() / np.sqrt(count)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count, visible, hidden", [(9, 11, 6), (3, 2, 3), (1, 5, 9)])
def test_every_backend_moves_the_same_chains(ais, dtype, count, visible, hidden, backwards):
    """Layers that are no multiple of 4 or less than it, rows that fill no block, rows over 2^31."""
    arrays, found = problem(count, dtype, visible, hidden), []
    for module in (ais, on_cpu):
        v, log_weight = np.empty((count, visible), dtype), np.zeros(count)
        module.draw_base(arrays[1], NONE, derive_key(4), 2**31, v)
        module.anneal(*arrays, NONE, 0, 3, 5, backwards, derive_key(4), 2**31, v, log_weight)
        found.append((v, log_weight))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(
        found[0][1], found[1][1], atol=1e-12 if dtype is np.float64 else 2e-6
    )
