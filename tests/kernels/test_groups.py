"""Groups of units of which at most one is on, or at most K: draws, conditionals, annealing.

Eq. (29), (33).
"""

import numpy as np
import pytest

from midigen.kernels.cpu import ais as ais_on_cpu
from midigen.kernels.cpu import rbm as on_cpu
from tests import reference

N, V, H = 9, 9, 5
KEY = 2**63 + 2**40 + 7
TOLERANCE = {np.float64: 1e-12, np.float32: 3e-6}
GROUPS = {
    "one": [(2, 6)],
    "ends": [(0, 3), (5, 9)],
    "side by side": [(1, 4), (4, 6), (6, 7)],
    "all": [(0, 9)],
}
LIMITS = {
    "at most two": [(2, 7, 2)],
    "one, and at most three": [(0, 3, 1), (3, 9, 3)],
    "as many as there are": [(1, 4, 3), (4, 9, 8)],
}
on_groups = pytest.mark.parametrize(
    "groups", [np.array(g) for g in (GROUPS | LIMITS).values()], ids=GROUPS | LIMITS
)
on_single_groups = pytest.mark.parametrize(
    "groups", [np.array(g) for g in GROUPS.values()], ids=GROUPS
)
on_dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def problem(dtype, groups, count=N, seed=0):
    """W, a, b, and states v that the groups allow, in which some groups have a note."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 0.8, (H, V)).astype(dtype)
    a, b = rng.normal(size=(count, V)).astype(dtype), rng.normal(size=(count, H)).astype(dtype)
    states = reference.allowed_states(V, groups)
    return w, a, b, states[rng.integers(0, len(states), count)].astype(dtype)


def is_allowed(v, groups):
    return all(reference.is_allowed(row, groups) for row in v) and set(np.unique(v)) <= {0, 1}


@on_groups
@on_dtypes
def test_draws_are_the_reference_s(kernels, dtype, groups):
    """Of (key, sweep, row, first column) alone; columns of no group are left as they were."""
    field = np.random.default_rng(1).normal(0, 2, (40, V)).astype(dtype)
    out = np.full_like(field, 7)
    kernels("rbm").sample_groups(np.uint64(KEY), 3, 2**31, field, groups, out)
    free = reference.alone(V, groups)
    assert (out[:, free] == 7).all()
    for n, row in enumerate(out):
        uniforms = reference.uniforms(KEY, 3, 2**31 + n, V)
        expected = reference.visible_draw(field[n].astype(np.float64), groups, uniforms)
        expected[free] = 7
        np.testing.assert_array_equal(row, expected)


@on_dtypes
def test_fields_of_any_size_turn_on_one_unit_at_most(kernels, dtype):
    """The largest by far is certain, below 0 none is; nothing overflows."""
    field = np.array(
        [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [90, 200, 199.9], [3e38, 0, 0], [-90, -95, -1e3]],
        dtype,
    )
    out = np.empty_like(field)
    kernels("rbm").sample_groups(np.uint64(1), 0, 0, field, np.array([(0, 3)]), out)
    np.testing.assert_array_equal(out[[0, 1, 3, 4]], np.eye(3)[[0, 0, 0, 0]] * [[1], [0], [1], [0]])
    assert out[2].sum() == 1 and out[2, 0] == 0


@on_dtypes
@pytest.mark.parametrize("size", [200.0, -200.0])
def test_a_limit_holds_whatever_the_fields(kernels, dtype, size):
    field = size + np.random.default_rng(0).normal(size=(50, V)).astype(dtype)
    out = np.empty_like(field)
    groups = np.array([(0, V, 4)])
    kernels("rbm").sample_groups(np.uint64(1), 0, 0, field, groups, out)
    assert (out.sum(axis=1) == (4 if size > 0 else 0)).all()


@on_groups
@on_dtypes
def test_columns_of_no_group_are_drawn_as_ever(kernels, dtype, groups):
    """The first sweep: those behind it see other notes."""
    w, a, b, v = problem(dtype, groups)
    grouped, plain = np.empty_like(v), np.empty_like(v)
    settings = 1, 1.0, np.uint64(KEY), 4, 100
    kernels("rbm").gibbs_chain(v, w, a, b, groups, *settings, grouped)
    kernels("rbm").gibbs_chain(v, w, a, b, np.zeros((0, 2), np.int64), *settings, plain)
    free = reference.alone(V, groups)
    np.testing.assert_array_equal(grouped[:, free], plain[:, free])
    assert is_allowed(grouped, groups)


@on_groups
@on_dtypes
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_chains_reach_the_model(kernels, simulated, dtype, beta, groups):
    """Chains from silence against the exact distribution at that inverse temperature."""
    w, a, b, _ = problem(dtype, groups, 1)
    count, sweeps = (200, 8) if simulated else (20_000, 40)
    out = np.empty((count, V), dtype)
    kernels("rbm").gibbs_chain(
        np.zeros((count, V), dtype),
        w,
        np.repeat(a, count, 0),
        np.repeat(b, count, 0),
        groups,
        sweeps,
        beta,
        np.uint64(11),
        0,
        0,
        out,
    )
    assert is_allowed(out, groups)
    states = reference.allowed_states(V, groups)
    scaled = [beta * x.astype(np.float64) for x in (w, a[0], b[0])]
    log_p = np.array([-reference.free_energy(s, *scaled) for s in states])
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    weights = 2 ** np.arange(V)
    shares = np.bincount((out @ weights).astype(int), minlength=2**V) / count
    variation = 0.5 * np.abs(shares[(states @ weights).astype(int)] - p).sum()
    # half of it is the noise: each state's share has the deviation sqrt(p / count), |x| 0.8 of it
    assert variation < 0.8 * np.sqrt(p / count).sum()


@on_groups
def test_every_backend_draws_the_same_chains(kernels, groups):
    w, a, b, v = problem(np.float64, groups, 19)
    got, expected = np.empty_like(v), np.empty_like(v)
    kernels("rbm").gibbs_chain(v, w, a, b, groups, 6, 0.7, np.uint64(KEY), 2, 2**31, got)
    on_cpu.gibbs_chain(v, w, a, b, groups, 6, 0.7, np.uint64(KEY), 2, 2**31, expected)
    np.testing.assert_array_equal(got, expected)
    assert 0 < got.mean() < 1


@on_single_groups
@on_dtypes
def test_visible_probability(kernels, dtype, groups):
    w, a, b, _ = problem(dtype, groups)
    h, out = reference.sigmoid(b), np.empty_like(a)
    kernels("rbm").visible_probability(h, w, a, groups, out)
    expected = [reference.visible_probability(field, groups) for field in h @ w + a]
    assert np.allclose(out, expected, atol=TOLERANCE[dtype])


@on_single_groups
@on_dtypes
def test_pseudo_log_likelihood(kernels, dtype, groups):
    w, a, b, v = problem(dtype, groups)
    out = np.empty(N)
    kernels("rbm").pseudo_log_likelihood(v, w, a, b, groups, out)
    wide = [x.astype(np.float64) for x in (v, a, b)]
    expected = [
        reference.pseudo_log_likelihood(vn, w.astype(np.float64), an, bn, groups)
        for vn, an, bn in zip(*wide, strict=True)
    ]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_pseudo_log_likelihood_survives_many_and_large_weights(kernels):
    groups, rng = np.array([(1, 7)]), np.random.default_rng(0)
    w, v = rng.normal(0, 7, (70, V)), np.zeros((2, V))
    v[0, 3] = v[:, 8] = 1
    a, b, out = rng.normal(size=(2, V)), rng.normal(size=(2, 70)), np.empty(2)
    kernels("rbm").pseudo_log_likelihood(v, w, a, b, groups, out)
    expected = [reference.pseudo_log_likelihood(v[n], w, a[n], b[n], groups) for n in range(2)]
    assert np.allclose(out, expected, rtol=1e-9)


@on_groups
def test_the_base_has_its_own_means(kernels, simulated, groups):
    count = 400 if simulated else 4000
    base = np.repeat(problem(np.float64, groups, 1)[1], count, axis=0)
    v = np.empty_like(base)
    kernels("ais").draw_base(base, groups, np.uint64(KEY), 0, v)
    assert is_allowed(v, groups)
    states = reference.allowed_states(V, groups)
    p = np.exp(states @ base[0])
    expected = p @ states / p.sum()
    np.testing.assert_allclose(v.mean(axis=0), expected, atol=2.5 / np.sqrt(count))


@on_groups
@on_dtypes
def test_the_mean_weight_of_annealing_is_z(kernels, simulated, dtype, groups):
    """Its error is the weights' own standard error, and falls with the number of chains."""
    count, moves = (80, 10) if simulated else (4000, 20)
    ais, key = kernels("ais"), np.uint64(KEY)
    w, a, b, _ = problem(dtype, groups, 1)
    base = problem(dtype, groups, 1, seed=1)[1]
    base_z = reference.log_partition(
        np.zeros((H, V)), base[0].astype(np.float64), b[0].astype(np.float64), groups
    )
    log_weight, v = np.full(count, base_z), np.empty((count, V), dtype)
    bases, a_rows, b_rows = (np.repeat(x, count, axis=0) for x in (base, a, b))
    ais.draw_base(bases, groups, key, 0, v)
    ais.anneal(w, bases, a_rows, b_rows, groups, 0, moves, moves, False, key, 0, v, log_weight)
    assert is_allowed(v, groups)
    exact = reference.log_partition(*(x.astype(np.float64) for x in (w, a[0], b[0])), groups)
    weights = np.exp(log_weight - exact)
    error = weights.std() / np.sqrt(count)
    assert abs(weights.mean() - 1) < 3 * error < 0.3


@on_groups
def test_every_backend_anneals_the_same_chains(kernels, groups):
    w, a, b, _ = problem(np.float64, groups)
    base, found = problem(np.float64, groups, seed=1)[1], []
    for module in (kernels("ais"), ais_on_cpu):
        v, log_weight = np.empty((N, V)), np.zeros(N)
        module.draw_base(base, groups, np.uint64(4), 2**31, v)
        module.anneal(w, base, a, b, groups, 0, 3, 5, False, np.uint64(4), 2**31, v, log_weight)
        found.append((v, log_weight))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-12)
