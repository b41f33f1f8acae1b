import numpy as np
import pytest

from midigen.kernels.cpu import rbm as on_cpu
from tests import SIMULATED, reference

N, V, H = 9, 6, 5
NONE = np.zeros((0, 2), np.int64)  # groups
TOLERANCE = {np.float64: 1e-12, np.float32: 3e-6}


def problem(dtype, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 0.8, (H, V)).astype(dtype)
    a, b = rng.normal(size=(N, V)).astype(dtype), rng.normal(size=(N, H)).astype(dtype)
    v, sample = ((rng.random((N, V)) < 0.5).astype(dtype) for _ in range(2))
    return w, a, b, v, sample


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_free_energy(kernels, dtype):
    rbm = kernels("rbm")
    w, a, b, v, _ = problem(dtype)
    out = np.empty(N)
    rbm.free_energy(v, w, a, b, out)
    expected = [
        reference.free_energy(*(x.astype(np.float64) for x in (v[n], w, a[n], b[n])))
        for n in range(N)
    ]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [H, 1200])
def test_pair_energies(kernels, dtype, hidden):
    """Of every state in every RBM; also of so many units that a product would overflow."""
    rng = np.random.default_rng(0)
    w = rng.normal(0, 0.05 if hidden > H else 2, (hidden, V)).astype(dtype)
    a, b = rng.normal(size=(3, V)).astype(dtype), rng.normal(size=(3, hidden)).astype(dtype)
    v, out = (rng.random((4, V)) < 0.5).astype(dtype), np.empty((3, 4))
    kernels("rbm").pair_energies(v, w, a, b, out)
    wide = w.astype(np.float64)
    expected = [
        [reference.free_energy(state, wide, an, bn) for state in v]
        for an, bn in zip(a, b, strict=True)
    ]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_pseudo_log_likelihood(kernels, dtype):
    w, a, b, v, _ = problem(dtype)
    out = np.empty(N)
    kernels("rbm").pseudo_log_likelihood(v, w, a, b, NONE, out)
    expected = [
        reference.pseudo_log_likelihood(*(x.astype(np.float64) for x in (v[n], w, a[n], b[n])))
        for n in range(N)
    ]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_pseudo_log_likelihood_survives_many_and_large_weights(kernels):
    rng = np.random.default_rng(0)
    w, v = rng.normal(0, 6, (70, V)), np.ones((1, V))
    a, b = rng.normal(size=(1, V)), rng.normal(size=(1, 70))
    out = np.empty(1)
    kernels("rbm").pseudo_log_likelihood(v, w, a, b, NONE, out)
    assert np.isclose(out[0], reference.pseudo_log_likelihood(v[0], w, a[0], b[0]), rtol=1e-9)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_contrast_is_the_difference_of_two_gradients(kernels, dtype):
    rbm = kernels("rbm")
    w, a, b, v, sample = problem(dtype)
    weight = np.linspace(-1, 2, N).astype(dtype)
    out_a, out_b, gradient = np.empty_like(a), np.empty_like(b), np.ones_like(w)
    rbm.contrast(v, sample, w, a, b, weight, out_a, out_b, gradient)
    total = np.ones((H, V))
    for n in range(N):
        data = reference.free_energy_gradients(v[n], w, a[n], b[n])
        model = reference.free_energy_gradients(sample[n], w, a[n], b[n])
        assert np.allclose(out_a[n], weight[n] * (data[0] - model[0]), atol=TOLERANCE[dtype])
        assert np.allclose(out_b[n], weight[n] * (data[1] - model[1]), atol=TOLERANCE[dtype])
        total += weight[n] * (data[2] - model[2])
    assert np.allclose(gradient, total, atol=10 * TOLERANCE[dtype])


def test_the_reference_gradients_match_finite_differences():
    w, a, b, v, _ = problem(np.float64)
    flat = np.concatenate([a[0], b[0], w.ravel()])

    def loss(x):
        return reference.negative_log_likelihood(
            v[0], x[V + H :].reshape(H, V), x[:V], x[V : V + H]
        )

    got = np.concatenate(
        [g.ravel() for g in reference.negative_log_likelihood_gradients(v[0], w, a[0], b[0])]
    )
    assert np.abs(got - reference.central_differences(loss, flat)).max() < 1e-7


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_gibbs_chains_reach_the_model(kernels, simulated, dtype, beta):
    """Chains from one state against the exact distribution at that inverse temperature."""
    w, a, b, _, _ = problem(dtype)
    count, sweeps = (200, 8) if simulated else (20_000, 40)
    out = np.empty((count, V), dtype)
    kernels("rbm").gibbs_chain(
        np.zeros((count, V), dtype),
        w,
        np.repeat(a[:1], count, 0),
        np.repeat(b[:1], count, 0),
        NONE,
        sweeps,
        beta,
        np.uint64(11),
        0,
        0,
        out,
    )
    states = reference.all_states(V)
    log_p = np.array(
        [
            -reference.free_energy(s, *(beta * x.astype(np.float64) for x in (w, a[0], b[0])))
            for s in states
        ]
    )
    p = np.exp(log_p - np.logaddexp.reduce(log_p))
    index = (out @ (2 ** np.arange(V)[::-1])).astype(int)
    share = np.bincount(index, minlength=2**V) / count
    variation = 0.5 * np.abs(share - p).sum()
    assert variation < 0.04 * np.sqrt(20_000 / count)  # half of it is the noise


