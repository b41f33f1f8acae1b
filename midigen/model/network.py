"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

Parameters are one flat vector, layer after layer, each layer a matrix [W | b] of shape (n_k, n_{k-1} + 1).  The output
is u = [r; y], the R recurrent units first, so that the parameters that can reach r are the first of the vector.
"""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cpu import network as kernels
from midigen.kernels.cpu import rtrl


@dataclass
class Block:
    """What one block of h frames leaves for its gradient: layer inputs (flat), outputs u (h, R + Y)."""

    inputs: np.ndarray
    u: np.ndarray


class Network:
    """f([x_t; r_{t-1}]) = u_t = [r_t; y_t]: X inputs, hidden layers of tanh, R tanh recurrent units, Y linear outputs."""

    def __init__(self, inputs, hidden, recurrent, outputs, dtype=np.float32):
        self.inputs, self.recurrent, self.outputs = inputs, recurrent, outputs
        self.dtype = np.dtype(dtype)
        self.sizes = np.array([inputs + recurrent, *hidden, recurrent + outputs], np.int64)
        self.codes = np.concatenate([np.full(sum(hidden) + recurrent, kernels.TANH, np.int8),
                                     np.full(outputs, kernels.LINEAR, np.int8)])
        shapes = [(int(n), int(m) + 1) for m, n in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        self.shapes = shapes
        self.parameters = sum(n * m for n, m in shapes)
        self.influential = self.parameters - outputs * shapes[-1][1]

    def layers(self, params):
        """Views [W^(k) | b^(k)], shapes (n_k, n_{k-1} + 1), of a flat vector (P,)."""
        views, at = [], 0
        for rows, columns in self.shapes:
            views.append(params[at:at + rows * columns].reshape(rows, columns))
            at += rows * columns
        return views

    def initial(self, rng, output_scale=0.01):
        """Random parameters (P,): uniform in +-1/sqrt(fan-in), the rows of y normal with `output_scale`, biases 0."""
        params = np.zeros(self.parameters, self.dtype)
        layers = self.layers(params)
        for layer in layers:
            bound = 1 / np.sqrt(layer.shape[1] - 1)
            layer[:, :-1] = rng.uniform(-bound, bound, (layer.shape[0], layer.shape[1] - 1))
        y = layers[-1][self.recurrent:, :-1]
        y[:] = rng.normal(0, output_scale, y.shape)
        return params

    def forward(self, params, x, state):
        """Run h frames x (h, X) from state (R,), which is moved on in place; returns the Block."""
        h = len(x)
        block = Block(np.empty(h * int((self.sizes[:-1] + 1).sum()), self.dtype),
                      np.empty((h, int(self.sizes[-1])), self.dtype))
        kernels.forward_block(self.sizes, self.codes, params, self.recurrent, x, state, block.inputs, block.u)
        return block

    def backward(self, params, block, du, gradient):
        """gradient (P,) += that of the losses in the block, du (h, R + Y) = dE/du_t.  Returns dE/dr before the block."""
        adjoint = np.zeros(self.recurrent, self.dtype)
        deltas = np.empty(len(du) * int(self.sizes[1:].sum()), self.dtype)
        kernels.backward_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u, du, adjoint,
                               deltas, gradient)
        return adjoint

    def influence(self, params, block, old):
        """J = dr/dw (flat, R P_r) at the block's end from `old`, J before it (None for 0).  Eq. (11)-(12)."""
        new = np.empty(self.recurrent * self.influential, self.dtype)
        rtrl.influence_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u, old is not None,
                             new if old is None else old, new)
        return new

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T J, the second term of Eq. (13)."""
        rtrl.influence_gradient(self.sizes, self.recurrent, adjoint, influence, gradient)
