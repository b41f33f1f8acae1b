"""The textbook recursion, Eq. (9)-(10), against the reference."""

import numpy as np
import pytest

from midigen.model.network import Network
from tests import reference
from tests.kernels.blocks import error

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
X, R, Y = 2, 2, 2


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [(), (3,)])
def test_j_is_carried_from_block_to_block_until_a_series_begins(backend, hidden, dtype):
    frames, begins = 7, 4  # the second series begins in the middle of the second block
    rng, network = np.random.default_rng(0), Network(X, hidden, R, Y, dtype)
    params, xs, du = (
        rng.normal(0, 0.7, shape).astype(dtype)
        for shape in (network.parameters, (frames, X), (frames, R + Y))
    )
    starts = (np.arange(frames) == begins).astype(np.uint8)[:, None]
    weights, state = backend.to_device(params), backend.zeros((1, R), dtype)
    gradient, influence = backend.zeros(params.shape, dtype), None
    for first, end in ((0, 3), (3, frames)):
        x, here = (backend.to_device(array[first:end, None]) for array in (xs, du))
        block = backend.forward(network, weights, x, starts[first:end], state)
        before = None if influence is None else backend.to_host(influence).copy()
        after = backend.textbook(network, weights, block, here, influence, gradient)
        if influence is not None:  # what was carried in may still be needed
            assert np.array_equal(before, backend.to_host(influence))
        influence = after
    layers = [
        (m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)
    ]
    names = [*(["tanh"] * n for n in hidden), ["tanh"] * R + ["linear"] * Y]

    def expected(first, end, du):
        wide = xs[first:end].astype(np.float64)
        return reference.rtrl(layers, names, R, wide, lambda t, u: du[first + t])[1]

    both = expected(0, begins, du) + expected(begins, frames, du)
    assert error(backend.to_host(gradient), both) < TOLERANCE[dtype]
    # a loss in the last frame alone has the gradient du^T J
    last = du * (np.arange(frames) == frames - 1)[:, None]
    j = backend.to_host(influence).reshape(R + Y, -1)
    assert error(last[-1] @ j, expected(begins, frames, last)) < TOLERANCE[dtype]
