"""The multi-layer perceptron and its general gradients.  Eq. (1)-(6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Array, Backend
from midigen.model.layout import Activations, Layout, as_array


class Mlp(Layout):
    """y = f(x), Eq. (1), for N inputs at once.

    Every method raises ValueError, with the name and the shape expected, for arrays that do not
    fit or hold NaN or infinity.

    Parameters
    ----------
    sizes, activations, dtype
        As in `Layout`.
    backend : Backend, optional
        Where it is computed, the CPU if left out; arrays come from the host and go back to it.

    Examples
    --------
    >>> mlp = Mlp([3, 8, 2], ["tanh", "linear"])
    >>> params = mlp.initial(np.random.default_rng(0))
    >>> mlp.weight_jacobian(params, np.ones((5, 3))).shape
    (5, 2, 50)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Activations,
        dtype: DTypeLike = np.float64,
        backend: Backend | None = None,
    ) -> None:
        super().__init__(sizes, activations, dtype)
        self.inputs, self.outputs = int(self.sizes[0]), int(self.sizes[-1])
        self._backend = backend or cpu_backend()

    def forward(self, params: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Return y (N, n_L) for x (N, n_0) and params (P,).  Eq. (1)."""
        return self._backend.to_host(self._run(params, x)[-1])

    def weight_jacobian(self, params: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Return dy/dw (N, n_L, P) at x (N, n_0), in the order of the parameters.  Eq. (2)-(4)."""
        run = self._run(params, x)
        out = self._backend.empty((*run[-1].shape, self.parameters), self.dtype)
        self._backend.jacobian.weight_jacobians(self.sizes, *run, out)
        return self._backend.to_host(out)

    def input_jacobian(self, params: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Return dy/dx (N, n_L, n_0) at x (N, n_0).  Eq. (2)-(3), (5)."""
        run = self._run(params, x)
        out = self._backend.empty((*run[-1].shape, self.inputs), self.dtype)
        self._backend.jacobian.input_jacobians(self.sizes, *run, out)
        return self._backend.to_host(out)

    def vector_jacobian(
        self, params: ArrayLike, x: ArrayLike, g: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Multiply rows from the left onto both Jacobians, without making them.

        Parameters
        ----------
        params : array_like (P,)
        x : array_like (N, n_0)
        g : array_like (N, n_L)
            With g = dE/dy the results are dE/dw and dE/dx: backpropagation, Eq. (6).

        Returns
        -------
        ndarray (P,), ndarray (N, n_0)
            sum_n g_n^T dy_n/dw, and g_n^T dy_n/dx.
        """
        backend = self._backend
        *run, y = self._run(params, x)
        rows = backend.borrow(as_array("g", g, tuple(y.shape), self.dtype))
        gradient = backend.zeros((self.parameters,), self.dtype)
        dx = backend.empty((y.shape[0], self.inputs), self.dtype)
        backend.jacobian.vector_jacobian(self.sizes, *run, y, rows, gradient, dx)
        return backend.to_host(gradient), backend.to_host(dx)

    def _run(self, params: ArrayLike, x: ArrayLike) -> tuple[Array, Array, Array, Array]:
        """Run forward: codes, params, what every layer was given, and y, on the device."""
        backend = self._backend
        x = as_array("x", x, (None, self.inputs), self.dtype)
        codes, weights = backend.borrow(self.codes), backend.borrow(self.as_params(params))
        inputs = backend.empty((len(x) * int((self.sizes[:-1] + 1).sum()),), self.dtype)
        y = backend.empty((len(x), self.outputs), self.dtype)
        backend.jacobian.forward_batch(self.sizes, codes, weights, backend.borrow(x), inputs, y)
        return codes, weights, inputs, y
