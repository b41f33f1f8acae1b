"""Improving a policy through a critic: the gradient of q(x, m(x)) in the policy's parameters.  Eq. (7)."""

from dataclasses import dataclass

import numpy as np

from midigen.model.layout import as_array


@dataclass(frozen=True)
class Affine:
    """x -> W x + b, what stands before or behind a network: w (n, m), b (n,)."""

    w: np.ndarray
    b: np.ndarray

    @classmethod
    def identity(cls, n):
        """x -> x for n numbers."""
        return cls(np.eye(n), np.zeros(n))

    def __call__(self, x):
        """(N, n) from x (N, m)."""
        return x @ np.asarray(self.w).T + self.b


def policy_gradient(
    policy,
    policy_params,
    critic,
    critic_params,
    x,
    *,
    before_policy=None,
    after_policy=None,
    before_critic=None,
    after_critic=None,
):
    """q (N,) and the gradient (P_mu,) of its sum over states x (N, S) in the policy's parameters.  Eq. (7).

    m(x) = Wm' mu(Wm x + bm) + bm' is the action, q(x, a) = Wq' Q(Wq [x; a] + bq) + bq' its value: policy is mu and
    critic is Q, both Mlp; before_policy, after_policy, before_critic and after_critic are the four Affine maps, None
    for none.  Steps up the gradient raise q.  Raises ValueError where shapes do not fit or values are not finite.
    """
    before_policy = _fitting("before_policy", before_policy, policy.inputs, None)
    states = before_policy.w.shape[1]
    after_policy = _fitting("after_policy", after_policy, None, policy.outputs)
    actions = after_policy.w.shape[0]
    before_critic = _fitting("before_critic", before_critic, critic.inputs, states + actions)
    after_critic = _fitting("after_critic", after_critic, 1, critic.outputs)

    x = as_array("x", x, (None, states), policy.dtype)
    seen = before_policy(x)
    action = after_policy(policy.forward(policy_params, seen))
    z = before_critic(np.concatenate([x, action], axis=1))
    q = after_critic(critic.forward(critic_params, z))[:, 0]
    # Wq' (dQ/d input) Wq[:, action columns] Wm', a row (1, n_mu) for every state
    g = (
        after_critic.w
        @ critic.input_jacobian(critic_params, z)
        @ before_critic.w[:, states:]
        @ after_policy.w
    )
    return q, policy.vector_jacobian(policy_params, seen, g[:, 0])[0]


def _fitting(name, affine, rows, columns):
    """The map with arrays checked to be (rows, columns), None for any; the identity where there is no map."""
    if affine is None:
        n = columns if rows is None else rows
        if None not in (rows, columns) and rows != columns:
            raise ValueError(f"{name} must be given: it has to turn {columns} numbers into {rows}")
        return Affine.identity(n)
    w = as_array(f"{name}.w", affine.w, (rows, columns), np.float64)
    return Affine(w, as_array(f"{name}.b", affine.b, (w.shape[0],), np.float64))
