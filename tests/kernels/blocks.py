"""Series cut into blocks, on any backend: what the tests of the network and of RTRL share."""

import numpy as np

from midigen.model.influence import advance_influence, influence_gradient


def lively(network, rng):
    """Parameters (P,) whose weights are as large as those of a trained network."""
    parts = [rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in network.shapes]
    return np.concatenate([part.ravel() for part in parts]).astype(network.dtype)


def run_in_blocks(backend, network, params, xs, ends, loss=None, starts=None, tolerance=0.0):
    """Run series xs (T, B, X), cut at `ends`, from silence.  Eq. (8), (11)-(13).

    params are the weights (P,) of each block.  loss(first, u) is dE/du (h, B, R + Y) of a block
    that begins at frame `first`.  starts (T, B) says where a series begins.  Returned are u
    (T, B, R + Y), dE/dw (P,) and J at the end.
    """
    starts = np.zeros(xs.shape[:2], np.uint8) if starts is None else starts
    state = backend.zeros((xs.shape[1], network.recurrent), network.dtype)
    gradient = backend.zeros((network.parameters,), network.dtype)
    influence, us = None, []
    for weights, first, end in zip(params, ends, ends[1:], strict=False):
        weights, x = backend.to_device(weights), backend.to_device(xs[first:end])
        block = backend.forward(network, weights, x, starts[first:end], state)
        us.append(backend.to_host(block.u).copy())
        if loss:
            du = backend.to_device(loss(first, us[-1]))
            adjoint = backend.backward(network, weights, block, du, gradient)
            if influence is not None:
                influence_gradient(backend, network, adjoint, influence, gradient)
        influence = advance_influence(backend, network, weights, block, influence, tolerance)
    return np.concatenate(us), backend.to_host(gradient), influence


def adjoint_times_j(backend, network, adjoint, influence):
    """adjoint^T dr/dw (P,), summed over series, for an adjoint (B, R)."""
    out = backend.zeros((network.parameters,), network.dtype)
    adjoint = backend.to_device(adjoint, network.dtype)
    influence_gradient(backend, network, adjoint, influence, out)
    return backend.to_host(out)


def state_jacobian(backend, network, influence):
    """dr/dw (R, P) of a lone series."""
    units = np.eye(network.recurrent)[:, None]
    return np.array([adjoint_times_j(backend, network, unit, influence) for unit in units])


def error(a, b):
    """The largest difference of an array, as a share of the largest number expected."""
    assert a.shape == b.shape
    return np.abs(a.astype(np.float64) - b).max() / np.abs(b).max()
