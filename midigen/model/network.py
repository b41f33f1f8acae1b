"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

The output is u = [r; y], the R recurrent units first, so that the parameters that can reach r are the first of the
vector.
"""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cpu import network as kernels
from midigen.kernels.cpu import rtrl, textbook
from midigen.model.layout import Layout


@dataclass
class Block:
    """What one block of h frames leaves for its gradient: layer inputs (flat), outputs u (h, R + Y)."""

    inputs: np.ndarray
    u: np.ndarray


class Network(Layout):
    """f([x_t; r_{t-1}]) = u_t = [r_t; y_t]: X inputs, hidden layers, R recurrent units, Y outputs.

    activations: as in Layout, the last entry for the units of [r; y]; left out, y is linear and all else is tanh.
    Shapes and values are not checked here, between kernels: RecurrentNetwork does that for its users.
    """

    def __init__(self, inputs, hidden, recurrent, outputs, dtype=np.float32, activations=None):
        if activations is None:
            activations = ["tanh"] * len(hidden) + [["tanh"] * recurrent + ["linear"] * outputs]
        super().__init__([inputs + recurrent, *hidden, recurrent + outputs], activations, dtype)
        self.inputs, self.recurrent, self.outputs = inputs, recurrent, outputs
        self.influential = self.parameters - outputs * self.shapes[-1][1]

    def initial(self, rng, output_scale=0.01):
        """Random parameters (P,): uniform in +-1/sqrt(fan-in), the rows of y normal with `output_scale`, biases 0."""
        params = super().initial(rng)
        y = self.layers(params)[-1][self.recurrent:, :-1]
        y[:] = rng.normal(0, output_scale, y.shape)
        return params

    def forward(self, params, x, state):
        """Run h frames x (h, X) from state (R,), which is moved on in place; returns the Block."""
        h = len(x)
        block = Block(self.empty_inputs(h), np.empty((h, int(self.sizes[-1])), self.dtype))
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

    def textbook(self, params, block, du, influence, gradient):
        """gradient (P,) += that of the losses in the block by Eq. (9)-(10), du (h, R + Y) = dE/du_t.

        Returns J = du/dw, whole (flat, (R + Y) P), at the block's end from `influence` before it (None for 0).
        """
        shape = block.u.shape[1], self.parameters
        new = np.zeros(shape, self.dtype) if influence is None else influence.reshape(shape).copy()
        textbook.textbook_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u, du, new, gradient)
        return new.ravel()
