import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from scipy import stats

from midigen.kernels.cpu import gaussian
from tests import reference

N, V, H = 7, 5, 4
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


def problem(dtype, seed=0):
    """W, (a, b, z), v, sample."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 0.8, (H, V)).astype(dtype)
    biases = tuple(rng.normal(0, s, (N, n)).astype(dtype) for n, s in ((V, 1), (H, 1), (V, 0.7)))
    return w, biases, *(rng.normal(size=(N, V)).astype(dtype) for _ in range(2))


def frame(n, *arrays):
    return tuple(array[n].astype(np.float64) for array in arrays)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_free_energy(dtype):
    w, biases, v, _ = problem(dtype)
    out = np.empty(N)
    gaussian.free_energy(v, w, *biases, out)
    expected = [reference.gaussian_free_energy(v[n].astype(float), w.astype(float), *frame(n, *biases))
                for n in range(N)]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_the_reference_free_energy_is_the_sum_over_hidden_states():
    w, biases, v, _ = problem(np.float64)
    energies = [reference.gaussian_energy(v[0], h, w, *frame(0, *biases)) for h in reference.all_states(H)]
    total = -np.logaddexp.reduce(-np.array(energies))
    assert np.isclose(reference.gaussian_free_energy(v[0], w, *frame(0, *biases)), total, rtol=1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_contrast_is_the_difference_of_two_gradients(dtype):
    w, biases, v, sample = problem(dtype)
    weight = np.linspace(-1, 2, N).astype(dtype)
    outs, gradient = [np.empty_like(bias) for bias in biases], np.ones_like(w)
    gaussian.contrast(v, sample, w, *biases, weight, *outs, gradient)
    total = np.ones((H, V))
    for n in range(N):
        *data, data_w = reference.gaussian_free_energy_gradients(v[n], w, *frame(n, *biases))
        *model, model_w = reference.gaussian_free_energy_gradients(sample[n], w, *frame(n, *biases))
        for out, d, m in zip(outs, data, model, strict=True):
            assert np.allclose(out[n], weight[n] * (d - m), atol=10 * TOLERANCE[dtype])
        total += weight[n] * (data_w - model_w)
    assert np.allclose(gradient, total, atol=10 * TOLERANCE[dtype])


def test_the_reference_gradients_match_finite_differences_and_autograd():
    """Eq. (21): three answers, the third from HIPS autograd over the energy (19) summed over hidden states."""
    w, biases, v, _ = problem(np.float64)
    parts = (*frame(0, *biases), w)
    flat = np.concatenate([part.ravel() for part in parts])
    states = reference.all_states(H)

    def unpack(x):
        return x[V + H + V:].reshape(H, V), x[:V], x[V:V + H], x[V + H:V + H + V]

    def summed(x):
        w, a, b, z = unpack(x)
        energies = (0.5 * anp.sum((v[0] - a) ** 2 * anp.exp(-z)) - states @ (w @ (anp.exp(-z / 2) * v[0]))
                    - states @ b)
        return -anp.log(anp.sum(anp.exp(-energies)))

    got = np.concatenate([g.ravel() for g in reference.gaussian_free_energy_gradients(v[0], w, *frame(0, *biases))])
    numeric = reference.central_differences(lambda x: reference.gaussian_free_energy(v[0], *unpack(x)), flat)
    assert np.abs(got - numeric).max() < 1e-8
    assert np.abs(got - grad(summed)(flat)).max() < 1e-12


def mixture_cdf(value, i, w, a, b, z):
    log_weights, means, variances = reference.gaussian_mixture(w, a, b, z)
    p = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    return sum(pk * stats.norm.cdf(value, mean, np.sqrt(variances[i]))
               for pk, mean in zip(p, means[:, i], strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_gibbs_chains_reach_the_model(kernels, simulated, dtype, beta):
    """Chains from one state against the exact mixture; energies times beta are an RBM again."""
    w, biases, _, _ = problem(dtype)
    a, b, z = frame(0, *biases)
    count, sweeps = (200, 8) if simulated else (20_000, 60)
    out = np.empty((count, V), dtype)
    kernels("gaussian").gibbs_chain(np.zeros((count, V), dtype), w, *(np.repeat(bias[:1], count, 0) for bias in biases),
                                    sweeps, beta, np.uint64(3), 0, 0, out)
    # beta E has variances exp(z) / beta and the weights and hidden biases below
    scaled = np.sqrt(beta) * w.astype(float), a, beta * b, z - np.log(beta)
    for i in range(V):
        distance = stats.ks_1samp(out[:, i].astype(float), lambda x, i=i: mixture_cdf(x, i, *scaled)).statistic
        assert distance < 0.012 * np.sqrt(20_000 / count)  # one in a hundred such samples is over 0.0115


def test_normal_numbers_are_normal():
    out = np.empty(40_000, np.float32)
    gaussian.normal_row(np.uint64(9), 1, 2, out)
    assert stats.ks_1samp(out.astype(float), stats.norm.cdf).statistic < 0.008
    assert abs(np.corrcoef(out[:20_000], out[20_000:])[0, 1]) < 0.02


def test_draws_depend_on_place_not_on_company(kernels):
    gibbs_chain, (w, biases, v, _) = kernels("gaussian").gibbs_chain, problem(np.float32)
    many, one = np.empty_like(v), np.empty_like(v[3:4])
    gibbs_chain(v, w, *biases, 6, 1.0, np.uint64(5), 0, 100, many)
    gibbs_chain(v[3:4], w, *(bias[3:4] for bias in biases), 6, 1.0, np.uint64(5), 0, 103, one)
    assert np.allclose(many[3], one[0], atol=1e-6)
    again = np.empty_like(v)
    gibbs_chain(v, w, *biases, 6, 1.0, np.uint64(6), 0, 100, again)
    assert not np.allclose(again, many, atol=0.1)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("spread", [0.8, 6.0])
def test_pseudo_log_likelihood(dtype, spread):
    """Against the mixture over all hidden states; also where single weights move the means by many deviations."""
    w, biases, v, _ = problem(dtype)
    w *= dtype(spread / 0.8)
    out = np.empty(N)
    gaussian.pseudo_log_likelihood(v, w, *biases, out)
    for n in range(N):
        expected = sum(reference.gaussian_conditional_log_density(v[n].astype(float), i, w.astype(float),
                                                                  *frame(n, *biases)) for i in range(V))
        assert np.isclose(out[n], expected, rtol=1e-6 if dtype is np.float64 else 1e-4)


def test_pseudo_log_likelihood_survives_large_weights():
    rng = np.random.default_rng(0)
    w = rng.normal(0, 60, (8, 3))
    v, a, b, z = np.ones((1, 3)), rng.normal(size=(1, 3)), rng.normal(size=(1, 8)), np.full((1, 3), -2.0)
    out = np.empty(1)
    gaussian.pseudo_log_likelihood(v, w, a, b, z, out)
    expected = sum(reference.gaussian_conditional_log_density(v[0], i, w, a[0], b[0], z[0]) for i in range(3))
    assert np.isclose(out[0], expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_corrupt_adds_noise_of_the_deviation_asked_for(dtype):
    x = np.full((4000, V), 0.5, dtype)
    gaussian.corrupt(np.uint64(1), 0.2, 0.0, x)
    assert abs(x.mean() - 0.5) < 0.01 and abs(x.std() - 0.2) < 0.01
    gaussian.corrupt(np.uint64(1), 0.0, 0.25, x)
    assert abs((x == 0).mean() - 0.25) < 0.02
