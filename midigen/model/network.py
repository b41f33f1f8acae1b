"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

The output is u = [r; y], the R recurrent units first, so that the parameters that can reach r are the first of the
vector.
"""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cpu import network as kernels
from midigen.kernels.cpu import rtrl, textbook
from midigen.model.layout import Layout

FIRST_STRETCH = 32  # frames back to the first look at the propagator's rank; later stretches are as long as all before


def _factor(s, tolerance, frames):
    """S (M, R) = U Z of lower rank k: U (M, k) and Z (k, R), or (None, S) where that would not pay over `frames`.

    The singular values come from S S^T in float64, which resolves them to 1e-8 of the largest: enough for float32; for
    float64 they come from S itself.
    """
    wide = s.astype(np.float64)
    if not np.isfinite(wide).all():
        return None, s
    if s.dtype == np.float32:
        squares, u = np.linalg.eigh(wide @ wide.T)
        sigma, u = np.sqrt(np.maximum(squares[::-1], 0)), u[:, ::-1]
    else:
        u, sigma, _ = np.linalg.svd(wide, full_matrices=False)
    rows, kept = len(s), int((sigma > tolerance * max(1.0, sigma[0])).sum())
    if kept and rows * kept > (rows - kept) * frames:
        return None, s
    u = np.ascontiguousarray(u[:, :kept])
    return u.astype(s.dtype), (u.T @ wide).astype(s.dtype)


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

    def influence(self, params, block, old, tolerance=0.0):
        """J = dr/dw (flat, R P_r) at the block's end from `old`, J before it (None for 0).  Eq. (11)-(12a).

        tolerance: singular values of the propagator under tolerance max(1, the largest) are dropped on its way back;
        0 keeps all, 1e-6 in float32 (1e-8 in float64) stays at the rounding error.
        """
        h, s = len(block.u), np.eye(self.recurrent, dtype=self.dtype)
        network = self.sizes, self.codes, params, self.recurrent, block.inputs, block.u
        sums, lefts = [np.empty(self.recurrent * self.influential, self.dtype)], []
        stop, reach, fresh = h, FIRST_STRETCH if tolerance else h, True
        while stop:
            start = max(0, h - reach)
            rtrl.influence_stage(*network, start, stop, not fresh, s, sums[-1])
            stop, reach, fresh = start, 2 * reach, False
            if not stop:
                break
            left, s = _factor(s, tolerance, min(reach, stop))
            if left is not None:
                lefts.append(left)
                sums.append(np.empty(len(s) * self.influential, self.dtype))
                fresh = True
            if not len(s):
                sums.pop(), lefts.pop()
                break
        if old is not None and len(s):
            rtrl.influence_expand(self.sizes, self.recurrent, s, old, sums[-1])
        while lefts:
            inner = sums.pop()
            rtrl.influence_expand(self.sizes, self.recurrent, lefts.pop(), inner, sums[-1])
        return sums[0]

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T J, the second term of Eq. (13)."""
        rtrl.influence_gradient(self.sizes, self.recurrent, adjoint, influence, gradient)

    def textbook(self, params, block, du, influence, gradient):
        """gradient (P, or longer) += that of the losses in the block by Eq. (9)-(10), du (h, R + Y) = dE/du_t.

        Returns J = du/dw, whole (flat, (R + Y) P), at the block's end from `influence` before it (None for 0).
        """
        shape = block.u.shape[1], self.parameters
        new = np.zeros(shape, self.dtype) if influence is None else influence.reshape(shape).copy()
        textbook.textbook_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u, du, new,
                                gradient[:self.parameters])
        return new.ravel()
