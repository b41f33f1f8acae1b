"""The network and RTRL on the GPU, lane by lane against the CPU."""

import numpy as np
import pytest
from numba import cuda

from midigen.model.network import Network

X, R, Y = 3, 4, 3
HIDDEN = [(), (6,), (3,), (6, 2, 5)]
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


def problem(hidden, dtype, frames, lanes):
    """A network with lively weights, inputs (T, B, X), dE/du (T, B, R + Y) of some loss, and where series begin."""
    rng = np.random.default_rng(0)
    network = Network(X, hidden, R, Y, dtype)
    params = np.concatenate([(rng.standard_normal(s) / np.sqrt(s[1])).ravel() for s in network.shapes]).astype(dtype)
    xs, du = (rng.standard_normal((frames, lanes, n)).astype(dtype) for n in (X, R + Y))
    starts = np.zeros((frames, lanes), np.uint8)
    return network, params, xs, du, starts


def on_the_cpu(network, params, xs, du, starts, ends):
    """u, gradient and J of one lane, in blocks; the weights are those of `params`, one for each block."""
    state, influence, gradient, us = np.zeros(R, network.dtype), None, np.zeros_like(params[0]), []
    for i, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
        block = network.forward(params[i], np.ascontiguousarray(xs[start:end]), state, starts[start:end])
        adjoint = network.backward(params[i], block, np.ascontiguousarray(du[start:end]), gradient)
        if influence is not None:
            network.influence_gradient(adjoint, influence, gradient)
        influence = network.influence(params[i], block, influence)
        us.append(block.u)
    return np.concatenate(us), gradient, influence.matrix


def on_the_gpu(network, params, xs, du, starts, ends):
    """The same of all lanes; the gradient is their sum."""
    from midigen.model.lanes import LaneNetwork

    lanes, state = LaneNetwork(network), cuda.to_device(np.zeros((xs.shape[1], R), network.dtype))
    influence, gradient, us = None, cuda.to_device(np.zeros_like(params[0])), []
    for i, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
        weights = cuda.to_device(params[i])
        block = lanes.forward(weights, cuda.to_device(xs[start:end]), state, starts[start:end])
        us.append(block.u.copy_to_host())
        adjoint = lanes.backward(weights, block, cuda.to_device(du[start:end]), gradient)
        if influence is not None:
            lanes.influence_gradient(adjoint, influence, gradient)
        influence = lanes.influence(weights, block, influence)
    return np.concatenate(us), gradient.copy_to_host(), influence.matrix.copy_to_host()


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.cuda
@pytest.mark.parametrize("hidden, dtype, lanes", [
    *((hidden, np.float64, 2) for hidden in HIDDEN), ((3,), np.float32, 1)])
def test_lanes_are_series_of_their_own(hidden, dtype, lanes):
    """Weights that move between blocks, and a series that begins in mid-block in one lane."""
    ends = [0, 1, 5, 8]
    network, params, xs, du, starts = problem(hidden, dtype, ends[-1], lanes)
    starts[3, -1] = 1
    params = [params * dtype(1 - 0.1 * i) for i in range(3)]
    us, gradient, influence = on_the_gpu(network, params, xs, du, starts, ends)
    whole = np.zeros_like(gradient)
    for lane in range(lanes):
        u, own, j = on_the_cpu(network, params, xs[:, lane], du[:, lane], starts[:, lane], ends)
        whole += own
        assert error(us[:, lane], u) < TOLERANCE[dtype] and error(influence[lane], j) < TOLERANCE[dtype]
    assert error(gradient, whole) < TOLERANCE[dtype]
