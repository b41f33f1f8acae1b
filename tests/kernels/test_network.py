"""Network and RTRL kernels against the reference, finite differences and an independent automatic differentiation."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.model.network import Network
from tests import reference

TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}
HIDDEN = [(), (7,), (6, 9)]
X, R, Y, T = 5, 4, 6, 40


def problem(hidden, dtype, seed=0):
    """A network with lively weights, inputs (T, X) and targets (T, Y)."""
    rng = np.random.default_rng(seed)
    network = Network(X, hidden, R, Y, dtype)
    params = np.concatenate([(rng.standard_normal(s) / np.sqrt(s[1])).ravel() for s in network.shapes]).astype(dtype)
    return network, params, rng.standard_normal((T, X)).astype(dtype), rng.standard_normal((T, Y)).astype(dtype)


def as_reference(network, params):
    """(layers, names) of tests.reference."""
    layers = [(m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)]
    names = [["tanh"] * len(b) for _, b in layers]
    names[-1] = ["tanh"] * R + ["linear"] * Y
    return layers, names


def block_gradient(network, params, xs, targets, block):
    """u (T, R + Y) and the gradient of the squared error, in blocks, J carried between them.  Eq. (11)-(13)."""
    gradient, state, influence, us = np.zeros_like(params), np.zeros(R, params.dtype), None, []
    for start in range(0, len(xs), block):
        done = network.forward(params, xs[start:start + block], state)
        du = np.zeros_like(done.u)
        du[:, R:] = done.u[:, R:] - targets[start:start + block]
        adjoint = network.backward(params, done, du, gradient)
        if influence is not None:
            network.influence_gradient(adjoint, influence, gradient)
        influence = network.influence(params, done, influence)
        us.append(done.u)
    return np.concatenate(us), gradient, influence


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("block", [1, 7, 33, T])
def test_every_block_length_gives_the_textbook_gradient(hidden, dtype, block):
    network, params, xs, targets = problem(hidden, dtype)
    layers, names = as_reference(network, params)
    us, expected = reference.rtrl(layers, names, R, xs.astype(np.float64),
                                  lambda t, u: np.concatenate([np.zeros(R), u[R:] - targets[t]]))
    got_us, gradient, _ = block_gradient(network, params, xs, targets, block)
    assert error(got_us, us) < TOLERANCE[dtype]
    assert error(gradient, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_automatic_differentiation_and_finite_differences_agree(hidden):
    network, params, xs, targets = problem(hidden, np.float64)

    def loss(flat):
        layers, at = [], 0
        for n, m in network.shapes:
            layers.append(anp.reshape(flat[at:at + n * m], (n, m)))
            at += n * m
        r, total = anp.zeros(R), 0.0
        for x, d in zip(xs, targets, strict=True):
            y = anp.concatenate([x, r])
            for layer in layers[:-1]:
                y = anp.tanh(anp.dot(layer[:, :-1], y) + layer[:, -1])
            u = anp.dot(layers[-1][:, :-1], y) + layers[-1][:, -1]
            r = anp.tanh(u[:R])
            total = total + 0.5 * anp.sum((u[R:] - d) ** 2)
        return total

    gradient = block_gradient(network, params, xs, targets, 7)[1]
    assert error(gradient, grad(loss)(params)) < 1e-10
    assert error(gradient, reference.central_differences(loss, params)) < 1e-6


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_influence_matrix_is_the_derivative_of_the_state(hidden):
    network, params, xs, _ = problem(hidden, np.float64)

    def state_after(flat):
        state = np.zeros(R)
        network.forward(flat, xs, state)
        return state

    influence = block_gradient(network, params, xs, np.zeros((T, Y)), 9)[2]
    at, columns = 0, []
    for k, (n, m) in enumerate(network.shapes):
        units = R if k == len(network.shapes) - 1 else n
        columns.append(influence[at:at + R * units * m].reshape(R, units * m))
        at += R * units * m
    got = np.concatenate(columns, axis=1)
    for i in range(R):
        numeric = reference.central_differences(lambda p, i=i: state_after(p)[i], params)
        assert np.abs(got[i] - numeric[:network.influential]).max() < 1e-7
        assert not numeric[network.influential:].any()  # the y rows never reach r


def test_a_later_block_sees_the_earlier_weights_through_j():
    """Without J the gradient of a loss in the last block alone would be wrong: the check can fail."""
    network, params, xs, targets = problem((7,), np.float64)
    state, gradient, cut = np.zeros(R), np.zeros_like(params), np.zeros_like(params)
    first = network.forward(params, xs[:20], state)
    influence = network.influence(params, first, None)
    last = network.forward(params, xs[20:], state)
    du = np.zeros_like(last.u)
    du[:, R:] = last.u[:, R:] - targets[20:]
    adjoint = network.backward(params, last, du, cut)
    gradient[:] = cut
    network.influence_gradient(adjoint, influence, gradient)
    layers, names = as_reference(network, params)
    expected = reference.rtrl(layers, names, R, xs, lambda t, u: np.concatenate(
        [np.zeros(R), u[R:] - targets[t]]) * (t >= 20))[1]
    assert error(gradient, expected) < 1e-10
    assert error(cut, expected) > 1e-3
