"""Restricted Boltzmann machines by themselves, with one set of biases: fit, sample, free energy, log-likelihood.

    rbm = GaussianRbm(visible=10, hidden=4).fit(data, epochs=200)
    rbm.log_likelihood(data).mean(), rbm.sample(5)

Eq. (15)-(22).  W is (H, V); a, b and z are one row each, which the kernels get once for every frame.
"""

import numpy as np

from midigen.kernels.cpu import gaussian, optimizer, rbm
from midigen.model import exact
from midigen.model.layout import as_array
from midigen.randomness import derive_key, generator

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class _Rbm:
    """What both kinds share.  parameters: one flat vector, [a; b; (z); W row by row], whose parts are views of it."""

    kernels = rbm

    def __init__(self, visible, hidden, seed=0, dtype=np.float32):
        if visible < 1 or hidden < 1 or np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(
                f"visible and hidden must be at least 1 and dtype float32 or float64, not {visible}, "
                f"{hidden} and {np.dtype(dtype)}"
            )
        self.visible, self.hidden, self.seed = visible, hidden, seed
        self._widths = self._bias_widths()
        self.parameters = np.zeros(sum(self._widths) + hidden * visible, dtype)
        self.w[:] = generator(seed, "rbm").normal(0, 0.1, (hidden, visible))

    def _bias_widths(self):
        return [self.visible, self.hidden]

    def _views(self, flat):
        """[a, b, (z), W], views of a vector like `parameters`."""
        *biases, w = np.split(flat, np.cumsum(self._widths))
        return [*biases, w.reshape(self.hidden, self.visible)]

    @property
    def a(self):
        """Visible biases (V,)."""
        return self._views(self.parameters)[0]

    @property
    def b(self):
        """Hidden biases (H,)."""
        return self._views(self.parameters)[1]

    @property
    def w(self):
        """Weights (H, V)."""
        return self._views(self.parameters)[-1]

    def free_energy(self, v):
        """F(v) of every row of v (N, V), (N,) float64; ValueError for another shape and for what is not finite."""
        v = self._check(v)
        out = np.empty(len(v))
        self.kernels.free_energy(v, self.w, *self._rows(len(v)), out)
        return out

    def log_partition(self):
        """log Z, exact; ValueError where the RBM is too large for sums over all states (midigen.model.exact)."""
        return float(exact.log_partition(self.w, *self._rows(1))[0])

    def log_likelihood(self, v):
        """log p(v) of every row of v (N, V), (N,) float64, in nats, exact; ValueError as free_energy, log_partition."""
        return -self.free_energy(v) - self.log_partition()

    def sample(self, count, sweeps=1000, seed=0):
        """Ends of `count` Gibbs chains of `sweeps` steps from the visible biases' own distribution: (count, V)."""
        if count < 1 or sweeps < 1:
            raise ValueError(f"count and sweeps must be at least 1, not {count} and {sweeps}")
        start, out = np.zeros((2, count, self.visible), self.parameters.dtype)
        biases, key = self._rows(count), derive_key(seed, "sample")
        self.kernels.gibbs_chain(start, np.zeros_like(self.w), *biases, 1, 1.0, key, 0, 0, out)
        start[:] = out
        self.kernels.gibbs_chain(start, self.w, *biases, sweeps, 1.0, key, 1, 0, out)
        return out

    def fit(self, data, epochs=100, batch=100, learning_rate=0.01, gibbs_steps=1, use_exact=False):
        """Learn the rows of data (N, V) by Adam, its rate falling to 0; returns self.

        The gradient is that of persistent contrastive divergence, `gibbs_steps` steps a move and one chain for each of
        `batch` rows, or with use_exact that of the log-likelihood itself.  ValueError for data of another shape, for
        values that are not finite (or, Bernoulli, not 0 and 1), and for numbers out of range.
        """
        data = self._check(data)
        if not len(data) or epochs < 1 or batch < 1 or gibbs_steps < 1 or not learning_rate > 0:
            raise ValueError(
                "data must have a row, epochs, batch and gibbs_steps be at least 1, learning_rate over 0"
            )
        rng, key = generator(self.seed, "fit"), derive_key(self.seed, "fit")
        self._start(data)
        batch = min(batch, len(data))
        chains = data[rng.integers(0, len(data), batch)]
        moments = np.zeros_like(self.parameters), np.zeros_like(self.parameters)
        moves = len(data) // batch
        for step in range(epochs * moves):
            if step % moves == 0:
                order = rng.permutation(len(data))
            place = step % moves * batch
            gradient = self._gradient(
                data[order[place : place + batch]],
                chains,
                key,
                step * gibbs_steps,
                gibbs_steps,
                use_exact,
            )
            rate = learning_rate * (1 - step / (epochs * moves))
            before = self.parameters.copy()
            optimizer.adam_step(
                self.parameters, gradient, *moments, rate, BETA1, BETA2, step + 1, EPSILON
            )
            self._finish_step(before, step)
        return self

    def _gradient(self, v, chains, key, sweep, gibbs_steps, use_exact):
        """Mean gradient of -log p over the rows of v, flat like `parameters`; the chains (N, V) move on in place."""
        biases = self._rows(len(v))
        out, gradient = [np.empty_like(bias) for bias in biases], np.zeros_like(self.parameters)
        *totals, by_w = self._views(gradient)
        if use_exact:
            exact.contrast(v, self.w, self._rows(1), out, by_w)
        else:
            self.kernels.gibbs_chain(
                chains.copy(), self.w, *biases, gibbs_steps, 1.0, key, sweep, 0, chains
            )
            self.kernels.contrast(v, chains, self.w, *biases, np.ones(len(v), v.dtype), *out, by_w)
        for total, rows in zip(totals, out, strict=True):
            total[:] = rows.sum(axis=0)
        gradient /= len(v)
        return gradient

    def _rows(self, count):
        """Every bias as `count` equal rows."""
        return [np.tile(bias, (count, 1)) for bias in self._views(self.parameters)[:-1]]

    def _check(self, v):
        return as_array("data", v, (None, self.visible), self.parameters.dtype)

    def _start(self, data):
        """Biases that fit the data where W is 0."""

    def _finish_step(self, before, step):
        """What a kind does with its own parameters after a step."""


