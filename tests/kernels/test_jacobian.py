"""Jacobians of the network against the reference, finite differences and autograd."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian

from midigen.model import Mlp
from tests import reference
from tests.kernels.blocks import error

N = 3
MIXED = ["linear", "tanh", "sigmoid", "softplus", "leaky"]
NETWORKS = {  # sizes, activations
    "one layer": ([3, 5], [MIXED]),
    "two layers": ([3, 4, 2], ["tanh", "linear"]),
    "deep, by unit": ([2, 5, 3, 5, 2], [MIXED, "softplus", MIXED[::-1], ["leaky", "sigmoid"]]),
    "narrow": ([1, 1, 1], "sigmoid"),
}
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}
AUTOGRAD = {
    "linear": lambda s: s,
    "tanh": anp.tanh,
    "sigmoid": lambda s: 1 / (1 + anp.exp(-s)),
    "softplus": lambda s: anp.log(1 + anp.exp(s)),
    "leaky": lambda s: anp.where(s > 0, s, 0.01 * s),
}


@pytest.fixture(params=NETWORKS)
def case(request):
    return NETWORKS[request.param]


def problem(case, backend, dtype=np.float64):
    """A network on a backend, its parameters and N inputs."""
    sizes, activations = case
    rng = np.random.default_rng(0)
    mlp = Mlp(sizes, activations, dtype, backend)
    params, x = rng.normal(size=mlp.parameters), rng.normal(size=(N, sizes[0]))
    return mlp, params.astype(dtype), x.astype(dtype)


def unit_names(case):
    sizes, activations = case
    layers = [activations] * (len(sizes) - 1) if isinstance(activations, str) else activations
    return [
        [a] * n if isinstance(a, str) else list(a) for a, n in zip(layers, sizes[1:], strict=True)
    ]


def as_reference(mlp, params):
    return [(m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in mlp.layers(params)]


def reference_jacobians(case, mlp, params, x):
    """dy/dw (N, n_L, P) and dy/dx (N, n_L, n_0)."""
    network = as_reference(mlp, params), unit_names(case)
    return [
        np.array([of(*network, row) for row in x])
        for of in (reference.weight_jacobian, reference.input_jacobian)
    ]


def autograd_network(case, params, x):
    """f(x) for one input, in autograd's NumPy, with its own walk over the parameters."""
    at = 0
    for below, names in zip(case[0], unit_names(case), strict=False):
        n = len(names)
        w = anp.reshape(params[at : at + n * (below + 1)], (n, below + 1))
        s = anp.dot(w[:, :-1], x) + w[:, -1]
        x = anp.array([AUTOGRAD[name](s[i]) for i, name in enumerate(names)])
        at += n * (below + 1)
    return x


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_jacobians_match_the_reference(backend, case, dtype):
    mlp, params, x = problem(case, backend, dtype)
    layers, names = as_reference(mlp, params), unit_names(case)
    found = [of(params, x) for of in (mlp.forward, mlp.weight_jacobian, mlp.input_jacobian)]
    expected_y = np.array([reference.forward(layers, names, row)[2] for row in x])
    expected = [expected_y, *reference_jacobians(case, mlp, params, x)]
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == dtype and error(got, wanted) < TOLERANCE[dtype]


