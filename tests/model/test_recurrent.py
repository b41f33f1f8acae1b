"""RTRL on any loss, with any activations: blocks, steps and the textbook against the reference."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.model import Network, RecurrentNetwork, squared_error
from tests import reference
from tests.kernels.blocks import error

X, R, Y, T = 3, 4, 2, 24
LAYERS = {
    "tanh": ((), [["tanh"] * R + ["linear"] * Y]),
    "mixed": (
        (5,),
        [
            ["linear", "tanh", "sigmoid", "softplus", "leaky"],
            ["leaky", "sigmoid", "tanh", "softplus", "linear", "sigmoid"],
        ],
    ),
}
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}


def problem(kind, dtype=np.float64, seed=0):
    hidden, names = LAYERS[kind]
    rng = np.random.default_rng(seed)
    network = Network(X, hidden, R, Y, dtype, names)
    params = rng.normal(0, 0.4, network.parameters).astype(dtype)
    layers = [
        (m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)
    ]
    return network, params, rng.normal(size=(T, X)).astype(dtype), (layers, names)


def cosine_loss(t, y):
    """de/dy of e_t = sum cos(y_i + t), which differs from frame to frame."""
    return -np.sin(y + t)


def reference_gradient(layers, names, xs, loss_gradient):
    return reference.rtrl(
        layers,
        names,
        R,
        xs.astype(np.float64),
        lambda t, u: np.concatenate([np.zeros(R), loss_gradient(t, u[R:])]),
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("block", [1, 7, T])
def test_any_loss_and_any_activations(backend, kind, dtype, block):
    network, params, xs, (layers, names) = problem(kind, dtype)
    us, expected = reference_gradient(layers, names, xs, cosine_loss)
    rnn = RecurrentNetwork(network, params, backend=backend)
    ys = np.concatenate([rnn.block(xs[i : i + block], cosine_loss) for i in range(0, T, block)])
    assert error(ys, us[:, R:]) < TOLERANCE[dtype]
    assert error(rnn.gradient, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("kind", LAYERS)
def test_finite_differences(kind):
    network, params, xs, _ = problem(kind)

    def loss(p):
        y = RecurrentNetwork(network, p).block(xs)
        return np.cos(y + np.arange(T)[:, None]).sum()

    rnn = RecurrentNetwork(network, params)
    for x in xs:
        rnn.step(x, cosine_loss)
    assert error(rnn.gradient, reference.central_differences(loss, params)) < 1e-7


def test_automatic_differentiation():
    network, params, xs, _ = problem("tanh")

    def loss(p):
        w, r, total = anp.reshape(p, network.shapes[0]), anp.zeros(R), 0.0
        for t, x in enumerate(xs):
            u = anp.dot(w[:, :-1], anp.concatenate([x, r])) + w[:, -1]
            r = anp.tanh(u[:R])
            total = total + anp.sum(anp.cos(u[R:] + t))
        return total

    rnn = RecurrentNetwork(network, params)
    rnn.block(xs[:9], cosine_loss)
    rnn.block(xs[9:], cosine_loss)
    assert error(rnn.gradient, grad(loss)(params)) < 1e-10


def test_squared_error_and_losses_given_as_arrays(backend):
    network, params, xs, (layers, names) = problem("mixed")
    targets = np.random.default_rng(1).normal(size=(T, Y))
    expected = reference_gradient(layers, names, xs, lambda t, y: y - targets[t])[1]
    rnn = RecurrentNetwork(network, params, backend=backend)
    for i in range(0, T, 5):
        rnn.block(xs[i : i + 5], squared_error(targets))
    assert error(rnn.take_gradient(), expected) < 1e-10
    assert not rnn.gradient.any()
    rnn.reset()
    ys = rnn.block(xs)
    rnn.reset()
    for x, g in zip(xs, ys - targets, strict=True):
        rnn.step(x, g)
    assert error(rnn.gradient, expected) < 1e-10


def test_a_lag_longer_than_the_block_is_seen_by_j_alone(backend):
    network, params, xs, (layers, names) = problem("tanh")
    _, expected = reference_gradient(
        layers, names, xs, lambda t, y: cosine_loss(t, y) * (t == T - 1)
    )
    gradients = {}
    for truncate in (False, True):
        rnn = RecurrentNetwork(network, params, truncate, backend=backend)
        for i in range(0, T - 4, 4):
            rnn.block(xs[i : i + 4])
        rnn.block(xs[-4:], lambda t, y: cosine_loss(t, y) * (t == T - 1))
        gradients[truncate] = rnn.gradient
    assert error(gradients[False], expected) < 1e-10
    assert error(gradients[True], expected) > 1e-3


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", LAYERS)
def test_the_textbook_recursion(backend, kind, dtype):
    network, params, xs, (layers, names) = problem(kind, dtype)
    _, expected = reference_gradient(layers, names, xs, cosine_loss)
    weights, gradient = backend.to_device(params), backend.zeros(params.shape, dtype)
    state, influence = backend.zeros((1, R), dtype), None
    for i in range(0, T, 7):
        x = backend.to_device(xs[i : i + 7, None])
        starts = np.zeros((len(xs[i : i + 7]), 1), np.uint8)
        block = backend.forward(network, weights, x, starts, state)
        du = np.zeros_like(backend.to_host(block.u))
        y = backend.to_host(block.u)[:, 0, R:]
        du[:, 0, R:] = [cosine_loss(i + j, row) for j, row in enumerate(y)]
        du = backend.to_device(du)
        influence = backend.textbook(network, weights, block, du, influence, gradient)
    assert error(backend.to_host(gradient), expected) < TOLERANCE[dtype]


def test_weights_may_move_while_the_series_goes_on(backend):
    network, params, xs, _ = problem("tanh")
    rnn = RecurrentNetwork(network, params, backend=backend)
    first = rnn.block(xs[:5], cosine_loss)
    params -= 0.1 * rnn.take_gradient()
    rnn.block(xs[5:], cosine_loss)
    assert rnn.t == T and np.isfinite(rnn.gradient).all()
    rnn.reset()
    assert not np.allclose(rnn.block(xs[:5]), first)


def test_a_reset_in_mid_block_is_a_reset(backend):
    network, params, xs, _ = problem("tanh")
    apart, together = (RecurrentNetwork(network, params, backend=backend) for _ in range(2))
    outputs = [apart.block(xs[:5], cosine_loss)]
    apart.reset()
    outputs.append(apart.block(xs[5:9], lambda t, y: cosine_loss(t + 5, y)))
    y = together.block(xs[:9], cosine_loss, np.arange(9) == 5)
    assert np.allclose(y, np.concatenate(outputs), atol=1e-14)
    assert error(together.gradient, apart.gradient) < 1e-12
    with pytest.raises(ValueError, match=r"starts must have shape \(9,\)"):
        together.block(xs[:9], None, [True])


@pytest.mark.parametrize(
    "x, loss, message",
    [
        (np.zeros((2, X + 1)), None, r"x must have shape \(any, 3\), not \(2, 4\)"),
        (np.zeros((0, X)), None, "x must have at least one frame"),
        (np.full((1, X), np.inf), None, "x holds"),
        (
            np.zeros((2, X)),
            np.zeros((2, Y + 1)),
            r"loss_gradient must have shape \(2, 2\), not \(2, 3\)",
        ),
        (np.zeros((1, X)), lambda t, y: y * np.nan, "loss_gradient holds"),
    ],
)
def test_bad_shapes_and_values(x, loss, message):
    network, params, _, _ = problem("tanh")
    with pytest.raises(ValueError, match=message):
        RecurrentNetwork(network, params).block(x, loss)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p[:-1], "params must have shape"),
        (lambda p: p.astype(np.float32), "contiguous array of float64"),
        (lambda p: p * np.nan, "params holds"),
        (list, "contiguous array of float64"),
    ],
)
def test_bad_parameters(change, message):
    network, params, _, _ = problem("tanh")
    with pytest.raises(ValueError, match=message):
        RecurrentNetwork(network, change(params))
