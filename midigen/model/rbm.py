"""Restricted Boltzmann machines by themselves, with one set of biases.  Eq. (15)-(22).

W is (H, V); a, b and z are one row each, which the kernels get once for every row of data.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from midigen.backends.cpu import cpu_backend
from midigen.model import exact
from midigen.model.layout import as_array
from midigen.randomness import derive_key, generator

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class _Rbm:
    """What both kinds share.

    Parameters
    ----------
    visible, hidden : int
        V and H.
    seed : int
        Of the first weights, and of `fit`.
    dtype : data type
        float32 or float64.

    Attributes
    ----------
    parameters : ndarray
        [a; b; (z); W row by row], one flat vector; the parts below are views of it.

    Raises
    ------
    ValueError
        For sizes under 1 and other types.
    """

    kind = "bernoulli"
    _groups: tuple[NDArray[np.int64], ...] = ()  # what only the kernels of one kind take

    def __init__(
        self, visible: int, hidden: int, seed: int = 0, dtype: DTypeLike = np.float32
    ) -> None:
        if visible < 1 or hidden < 1 or np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(
                "visible and hidden must be at least 1 and dtype float32 or float64, not "
                f"{visible}, {hidden} and {np.dtype(dtype)}"
            )
        self.visible, self.hidden, self.seed = visible, hidden, seed
        self._kernels = cpu_backend().rbm[self.kind]
        self._widths = self._bias_widths()
        self.parameters = np.zeros(sum(self._widths) + hidden * visible, dtype)
        self.w[:] = generator(seed, "rbm").normal(0, 0.1, (hidden, visible))

    def __repr__(self) -> str:
        """Say kind, sizes and type."""
        kind = type(self).__name__
        return (
            f"{kind}(visible={self.visible}, hidden={self.hidden}, dtype={self.parameters.dtype})"
        )

    def _bias_widths(self) -> list[int]:
        return [self.visible, self.hidden]

    def _views(self, flat: NDArray[Any]) -> list[NDArray[Any]]:
        """View a vector like `parameters` as [a, b, (z), W]."""
        *biases, w = np.split(flat, np.cumsum(self._widths))
        return [*biases, w.reshape(self.hidden, self.visible)]

    @property
    def a(self) -> NDArray[Any]:
        """Visible biases (V,)."""
        return self._views(self.parameters)[0]

    @property
    def b(self) -> NDArray[Any]:
        """Hidden biases (H,)."""
        return self._views(self.parameters)[1]

    @property
    def w(self) -> NDArray[Any]:
        """Weights (H, V)."""
        return self._views(self.parameters)[-1]

    def free_energy(self, v: ArrayLike) -> NDArray[np.float64]:
        """Return F(v) of every row.  Eq. (16), (20).

        Parameters
        ----------
        v : array_like (N, V)

        Returns
        -------
        ndarray of float64 (N,)

        Raises
        ------
        ValueError
            For another shape and for values that are not finite (or, Bernoulli, not 0 and 1).
        """
        v = self._check(v)
        out = np.empty(len(v))
        self._kernels.free_energy(v, self.w, *self._rows(len(v)), out)
        return out

    def log_partition(self) -> float:
        """Return log Z, exact.

        ValueError where the RBM is too large for sums over all states, `midigen.model.exact`.
        """
        return float(exact.log_partition(self.w, *self._rows(1))[0])

    def log_likelihood(self, v: ArrayLike) -> NDArray[np.float64]:
        """Return log p(v) of every row of v (N, V), exact, in nats: (N,).

        ValueError as in `free_energy` and `log_partition`.
        """
        return -self.free_energy(v) - self.log_partition()

    def sample(self, count: int, sweeps: int = 1000, seed: int = 0) -> NDArray[Any]:
        """Draw by Gibbs sampling.

        Parameters
        ----------
        count : int
            Chains, each of which starts from the visible biases' own distribution.
        sweeps : int
            Steps of each chain.
        seed : int

        Returns
        -------
        ndarray (count, V)
            The ends of the chains.

        Raises
        ------
        ValueError
            For counts under 1.
        """
        if count < 1 or sweeps < 1:
            raise ValueError(f"count and sweeps must be at least 1, not {count} and {sweeps}")
        start, out = np.zeros((2, count, self.visible), self.parameters.dtype)
        biases, key = self._rows(count), derive_key(seed, "sample")
        arguments = (*biases, *self._groups)
        self._kernels.gibbs_chain(start, np.zeros_like(self.w), *arguments, 1, 1.0, key, 0, 0, out)
        start[:] = out
        self._kernels.gibbs_chain(start, self.w, *arguments, sweeps, 1.0, key, 1, 0, out)
        return out

    def fit(
        self,
        data: ArrayLike,
        epochs: int = 100,
        batch: int = 100,
        learning_rate: float = 0.01,
        gibbs_steps: int = 1,
        use_exact: bool = False,
    ) -> Self:
        """Learn rows of data by Adam, its step size falling to 0.

        Parameters
        ----------
        data : array_like (N, V)
        epochs : int
            Passes over the data.
        batch : int
            Rows a step, and persistent chains.
        learning_rate : float
            The first step size.
        gibbs_steps : int
            Of each chain, for every step of the parameters: persistent contrastive divergence.
        use_exact : bool
            Take the gradient of the log-likelihood itself in place of that.

        Returns
        -------
        Self
            The RBM itself.

        Raises
        ------
        ValueError
            For data as in `free_energy`, and for numbers out of range.
        """
        data = self._check(data)
        if not len(data) or epochs < 1 or batch < 1 or gibbs_steps < 1 or not learning_rate > 0:
            raise ValueError(
                "data must have a row, epochs, batch and gibbs_steps be at least 1, "
                "learning_rate over 0"
            )
        rng, key = generator(self.seed, "fit"), derive_key(self.seed, "fit")
        self._start(data)
        batch = min(batch, len(data))
        chains = data[rng.integers(0, len(data), batch)]
        moments = np.zeros_like(self.parameters), np.zeros_like(self.parameters)
        moves = len(data) // batch
        adam_step = cpu_backend().optimizer.adam_step
        for step in range(epochs * moves):
            if step % moves == 0:
                order = rng.permutation(len(data))
            place = step % moves * batch
            rows, sweep = data[order[place : place + batch]], step * gibbs_steps
            gradient = self._gradient(rows, chains, key, sweep, gibbs_steps, use_exact)
            rate = learning_rate * (1 - step / (epochs * moves))
            before = self.parameters.copy()
            adam_step(self.parameters, gradient, *moments, rate, BETA1, BETA2, step + 1, EPSILON)
            self._finish_step(before, step)
        return self

    def _gradient(
        self,
        v: NDArray[Any],
        chains: NDArray[Any],
        key: np.uint64,
        sweep: int,
        gibbs_steps: int,
        use_exact: bool,
    ) -> NDArray[Any]:
        """Return the mean gradient of -log p over the rows of v, flat like `parameters`.

        The chains (N, V) are moved on in place.
        """
        biases = self._rows(len(v))
        out, gradient = [np.empty_like(bias) for bias in biases], np.zeros_like(self.parameters)
        *totals, by_w = self._views(gradient)
        if use_exact:
            exact.contrast(v, self.w, self._rows(1), out, by_w)
        else:
            start, weight = chains.copy(), np.ones(len(v), v.dtype)
            arguments = (*biases, *self._groups, gibbs_steps, 1.0, key, sweep, 0)
            self._kernels.gibbs_chain(start, self.w, *arguments, chains)
            self._kernels.contrast(v, chains, self.w, *biases, weight, *out, by_w)
        for total, rows in zip(totals, out, strict=True):
            total[:] = rows.sum(axis=0)
        gradient /= len(v)
        return gradient

    def _rows(self, count: int) -> list[NDArray[Any]]:
        """Give every bias as `count` equal rows."""
        return [np.tile(bias, (count, 1)) for bias in self._views(self.parameters)[:-1]]

    def _check(self, v: ArrayLike) -> NDArray[Any]:
        return as_array("data", v, (None, self.visible), self.parameters.dtype)

    def _start(self, data: NDArray[Any]) -> None:
        """Set the biases to fit the data where W is 0."""

    def _finish_step(self, before: NDArray[Any], step: int) -> None:
        """Do with its own parameters what a kind does after a step."""


class BernoulliRbm(_Rbm):
    """An RBM of visible units that are 0 or 1.  Eq. (16)-(18).

    Parameters
    ----------
    visible, hidden : int
        V and H.
    seed : int
        Of the first weights, and of `fit`.
    dtype : data type
        float32 or float64.

    Attributes
    ----------
    parameters : ndarray (V + H + H V,)
        [a; b; W row by row], of which a, b and w are views.

    Raises
    ------
    ValueError
        For sizes under 1 and other types.

    Examples
    --------
    >>> data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> rbm = BernoulliRbm(visible=4, hidden=2).fit(data, 500, learning_rate=0.1, use_exact=True)
    >>> print(f"{rbm.log_likelihood(data).mean():.1f}")  # at best log(1/2) = -0.69
    -0.7
    >>> rbm.sample(3).shape
    (3, 4)
    """

    _groups = (exact.NO_GROUPS,)

    def _check(self, v: ArrayLike) -> NDArray[Any]:
        checked = super()._check(v)
        if not ((checked == 0) | (checked == 1)).all():
            raise ValueError("data holds other values than 0 and 1: GaussianRbm takes them")
        return checked

    def _start(self, data: NDArray[Any]) -> None:
        share = np.clip(data.mean(axis=0), 1e-3, 1 - 1e-3)
        self.a[:] = np.log(share / (1 - share))


class GaussianRbm(_Rbm):
    """An RBM of visible units of any value, each with a variance exp(z).  Eq. (19)-(22).

    Started at the data's variances, or as fast as the rest, the variances take up what hidden units
    should explain, and those are never found (docs/results.md).

    Parameters
    ----------
    visible, hidden, seed, dtype
        As in `BernoulliRbm`.
    variance_rate : float
        What share of their steps the log-variances go in `fit`.
    variance_start : float
        What share of the data's variances they start at there.
    deviations : (float, float)
        The lowest and the highest standard deviation.

    Attributes
    ----------
    parameters : ndarray (V + H + V + H V,)
        [a; b; z; W row by row], of which a, b, z and w are views.

    Raises
    ------
    ValueError
        For numbers out of range and other types.
    """

    kind = "gaussian"

    def __init__(
        self,
        visible: int,
        hidden: int,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
        variance_rate: float = 0.1,
        variance_start: float = 0.25,
        deviations: tuple[float, float] = (1e-3, 1e3),
    ) -> None:
        if not 0 < deviations[0] < deviations[1]:
            raise ValueError(f"deviations must be two growing numbers over 0, not {deviations}")
        if not (variance_rate >= 0 and variance_start > 0):
            raise ValueError(
                "variance_rate must be at least 0 and variance_start over 0, not "
                f"{variance_rate} and {variance_start}"
            )
        self.variance_rate, self.variance_start = variance_rate, variance_start
        self.deviations = deviations
        super().__init__(visible, hidden, seed, dtype)

    def _bias_widths(self) -> list[int]:
        return [self.visible, self.hidden, self.visible]

    @property
    def z(self) -> NDArray[Any]:
        """Log-variances (V,)."""
        return self._views(self.parameters)[2]

    def _start(self, data: NDArray[Any]) -> None:
        self.a[:] = data.mean(axis=0)
        variances = self.variance_start * data.var(axis=0)
        self.z[:] = np.log(np.clip(variances, *np.square(self.deviations)))

    def _finish_step(self, before: NDArray[Any], step: int) -> None:
        old = self._views(before)[2]
        self.z[:] = np.clip(old + self.variance_rate * (self.z - old), *2 * np.log(self.deviations))