class BernoulliRbm(_Rbm):
    """Visible units that are 0 or 1.  Eq. (16)-(18)."""

    def _check(self, v):
        v = super()._check(v)
        if not ((v == 0) | (v == 1)).all():
            raise ValueError("data holds other values than 0 and 1: GaussianRbm takes them")
        return v

    def _start(self, data):
        share = np.clip(data.mean(axis=0), 1e-3, 1 - 1e-3)
        self.a[:] = np.log(share / (1 - share))


class GaussianRbm(_Rbm):
    """Visible units of any value, each with a variance exp(z).  Eq. (19)-(22).

    In fit the variances start at `variance_start` times those of the data, their logarithms go `variance_rate` of their
    steps, and they stay within the squares of the deviations, (lowest, highest).  Started at the data's variances, or
    as fast as the rest, they take up what hidden units should explain, and those are never found (docs/results.md).
    """

    kernels = gaussian

    def __init__(
        self,
        visible,
        hidden,
        seed=0,
        dtype=np.float32,
        variance_rate=0.1,
        variance_start=0.25,
        deviations=(1e-3, 1e3),
    ):
        if not 0 < deviations[0] < deviations[1]:
            raise ValueError(f"deviations must be two growing numbers over 0, not {deviations}")
        if not (variance_rate >= 0 and variance_start > 0):
            raise ValueError(
                f"variance_rate must be at least 0 and variance_start over 0, not {variance_rate} and "
                f"{variance_start}"
            )
        self.variance_rate, self.variance_start, self.deviations = (
            variance_rate,
            variance_start,
            deviations,
        )
        super().__init__(visible, hidden, seed, dtype)

    def _bias_widths(self):
        return [self.visible, self.hidden, self.visible]

    @property
    def z(self):
        """Log-variances (V,)."""
        return self._views(self.parameters)[2]

    def _start(self, data):
        self.a[:] = data.mean(axis=0)
        self.z[:] = np.log(
            np.clip(self.variance_start * data.var(axis=0), *np.square(self.deviations))
        )

    def _finish_step(self, before, step):
        old = self._views(before)[2]
        self.z[:] = np.clip(old + self.variance_rate * (self.z - old), *2 * np.log(self.deviations))
