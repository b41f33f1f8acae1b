"""The propagator that loses rank, Eq. (12a), against strictly exact blocks."""

import numpy as np
import pytest

from midigen.kernels.cuda.jit import SIMULATED
from midigen.model import influence as module
from midigen.model.network import Network

X, R, Y, T = (2, 6, 2, 60) if SIMULATED else (6, 16, 4, 600)  # it is slow
HIDDEN = 3 if SIMULATED else 9


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    """Looks at the rank from the start on, by fewer random rows than J has where it has some."""
    monkeypatch.setattr(module, "FIRST_STRETCH", T // 16)
    monkeypatch.setattr(module, "PROBES", R - 1)
    monkeypatch.setattr(module, "SURE", 2)


def derivative(kind, hidden, dtype, scale, tolerance, blocks=(T // 2, T // 2), starts=None):
    """dr/dw (R, P) after a series, the recurrent weights being `scale` times an orthogonal matrix.

    With eigenvalues (R,) for scale, a symmetric matrix that has them; inputs are then small, and tanh nearly linear.
    """
    rng = np.random.default_rng(0)
    network = kind(X, hidden, R, Y, dtype)
    params, starts = network.initial(rng), np.zeros(T, np.uint8) if starts is None else starts
    if not hidden:
        rotation, layer = (
            np.linalg.qr(rng.standard_normal((R, R)))[0],
            network.layers(params)[0][:R],
        )
        layer[:, X : X + R] = (
            scale * rotation if np.ndim(scale) == 0 else rotation.T @ np.diag(scale) @ rotation
        )
        layer[:, :X] *= 1 if np.ndim(scale) == 0 else 0.01
    xs, state, j, at = rng.standard_normal((T, X)).astype(dtype), np.zeros(R, dtype), None, 0
    for i, h in enumerate(blocks):
        weights = params * dtype(
            1 - 0.1 * i
        )  # the blocks of online learning have weights of their own
        j = network.influence(
            weights,
            network.forward(weights, xs[at : at + h], state, starts[at : at + h]),
            j,
            tolerance,
        )
        at += h
    found = np.zeros((R, network.parameters), dtype)
    for unit, row in zip(np.eye(R, dtype=dtype), found, strict=True):
        network.influence_gradient(unit, j, row)
    return found


def error(a, b):
    return np.abs(a.astype(np.float64) - b).max() / np.abs(b).max()


@pytest.mark.parametrize(
    "dtype, tolerance, bound", [(np.float64, 1e-8, 1e-8), (np.float32, 1e-6, 1e-5)]
)
@pytest.mark.parametrize("hidden, scale", [((), 0.5), ((), 1.1), ((HIDDEN,), 1.0)])
def test_dropping_what_is_small_stays_at_the_rounding_error(
    network_kind, hidden, scale, dtype, tolerance, bound
):
    exact = derivative(Network, hidden, np.float64, scale, 0.0)
    assert error(derivative(network_kind, hidden, dtype, scale, tolerance), exact) < bound


def test_blocks_of_many_lengths_and_a_series_that_begins_in_mid_block(network_kind):
    starts = np.zeros(T, np.uint8)
    starts[T // 3] = 1
    blocks = (T // 4, 1, 2, T // 2 - 3, T // 4)
    exact = derivative(Network, (), np.float64, 0.9, 0.0, blocks, starts)
    assert error(derivative(network_kind, (), np.float64, 0.9, 1e-10, blocks, starts), exact) < 1e-9


def test_a_direction_that_is_not_forgotten_is_carried_on(network_kind):
    """What is left of one block meets what is left of the one before."""
    scale, blocks = np.array([0.999, *[0.3] * (R - 1)]), (T // 3, T // 3, T // 3)
    exact = derivative(Network, (), np.float64, scale, 0.0, blocks)
    assert error(derivative(network_kind, (), np.float64, scale, 1e-6, blocks), exact) < 1e-5


def test_nothing_to_drop_changes_nothing(network_kind):
    exact = derivative(Network, (), np.float64, 1.0, 0.0)
    assert error(derivative(network_kind, (), np.float64, 1.0, 1e-300), exact) < 1e-12


def parts(kind, scale, tolerance, blocks):
    """Of J after a series: its rows, those of Z, and the frames kept, each None where there are none."""
    rng, network = np.random.default_rng(0), kind(X, (), R, Y, np.float64)
    params, state, j, at = network.initial(rng), np.zeros(R), None, 0
    layer = network.layers(params)[0][:R]
    layer[:, X : X + R], layer[:, :X] = np.diag(scale), 0.01
    for h in blocks:
        j = network.influence(
            params, network.forward(params, rng.standard_normal((h, X)), state), j, tolerance
        )
        at += h
    matrix, rows = (None if part is None else len(part) for part in (j.matrix, j.rows))
    return matrix, rows, sum(len(past.block.u) for past in j.history)


def test_j_is_kept_in_parts():
    """The fast path is taken: frames alone of a network that forgets all, few rows of one that keeps something."""
    slow = np.array([0.999, *[0.3] * (R - 1)])
    matrix, rows, frames = parts(Network, np.full(R, 0.3), 1e-8, (T,))
    assert matrix is None and rows is None and 0 < frames < T // 2
    matrix, rows, frames = parts(Network, slow, 1e-6, (T // 3,) * 3)
    assert matrix == rows < R // 2 and 0 < frames < T // 3
    assert parts(Network, slow, 0.0, (T // 3,) * 3) == (R, None, 0)


@pytest.mark.parametrize("scale", [0.5, 1.0, "slow"])
def test_blocks_too_short_to_lose_rank_are_kept_until_they_have(network_kind, scale):
    """Many short blocks, each with weights of its own, of a network that forgets, of one that does not, and of one that
    keeps a direction; and a series that begins among them."""
    blocks, starts = (2,) * (T // 4) + (1,) * (T // 8), np.zeros(T, np.uint8)
    starts[T // 12] = 1
    scale = np.array([0.999, *[0.3] * (R - 1)]) if scale == "slow" else scale
    exact = derivative(Network, (), np.float64, scale, 0.0, blocks, starts)
    assert (
        error(derivative(network_kind, (), np.float64, scale, 1e-9, blocks, starts), exact) < 1e-7
    )


def test_short_blocks_make_no_j(monkeypatch):
    """Frames are kept, of a network that forgets; and J is made after KEPT stretches of one that does not."""
    monkeypatch.setattr(module, "FIRST_STRETCH", 8)
    matrix, rows, frames = parts(Network, np.full(R, 0.05), 1e-8, (4,) * 30)
    assert matrix is None and rows is None and 8 <= frames <= 20
    assert parts(Network, np.full(R, 0.999), 1e-8, (4,) * 16) == (None, None, 64)
    assert parts(Network, np.full(R, 0.999), 1e-8, (4,) * 18) == (R, None, 4)
