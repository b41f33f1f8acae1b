"""The textbook recursion, Eq. (9)-(10), against the reference."""

import numpy as np
import pytest

from midigen.model.network import Network
from tests import reference

TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
X, R, Y = 2, 2, 2


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [(), (3,)])
def test_j_is_carried_from_block_to_block_until_a_series_begins(kernels, hidden, dtype):
    rng, frames, begins = (
        np.random.default_rng(0),
        7,
        4,
    )  # the second series begins in the middle of the second block
    network = Network(X, hidden, R, Y, dtype)
    params, xs, du = (
        rng.normal(0, 0.7, shape).astype(dtype)
        for shape in (network.parameters, (frames, X), (frames, R + Y))
    )
    starts, state = (np.arange(frames) == begins).astype(np.uint8), np.zeros(R, dtype)
    gradient, influence = np.zeros_like(params), np.zeros((R + Y, params.size), dtype)
    for first, end in ((0, 3), (3, frames)):
        block = network.forward(params, xs[first:end], state, starts[first:end])
        kernels("textbook").textbook_block(
            network.sizes,
            network.codes,
            params,
            R,
            block.inputs,
            block.u,
            block.starts,
            du[first:end],
            influence,
            gradient,
        )
    layers = [
        (m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)
    ]
    names = [*(["tanh"] * n for n in hidden), ["tanh"] * R + ["linear"] * Y]

    def expected(first, end, du):
        return reference.rtrl(
            layers, names, R, xs[first:end].astype(np.float64), lambda t, u: du[first + t]
        )[1]

    assert close(gradient, expected(0, begins, du) + expected(begins, frames, du), TOLERANCE[dtype])
    # a loss in the last frame alone has the gradient du^T J
    last = du * (np.arange(frames) == frames - 1)[:, None]
    assert close(last[-1] @ influence, expected(begins, frames, last), TOLERANCE[dtype])


def close(got, expected, tolerance):
    return np.abs(got - expected).max() < tolerance * np.abs(expected).max()
