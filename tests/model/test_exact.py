import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.model import exact
from tests import reference


@pytest.mark.parametrize("hidden, visible", [(4, 6), (6, 4)])
def test_bernoulli_sums_from_either_layer(hidden, visible):
    rng = np.random.default_rng(0)
    w, a, b = (
        rng.normal(size=(hidden, visible)),
        rng.normal(size=(3, visible)),
        rng.normal(size=(3, hidden)),
    )
    v = (rng.random((3, visible)) < 0.5).astype(float)
    log_z = exact.log_partition(w, a, b)
    out_a, out_b, by_w = np.empty_like(a), np.empty_like(b), np.zeros_like(w)
    exact.contrast(v, w, (a, b), (out_a, out_b), by_w)
    total = 0
    for n in range(3):
        assert np.isclose(log_z[n], reference.log_partition(w, a[n], b[n]), rtol=1e-12)
        da, db, dw = reference.negative_log_likelihood_gradients(v[n], w, a[n], b[n])
        assert np.allclose(out_a[n], da)
        assert np.allclose(out_b[n], db)
        total = total + dw
    assert np.allclose(by_w, total)


GROUPS = {"some": [(0, 3), (4, 6)], "all": [(0, 7)], "of one": [(2, 3)]}


@pytest.mark.parametrize("groups", [np.array(g) for g in GROUPS.values()], ids=GROUPS)
@pytest.mark.parametrize("hidden", [2, 8])
def test_sums_with_groups_from_either_layer(hidden, groups):
    """Against the states allowed, and central differences of -log p.  Eq. (29)."""
    rng = np.random.default_rng(3)
    visible, shapes = 7, [(hidden, 7), (3, 7), (3, hidden)]
    w, a, b = (rng.normal(size=shape) for shape in shapes)
    states = reference.allowed_states(visible, groups)
    v = states[rng.integers(0, len(states), 3)]
    assert exact.units_summed(visible, hidden, groups) == min(hidden, np.log2(len(states)))
    log_z = exact.log_partition(w, a, b, groups=groups)
    expected = [reference.log_partition(w, a[n], b[n], groups) for n in range(3)]
    np.testing.assert_allclose(log_z, expected, rtol=1e-12)
    outs, by_w = (np.empty_like(a), np.empty_like(b)), np.zeros_like(w)
    exact.contrast(v, w, (a, b), outs, by_w, groups)
    flat = np.concatenate([part.ravel() for part in (w, a, b)])

    def loss(x):
        parts = np.split(x, np.cumsum([w.size, a.size]))
        w_, a_, b_ = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        return sum(
            reference.negative_log_likelihood(v[n], w_, a_[n], b_[n], groups) for n in range(3)
        )

    got = np.concatenate([part.ravel() for part in (by_w, *outs)])
    assert np.abs(got - reference.central_differences(loss, flat)).max() < 1e-7
    mean_v, mean_h, _ = exact.expectations(w, a, b, groups=groups)
    assert all((mean_v[:, first:stop].sum(axis=1) < 1).all() for first, stop in groups)
    np.testing.assert_allclose(outs[1], mean_h - reference.sigmoid(v @ w.T + b))