def test_jacobians_match_finite_differences(backend, case):
    """Of the reference's values, which are the kernels' own: see the test before."""
    mlp, params, x = problem(case, backend)
    by_w, by_x = mlp.weight_jacobian(params, x), mlp.input_jacobian(params, x)
    names = unit_names(case)

    def value(p, row, i):
        return reference.forward(as_reference(mlp, p), names, row)[2][i]

    for i in range(mlp.outputs):
        for n in range(N):
            numeric = reference.central_differences(lambda p, n=n, i=i: value(p, x[n], i), params)
            assert np.abs(by_w[n, i] - numeric).max() < 1e-7
            numeric = reference.central_differences(lambda row, i=i: value(params, row, i), x[n])
            assert np.abs(by_x[n, i] - numeric).max() < 1e-7


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_one_input_s_jacobians_and_local_gradients(backend, case, dtype):
    """What is made of one input among N is that input's part of what is made of all."""
    (mlp, params, x), n = problem(case, backend, dtype), 2
    layers, names = as_reference(mlp, params), unit_names(case)
    kernels, on_device = backend.jacobian, backend.to_device
    network = mlp.sizes, on_device(mlp.codes), on_device(params)
    outputs, units = mlp.outputs, int(mlp.sizes[1:].sum())
    inputs = backend.empty((N * int((mlp.sizes[:-1] + 1).sum()),), dtype)
    y, d = backend.empty((N, outputs), dtype), backend.empty((outputs * units,), dtype)
    kernels.forward_batch(*network, on_device(x), inputs, y)
    kernels.local_gradients(*network, inputs, y, n, d)
    expected = reference.local_gradients(layers, names, reference.forward(layers, names, x[n])[1])
    by_w = backend.empty((outputs, mlp.parameters), dtype)
    by_x = backend.empty((outputs, mlp.inputs), dtype)
    kernels.weight_jacobian(mlp.sizes, inputs, d, N, n, by_w)
    kernels.input_jacobian(mlp.sizes, network[2], d, by_x)
    for got, wanted in (
        (d, np.concatenate([part.ravel() for part in expected])),
        (by_w, reference.weight_jacobian(layers, names, x[n])),
        (by_x, reference.input_jacobian(layers, names, x[n])),
    ):
        assert error(backend.to_host(got), wanted) < TOLERANCE[dtype]


def test_jacobians_match_automatic_differentiation(backend, case):
    mlp, params, x = problem(case, backend)
    by_w = np.array(
        [jacobian(lambda p, row=row: autograd_network(case, p, row))(params) for row in x]
    )
    by_x = np.array([jacobian(lambda row: autograd_network(case, params, row))(row) for row in x])
    assert error(mlp.weight_jacobian(params, x), by_w) < 1e-12
    assert error(mlp.input_jacobian(params, x), by_x) < 1e-12


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_products_need_no_jacobian(backend, case, dtype):
    mlp, params, x = problem(case, backend, dtype)
    g = np.random.default_rng(1).normal(size=(N, mlp.outputs)).astype(dtype)
    gradient, dx = mlp.vector_jacobian(params, x, g)
    by_w, by_x = reference_jacobians(case, mlp, params, x)
    assert error(gradient, np.einsum("ni,nip->p", g, by_w)) < TOLERANCE[dtype]
    assert error(dx, np.einsum("ni,nim->nm", g, by_x)) < TOLERANCE[dtype]


def test_the_note_s_check_by_squared_error(backend, case):
    """Eq. (6): (y - d)^T dy/dw is the gradient of 1/2 |y - d|^2.

    Backpropagation and autograd give it as well.
    """
    mlp, params, x = problem(case, backend)
    d = np.random.default_rng(2).normal(size=(N, mlp.outputs))

    def loss(p):
        return sum(
            0.5 * anp.sum((autograd_network(case, p, row) - target) ** 2)
            for row, target in zip(x, d, strict=True)
        )

    difference = mlp.forward(params, x) - d
    expected = np.einsum("ni,nip->p", difference, mlp.weight_jacobian(params, x))
    assert error(mlp.vector_jacobian(params, x, difference)[0], expected) < 1e-12
    assert error(grad(loss)(params), expected) < 1e-12


def test_slopes_far_from_zero(backend):
    """Softplus' slope is sigmoid's value even where 1 - exp(-y) has no digits left in float32."""
    mlp = Mlp([1, 1], "softplus", np.float32, backend)
    slope = mlp.input_jacobian([1, 0], [[-15.0], [15.0]])[:, 0, 0]
    assert np.allclose(slope, reference.sigmoid(np.array([-15.0, 15.0])), rtol=1e-5)
