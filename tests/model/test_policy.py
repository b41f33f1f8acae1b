"""The policy gradient, Eq. (7), against the reference, finite differences and autograd."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.model import Affine, Mlp, policy_gradient
from tests import reference

N, S, A = 5, 3, 2
MAPS = {
    "before_policy": (4, S),
    "after_policy": (A, 3),
    "before_critic": (6, S + A),
    "after_critic": (1, 2),
}


def affine(rng, shape):
    return Affine(rng.normal(size=shape), rng.normal(size=shape[0]))


def problem(maps, dtype=np.float64, backend=None, seed=0):
    """Two networks, their parameters, states, and those of the four maps that are named."""
    rng = np.random.default_rng(seed)
    given = {name: affine(rng, shape) for name, shape in MAPS.items() if name in maps}
    policy = Mlp(
        [4 if "before_policy" in maps else S, 5, 3 if "after_policy" in maps else A],
        ["tanh", "sigmoid"],
        dtype,
        backend,
    )
    critic = Mlp(
        [6 if "before_critic" in maps else S + A, 7, 2 if "after_critic" in maps else 1],
        ["softplus", "linear"],
        dtype,
        backend,
    )
    draw = [rng.normal(size=n).astype(dtype) for n in (policy.parameters, critic.parameters)]
    return (policy, draw[0], critic, draw[1], rng.normal(size=(N, S)).astype(dtype)), given


def as_reference(mlp, params):
    return [(m[:, :-1].astype(np.float64), m[:, -1].astype(np.float64)) for m in mlp.layers(params)]


def autograd_value(arguments, maps):
    """sum_n q(x_n, m(x_n)) as a function of the policy's parameters, in autograd's NumPy."""
    policy, _, critic, critic_params, x = arguments

    def network(mlp, params, activations, z):
        at = 0
        for (rows, columns), phi in zip(mlp.shapes, activations, strict=True):
            w = anp.reshape(params[at : at + rows * columns], (rows, columns))
            z, at = phi(anp.dot(z, w[:, :-1].T) + w[:, -1]), at + rows * columns
        return z

    def mapped(name, z):
        return anp.dot(z, maps[name].w.T) + maps[name].b if name in maps else z

    def value(p):
        a = mapped(
            "after_policy",
            network(
                policy, p, [anp.tanh, lambda s: 1 / (1 + anp.exp(-s))], mapped("before_policy", x)
            ),
        )
        z = mapped("before_critic", anp.concatenate([x, a], axis=1))
        return anp.sum(
            mapped(
                "after_critic",
                network(critic, critic_params, [lambda s: anp.log(1 + anp.exp(s)), lambda s: s], z),
            )
        )

    return value


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize(
    "maps",
    [tuple(MAPS), ("before_policy", "before_critic", "after_critic"), ()],
    ids=["all maps", "none behind the policy", "no maps"],
)
def test_policy_gradient(backend, maps):
    arguments, given = problem(maps, backend=backend)
    q, gradient = policy_gradient(*arguments, **given)
    policy, params, critic, critic_params, x = arguments
    value = autograd_value(arguments, given)
    assert np.isclose(q.sum(), value(params), rtol=1e-12)
    assert error(gradient, grad(value)(params)) < 1e-12
    numeric = reference.central_differences(
        lambda p: policy_gradient(policy, p, critic, critic_params, x, **given)[0].sum(), params
    )
    assert error(gradient, numeric) < 1e-7
    names = (
        [["tanh"] * 5, ["sigmoid"] * policy.outputs],
        [["softplus"] * 7, ["linear"] * critic.outputs],
    )
    expected = [
        reference.policy_gradient(
            as_reference(policy, params),
            names[0],
            as_reference(critic, critic_params),
            names[1],
            row,
            {name: (m.w, m.b) for name, m in given.items()},
        )
        for row in x
    ]
    assert error(gradient, np.sum([g for _, g in expected], axis=0)) < 1e-12
    assert error(q, np.array([value for value, _ in expected])) < 1e-12


def test_float32(backend):
    arguments, given = problem(tuple(MAPS), np.float32, backend)
    policy, params, critic, critic_params, x = arguments
    exact = policy_gradient(
        Mlp(policy.sizes, ["tanh", "sigmoid"]),
        params,
        Mlp(critic.sizes, ["softplus", "linear"]),
        critic_params,
        x,
        **given,
    )
    got = policy_gradient(*arguments, **given)
    assert error(got[0], exact[0]) < 1e-5 and error(got[1], exact[1]) < 1e-5


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"before_policy": Affine(np.ones((3, S)), np.ones(3))},
            r"before_policy.w must have shape \(4, any\), not",
        ),
        (
            {"after_policy": Affine(np.ones((A, 3)), np.ones(3))},
            r"after_policy.b must have shape \(2,\), not \(3,\)",
        ),
        ({"before_critic": None}, "before_critic must be given: it has to turn 5 numbers into 6"),
        ({"after_critic": None}, "after_critic must be given: it has to turn 2 numbers into 1"),
        (
            {"after_critic": Affine(np.full((1, 2), np.nan), np.ones(1))},
            "after_critic.w holds values",
        ),
    ],
)
def test_maps_that_do_not_fit(change, message):
    arguments, given = problem(tuple(MAPS))
    with pytest.raises(ValueError, match=message):
        policy_gradient(*arguments, **{**given, **change})


def test_states_of_a_wrong_width():
    arguments, given = problem(tuple(MAPS))
    with pytest.raises(ValueError, match=r"x must have shape \(any, 3\), not \(1, 4\)"):
        policy_gradient(*arguments[:4], np.zeros((1, 4)), **given)
