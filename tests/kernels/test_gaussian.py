import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from scipy import stats

from midigen.kernels.cpu import gaussian
from tests import SIMULATED, reference
from tests.kernels.conftest import OnDevice

N, V, H = 7, 5, 4
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}
DRAWS = 800 if SIMULATED else 40_000  # the simulator takes a millisecond for each


def problem(dtype, seed=0):
    """W, (a, b, z), v, sample."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 0.8, (H, V)).astype(dtype)
    biases = tuple(rng.normal(0, s, (N, n)).astype(dtype) for n, s in ((V, 1), (H, 1), (V, 0.7)))
    return w, biases, *(rng.normal(size=(N, V)).astype(dtype) for _ in range(2))


def frame(n, *arrays):
    return tuple(array[n].astype(np.float64) for array in arrays)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_free_energy(kernels, dtype):
    w, biases, v, _ = problem(dtype)
    out = np.empty(N)
    kernels("gaussian").free_energy(v, w, *biases, out)
    expected = [
        reference.gaussian_free_energy(v[n].astype(float), w.astype(float), *frame(n, *biases))
        for n in range(N)
    ]
    assert np.allclose(out, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_the_reference_free_energy_is_the_sum_over_hidden_states():
    w, biases, v, _ = problem(np.float64)
    energies = [
        reference.gaussian_energy(v[0], h, w, *frame(0, *biases)) for h in reference.all_states(H)
    ]
    total = -np.logaddexp.reduce(-np.array(energies))
    assert np.isclose(
        reference.gaussian_free_energy(v[0], w, *frame(0, *biases)), total, rtol=1e-12
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_contrast_is_the_difference_of_two_gradients(kernels, dtype):
    w, biases, v, sample = problem(dtype)
    weight = np.linspace(-1, 2, N).astype(dtype)
    outs, gradient = [np.full_like(bias, np.nan) for bias in biases], np.ones_like(w)
    kernels("gaussian").contrast(v, sample, w, *biases, weight, *outs, gradient)
    total = np.ones((H, V))
    for n in range(N):
        *data, data_w = reference.gaussian_free_energy_gradients(v[n], w, *frame(n, *biases))
        *model, model_w = reference.gaussian_free_energy_gradients(sample[n], w, *frame(n, *biases))
        for out, d, m in zip(outs, data, model, strict=True):
            assert np.allclose(out[n], weight[n] * (d - m), atol=10 * TOLERANCE[dtype])
        total += weight[n] * (data_w - model_w)
    assert np.allclose(gradient, total, atol=10 * TOLERANCE[dtype])


def test_the_reference_gradients_match_finite_differences_and_autograd():
    """Eq. (21) three times: the third is HIPS autograd over (19), summed over hidden states."""
    w, biases, v, _ = problem(np.float64)
    parts = (*frame(0, *biases), w)
    flat = np.concatenate([part.ravel() for part in parts])
    states = reference.all_states(H)

    def unpack(x):
        return x[V + H + V :].reshape(H, V), x[:V], x[V : V + H], x[V + H : V + H + V]

    def summed(x):
        w, a, b, z = unpack(x)
        energies = (
            0.5 * anp.sum((v[0] - a) ** 2 * anp.exp(-z))
            - states @ (w @ (anp.exp(-z / 2) * v[0]))
            - states @ b
        )
        return -anp.log(anp.sum(anp.exp(-energies)))

    got = np.concatenate(
        [g.ravel() for g in reference.gaussian_free_energy_gradients(v[0], w, *frame(0, *biases))]
    )
    numeric = reference.central_differences(
        lambda x: reference.gaussian_free_energy(v[0], *unpack(x)), flat
    )
    assert np.abs(got - numeric).max() < 1e-8
    assert np.abs(got - grad(summed)(flat)).max() < 1e-12


def mixture_cdf(value, i, w, a, b, z):
    log_weights, means, variances = reference.gaussian_mixture(w, a, b, z)
    p = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    return sum(
        pk * stats.norm.cdf(value, mean, np.sqrt(variances[i]))
        for pk, mean in zip(p, means[:, i], strict=True)
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_gibbs_chains_reach_the_model(kernels, simulated, dtype, beta):
    """Chains from one state against the exact mixture; energies times beta are an RBM again."""
    w, biases, _, _ = problem(dtype)
    a, b, z = frame(0, *biases)
    count, sweeps = (200, 8) if simulated else (20_000, 60)
    out = np.empty((count, V), dtype)
    kernels("gaussian").gibbs_chain(
        np.zeros((count, V), dtype),
        w,
        *(np.repeat(bias[:1], count, 0) for bias in biases),
        sweeps,
        beta,
        np.uint64(3),
        0,
        0,
        out,
    )
    # beta E has variances exp(z) / beta and the weights and hidden biases below
    scaled = np.sqrt(beta) * w.astype(float), a, beta * b, z - np.log(beta)
    for i in range(V):
        distance = stats.ks_1samp(
            out[:, i].astype(float), lambda x, i=i: mixture_cdf(x, i, *scaled)
        ).statistic
        assert distance < 0.012 * np.sqrt(
            20_000 / count
        )  # one in a hundred such samples is over 0.0115


def test_normal_numbers_are_normal(kernels):
    out = np.empty(DRAWS, np.float32)
    kernels("gaussian").normal_row(np.uint64(9), 1, 2, out)
    assert stats.ks_1samp(out.astype(float), stats.norm.cdf).statistic < 1.6 / np.sqrt(DRAWS)
    assert abs(np.corrcoef(out[: DRAWS // 2], out[DRAWS // 2 :])[0, 1]) < 4 / np.sqrt(DRAWS)


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
def test_pseudo_log_likelihood(kernels, dtype, spread):
    """Against the mixture over all hidden states; also where a weight moves means by deviations."""
    w, biases, v, _ = problem(dtype)
    w *= dtype(spread / 0.8)
    out = np.empty(N)
    kernels("gaussian").pseudo_log_likelihood(v, w, *biases, out)
    assert np.allclose(
        out, pseudo_log_likelihood(v, w, *biases), rtol=1e-6 if dtype is np.float64 else 1e-4
    )


def pseudo_log_likelihood(v, w, *biases):
    return [
        sum(
            reference.gaussian_conditional_log_density(
                v[n].astype(float), i, w.astype(float), *frame(n, *biases)
            )
            for i in range(v.shape[1])
        )
        for n in range(len(v))
    ]


@pytest.mark.parametrize("sign", [-1, 1])
def test_pseudo_log_likelihood_where_the_outermost_means_have_the_mass(kernels, sign):
    w, (a, b, z), v, _ = problem(np.float64)
    w, b, out = sign * 3 * np.abs(w), b + 8, np.empty(N)
    kernels("gaussian").pseudo_log_likelihood(v, w, a, b, z, out)
    assert np.allclose(out, pseudo_log_likelihood(v, w, a, b, z), rtol=0, atol=1e-6)


def test_pseudo_log_likelihood_survives_large_weights(kernels):
    rng = np.random.default_rng(0)
    w = rng.normal(0, 60, (8, 3))
    v, a, b, z = (
        np.ones((1, 3)),
        rng.normal(size=(1, 3)),
        rng.normal(size=(1, 8)),
        np.full((1, 3), -2.0),
    )
    out = np.empty(1)
    kernels("gaussian").pseudo_log_likelihood(v, w, a, b, z, out)
    assert np.allclose(out, pseudo_log_likelihood(v, w, a, b, z), rtol=1e-9)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_corrupt_adds_noise_of_the_deviation_asked_for(kernels, dtype):
    x, gaussian = np.full((DRAWS // 10, V), 0.5, dtype), kernels("gaussian")
    gaussian.corrupt(np.uint64(1), 0.2, 0.0, x, 0)
    assert max(abs(x.mean() - 0.5), abs(x.std() - 0.2)) < 1 / np.sqrt(x.size)
    gaussian.corrupt(np.uint64(1), 0.0, 0.25, x, 0)
    assert abs((x == 0).mean() - 0.25) < 2 / np.sqrt(x.size)
    x = np.zeros_like(x)  # what is dropped has nothing to do with its noise
    gaussian.corrupt(np.uint64(1), 1.0, 0.5, x, 0)
    kept = x[x != 0] / 2
    assert max(abs(kept.mean()), abs(kept.std() - 1)) < 4 / np.sqrt(x.size)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("noise, dropout", [(0.2, 0.0), (0.0, 0.3), (0.2, 0.3)])
def test_every_backend_corrupts_the_same_values(kernels, dtype, noise, dropout):
    x = np.random.default_rng(2).normal(size=(5, 10)).astype(dtype)
    got, expected = x.copy(), x.copy()
    kernels("gaussian").corrupt(np.uint64(2**63 + 7), noise, dropout, got, 2**31)
    gaussian.corrupt(np.uint64(2**63 + 7), noise, dropout, expected, 2**31)
    assert np.allclose(got, expected, atol=1e-6) and not np.allclose(got, x, atol=0.1)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_hidden_probability(kernels, dtype):
    w, (_, b, z), v, _ = problem(dtype)
    out = np.empty_like(b)
    kernels("gaussian").hidden_probability(v, w, b, z, out)
    assert np.allclose(
        out, 1 / (1 + np.exp(-((np.exp(-z / 2) * v) @ w.T + b))), atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_log_variances_lie_within_their_bounds(kernels, dtype):
    s = np.random.default_rng(0).random((N, V)).astype(dtype)
    low, high = np.array([-6.1, 1.3], dtype)
    out = np.empty_like(s)
    kernels("gaussian").log_variance(s, low, high, out)
    assert np.allclose(out, low + (high - low) * s, rtol=TOLERANCE[dtype])
    gaussian.log_variance(s, low, high, out)
    assert np.array_equal(out, low + (high - low) * s)  # the CPU's are NumPy's bits


@pytest.mark.cuda
def test_series_are_corrupted_with_keys_of_their_own():
    from midigen.kernels.cuda.gaussian import corrupt
    from midigen.kernels.cuda.memory import upload

    keys, rows, x = np.array([3, 2**40], np.uint64), np.array([0, 5]), np.ones((12, V))
    on_gpu = upload(x)
    corrupt(upload(keys), 0.2, 0.3, on_gpu, upload(rows))
    got = on_gpu.copy_to_host()
    for series, (key, row) in enumerate(zip(keys, rows, strict=True)):
        alone = np.ones((6, V))
        gaussian.corrupt(key, 0.2, 0.3, alone, row)
        assert np.allclose(got[series::2], alone, atol=1e-6)


@pytest.mark.cuda
def test_weights_and_biases_may_be_parts_of_larger_arrays():
    """As in training: W in theta, a, b and z in the network's output, gradients in dE/du."""
    from midigen.kernels.cuda import gaussian as on_gpu
    from midigen.kernels.cuda.blas import matrix
    from midigen.kernels.cuda.memory import upload

    alone, (w, biases, v, sample) = OnDevice("gaussian"), problem(np.float64)
    u, weight = np.concatenate([np.full((N, 3), np.nan), *biases], axis=1), np.linspace(-1, 2, N)
    v_there, sample_there, weight_there, u_there, du_there, theta, gradient = map(
        upload, (v, sample, weight, u, u, np.append(np.nan, w), np.zeros_like(w))
    )
    parts, outs = (
        [
            matrix(array, start, N, width, u.shape[1])
            for start, width in ((3, V), (3 + V, H), (3 + V + H, V))
        ]
        for array in (u_there, du_there)
    )
    w_there, expected, by_w = (
        matrix(theta, 1, H, V),
        [np.empty_like(bias) for bias in biases],
        np.zeros_like(w),
    )
    on_gpu.contrast(v_there, sample_there, w_there, *parts, weight_there, *outs, gradient)
    alone.contrast(v, sample, w, *biases, weight, *expected, by_w)
    assert np.array_equal(du_there.copy_to_host()[:, 3:], np.concatenate(expected, axis=1))
    assert np.array_equal(gradient.copy_to_host(), by_w)
    for name in ("free_energy", "pseudo_log_likelihood"):
        got, here = upload(np.empty(N)), np.empty(N)
        getattr(on_gpu, name)(v_there, w_there, *parts, got)
        getattr(alone, name)(v, w, *biases, here)
        assert np.array_equal(got.copy_to_host(), here)
