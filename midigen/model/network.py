"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

The output is u = [r; y], the R recurrent units first, so that the parameters that can reach r are
the first of the vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.model.layout import Activations, Layout, as_array


class Network(Layout):
    """f([x_t; r_{t-1}]) = u_t = [r_t; y_t].

    This says what the network is; `midigen.model.recurrent.RecurrentNetwork` takes it along a
    series, with gradients.

    Parameters
    ----------
    inputs : int
        X, numbers from outside.
    hidden : sequence of int
        Widths of the hidden layers, () for none.
    recurrent : int
        R, units that are fed back.
    outputs : int
        Y, other outputs.
    dtype : data type
        float32 or float64.
    activations : sequence, optional
        As in `Layout`, the last entry for the units of [r; y]; left out, y is linear and all else
        is tanh.

    Attributes
    ----------
    influential : int
        P_r, the parameters that can reach r.
    cut, cut_units : int
        The layer whose activations the influence matrix J follows, and how many it has: r, or a
        hidden layer that is narrower.
    plan : ndarray of int64 (L, 6)
        Where the parts of each layer lie, see `midigen.kernels.cpu.rtrl`.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        recurrent: int,
        outputs: int,
        dtype: DTypeLike = np.float32,
        activations: Activations | None = None,
    ) -> None:
        if activations is None:
            activations = [
                *["tanh"] * len(hidden),
                ["tanh"] * recurrent + ["linear"] * outputs,
            ]
        super().__init__([inputs + recurrent, *hidden, recurrent + outputs], activations, dtype)
        self.inputs, self.recurrent, self.outputs = inputs, recurrent, outputs
        self.influential = self.parameters - outputs * self.shapes[-1][1]
        widths = [*hidden, recurrent]
        narrowest = 1 + int(np.argmin(widths))
        self.cut = len(widths) if recurrent <= min(widths) else narrowest
        self.cut_units = widths[self.cut - 1]
        self.plan = self._plan(widths)

    def _plan(self, widths: list[int]) -> NDArray[np.int64]:
        """Make the plan, whose last layer ends with r."""
        below = [n for _, n in self.shapes]  # with the 1 behind the inputs
        parts = [[m * n, m, n, w * n] for (m, n), w in zip(self.shapes, widths, strict=True)]
        before = np.cumsum([[0, 0, 0, 0], *parts], axis=0)
        rows = [[w, n - 1, *row] for w, n, row in zip(widths, below, before, strict=False)]
        return np.array(rows, np.int64)

    def initial(self, rng: np.random.Generator, output_scale: float = 0.01) -> NDArray[Any]:
        """Draw parameters (P,).

        They are uniform in +-1/sqrt(fan-in), the rows of y normal with `output_scale`, biases 0.
        """
        params = super().initial(rng)
        y = self.layers(params)[-1][self.recurrent :, :-1]
        y[:] = rng.normal(0, output_scale, y.shape)
        return params

    def forward(
        self,
        params: ArrayLike,
        x: ArrayLike,
        state: ArrayLike | None = None,
        starts: ArrayLike | None = None,
        backend: Backend | None = None,
    ) -> NDArray[Any]:
        """Run over one series.  Eq. (8).

        Parameters
        ----------
        params : array_like (P,)
        x : array_like (h, X)
        state : array_like (R,), optional
            r before the first frame; 0 where it is left out.
        starts : array_like of bool (h,), optional
            Where a new series begins, from a silent state.
        backend : Backend, optional
            The CPU's where it is left out.

        Returns
        -------
        ndarray (h, R + Y)
            u of every frame.

        Raises
        ------
        ValueError
            For other shapes and for values that are not finite.
        """
        backend = backend or cpu_backend()
        x = as_array("x", x, (None, self.inputs), self.dtype)
        r = np.zeros(self.recurrent) if state is None else state
        begun = np.zeros(len(x), bool) if starts is None else starts
        block = backend.forward(
            self,
            backend.borrow(self.as_params(params)),
            backend.borrow(x).reshape(len(x), 1, self.inputs),
            as_array("starts", begun, (len(x),), bool).view(np.uint8)[:, None],
            backend.to_device(as_array("state", r, (self.recurrent,), self.dtype)[None]),
        )
        return backend.to_host(block.u)[:, 0]