def test_many_frames_with_groups_are_summed_in_pieces(monkeypatch):
    rng, groups = np.random.default_rng(4), np.array([(1, 5)])
    w, a, b = rng.normal(size=(4, 6)), rng.normal(size=(9, 6)), rng.normal(size=(9, 4))
    whole = exact.expectations(w, a, b, groups=groups)
    monkeypatch.setattr(exact, "AT_ONCE", 200)
    for got, expected in zip(exact.expectations(w, a, b, groups=groups), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def gaussian_problem(visible, hidden, frames=3):
    rng = np.random.default_rng(1)
    return (
        rng.normal(0, 0.8, (hidden, visible)),
        rng.normal(size=(frames, visible)),
        rng.normal(size=(frames, hidden)),
        rng.normal(0, 0.7, (frames, visible)),
    )


@pytest.mark.parametrize("visible", [1, 2])
def test_gaussian_log_partition_is_the_integral(visible):
    """Against quadrature on a grid over the plane."""
    w, a, b, z = gaussian_problem(visible, 3)
    axis = np.arange(-15, 15, 0.1)
    points = np.stack(np.meshgrid(*[axis] * visible, indexing="ij"), -1).reshape(-1, visible)
    for n in range(3):
        x = np.exp(-z[n] / 2) * points
        f = (0.5 * (points - a[n]) ** 2 * np.exp(-z[n])).sum(axis=1) - np.logaddexp(
            0, x @ w.T + b[n]
        ).sum(axis=1)
        quadrature = np.logaddexp.reduce(-f) + visible * np.log(0.1)
        assert np.isclose(exact.log_partition(w, a, b, z)[n], quadrature, rtol=1e-10)


def test_gaussian_sums_match_the_reference_finite_differences_and_autograd():
    w, a, b, z = gaussian_problem(4, 3)
    v = np.random.default_rng(2).normal(size=a.shape)
    outs, by_w = tuple(np.empty_like(bias) for bias in (a, b, z)), np.zeros_like(w)
    exact.contrast(v, w, (a, b, z), outs, by_w)
    states = reference.all_states(3)

    def unpack(x):
        a_b_z, w = x[: a.size + b.size + z.size], x[a.size + b.size + z.size :].reshape(w_shape)
        return (
            w,
            a_b_z[: a.size].reshape(a.shape),
            a_b_z[a.size : a.size + b.size].reshape(b.shape),
            a_b_z[a.size + b.size :].reshape(z.shape),
        )

    def loss(x):
        w, a, b, z = unpack(x)
        return sum(
            reference.gaussian_free_energy(v[n], w, a[n], b[n], z[n])
            + reference.gaussian_log_partition(w, a[n], b[n], z[n])
            for n in range(3)
        )

    def as_mixture(x):
        """-log p(v) as a mixture of Gaussians, one for each hidden state: no free energy."""
        w, a, b, z = unpack(x)
        alpha, shifts, total = anp.exp(-z / 2) * a, states @ w, 0.0
        for n in range(3):
            log_weights = states @ b[n] + shifts @ alpha[n] + 0.5 * anp.sum(shifts**2, axis=1)
            away = anp.exp(-z[n] / 2) * (v[n] - a[n]) - shifts
            log_normal = -0.5 * anp.sum(away**2 + z[n] + np.log(2 * np.pi), axis=1)
            total = (
                total
                - anp.log(anp.sum(anp.exp(log_weights + log_normal)))
                + anp.log(anp.sum(anp.exp(log_weights)))
            )
        return total

    w_shape = w.shape
    flat = np.concatenate([part.ravel() for part in (a, b, z, w)])
    got = np.concatenate([part.ravel() for part in (*outs, by_w)])
    assert np.isclose(loss(flat), as_mixture(flat), rtol=1e-12)
    assert np.abs(got - reference.central_differences(loss, flat)).max() < 1e-7
    assert np.abs(got - grad(as_mixture)(flat)).max() < 1e-11


def test_a_group_has_few_states():
    """30 units of 31 states, or 15 that are free besides, which make 20 bits."""
    exact.check_size(30, 100, groups=np.array([(0, 30)]))
    with pytest.raises(ValueError, match="at most 16 visible or hidden units, not 45 and 100"):
        exact.check_size(45, 100, groups=np.array([(0, 30)]))


def test_large_models_are_refused():
    with pytest.raises(ValueError, match="at most 16 visible or hidden units"):
        exact.log_partition(np.zeros((20, 30)), np.zeros((1, 30)), np.zeros((1, 20)))
    with pytest.raises(ValueError, match="at most 16 hidden units"):
        exact.log_partition(
            np.zeros((20, 3)), np.zeros((1, 3)), np.zeros((1, 20)), np.zeros((1, 3))
        )
