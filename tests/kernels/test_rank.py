"""The propagator that loses rank, Eq. (12a), against strictly exact blocks."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.model import influence as module
from midigen.model.network import Network
from tests import SIMULATED
from tests.kernels.blocks import error, run_in_blocks, state_jacobian

# the simulator is slow
X, R, Y, T, HIDDEN = (2, 6, 2, 60, 3) if SIMULATED else (6, 16, 4, 600, 9)
SLOW = np.array([0.999, *[0.3] * (R - 1)])  # eigenvalues that keep one direction


@pytest.fixture(autouse=True)
def early_searches(monkeypatch):
    """Looks at the rank from the start on, by fewer random rows than J has where it has some."""
    monkeypatch.setattr(module, "FIRST_SEARCH", T // 16)
    monkeypatch.setattr(module, "PROBES", R - 1)
    monkeypatch.setattr(module, "MARGIN", 2)


def derivative(backend, hidden, dtype, scale, tolerance, blocks=(T // 2, T // 2), starts=None):
    """dr/dw (R, P) after a series, the recurrent weights being `scale` times an orthogonal matrix.

    With eigenvalues (R,) for scale, a symmetric matrix that has them; inputs are then small, and
    tanh nearly linear.
    """
    rng = np.random.default_rng(0)
    network = Network(X, hidden, R, Y, dtype)
    params = network.initial(rng)
    if not hidden:
        rotation = np.linalg.qr(rng.standard_normal((R, R)))[0]
        layer = network.layers(params)[0][:R]
        if np.ndim(scale):
            layer[:, X : X + R] = rotation.T @ np.diag(scale) @ rotation
            layer[:, :X] *= 0.01
        else:
            layer[:, X : X + R] = scale * rotation
    xs = rng.standard_normal((T, 1, X)).astype(dtype)
    # the blocks of online learning have weights of their own; far larger ones would be chaos,
    # whose J of 10^11 makes of what is dropped beside 1 as much as it likes
    weights = [params * dtype(1 - 0.1 * np.sin(i)) for i in range(len(blocks))]
    ends = np.cumsum([0, *blocks]).tolist()
    starts = None if starts is None else starts[:, None]
    influence = run_in_blocks(
        backend, network, weights, xs, ends, starts=starts, tolerance=tolerance
    )[2]
    return state_jacobian(backend, network, influence)


def exact_derivative(hidden, scale, *cut):
    return derivative(cpu_backend(), hidden, np.float64, scale, 0.0, *cut)


@pytest.mark.parametrize(
    "dtype, tolerance, bound", [(np.float64, 1e-8, 1e-8), (np.float32, 1e-6, 1e-5)]
)
@pytest.mark.parametrize("hidden, scale", [((), 0.5), ((), 1.1), ((HIDDEN,), 1.0)])
def test_dropping_what_is_small_stays_at_the_rounding_error(
    backend, hidden, scale, dtype, tolerance, bound
):
    found = derivative(backend, hidden, dtype, scale, tolerance)
    assert error(found, exact_derivative(hidden, scale)) < bound


def test_blocks_of_many_lengths_and_a_series_that_begins_in_mid_block(backend):
    starts = np.zeros(T, np.uint8)
    starts[T // 3] = 1
    blocks = (T // 4, 1, 2, T // 2 - 3, T // 4)
    found = derivative(backend, (), np.float64, 0.9, 1e-10, blocks, starts)
    assert error(found, exact_derivative((), 0.9, blocks, starts)) < 1e-9


def test_a_direction_that_is_not_forgotten_is_carried_on(backend):
    """What is left of one block meets what is left of the one before."""
    blocks = (T // 3,) * 3
    found = derivative(backend, (), np.float64, SLOW, 1e-6, blocks)
    assert error(found, exact_derivative((), SLOW, blocks)) < 1e-5


def test_nothing_to_drop_changes_nothing(backend):
    found = derivative(backend, (), np.float64, 1.0, 1e-300)
    assert error(found, exact_derivative((), 1.0)) < 1e-12


def parts(backend, scale, tolerance, blocks):
    """Of J after a series: its rows, those of Z, and the frames kept, None where there are none."""
    rng, network = np.random.default_rng(0), Network(X, (), R, Y, np.float64)
    params = network.initial(rng)
    layer = network.layers(params)[0][:R]
    layer[:, X : X + R], layer[:, :X] = np.diag(scale), 0.01
    ends = np.cumsum([0, *blocks]).tolist()
    xs = rng.standard_normal((ends[-1], 1, X))
    j = run_in_blocks(backend, network, [params] * len(blocks), xs, ends, tolerance=tolerance)[2]
    matrix, rows = (None if part is None else part.shape[1] for part in (j.matrix, j.rows))
    return matrix, rows, sum(len(stretch.block.starts) for stretch in j.recent)


def test_j_is_kept_in_parts(backend):
    """Frames alone of a network that forgets all, few rows of one that keeps something."""
    matrix, rows, frames = parts(backend, np.full(R, 0.3), 1e-8, (T,))
    assert matrix is None and rows is None and 0 < frames < T // 2
    matrix, rows, frames = parts(backend, SLOW, 1e-6, (T // 3,) * 3)
    assert matrix == rows < R // 2 and 0 < frames < T // 3
    assert parts(backend, SLOW, 0.0, (T // 3,) * 3) == (R, None, 0)


@pytest.mark.parametrize("scale", [0.5, 1.0, "slow"])
def test_blocks_too_short_to_lose_rank_are_kept_until_they_have(backend, scale):
    """Many short blocks, each with weights of its own, and a series that begins among them.

    Of a network that forgets, of one that does not, and of one that keeps a direction.
    """
    blocks, starts = (2,) * (T // 4) + (1,) * (T // 8), np.zeros(T, np.uint8)
    starts[T // 12] = 1
    scale = SLOW if scale == "slow" else scale
    found = derivative(backend, (), np.float64, scale, 1e-9, blocks, starts)
    assert error(found, exact_derivative((), scale, blocks, starts)) < 1e-7


def test_short_blocks_make_no_j(backend, monkeypatch):
    """Frames are kept, of a network that forgets; of one that does not, J is made after KEPT times

    as many as the first search takes.
    """
    monkeypatch.setattr(module, "FIRST_SEARCH", 8)
    matrix, rows, frames = parts(backend, np.full(R, 0.05), 1e-8, (4,) * 30)
    assert matrix is None and rows is None and 8 <= frames <= 20
    assert parts(backend, np.full(R, 0.999), 1e-8, (4,) * 16) == (None, None, 64)
    assert parts(backend, np.full(R, 0.999), 1e-8, (4,) * 18) == (R, None, 4)
