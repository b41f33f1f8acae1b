"""A recurrent network on its way along a series: the exact gradient of any loss of its frames.  Eq. (8)-(13)."""

import numpy as np

from midigen.model.layout import as_array


def squared_error(targets):
    """The loss_gradient of e_t = 1/2 |d_t - y_t|^2 for targets d (T, Y), counted from the start of the series."""
    targets = np.asarray(targets)
    return lambda t, y: y - targets[t]


class RecurrentNetwork:
    """Holds the state r and the influence matrix J = dr/dw of a Network, and adds up the gradient of a loss.

    network: a Network; params (P,): its weights, kept by reference, so they may be moved between calls (J is carried
    across the move, as online learning does).  truncate: drop J, so that the gradient reaches back to the start of the
    block alone: truncated backpropagation through time.  tolerance: what Network.influence may drop, Eq. (12a).

    A loss is given by its gradient in the frame's output, `loss_gradient`: a function (t, y (Y,)) -> de_t/dy (Y,) with
    t counted from the last reset, or an array of them (h, Y), or None where these frames have no loss.
    """

    def __init__(self, network, params, truncate=False, tolerance=0.0):
        as_array("params", params, (network.parameters,), network.dtype)
        if not (
            isinstance(params, np.ndarray)
            and params.dtype == network.dtype
            and params.flags.c_contiguous
        ):
            raise ValueError(
                f"params must be a contiguous array of {network.dtype}: it is kept, not copied"
            )
        self.network, self.params, self.truncate, self.tolerance = (
            network,
            params,
            truncate,
            tolerance,
        )
        self.gradient = np.zeros(network.parameters, network.dtype)
        self.reset()

    def reset(self):
        """Go back before the first frame: t = 0, r_0 = 0, J_0 = 0, Eq. (8)-(9).  The gradient stays."""
        self.t = 0
        self.state = np.zeros(self.network.recurrent, self.network.dtype)
        self.influence = None

    def take_gradient(self):
        """dE/dw (P,) of all frames since the last call; starts again from zero."""
        taken, self.gradient = self.gradient, np.zeros_like(self.gradient)
        return taken

    def step(self, x, loss_gradient=None):
        """One frame x (X,): returns y (Y,), and adds the frame's dE/dw to `gradient`."""
        if loss_gradient is not None and not callable(loss_gradient):
            loss_gradient = np.asarray(loss_gradient)[None]
        return self.block(np.asarray(x)[None], loss_gradient)[0]

    def block(self, xs, loss_gradient=None, starts=None):
        """h frames xs (h, X) at once: returns y (h, Y), and adds their dE/dw to `gradient`.

        starts (h,): true where a new series begins: a reset in mid-block, but that t goes on.

        The sum does not depend on how a series is cut into blocks; longer ones are faster and take more memory.
        Raises ValueError for a wrong shape and for values that are not finite.
        """
        network, first = self.network, self.network.recurrent
        xs = as_array("x", xs, (None, network.inputs), network.dtype)
        if not len(xs):
            raise ValueError("x must have at least one frame")
        if starts is not None:
            starts = as_array("starts", starts, (len(xs),), bool).view(np.uint8)
        block = network.forward(self.params, xs, self.state, starts)
        y = block.u[:, first:].copy()
        if loss_gradient is not None:
            du = np.zeros_like(block.u)
            du[:, first:] = self._loss_gradient(loss_gradient, y)
            adjoint = network.backward(self.params, block, du, self.gradient)
            if self.influence is not None:
                network.influence_gradient(adjoint, self.influence, self.gradient)
        if not self.truncate:
            self.influence = network.influence(self.params, block, self.influence, self.tolerance)
        self.t += len(xs)
        return y

    def _loss_gradient(self, given, y):
        rows = [given(self.t + i, row) for i, row in enumerate(y)] if callable(given) else given
        return as_array("loss_gradient", rows, y.shape, y.dtype)
