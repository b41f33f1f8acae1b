"""What the variances of a Gaussian RBM need: a low start and a small step of their own.

    python docs/examples/gaussian_variance.py

The data are 4,000 samples of a known RBM with four visible and two hidden units.  One hidden unit
moves the first two visible units by 2.5 deviations, the other moves the third alone, so that the
data's variances there are 2.6 times those about a mode.  Fitted by the exact gradient, 100 epochs,
three seeds each.
"""

import numpy as np

from midigen.model import GaussianRbm

MODES = 1.2  # times the true variance: under it the modes of the third unit are found


class Alternating(GaussianRbm):
    """The variances move in every tenth step alone, all of their way."""

    def _finish_step(self, before, step):
        self.variance_rate = float(step % 10 == 9)
        super()._finish_step(before, step)


def known_rbm():
    """The RBM that the data come from: both states of each hidden unit are equally likely."""
    rbm = GaussianRbm(4, 2, dtype=np.float64)
    rbm.w[:] = [[2.5, -2.5, 0, 0], [0, 0, 2.5, 0]]
    rbm.a[:], rbm.z[:] = [1, 0, -0.5, 2], np.log([0.04, 1.0, 0.25, 9.0])
    rbm.b[:] = -rbm.w @ (np.exp(-rbm.z / 2) * rbm.a) - 0.5 * (rbm.w**2).sum(axis=1)
    return rbm


def main():
    truth = known_rbm()
    data, held_out = truth.sample(4000, sweeps=200), truth.sample(2000, sweeps=200, seed=1)
    best = truth.log_likelihood(held_out).mean()
    trials = [
        (GaussianRbm, start, rate) for start in (1.0, 0.25, 0.1) for rate in (1.0, 0.3, 0.1, 0.03)
    ]
    for kind, start, rate in [*trials, (Alternating, 0.25, 1.0)]:
        ratios, behind = [], []
        for seed in range(3):
            rbm = kind(4, 2, seed, np.float64, variance_rate=rate, variance_start=start)
            rbm.fit(data, epochs=100, learning_rate=0.1, use_exact=True)
            ratios.append(np.exp(rbm.z - truth.z))
            behind.append(best - rbm.log_likelihood(held_out).mean())
        found = sum(ratio[2] < MODES for ratio in ratios)
        variances = " ".join(f"{ratio:.2f}" for ratio in np.median(ratios, axis=0))
        print(
            f"{kind.__name__:12} start {start:<5g} step {rate:<5g} modes found {found} of 3, "
            f"variances {variances} of the true, {np.mean(behind):.4f} nats behind"
        )


if __name__ == "__main__":
    main()
