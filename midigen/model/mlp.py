"""The multi-layer perceptron and its general gradients.  Eq. (1)-(6)."""

import numpy as np

from midigen.kernels.cpu import jacobian as kernels
from midigen.model.layout import Layout, as_array


class Mlp(Layout):
    """y = f(x), Eq. (1), for N inputs at once: Mlp([3, 8, 2], ["tanh", "linear"]).

    The arguments are Layout's.  Every method takes params (P,) and arrays that can be read in the network's dtype, and
    raises ValueError with the name and the shape expected where they do not fit or hold NaN or infinity.
    """

    def __init__(self, sizes, activations, dtype=np.float64):
        super().__init__(sizes, activations, dtype)
        self.inputs, self.outputs = int(self.sizes[0]), int(self.sizes[-1])

    def forward(self, params, x):
        """y (N, n_L) for x (N, n_0).  Eq. (1)."""
        return self._run(self.as_params(params), x)[1]

    def weight_jacobian(self, params, x):
        """dy/dw (N, n_L, P) at x (N, n_0), in the order of the parameters.  Eq. (2)-(4)."""
        params = self.as_params(params)
        inputs, y = self._run(params, x)
        out = np.empty((*y.shape, self.parameters), self.dtype)
        kernels.weight_jacobians(self.sizes, self.codes, params, inputs, y, out)
        return out

    def input_jacobian(self, params, x):
        """dy/dx (N, n_L, n_0) at x (N, n_0).  Eq. (2)-(3), (5)."""
        params = self.as_params(params)
        inputs, y = self._run(params, x)
        out = np.empty((*y.shape, self.inputs), self.dtype)
        kernels.input_jacobians(self.sizes, self.codes, params, inputs, y, out)
        return out

    def vector_jacobian(self, params, x, g):
        """sum_n g_n^T dy_n/dw (P,), and g_n^T dy_n/dx (N, n_0), for rows g (N, n_L), without a Jacobian.

        With g = dE/dy they are dE/dw and dE/dx: backpropagation, Eq. (6).
        """
        params = self.as_params(params)
        inputs, y = self._run(params, x)
        gradient, dx = (
            np.zeros(self.parameters, self.dtype),
            np.empty((len(y), self.inputs), self.dtype),
        )
        g = as_array("g", g, y.shape, self.dtype)
        kernels.vector_jacobian(self.sizes, self.codes, params, inputs, y, g, gradient, dx)
        return gradient, dx

    def _run(self, params, x):
        x = as_array("x", x, (None, self.inputs), self.dtype)
        inputs, y = self.empty_inputs(len(x)), np.empty((len(x), self.outputs), self.dtype)
        kernels.forward_batch(self.sizes, self.codes, params, x, inputs, y)
        return inputs, y
