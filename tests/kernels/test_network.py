"""Network and RTRL kernels against the reference, finite differences and an independent automatic differentiation."""

from concurrent.futures import ThreadPoolExecutor

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.kernels.cuda.jit import SIMULATED
from midigen.model.network import Network
from tests import reference

TOLERANCE = {np.float64: 1e-10, np.float32: 1e-4}
HIDDEN = [
    (),
    (7,),
    (6, 9),
    (3,),
    (9, 2, 6),
]  # the last two carry J at a hidden layer, the narrowest
X, R, Y = 5, 4, 6
T, BLOCKS, CUTS = (
    (5, [2, 5], [0, 1, 2, 4]) if SIMULATED else (40, [1, 7, 33, 40], [0, 3, 4, 21])
)  # it is slow


def problem(hidden, dtype, kind=Network, seed=0):
    """A network with lively weights, inputs (T, X) and targets (T, Y)."""
    rng = np.random.default_rng(seed)
    network = kind(X, hidden, R, Y, dtype)
    params = np.concatenate(
        [(rng.standard_normal(s) / np.sqrt(s[1])).ravel() for s in network.shapes]
    ).astype(dtype)
    return (
        network,
        params,
        rng.standard_normal((T, X)).astype(dtype),
        rng.standard_normal((T, Y)).astype(dtype),
    )


def test_j_is_carried_where_it_is_narrowest():
    assert [(n.cut, n.cut_units) for n in (Network(X, hidden, R, Y) for hidden in HIDDEN)] == [
        (1, 4),
        (2, 4),
        (3, 4),
        (1, 3),
        (2, 2),
    ]


def as_reference(network, params):
    """(layers, names) of tests.reference."""
    layers = [
        (m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in network.layers(params)
    ]
    names = [["tanh"] * len(b) for _, b in layers]
    names[-1] = ["tanh"] * R + ["linear"] * Y
    return layers, names


def block_gradient(network, params, xs, targets, block, starts=None):
    """u (T, R + Y) and the gradient of the squared error, in blocks, J carried between them.  Eq. (11)-(13)."""
    gradient, state, influence, us = np.zeros_like(params), np.zeros(R, params.dtype), None, []
    starts = np.zeros(len(xs), np.uint8) if starts is None else starts
    for start in range(0, len(xs), block):
        done = network.forward(
            params, xs[start : start + block], state, starts[start : start + block]
        )
        du = np.zeros_like(done.u)
        du[:, R:] = done.u[:, R:] - targets[start : start + block]
        adjoint = network.backward(params, done, du, gradient)
        if influence is not None:
            network.influence_gradient(adjoint, influence, gradient)
        influence = network.influence(params, done, influence)
        us.append(done.u)
    return np.concatenate(us), gradient, influence


def state_jacobian(network, influence):
    """dr/dw (R, P) of an Influence."""
    rows = np.zeros((network.recurrent, network.parameters), network.dtype)
    for i, row in enumerate(rows):
        network.influence_gradient(
            np.eye(network.recurrent, dtype=network.dtype)[i], influence, row
        )
    return rows


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_length_gives_the_textbook_gradient(network_kind, hidden, dtype, block):
    network, params, xs, targets = problem(hidden, dtype, network_kind)
    layers, names = as_reference(network, params)
    us, expected = reference.rtrl(
        layers,
        names,
        R,
        xs.astype(np.float64),
        lambda t, u: np.concatenate([np.zeros(R), u[R:] - targets[t]]),
    )
    got_us, gradient, _ = block_gradient(network, params, xs, targets, block)
    assert error(got_us, us) < TOLERANCE[dtype]
    assert error(gradient, expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("block", BLOCKS)
def test_series_that_begin_in_mid_block(network_kind, hidden, dtype, block):
    """The gradient is the sum of the series', and J knows nothing from before the last of them."""
    network, params, xs, targets = problem(hidden, dtype, network_kind)
    starts, whole = np.zeros(T, np.uint8), np.zeros_like(params)
    cuts = [*CUTS, T]
    starts[cuts[1:-1]] = 1
    for first, end in zip(cuts, cuts[1:], strict=False):
        us, gradient, influence = block_gradient(
            network, params, xs[first:end], targets[first:end], T
        )
        whole += gradient
    got_us, got, last = block_gradient(network, params, xs, targets, block, starts)
    assert error(got_us[cuts[-2] :], us) < TOLERANCE[dtype] and error(got, whole) < TOLERANCE[dtype]
    assert (
        error(state_jacobian(network, last), state_jacobian(network, influence)) < TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("hidden", [(), (3,)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2])
def test_inputs_that_are_mostly_0_are_taken_one_by_one(hidden, dtype, share):
    """On both sides of SPARSE, with frames in which nothing is on, and values that are neither 0 nor 1."""
    network, params, xs, targets = problem(hidden, dtype)
    xs *= np.random.default_rng(1).random(xs.shape) < share
    layers, names = as_reference(network, params)
    expected = reference.rtrl(
        layers,
        names,
        R,
        xs.astype(np.float64),
        lambda t, u: np.concatenate([np.zeros(R), u[R:] - targets[t]]),
    )[1]
    assert error(block_gradient(network, params, xs, targets, 7)[1], expected) < TOLERANCE[dtype]


@pytest.mark.parametrize("hidden", [(), (90,)])
def test_threads_change_no_bit_of_j(hidden):
    """130 rows of J, or 90 at the hidden layer, are three pieces or two on any number of threads."""
    rng = np.random.default_rng(0)
    network = Network(X, hidden, 130, Y)
    params, state, found = network.initial(rng), np.zeros(130, np.float32), []
    blocks = [
        network.forward(params, rng.standard_normal((50, X)).astype(np.float32), state)
        for _ in range(2)
    ]
    with ThreadPoolExecutor(3) as three, ThreadPoolExecutor(1) as one:
        for pool in (None, one, three):
            first = network.influence(params, blocks[0], None, 0.0, pool)
            found.append(network.influence(params, blocks[1], first, 0.0, pool).matrix)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


@pytest.mark.parametrize("hidden", HIDDEN)
def test_automatic_differentiation_and_finite_differences_agree(network_kind, hidden):
    network, params, xs, targets = problem(hidden, np.float64, network_kind)

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

    gradient = block_gradient(network, params, xs, targets, BLOCKS[1])[1]
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
    got = state_jacobian(network, influence)
    for i in range(R):
        numeric = reference.central_differences(lambda p, i=i: state_after(p)[i], params)
        assert np.abs(got[i] - numeric).max() < 1e-7
        assert not numeric[network.influential :].any()  # the y rows never reach r


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
    expected = reference.rtrl(
        layers,
        names,
        R,
        xs,
        lambda t, u: np.concatenate([np.zeros(R), u[R:] - targets[t]]) * (t >= 20),
    )[1]
    assert error(gradient, expected) < 1e-10
    assert error(cut, expected) > 1e-3
