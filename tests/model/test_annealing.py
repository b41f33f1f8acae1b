"""Bases of annealing; its chains are held to exact sums in tests/kernels and tests/evaluation."""

import numpy as np

from midigen.model.annealing import log_odds, log_z_of_base
from tests import reference


def test_z_of_bases_is_that_of_an_rbm_without_weights():
    rng = np.random.default_rng(0)
    base, b, groups = rng.normal(size=(3, 5)), rng.normal(size=(3, 2)), np.array([(1, 4)])
    w = np.zeros((2, 5))
    expected = [reference.log_partition(w, *row, groups) for row in zip(base, b, strict=True)]
    np.testing.assert_allclose(log_z_of_base(base, b, groups), expected)


def test_bases_have_the_notes_means():
    p, groups = np.array([0.3, 0.2, 0.1, 0.4, 0.0]), np.array([(1, 4)])
    field = log_odds(p, groups, np.float64)
    expected = [0.3, 0.2, 0.1, 0.4, 1e-3]
    np.testing.assert_allclose(reference.visible_probability(field, groups), expected, rtol=1e-12)
    certain = log_odds(np.array([[0.0, 0.5, 0.5, 0.0, 1.0]]), groups, np.float32)
    assert np.isfinite(certain).all() and certain.dtype == np.float32
