"""The propagator that loses rank, Eq. (12a), against strictly exact blocks."""

import numpy as np
import pytest

from midigen.model import network as module
from midigen.model.network import Network

X, R, Y, T = 6, 16, 4, 600


def influence(hidden, dtype, scale, tolerance, blocks=(T // 2, T // 2)):
    """J after a series, the recurrent weights being `scale` times an orthogonal matrix, and the ranks on the way."""
    rng = np.random.default_rng(0)
    network = Network(X, hidden, R, Y, dtype)
    params = network.initial(rng)
    if not hidden:
        rotation = np.linalg.qr(rng.standard_normal((R, R)))[0]
        network.layers(params)[0][:R, X:X + R] = scale * rotation
    xs, state, j, at = rng.standard_normal((T, X)).astype(dtype), np.zeros(R, dtype), None, 0
    for h in blocks:
        j = network.influence(params, network.forward(params, xs[at:at + h], state), j, tolerance)
        at += h
    return j.matrix


def error(a, b):
    return np.abs(a.astype(np.float64) - b).max() / np.abs(b).max()


@pytest.mark.parametrize("dtype, tolerance, bound", [(np.float64, 1e-8, 1e-8), (np.float32, 1e-6, 1e-5)])
@pytest.mark.parametrize("hidden, scale", [((), 0.5), ((), 1.1), ((9,), 1.0)])
def test_dropping_small_singular_values_stays_at_the_rounding_error(hidden, scale, dtype, tolerance, bound):
    exact = influence(hidden, np.float64, scale, 0.0)
    assert error(influence(hidden, dtype, scale, tolerance), exact) < bound


def test_nothing_to_drop_changes_nothing():
    assert error(influence((), np.float64, 1.0, 1e-300), influence((), np.float64, 1.0, 0.0)) < 1e-12


def test_rank_is_dropped_where_there_is_none(monkeypatch):
    """The fast path is taken: a contracting network forgets whole directions, and then everything."""
    ranks, factor = [], module._factor

    def watched(s, *rest):
        left, s = factor(s, *rest)
        ranks.append(len(s))
        return left, s

    monkeypatch.setattr(module, "_factor", watched)
    influence((), np.float64, 0.5, 1e-8, (T,))
    assert ranks[0] < R and ranks[-1] == 0
    ranks.clear()
    influence((), np.float64, 0.5, 0.0, (T,))
    assert not ranks
