"""Improving a policy through a critic: the gradient of q(x, m(x)) in the policy.  Eq. (7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midigen.model.layout import as_array
from midigen.model.mlp import Mlp


@dataclass(frozen=True)
class Affine:
    """The map x -> W x + b, which stands before or behind a network.

    Attributes
    ----------
    w : ndarray (n, m)
    b : ndarray (n,)
    """

    w: NDArray[Any]
    b: NDArray[Any]

    @classmethod
    def identity(cls, n: int) -> Affine:
        """Make the map of n numbers to themselves."""
        return cls(np.eye(n), np.zeros(n))

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        """Map every row of x (N, m): (N, n)."""
        return x @ np.asarray(self.w).T + self.b


def policy_gradient(
    policy: Mlp,
    policy_params: ArrayLike,
    critic: Mlp,
    critic_params: ArrayLike,
    x: ArrayLike,
    *,
    before_policy: Affine | None = None,
    after_policy: Affine | None = None,
    before_critic: Affine | None = None,
    after_critic: Affine | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a policy's values, and the gradient of their sum in its parameters.  Eq. (7).

    The action is m(x) = Wm' mu(Wm x + bm) + bm', its value q(x, a) = Wq' Q(Wq [x; a] + bq) + bq'.
    Steps up the gradient raise q.

    Parameters
    ----------
    policy : Mlp
        mu.
    policy_params : array_like (P_mu,)
    critic : Mlp
        Q.
    critic_params : array_like (P_Q,)
    x : array_like (N, S)
        States.
    before_policy, after_policy, before_critic, after_critic : Affine, optional
        [Wm, bm], [Wm', bm'], [Wq, bq] and [Wq', bq'], the identity where left out.

    Returns
    -------
    q : ndarray (N,)
        The value of every state's action.
    gradient : ndarray (P_mu,)

    Raises
    ------
    ValueError
        Where shapes do not fit or values are not finite.

    Examples
    --------
    >>> policy, critic = Mlp([2, 1], "linear"), Mlp([3, 1], "linear")
    >>> q, gradient = policy_gradient(policy, np.zeros(3), critic, np.ones(4), np.eye(2))
    >>> q, gradient
    (array([2., 2.]), array([1., 1., 2.]))
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


def _fitting(name: str, affine: Affine | None, rows: int | None, columns: int | None) -> Affine:
    """Check that a map is (rows, columns), None for any; None becomes the identity."""
    if affine is None:
        if rows is not None and columns is not None and rows != columns:
            raise ValueError(f"{name} must be given: it has to turn {columns} numbers into {rows}")
        n = columns if rows is None else rows
        assert n is not None
        return Affine.identity(n)
    w = as_array(f"{name}.w", affine.w, (rows, columns), np.float64)
    return Affine(w, as_array(f"{name}.b", affine.b, (w.shape[0],), np.float64))
