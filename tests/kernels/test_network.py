"""Network and RTRL against the reference, finite differences and automatic differentiation."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.model.influence import advance_influence, influence_gradient
from midigen.model.network import Network
from tests import SIMULATED, reference
from tests.kernels.blocks import error, lively, run_in_blocks, state_jacobian

TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}
# the last two carry J at a hidden layer, the narrowest
HIDDEN = [(), (7,), (6, 9), (3,), (9, 2, 6)]
X, R, Y = 5, 4, 6
# the simulator is slow
T, BLOCKS, CUTS = (5, [2, 5], [0, 1, 2, 4]) if SIMULATED else (40, [1, 7, 33, 40], [0, 3, 4, 21])


def problem(hidden, dtype, seed=0):
    """A network, its parameters, inputs (T, X) and targets (T, Y)."""
    rng = np.random.default_rng(seed)
    network = Network(X, hidden, R, Y, dtype)
    params = lively(network, rng)
    xs, targets = (rng.standard_normal((T, n)).astype(dtype) for n in (X, Y))
    return network, params, xs, targets


def test_j_is_carried_where_it_is_narrowest():
    networks = [Network(X, hidden, R, Y) for hidden in HIDDEN]
    assert [(n.cut, n.cut_units) for n in networks] == [(1, 4), (2, 4), (3, 4), (1, 3), (2, 2)]


def as_reference(network, params):
    """(layers, names) of tests.reference."""
    layers = [
        (m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)
    ]
    names = [["tanh"] * len(b) for _, b in layers]
    names[-1] = ["tanh"] * R + ["linear"] * Y
    return layers, names


def reference_gradient(network, params, xs, targets, first=0):
    """u (T, R + Y) and dE/dw of the squared errors of frames first..T-1.  Eq. (8)-(10)."""

    def squared_error(t, u):
        return np.concatenate([np.zeros(R), u[R:] - targets[t]]) * (t >= first)

    layers, names = as_reference(network, params)
    return reference.rtrl(layers, names, R, xs.astype(np.float64), squared_error)


def block_gradient(backend, network, params, xs, targets, block, starts=None):
    """u (T, R + Y) and dE/dw of the squared error, in blocks, and J at the end.  Eq. (11)-(13)."""

    def squared_error(first, u):
        du = np.zeros_like(u)
        du[:, 0, R:] = u[:, 0, R:] - targets[first : first + len(u)]
        return du

    ends = [*range(0, len(xs), block), len(xs)]
    starts = None if starts is None else starts[:, None]
    us, gradient, influence = run_in_blocks(
        backend, network, [params] * (len(ends) - 1), xs[:, None], ends, squared_error, starts
    )
    return us[:, 0], gradient, influence


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_length_gives_the_textbook_gradient(backend, hidden, dtype, block):
    network, params, xs, targets = problem(hidden, dtype)
    expected_us, expected = reference_gradient(network, params, xs, targets)
    us, gradient, _ = block_gradient(backend, network, params, xs, targets, block)
    assert error(us, expected_us) < TOLERANCE[dtype]
    assert error(gradient, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("block", BLOCKS)
def test_series_that_begin_in_mid_block(backend, hidden, dtype, block):
    """The gradient is the sum of the series', and J knows nothing from before the last of them."""
    network, params, xs, targets = problem(hidden, dtype)
    starts, whole = np.zeros(T, np.uint8), np.zeros_like(params)
    cuts = [*CUTS, T]
    starts[cuts[1:-1]] = 1
    for first, end in zip(cuts, cuts[1:], strict=False):
        one = xs[first:end], targets[first:end]
        us, gradient, influence = block_gradient(backend, network, params, *one, T)
        whole += gradient
    got_us, got, last = block_gradient(backend, network, params, xs, targets, block, starts)
    assert error(got_us[cuts[-2] :], us) < TOLERANCE[dtype] and error(got, whole) < TOLERANCE[dtype]
    of_all, of_last = (state_jacobian(backend, network, j) for j in (last, influence))
    assert error(of_all, of_last) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2])
def test_inputs_that_are_mostly_0_are_taken_one_by_one(hidden, dtype, share):
    """On both sides of SPARSE, with silent frames, and values that are neither 0 nor 1."""
    network, params, xs, targets = problem(hidden, dtype)
    xs *= np.random.default_rng(1).random(xs.shape) < share
    expected = reference_gradient(network, params, xs, targets)[1]
    gradient = block_gradient(cpu_backend(), network, params, xs, targets, 7)[1]
    assert error(gradient, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("hidden", [(), (90,)])
def test_threads_change_no_bit_of_j(hidden):
    """130 rows of J, or 90 at the hidden layer, are three pieces or two whatever the threads."""
    network, found = Network(X, hidden, 130, Y), []
    for threads in (1, 3):
        rng, backend = np.random.default_rng(0), CpuBackend(threads)
        params, xs = network.initial(rng), rng.standard_normal((100, 1, X)).astype(np.float32)
        influence = run_in_blocks(backend, network, [params] * 2, xs, [0, 50, 100])[2]
        found.append(influence.matrix)
    assert np.array_equal(*found)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_automatic_differentiation_and_finite_differences_agree(backend, hidden):
    network, params, xs, targets = problem(hidden, np.float64)

    def loss(flat):
        layers, at = [], 0
        for n, m in network.shapes:
            layers.append(anp.reshape(flat[at : at + n * m], (n, m)))
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

    gradient = block_gradient(backend, network, params, xs, targets, BLOCKS[1])[1]
    assert error(gradient, grad(loss)(params)) < 1e-10
    assert error(gradient, reference.central_differences(loss, params)) < 1e-6


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_influence_matrix_is_the_derivative_of_the_state(hidden):
    network, params, xs, targets = problem(hidden, np.float64)

    def state_after(flat):
        return network.forward(flat, xs)[-1, :R]

    influence = block_gradient(cpu_backend(), network, params, xs, targets, 9)[2]
    got = state_jacobian(cpu_backend(), network, influence)
    for i in range(R):
        numeric = reference.central_differences(lambda p, i=i: state_after(p)[i], params)
        assert np.abs(got[i] - numeric).max() < 1e-7
        assert not numeric[network.influential :].any()  # the y rows never reach r


def test_a_later_block_sees_the_earlier_weights_through_j(backend):
    """Without J the gradient of a loss in the last block alone would be wrong."""
    network, params, xs, targets = problem((7,), np.float64)
    half, weights, x = T // 2, backend.to_device(params), xs[:, None]
    state, cut = backend.zeros((1, R), np.float64), backend.zeros(params.shape, np.float64)
    starts = np.zeros((T, 1), np.uint8)
    first = backend.forward(network, weights, backend.to_device(x[:half]), starts[:half], state)
    influence = advance_influence(backend, network, weights, first, None)
    last = backend.forward(network, weights, backend.to_device(x[half:]), starts[half:], state)
    du = backend.to_host(last.u).copy()
    du[..., :R], du[:, 0, R:] = 0, du[:, 0, R:] - targets[half:]
    adjoint = backend.backward(network, weights, last, backend.to_device(du), cut)
    gradient = backend.copy(cut)
    influence_gradient(backend, network, adjoint, influence, gradient)
    expected = reference_gradient(network, params, xs, targets, half)[1]
    assert error(backend.to_host(gradient), expected) < 1e-10
    assert error(backend.to_host(cut), expected) > 1e-3
