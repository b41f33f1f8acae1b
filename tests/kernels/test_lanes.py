"""The network and RTRL on the GPU, lane by lane against the CPU."""

import numpy as np
import pytest

from midigen.kernels.cuda.memory import upload
from midigen.model.network import Network

X, R, Y = 3, 4, 3
HIDDEN = [(), (6,), (3,), (6, 2, 5)]
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


def problem(hidden, dtype, frames, lanes):
    """A network with lively weights, inputs (T, B, X), dE/du (T, B, R + Y) of some loss, and where series begin."""
    rng = np.random.default_rng(0)
    network = Network(X, hidden, R, Y, dtype)
    params = np.concatenate(
        [(rng.standard_normal(s) / np.sqrt(s[1])).ravel() for s in network.shapes]
    ).astype(dtype)
    xs, du = (rng.standard_normal((frames, lanes, n)).astype(dtype) for n in (X, R + Y))
    starts = np.zeros((frames, lanes), np.uint8)
    return network, params, xs, du, starts


def on_the_cpu(network, params, xs, du, starts, ends, adjoint):
    """u, gradient and adjoint^T dr/dw of one lane, in blocks; the weights are those of `params`, one for each block."""
    state, influence, gradient, us = np.zeros(R, network.dtype), None, np.zeros_like(params[0]), []
    for i, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
        block = network.forward(
            params[i], np.ascontiguousarray(xs[start:end]), state, starts[start:end]
        )
        before = network.backward(params[i], block, np.ascontiguousarray(du[start:end]), gradient)
        if influence is not None:
            network.influence_gradient(before, influence, gradient)
        influence = network.influence(params[i], block, influence)
        us.append(block.u)
    last = np.zeros_like(gradient)
    network.influence_gradient(adjoint, influence, last)
    return np.concatenate(us), gradient, last


def on_the_gpu(network, params, xs, du, starts, ends, adjoints, tolerance):
    """The same of all lanes; the gradient is their sum."""
    from midigen.model.lanes import LaneNetwork

    lanes, state = LaneNetwork(network), upload(np.zeros((xs.shape[1], R), network.dtype))
    influence, gradient, us = None, upload(np.zeros_like(params[0])), []
    for i, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
        weights = upload(params[i])
        block = lanes.forward(weights, upload(xs[start:end]), state, starts[start:end])
        us.append(block.u.copy_to_host())
        before = lanes.backward(weights, block, upload(du[start:end]), gradient)
        if influence is not None:
            lanes.influence_gradient(before, influence, gradient)
        influence = lanes.influence(weights, block, influence, tolerance)
    lasts = []
    for lane, adjoint in enumerate(adjoints):
        rows, last = np.zeros_like(adjoints), upload(np.zeros_like(params[0]))
        rows[lane] = adjoint
        lanes.influence_gradient(upload(rows), influence, last)
        lasts.append(last.copy_to_host())
    return np.concatenate(us), gradient.copy_to_host(), lasts


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.cuda
@pytest.mark.parametrize(
    "hidden, dtype, lanes, tolerance, products, grid",
    [
        *((hidden, np.float64, 2, 0.0, False, False) for hidden in HIDDEN),
        ((3,), np.float32, 1, 0.0, False, False),
        *(
            (hidden, np.float64, 2, tolerance, True, False)
            for hidden in HIDDEN[::3]
            for tolerance in (0.0, 1e-12)
        ),
        ((3,), np.float64, 2, 1e-12, False, True),
        ((), np.float64, 3, 0.0, False, True),
        ((6, 2, 5), np.float32, 9, 0.0, False, True),
    ],
)
def test_lanes_are_series_of_their_own(
    monkeypatch, hidden, dtype, lanes, tolerance, products, grid
):
    """Weights that move between blocks, and a series that begins in mid-block in one lane; J whole and in parts, and
    either way of walking over time and of taking rows back."""
    from midigen.kernels.cuda import network as walks
    from midigen.kernels.cuda import rtrl
    from midigen.model import influence as module

    monkeypatch.setattr(walks, "CACHE", 0 if grid else 1 << 19)
    monkeypatch.setattr(rtrl, "_worth_products", lambda *_: products)
    monkeypatch.setattr(rtrl, "WIDE", 1 if products else 1000)
    monkeypatch.setattr(module, "FIRST_STRETCH", 1)
    ends = [0, 1, 8, 15] if tolerance else [0, 1, 5, 8]
    network, params, xs, du, starts = problem(hidden, dtype, ends[-1], lanes)
    if tolerance:  # a network that soon forgets
        network.layers(params)[0][:, X : X + R] *= 0.01
    starts[3, -1] = 1
    params = [params * dtype(1 - 0.1 * i) for i in range(3)]
    adjoints = np.random.default_rng(1).standard_normal((lanes, R)).astype(dtype)
    us, gradient, lasts = on_the_gpu(network, params, xs, du, starts, ends, adjoints, tolerance)
    whole = np.zeros_like(gradient)
    for lane in range(lanes):
        u, own, last = on_the_cpu(
            network, params, xs[:, lane], du[:, lane], starts[:, lane], ends, adjoints[lane]
        )
        whole += own
        assert (
            error(us[:, lane], u) < TOLERANCE[dtype] and error(lasts[lane], last) < TOLERANCE[dtype]
        )
    assert error(gradient, whole) < TOLERANCE[dtype]