def test_draws_depend_on_place_not_on_company(kernels):
    """A row alone, one in the middle of many, and a chain run in two parts give equal states."""
    rbm = kernels("rbm")
    w, a, b, v, _ = problem(np.float32)
    many, one = np.empty_like(v), np.empty_like(v[3:4])
    rbm.gibbs_chain(v, w, a, b, NONE, 6, 1.0, np.uint64(5), 0, 100, many)
    rbm.gibbs_chain(v[3:4], w, a[3:4], b[3:4], NONE, 6, 1.0, np.uint64(5), 0, 103, one)
    assert np.array_equal(many[3], one[0])
    half, whole = np.empty_like(v), np.empty_like(v)
    rbm.gibbs_chain(v, w, a, b, NONE, 2, 1.0, np.uint64(5), 0, 100, half)
    rbm.gibbs_chain(half, w, a, b, NONE, 4, 1.0, np.uint64(5), 2, 100, whole)
    assert np.array_equal(whole, many)
    rbm.gibbs_chain(v, w, a, b, NONE, 6, 1.0, np.uint64(6), 0, 100, half)
    assert not np.array_equal(half, many)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_corrupt_drops_and_flips_as_often_as_asked(kernels, dtype):
    count = 80 if SIMULATED else 4000  # the simulator takes milliseconds for each row
    rbm = kernels("rbm")
    x = np.ones((count, V), dtype)
    rbm.corrupt(np.uint64(1), 0.0, 0.25, x, 0)
    assert set(np.unique(x)) == {0, dtype(1 / 0.75)}
    assert abs((x == 0).mean() - 0.25) < 2 / np.sqrt(x.size)
    x = np.zeros((count, V), dtype)
    rbm.corrupt(np.uint64(1), 0.1, 0.0, x, 0)
    assert set(np.unique(x)) == {0, 1} and abs(x.mean() - 0.1) < 1 / np.sqrt(x.size)
    x = np.zeros((count, V), dtype)  # what is dropped has nothing to do with what was flipped
    rbm.corrupt(np.uint64(1), 0.5, 0.5, x, 0)
    assert abs((x > 0).mean() - 0.25) < 1.5 / np.sqrt(x.size)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_backend_draws_the_same_bits(kernels, dtype):
    """Draws from (key, sweep, row, column) alone, of fields that rounding does not reach."""
    rng = np.random.default_rng(1)
    rbm, field, key = (
        kernels("rbm"),
        rng.normal(0, 2, (4, 11)).astype(dtype),
        np.uint64(2**63 + 2**40 + 7),
    )
    got, expected = np.empty_like(field), np.empty_like(field)
    rbm.sample_bernoulli(key, 3, 2**31, field, np.empty(14, np.float32), got)
    on_cpu.sample_bernoulli(key, 3, 2**31, field, np.empty(14, np.float32), expected)
    assert np.array_equal(got, expected) and 0 < got.mean() < 1


@pytest.mark.parametrize("noise, dropout", [(0.2, 0.0), (0.0, 0.3), (0.2, 0.3)])
def test_every_backend_corrupts_the_same_notes(kernels, noise, dropout):
    rbm, x = kernels("rbm"), (np.random.default_rng(2).random((5, 10)) < 0.5).astype(np.float32)
    got, expected = x.copy(), x.copy()
    rbm.corrupt(np.uint64(7), noise, dropout, got, 2**31)
    on_cpu.corrupt(np.uint64(7), noise, dropout, expected, 2**31)
    assert np.array_equal(got, expected) and not np.array_equal(got, x)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_hidden_probability(kernels, dtype):
    w, _, b, v, _ = problem(dtype)
    out = np.empty_like(b)
    kernels("rbm").hidden_probability(v, w, b, out)
    assert np.allclose(out, 1 / (1 + np.exp(-(v @ w.T + b))), atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_visible_probability(kernels, dtype):
    w, a, b, _, _ = problem(dtype)
    h, out = reference.sigmoid(b), np.empty_like(a)
    kernels("rbm").visible_probability(h, w, a, NONE, out)
    assert np.allclose(out, reference.sigmoid(h @ w + a), atol=TOLERANCE[dtype])
