"""A Network on the GPU: B series side by side, one a lane.  Eq. (8), (11)-(13).

Arrays lie on the device, frames first and lanes next; see midigen.kernels.cuda.  Blocks are strictly exact: the rank of
the propagator, Eq. (12a), is not followed here.
"""

import numpy as np

from midigen.kernels.cuda import network as kernels
from midigen.kernels.cuda import rtrl
from midigen.kernels.cuda.blas import Matrix, copy, flat, matrix
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.network import Block, Influence

MOST_ROWS = 1 << 17  # frames of all lanes that go through a block together: bounds the memory


def theta_parts(model, theta):
    """Of a device array like an RnnRbm's theta: W (H, V), the constants in a (1, V) and b (1, H), each a Matrix."""
    config, network = model.config, model.network
    units, width = network.shapes[-1]
    start = network.parameters - units * width + (config.recurrent + 1) * width - 1
    return (Matrix(theta, network.parameters, config.rbm_hidden, config.visible, config.visible),
            Matrix(theta, start, 1, config.visible, 0, width),
            Matrix(theta, start + config.visible * width, 1, config.rbm_hidden, 0, width))


def bias_parts(model, u):
    """a (h B, V) and b (h B, H) of u (h, B, R + Y), or of what is like it, each a Matrix."""
    config, outputs, array = model.config, tuple(u.shape)[-1], flat(u)
    rows = array.size // outputs
    return (matrix(array, config.recurrent, rows, config.visible, outputs),
            matrix(array, config.recurrent + config.visible, rows, config.rbm_hidden, outputs))


class LaneNetwork:
    """What Network does, for B lanes."""

    def __init__(self, network):
        self.network = network
        self._codes = upload(network.codes)

    def forward(self, params, x, state, starts):
        """Run h frames x (h, B, X) from state (B, R), which is moved on in place; returns the Block.

        starts: uint8 (h, B) on the host, 1 where a series begins.  The Block is good until the next `forward`.
        """
        network, rows = self.network, starts.size
        inputs = scratch.shaped("inputs", (rows * int((network.sizes[:-1] + 1).sum()),), network.dtype)
        u = scratch.shaped("u", (*starts.shape, int(network.sizes[-1])), network.dtype)
        kernels.forward_block(network.sizes, self._codes, params, network.recurrent, x, upload(starts), state, inputs,
                              u)
        return Block(inputs, u, starts)

    def backward(self, params, block, du, gradient):
        """gradient (P,) += that of the losses in the block, du (h, B, R + Y) = dE/du_t.

        Returns dE/dr before the block, (B, R).
        """
        network, lanes = self.network, block.starts.shape[1]
        adjoint = upload(np.zeros((lanes, network.recurrent), network.dtype))
        deltas = scratch("deltas", block.starts.size * int(network.sizes[1:].sum()), network.dtype)
        kernels.backward_block(network.sizes, self._codes, params, network.recurrent, block.inputs, block.u,
                               upload(block.starts), du, adjoint, deltas, gradient)
        return adjoint

    def influence(self, params, block, old):
        """The Influence at the block's end, J (B, n_cut, P_r), from `old`, that before it (None for 0).

        A series that begins in the block leaves nothing of `old` in its lane.
        """
        network, h, lanes = self.network, *block.starts.shape
        units, width = network.cut_units, max(network.cut_units, network.recurrent)
        s = upload(np.tile(np.eye(units, width, dtype=network.dtype), (lanes, 1, 1)))
        j = empty((lanes, units, network.influential), network.dtype)
        begun = block.starts.any(axis=0)
        known = np.where(begun | (old is None), 0, 1).astype(np.uint8)
        origin = np.where(begun, h - 1 - block.starts[::-1].argmax(axis=0), 0)
        before = old or Influence(None, params, block)
        rtrl.influence_stage(network.plan, network.cut, network.inputs, self._codes, params, block.inputs, block.u,
                             before.params, before.last.inputs, before.last.u, upload(known), upload(origin, np.int64),
                             0, h, False, s, j)
        if old is not None:
            rtrl.influence_expand(s, old.matrix, 0, network.influential, j)
        kept = empty(network.parameters, network.dtype)
        copy(matrix(params, 0, 1, network.parameters), matrix(kept, 0, 1, network.parameters))
        return Influence(j, kept, self._last(block))

    def _last(self, block):
        """The last frame of a block as a Block of its own."""
        network, h, lanes = self.network, *block.starts.shape
        inputs, at = empty(lanes * int((network.sizes[:-1] + 1).sum()), network.dtype), 0
        for n in (network.sizes[:-1] + 1).tolist():
            copy(matrix(block.inputs, h * at + (h - 1) * lanes * n, lanes, n), matrix(inputs, at, lanes, n))
            at += lanes * n
        outputs = int(network.sizes[-1])
        u = empty((1, lanes, outputs), network.dtype)
        copy(matrix(flat(block.u), (h - 1) * lanes * outputs, lanes, outputs), u)
        return Block(inputs, u, block.starts[-1:])

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T dr/dw, the second term of Eq. (13)."""
        network = self.network
        rtrl.influence_gradient(network.plan, network.cut, network.inputs, self._codes, influence.params,
                                influence.last.inputs, influence.last.u, adjoint, influence.matrix, gradient)
