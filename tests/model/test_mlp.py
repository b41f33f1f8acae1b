import subprocess
import sys

import numpy as np
import pytest

import midigen
import midigen.model
from midigen.model import Mlp, Network


def test_public_names_come_without_numba_until_they_are_used():
    code = (
        "import sys, midigen; assert 'numba' not in sys.modules; midigen.model; "
        "assert 'numba' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    for package in (midigen, midigen.model):
        for name in package.__all__:
            assert getattr(package, name).__doc__
        with pytest.raises(AttributeError, match="nothing"):
            package.nothing  # noqa: B018


def test_initial_weights_follow_the_fan_in():
    mlp = Mlp([4, 100, 3], "tanh", np.float32)
    params = mlp.initial(np.random.default_rng(0))
    first, last = mlp.layers(params)
    assert params.dtype == np.float32 and first.shape == (100, 5) and last.shape == (3, 101)
    assert (
        not first[:, -1].any()
        and 0.45 < np.abs(first).max() <= 0.5
        and 0.09 < np.abs(last).max() <= 0.1
    )
    first[:] = 7
    assert params[0] == 7  # views


@pytest.mark.parametrize(
    "sizes, activations, dtype, message",
    [
        ([3], "tanh", "float32", "sizes"),
        ([3, 0], "tanh", "float32", "sizes"),
        ([3, 2], "relu", "float32", "'relu'"),
        ([3, 2], ["tanh", "tanh"], "float32", "each of 1 layers, not 2"),
        ([3, 2], [["tanh"] * 3], "float32", "layer 1 has 2 units, not 3"),
        ([3, 2], "tanh", "float16", "dtype must be float32 or float64"),
    ],
)
def test_impossible_networks(sizes, activations, dtype, message):
    with pytest.raises(ValueError, match=message):
        Mlp(sizes, activations, dtype)


@pytest.mark.parametrize(
    "x, message",
    [
        (np.zeros((2, 4)), r"x must have shape \(any, 3\), not \(2, 4\)"),
        (np.zeros(3), r"x must have shape \(any, 3\), not \(3,\)"),
        ([[0, np.nan, 0]], "x holds values that are not finite"),
    ],
)
@pytest.mark.parametrize("method", ["forward", "weight_jacobian", "input_jacobian"])
def test_bad_inputs(method, x, message):
    mlp = Mlp([3, 2], "tanh")
    with pytest.raises(ValueError, match=message):
        getattr(mlp, method)(np.zeros(mlp.parameters), x)


def test_bad_parameters_and_rows():
    mlp = Mlp([3, 2], "tanh")
    with pytest.raises(ValueError, match=r"params must have shape \(8,\), not \(7,\)"):
        mlp.forward(np.zeros(7), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"g must have shape \(1, 2\), not \(1, 3\)"):
        mlp.vector_jacobian(np.zeros(8), np.zeros((1, 3)), np.zeros((1, 3)))


def test_what_is_given_is_neither_changed_nor_needed_writable():
    mlp = Mlp([3, 4, 2], "tanh")
    arrays = [np.random.default_rng(0).normal(size=s) for s in (mlp.parameters, (5, 3), (5, 2))]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    mlp.weight_jacobian(*arrays[:2]), mlp.vector_jacobian(*arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_a_recurrent_network_has_the_same_layout():
    """One recurrent step is the MLP at [x; r]: same parameters, same order."""
    rng = np.random.default_rng(0)
    names = [["softplus", "leaky"], ["sigmoid"] * 3 + ["tanh"] * 2]
    network, mlp = Network(4, (2,), 3, 2, np.float64, names), Mlp([7, 2, 5], names)
    assert network.parameters == mlp.parameters
    params, x, r = (rng.normal(size=size) for size in (mlp.parameters, (1, 4), 3))
    expected = mlp.forward(params, np.concatenate([x[0], r])[None])
    assert np.allclose(network.forward(params, x, r), expected, atol=1e-15)


def test_a_recurrent_network_goes_on_from_its_own_state(backend):
    rng, network = np.random.default_rng(0), Network(3, (), 4, 2, np.float64)
    params, x = rng.normal(size=network.parameters), rng.normal(size=(9, 3))
    whole = network.forward(params, x, backend=backend)
    assert whole.shape == (9, 6)
    rest = network.forward(params, x[5:], state=whole[4, :4], backend=backend)
    assert np.allclose(rest, whole[5:], atol=1e-14)
    anew = network.forward(params, x, starts=np.arange(9) == 5, backend=backend)
    assert np.allclose(anew[:5], whole[:5], atol=1e-14)
    assert np.allclose(anew[5:], network.forward(params, x[5:], backend=backend), atol=1e-14)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"params": np.zeros(2)}, r"params must have shape \(48,\), not \(2,\)"),
        ({"x": np.zeros((9, 4))}, r"x must have shape \(any, 3\), not \(9, 4\)"),
        ({"state": np.zeros(3)}, r"state must have shape \(4,\), not \(3,\)"),
        ({"starts": [True]}, r"starts must have shape \(9,\), not \(1,\)"),
        ({"state": np.full(4, np.nan)}, "state holds values that are not finite"),
    ],
)
def test_what_a_recurrent_network_cannot_take(change, message):
    network = Network(3, (), 4, 2)
    given = {"params": np.zeros(network.parameters), "x": np.zeros((9, 3)), **change}
    with pytest.raises(ValueError, match=message):
        network.forward(**given)
