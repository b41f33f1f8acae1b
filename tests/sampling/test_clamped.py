"""Z of frames of which some is known, summed and from samples, against the reference's sums."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.sampling import clamped
from midigen.sampling.bennett import log_ratios
from midigen.sampling.clamped import ClampedRbm, Pool
from tests import reference

N, V, H = 40, 8, 5
GROUPS = np.array([(0, 3, 1), (3, 7, 2)])


@pytest.fixture
def problem():
    """W, open columns, those that are on, a and b; of the second group one is on already."""
    rng = np.random.default_rng(0)
    open_columns, on = np.ones(V, bool), np.zeros(V, bool)
    open_columns[[1, 4, 7]] = False
    on[[4, 7]] = True
    w, a = rng.normal(0, 0.8, (H, V)), rng.normal(size=(N, V))
    return w, open_columns, on, a, rng.normal(size=(N, H))


def expected_log_z(w, open_columns, on, a, b):
    states = reference.allowed_states(V, GROUPS)
    fits = (states[:, on] > 0).all(axis=1) & ~(states[:, ~open_columns & ~on] > 0).any(axis=1)
    return [
        np.logaddexp.reduce([-reference.free_energy(v, w, *row) for v in states[fits]])
        for row in zip(a, b, strict=True)
    ]


def test_z_of_what_is_open_is_summed(problem):
    w, open_columns, on, a, b = problem
    rbm = ClampedRbm(cpu_backend(), w, open_columns, on, GROUPS)
    found = rbm.log_z(a, b, Pool(np.zeros((0, 5)), np.zeros(0, np.int64)), np.uint64(0))
    assert rbm.exact
    np.testing.assert_allclose(found, expected_log_z(*problem))


def test_z_comes_from_samples_where_it_is_not(problem, monkeypatch):
    monkeypatch.setattr(clamped, "EXACT_UNITS", -1)
    w, open_columns, on, a, b = problem
    rbm = ClampedRbm(cpu_backend(), w, open_columns, on, GROUPS)
    v = rbm.draw(a, b, np.zeros((N, V)), 30, np.uint64(1), 0, samples=10)
    assert v.shape == (10, N, 5)
    pool = Pool(np.concatenate(v), np.tile(np.arange(N), 10))
    error = rbm.log_z(a, b, pool, np.uint64(1)) - expected_log_z(*problem)
    assert error.std() < 0.1 and abs(error.mean()) < 0.15


def test_a_frame_of_which_all_is_known_has_its_free_energy(problem):
    w, _, on, a, b = problem
    rbm = ClampedRbm(cpu_backend(), w, np.zeros(V, bool), on, GROUPS)
    found = rbm.log_z(a, b, Pool(np.zeros((0, 0)), np.zeros(0, np.int64)), np.uint64(0))
    state = on.astype(float)
    expected = [-reference.free_energy(state, w, *row) for row in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected)


def test_ratios_of_normal_densities():
    """Unnormalised exp(-(x - m)^2 / 2 + c), whose Z differ by e^c; one has no samples."""
    rng = np.random.default_rng(0)
    means, constants = np.array([0.0, 0.7, 1.5, 1.0]), np.array([0.0, 2.0, -1.0, 0.5])
    of = np.repeat([0, 1, 2], 3000)
    x = rng.normal(means[of])
    minus_f = constants[:, None] - 0.5 * (x - means[:, None]) ** 2
    found = log_ratios(minus_f, of)
    np.testing.assert_allclose(found - found[0], constants, atol=0.06)
