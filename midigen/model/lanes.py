"""A Network on the GPU: B series side by side, one a lane.  Eq. (8), (11)-(13).

Arrays lie on the device, frames first and lanes next; see midigen.kernels.cuda.
"""

import numpy as np

from midigen.kernels.cuda import network as kernels
from midigen.kernels.cuda import rank, rtrl
from midigen.kernels.cuda.blas import Matrix, copy, fill, flat, gemm, matrix
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.influence import Block, Carrying, last_start


class LaneNetwork(Carrying):
    """What Network does, for B lanes."""

    def __init__(self, network):
        self.network, self.cut_units = network, network.cut_units
        self.codes = upload(network.codes)

    def forward(self, params, x, state, starts):
        """Run h frames x (h, B, X) from state (B, R), which is moved on in place; returns the Block.

        starts: uint8 (h, B) on the host, 1 where a series begins.  The Block is good until the next `forward`.
        """
        network, rows = self.network, starts.size
        inputs = scratch.shaped("inputs", (rows * int((network.sizes[:-1] + 1).sum()),), network.dtype)
        u = scratch.shaped("u", (*starts.shape, int(network.sizes[-1])), network.dtype)
        kernels.forward_block(network.sizes, self.codes, params, network.recurrent, x, upload(starts), state, inputs,
                              u)
        return Block(inputs, u, starts)

    def backward(self, params, block, du, gradient, later=None):
        """gradient (P,) += that of the losses in the block, du (h, B, R + Y) = dE/du_t.

        later: dE/dr at the block's end from what follows, (B, R), or None for 0.  Returns dE/dr before the block.
        """
        network, lanes = self.network, block.starts.shape[1]
        adjoint = upload(np.zeros((lanes, network.recurrent), network.dtype))
        if later is not None:
            copy(later, adjoint)
        deltas = scratch("deltas", block.starts.size * int(network.sizes[1:].sum()), network.dtype)
        kernels.backward_block(network.sizes, self.codes, params, network.recurrent, block.inputs, block.u,
                               upload(block.starts), du, adjoint, deltas, gradient)
        return adjoint

    def _way(self, params, block, old, _):
        network, begun = self.network, block.starts.any(axis=0)
        known, origin = np.where(begun | (old is None), 0, 1), last_start(block.starts)
        last, weights = (old.last, old.params) if old else (block, params)
        run = (network.plan, network.cut, network.inputs, self.codes, params, block.inputs, block.u, weights,
               last.inputs, last.u, known, origin)

        def carry(start, stop, accumulate, s, out):
            rtrl.influence_stage(*run, start, stop, accumulate, s, out)

        return carry, 0, old

    def _probes(self, block, probes):
        return upload(np.tile(probes, (block.starts.shape[1], 1, 1)), self.network.dtype)

    def _rows(self, block, rows):
        """Rows (B, M, n_cut or R if that is more) for influence_stage, those of the identity where `rows` is None."""
        lanes, units = block.starts.shape[1], self.cut_units
        rows = self._probes(block, np.eye(units)) if rows is None else rows
        count, width = tuple(rows.shape)[1], max(units, self.network.recurrent)
        s = empty((lanes, count, width), self.network.dtype)
        copy(rows, matrix(s, 0, lanes * count, units, width))
        return s

    def _room(self, s):
        return empty((*tuple(s.shape)[:2], self.network.influential), self.network.dtype)

    def _copied(self, params):
        network, kept = self.network, empty(self.network.parameters, self.network.dtype)
        copy(matrix(params, 0, 1, network.parameters), matrix(kept, 0, 1, network.parameters))
        return kept

    def _basis(self, s, tolerance):
        """Orthonormal rows (B, k, n_cut) that span those of s (B, M, n), and the k of the lane with most of them."""
        lanes, count, _ = tuple(s.shape)
        units = self.cut_units
        basis = scratch.shaped("basis", (lanes, count, units), s.dtype)
        ranks = scratch.shaped("ranks", (lanes,), np.int64)
        rank.orthonormal_rows(s, units, tolerance, basis, ranks)
        found = int(ranks.copy_to_host().max())
        rows = empty((lanes, max(found, 1), units), s.dtype)
        copy(Matrix(flat(basis), 0, lanes * found, units, units, group=max(found, 1), leap=count * units),
             matrix(rows, 0, lanes * found, units))
        return rows, found

    def _carry_on(self, s, block, old, j, _):
        """j (B, M, P_r) += what `old` adds to rows s that have come back to its end."""
        network, (lanes, count, width) = self.network, tuple(s.shape)
        known = 1 - block.starts.any(axis=0)
        if old.history:
            begun, rest = old.history.starts.any(axis=0), old.first
            rtrl.influence_stage(network.plan, network.cut, network.inputs, self.codes, old.params, old.history.inputs,
                                 old.history.u, old.params, rest.inputs, rest.u, np.where(begun, 0, known),
                                 last_start(old.history.starts), 0, len(old.history.starts), True, s, j)
        if old.matrix is None:
            return
        if old.rows is not None:
            found, units = tuple(old.rows.shape)[1:]
            met = empty((lanes, count, found), network.dtype)
            gemm(False, True, 1, matrix(s, 0, count, units, width, batch=(count * width, 0)),
                 matrix(old.rows, 0, found, units, batch=(found * units, 0)), 0,
                 matrix(met, 0, count, found, batch=(count * found, 0)), batches=(lanes, 1))
            s = met
        rtrl.influence_expand(s, old.matrix, 0, network.influential, j)

    def _tail(self, block, frames, ahead):
        """`frames` frames of a block as a Block of their own, `ahead` of them being behind it."""
        network, (h, lanes) = self.network, block.starts.shape
        first, at = h - ahead - frames, 0
        inputs = empty(frames * lanes * int((network.sizes[:-1] + 1).sum()), network.dtype)
        for n in (network.sizes[:-1] + 1).tolist():
            copy(matrix(block.inputs, (h * at + first * n) * lanes, frames * lanes, n),
                 matrix(inputs, frames * at * lanes, frames * lanes, n))
            at += n
        outputs = int(network.sizes[-1])
        u = empty((frames, lanes, outputs), network.dtype)
        copy(matrix(flat(block.u), first * lanes * outputs, frames * lanes, outputs), u)
        return Block(inputs, u, block.starts[first:first + frames])

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T dr/dw, the second term of Eq. (13)."""
        network, history = self.network, influence.history
        if history:
            du = scratch.shaped("no du", tuple(history.u.shape), network.dtype)
            fill(du, 0)
            adjoint = self.backward(influence.params, history, du, gradient, adjoint)
        rtrl.influence_gradient(network.plan, network.cut, network.inputs, self.codes, influence.params,
                                influence.first.inputs, influence.first.u, adjoint, influence.matrix, gradient,
                                influence.rows)
