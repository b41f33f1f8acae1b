import numpy as np
import pytest

from midigen.model import rbm
from tests import reference


@pytest.mark.parametrize("hidden, visible", [(4, 6), (6, 4)])
def test_exact_sums_from_either_layer(hidden, visible):
    rng = np.random.default_rng(0)
    w, a, b = rng.normal(size=(hidden, visible)), rng.normal(size=(3, visible)), rng.normal(size=(3, hidden))
    v = (rng.random((3, visible)) < 0.5).astype(float)
    log_z = rbm.log_partition(w, a, b)
    mean_v, mean_h, pair = rbm.expectations(w, a, b)
    total = 0
    for n in range(3):
        assert np.isclose(log_z[n], reference.log_partition(w, a[n], b[n]), rtol=1e-12)
        da, db, dw = reference.negative_log_likelihood_gradients(v[n], w, a[n], b[n])
        p = reference.sigmoid(w @ v[n] + b[n])
        assert np.allclose(mean_v[n] - v[n], da)
        assert np.allclose(mean_h[n] - p, db)
        total = total + dw + np.outer(p, v[n])
    assert np.allclose(pair, total)


def test_large_models_are_refused():
    with pytest.raises(ValueError, match="at most 16"):
        rbm.log_partition(np.zeros((20, 30)), np.zeros((1, 30)), np.zeros((1, 20)))
