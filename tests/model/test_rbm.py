"""The RBMs by themselves."""

import numpy as np
import pytest

from midigen.model.rbm import BernoulliRbm, GaussianRbm
from tests import reference


def bimodal(count=4000, seed=0):
    """Samples of a small Gaussian RBM, and that RBM.

    Its two hidden units move the first units by 2.5 deviations.
    """
    truth = GaussianRbm(4, 2, dtype=np.float64)
    truth.w[:] = [[2.5, -2.5, 0, 0], [0, 0, 2.5, 0]]
    truth.a[:], truth.z[:] = [1, 0, -0.5, 2], np.log([0.04, 1.0, 0.25, 9.0])
    truth.b[:] = -truth.w @ (np.exp(-truth.z / 2) * truth.a) - 0.5 * (truth.w**2).sum(
        axis=1
    )  # both states as likely
    return truth.sample(count, sweeps=200, seed=seed), truth


@pytest.mark.parametrize("use_exact", [True, False])
def test_gaussian_variances_of_known_data_are_recovered(use_exact):
    """Those about the modes, not of the data, which the hidden units make 2.6 times as large."""
    data, truth = bimodal()
    variance = np.exp(truth.z)
    assert (data.var(axis=0)[:3] > 2 * variance[:3]).all()
    model = GaussianRbm(4, 2, seed=1, dtype=np.float64)
    model.fit(data, epochs=100, learning_rate=0.1, gibbs_steps=5, use_exact=use_exact)
    assert np.abs(np.exp(model.z) / variance - 1).max() < (0.2 if use_exact else 0.35)
    held_out, _ = bimodal(2000, seed=1)
    assert truth.log_likelihood(held_out).mean() - model.log_likelihood(held_out).mean() < 0.02


def test_independent_units_get_their_own_variances():
    deviations = np.array([0.01, 0.3, 5.0])
    data = np.random.default_rng(0).normal([0, 1, -20], deviations, (3000, 3))
    model = GaussianRbm(3, 2, deviations=(0.02, 100)).fit(data, epochs=100, learning_rate=0.1)
    found = np.exp(model.z / 2)
    assert np.allclose(found[1:], deviations[1:], rtol=0.05)
    assert np.isclose(found[0], 0.02, rtol=1e-3)  # the bound


def test_a_variance_as_fast_as_the_rest_hides_a_mode():
    """Without a smaller step of the variance the third unit keeps that of the data."""
    data, truth = bimodal()
    model = GaussianRbm(4, 2, seed=1, dtype=np.float64, variance_rate=1.0)
    model.fit(data, epochs=100, learning_rate=0.1, use_exact=True)
    assert np.exp(model.z[2] - truth.z[2]) > 2


@pytest.mark.parametrize("use_exact", [True, False])
def test_bernoulli_learns_a_known_distribution(use_exact):
    rng = np.random.default_rng(0)
    data = np.repeat(rng.random((3000, 2)) < [0.5, 0.2], 2, axis=1).astype(
        float
    )  # two pairs of equal units
    model = BernoulliRbm(4, 3, seed=2).fit(
        data, epochs=60, learning_rate=0.05, gibbs_steps=5, use_exact=use_exact
    )
    entropy = -sum(p * np.log(p) for p in (0.5, 0.5)) - sum(p * np.log(p) for p in (0.2, 0.8))
    assert -model.log_likelihood(data).mean() < entropy + 0.1
    sample = model.sample(4000, seed=1)
    assert (sample[:, 0] == sample[:, 1]).mean() > 0.95
    assert abs(sample[:, 2].mean() - 0.2) < 0.05


def test_samples_have_the_model_s_moments():
    sample, truth = bimodal(20_000)
    log_weights, means, variances = reference.gaussian_mixture(truth.w, truth.a, truth.b, truth.z)
    p = np.exp(log_weights - truth.log_partition())
    mean = p @ means
    assert np.isclose(p.sum(), 1)
    assert np.allclose(sample.mean(axis=0), mean, atol=0.03 * np.sqrt(variances))
    assert np.allclose(sample.var(axis=0), variances + p @ (means - mean) ** 2, rtol=0.05)


@pytest.mark.parametrize("kind", [BernoulliRbm, GaussianRbm])
def test_likelihood_is_normalised(kind):
    model = kind(2, 3, dtype=np.float64)
    model.parameters[:] = np.random.default_rng(0).normal(0, 0.7, model.parameters.size)
    if kind is BernoulliRbm:
        total = np.exp(model.log_likelihood(reference.all_states(2))).sum()
    else:
        axis = np.arange(-20, 20, 0.05)
        total = (
            np.exp(model.log_likelihood(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))).sum()
            * 0.05**2
        )
    assert np.isclose(total, 1, rtol=1e-9)


@pytest.mark.parametrize("kind", [BernoulliRbm, GaussianRbm])
def test_impossible_settings_and_data_are_refused(kind):
    model = kind(3, 2)
    for method in (model.fit, model.free_energy, model.log_likelihood):
        with pytest.raises(ValueError, match=r"data must have shape \(any, 3\), not \(5, 4\)"):
            method(np.zeros((5, 4)))
        with pytest.raises(ValueError, match="data holds values that are not finite"):
            method(np.full((5, 3), np.nan))
    with pytest.raises(ValueError, match="learning_rate over 0"):
        model.fit(np.zeros((5, 3)), learning_rate=0)
    with pytest.raises(ValueError, match="count and sweeps"):
        model.sample(0)
    with pytest.raises(ValueError, match="visible and hidden must be at least 1"):
        kind(0, 2)
    with pytest.raises(ValueError, match="at most 16"):
        kind(30, 20).log_partition()


def test_kinds_refuse_what_is_theirs_alone():
    with pytest.raises(ValueError, match="other values than 0 and 1"):
        BernoulliRbm(2, 2).free_energy([[0.5, 0]])
    for impossible, message in (
        ({"deviations": (1, 1)}, "two growing numbers"),
        ({"variance_rate": np.nan}, "variance_rate must be at least 0"),
        ({"variance_start": 0}, "variance_start over 0"),
    ):
        with pytest.raises(ValueError, match=message):
            GaussianRbm(2, 2, **impossible)
