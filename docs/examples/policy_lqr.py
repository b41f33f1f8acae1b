"""A policy improved through a learnt critic, Eq. (7), where the best one is known in closed form.

    python docs/examples/policy_lqr.py

A mass on a damped spring, x = [position, speed], is pushed by the action a: x' = A x + B a, at a
cost of x^T C x + a^T D a a step, discounted by 0.95.  The best policy is a = -K x with K from the
Riccati equation.  The policy here is a linear network that starts at a = 0; nothing of A, B, C, D
is used but through transitions (x, a, cost, x').  Every round
  1. fits the critic, with one softplus hidden layer of random weights, to
     q(x, a) = -cost + 0.95 q(x', m(x')): least squares for its output layer (Bradtke and Barto
     1996),
  2. moves the policy up the gradient (7) of q(x, m(x)), averaged over states, in 50 steps.
"""

import numpy as np
from scipy.linalg import solve_discrete_are

from midigen.model import Affine, Mlp, policy_gradient

A, B = np.array([[1.0, 0.2], [-0.2, 0.9]]), np.array([[0.0], [0.2]])
C, D = np.diag([1.0, 0.1]), np.array([[0.5]])
DISCOUNT, HIDDEN, TRANSITIONS = 0.95, 100, 2000
STATES, STEPS, RATE = 200, 50, 0.5  # of the policy, in every round
# stands before the critic: its inputs at a size that suits softplus
BEFORE_CRITIC = Affine(np.eye(3) / 2, np.zeros(3))


def best_gain():
    """K (1, 2) of a = -K x, in closed form."""
    a, b = np.sqrt(DISCOUNT) * A, np.sqrt(DISCOUNT) * B
    p = solve_discrete_are(a, b, C, D)
    return np.linalg.solve(D + b.T @ p @ b, b.T @ p @ a)


def transitions(rng):
    """States (N, 2), actions (N, 1), costs (N,) and next states (N, 2)."""
    x, a = rng.uniform(-1, 1, (TRANSITIONS, 2)), rng.uniform(-2, 2, (TRANSITIONS, 1))
    cost = np.einsum("ni,ij,nj->n", x, C, x) + np.einsum("ni,ij,nj->n", a, D, a)
    return x, a, cost, x @ A.T + a @ B.T


def fit_critic(critic, params, policy, policy_params, data):
    """Fit the critic's output layer [W | b], in place, to q(x, a) of the policy as it stands."""
    x, a, cost, after = data
    hidden = Mlp(critic.sizes[:-1], "softplus")

    def features(states, actions):
        z = BEFORE_CRITIC(np.concatenate([states, actions], axis=1))
        below = hidden.forward(params[: hidden.parameters], z)
        return np.column_stack([below, np.ones(len(states))])

    change = features(x, a) - DISCOUNT * features(after, policy.forward(policy_params, after))
    params[hidden.parameters :] = np.linalg.lstsq(change, -cost, rcond=1e-10)[0]


def learn(rounds=5, seed=0):
    """Yields the policy's gain K (1, 2) and offset after every round."""
    rng = np.random.default_rng(seed)
    data = transitions(rng)
    states = data[0][:STATES]
    policy, critic = Mlp([2, 1], "linear"), Mlp([3, HIDDEN, 1], ["softplus", "linear"])
    policy_params, critic_params = np.zeros(policy.parameters), critic.initial(rng)
    first = critic.layers(critic_params)[0]
    first[:] = rng.normal(0, 1, first.shape)
    for _ in range(rounds):
        fit_critic(critic, critic_params, policy, policy_params, data)
        for _ in range(STEPS):
            _, gradient = policy_gradient(
                policy, policy_params, critic, critic_params, states, before_critic=BEFORE_CRITIC
            )
            policy_params += RATE * gradient / len(states)
        yield -policy_params[:2].reshape(1, 2), policy_params[2]


def main():
    best = best_gain()
    print(f"best gain, in closed form  {best[0, 0]:.4f} {best[0, 1]:.4f}")
    for i, (gain, offset) in enumerate(learn(), 1):
        print(
            f"after round {i}              {gain[0, 0]:.4f} {gain[0, 1]:.4f}  "
            f"offset {offset:+.4f}  off by {np.abs(gain - best).max() / np.abs(best).max():.2%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
