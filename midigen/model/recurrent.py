"""A recurrent network along a series: the exact gradient of any loss.  Eq. (8)-(13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.model.influence import Influence, advance_influence, influence_gradient
from midigen.model.layout import as_array
from midigen.model.network import Network

LossGradient = Callable[[int, NDArray[Any]], ArrayLike] | ArrayLike


def squared_error(targets: ArrayLike) -> Callable[[int, NDArray[Any]], NDArray[Any]]:
    """Give the `loss_gradient` of e_t = 1/2 |d_t - y_t|^2.

    Parameters
    ----------
    targets : array_like (T, Y)
        d, counted from the start of the series.
    """
    wanted = np.asarray(targets)
    return lambda t, y: y - wanted[t]


class RecurrentNetwork:
    """The state r and the influence matrix J = dr/dw of a Network, and the gradient of a loss.

    A loss is given by its gradient in the frame's output, `loss_gradient`: a function
    (t, y (Y,)) -> de_t/dy (Y,) with t counted from the last reset, or an array of them (h, Y), or
    None where these frames have no loss.

    Parameters
    ----------
    network : Network
    params : ndarray (P,)
        The weights.  They are kept by reference, so they may be moved between calls: J is carried
        across the move, as online learning does.
    truncate : bool
        Drop J, so that the gradient reaches back to the start of the block alone: truncated
        backpropagation through time.
    tolerance : float
        What `midigen.model.influence.advance_influence` may drop, Eq. (12a).
    backend : Backend, optional
        Where it is computed, the CPU if left out.

    Attributes
    ----------
    t : int
        Frames since the last reset.

    Raises
    ------
    ValueError
        For params of another shape or type, and for values that are not finite.

    Examples
    --------
    >>> network = Network(inputs=1, hidden=(), recurrent=4, outputs=1, dtype="float64")
    >>> params = network.initial(np.random.default_rng(0))
    >>> x = np.sin(np.arange(50))[:, None]
    >>> rnn = RecurrentNetwork(network, params)
    >>> _ = rnn.block(x[:30], squared_error(x)), rnn.block(x[30:], squared_error(x))
    >>> params -= 0.01 * rnn.take_gradient()
    """

    def __init__(
        self,
        network: Network,
        params: NDArray[Any],
        truncate: bool = False,
        tolerance: float = 0.0,
        backend: Backend | None = None,
    ) -> None:
        network.as_params(params)
        is_kept = isinstance(params, np.ndarray) and params.flags.c_contiguous
        if not is_kept or params.dtype != network.dtype:
            raise ValueError(
                f"params must be a contiguous array of {network.dtype}: it is kept, not copied"
            )
        self.network, self.params = network, params
        self.truncate, self.tolerance = truncate, tolerance
        self._backend = backend or cpu_backend()
        self._gradient = self._backend.zeros((network.parameters,), network.dtype)
        self.reset()

    def reset(self) -> None:
        """Go back before the first frame: t = 0, r = 0, J = 0, Eq. (8)-(9).  The gradient stays."""
        self.t = 0
        self._state = self._backend.zeros((1, self.network.recurrent), self.network.dtype)
        self.influence: Influence | None = None

    @property
    def state(self) -> NDArray[Any]:
        """The state r (R,) after the last frame."""
        return self._backend.to_host(self._state)[0]

    @property
    def gradient(self) -> NDArray[Any]:
        """dE/dw (P,) of all frames since `take_gradient`."""
        return self._backend.to_host(self._gradient)

    def take_gradient(self) -> NDArray[Any]:
        """Return dE/dw (P,) of all frames since the last call, and start again from zero."""
        taken = self.gradient
        self._gradient = self._backend.zeros(taken.shape, taken.dtype)
        return taken

    def step(self, x: ArrayLike, loss_gradient: LossGradient | None = None) -> NDArray[Any]:
        """Take one frame x (X,): returns y (Y,), and adds the frame's dE/dw to `gradient`."""
        if loss_gradient is not None and not callable(loss_gradient):
            loss_gradient = np.asarray(loss_gradient)[None]
        return self.block(np.asarray(x)[None], loss_gradient)[0]

    def block(
        self,
        xs: ArrayLike,
        loss_gradient: LossGradient | None = None,
        starts: ArrayLike | None = None,
    ) -> NDArray[Any]:
        """Take h frames at once, and add their dE/dw to `gradient`.

        The sum does not depend on how a series is cut into blocks; longer ones are faster and take
        more memory.

        Parameters
        ----------
        xs : array_like (h, X)
        loss_gradient : callable or array_like (h, Y), optional
        starts : array_like of bool (h,), optional
            True where a new series begins: a reset in mid-block, but that t goes on.

        Returns
        -------
        ndarray (h, Y)
            y.

        Raises
        ------
        ValueError
            For other shapes and for values that are not finite.
        """
        network, backend = self.network, self._backend
        xs = as_array("x", xs, (None, network.inputs), network.dtype)
        h = len(xs)
        if not h:
            raise ValueError("x must have at least one frame")
        begun = np.zeros(h, bool) if starts is None else starts
        begun = as_array("starts", begun, (h,), bool).view(np.uint8)[:, None]
        params = backend.borrow(self.params)
        x = backend.borrow(xs).reshape(h, 1, network.inputs)
        block = backend.forward(network, params, x, begun, self._state)
        u = backend.to_host(block.u)[:, 0]
        y = u[:, network.recurrent :].copy()
        if loss_gradient is not None:
            du = np.zeros_like(u)
            du[:, network.recurrent :] = self._loss_gradient(loss_gradient, y)
            du = backend.borrow(du).reshape(h, 1, du.shape[1])
            adjoint = backend.backward(network, params, block, du, self._gradient)
            if self.influence is not None:
                influence_gradient(backend, network, adjoint, self.influence, self._gradient)
        if not self.truncate:
            self.influence = advance_influence(
                backend, network, params, block, self.influence, self.tolerance
            )
        self.t += h
        return y

    def _loss_gradient(self, given: LossGradient, y: NDArray[Any]) -> NDArray[Any]:
        if callable(given):
            given = np.array([given(self.t + i, row) for i, row in enumerate(y)])
        return as_array("loss_gradient", given, y.shape, y.dtype)
