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
        inputs = scratch.shaped(
            "inputs", (rows * int((network.sizes[:-1] + 1).sum()),), network.dtype
        )
        u = scratch.shaped("u", (*starts.shape, int(network.sizes[-1])), network.dtype)
        kernels.forward_block(
            network.sizes,
            self.codes,
            params,
            network.recurrent,
            x,
            upload(starts),
            state,
            inputs,
            u,
        )
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
        kernels.backward_block(
            network.sizes,
            self.codes,
            params,
            network.recurrent,
            block.inputs,
            block.u,
            upload(block.starts),
            du,
            adjoint,
            deltas,
            gradient,
        )
        return adjoint

    def stage(self, part, ahead, start, stop, accumulate, s, out, _):
        """influence_stage over frames start..stop-1 of a Past, `ahead` being the frame before it, or None."""
        network, block, before = self.network, part.block, ahead or part
        known = np.where(block.starts.any(axis=0) | (ahead is None), 0, 1)
        rtrl.influence_stage(
            network.plan,
            network.cut,
            network.inputs,
            self.codes,
            part.params,
            block.inputs,
            block.u,
            before.params,
            before.block.inputs,
            before.block.u,
            known,
            last_start(block.starts),
            start,
            stop,
            accumulate,
            s,
            out,
        )

    def _rows(self, block, rows):
        """Rows (B, M, n_cut or R if that is more) for influence_stage, those of the identity where `rows` is None; rows
        on the host (M, n_cut) are every lane's."""
        lanes, units = block.starts.shape[1], self.cut_units
        rows = np.eye(units) if rows is None else rows
        count, width = tuple(rows.shape)[-2], max(units, self.network.recurrent)
        if isinstance(rows, np.ndarray):  # the same for every lane
            rows = matrix(
                upload(rows, self.network.dtype), 0, lanes * count, units, group=count, leap=0
            )
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
        copy(
            Matrix(
                flat(basis), 0, lanes * found, units, units, group=max(found, 1), leap=count * units
            ),
            matrix(rows, 0, lanes * found, units),
        )
        return rows, found

    def _expand(self, s, old, j, _):
        """j (B, M, P_r) += what `old`'s matrix adds to rows s that have come back to its frame."""
        lanes, count, width = tuple(s.shape)
        if old.rows is not None:
            found, units = tuple(old.rows.shape)[1:]
            met = empty((lanes, count, found), self.network.dtype)
            gemm(
                False,
                True,
                1,
                matrix(s, 0, count, units, width, batch=(count * width, 0)),
                matrix(old.rows, 0, found, units, batch=(found * units, 0)),
                0,
                matrix(met, 0, count, found, batch=(count * found, 0)),
                batches=(lanes, 1),
            )
            s = met
        rtrl.influence_expand(s, old.matrix, 0, self.network.influential, j)

    def tail(self, block, frames, behind):
        """The last frames of a block but `behind` as a Block of their own."""
        network, (h, lanes) = self.network, block.starts.shape
        first, at = h - behind - frames, 0
        inputs = empty(frames * lanes * int((network.sizes[:-1] + 1).sum()), network.dtype)
        for n in (network.sizes[:-1] + 1).tolist():
            copy(
                matrix(block.inputs, (h * at + first * n) * lanes, frames * lanes, n),
                matrix(inputs, frames * at * lanes, frames * lanes, n),
            )
            at += n
        outputs = int(network.sizes[-1])
        u = empty((frames, lanes, outputs), network.dtype)
        copy(matrix(flat(block.u), first * lanes * outputs, frames * lanes, outputs), u)
        return Block(inputs, u, block.starts[first : first + frames])

    def _no_loss(self, block):
        du = scratch.shaped("no du", tuple(block.u.shape), self.network.dtype)
        fill(du, 0)
        return du

    def _meet(self, adjoint, influence, gradient):
        """influence_gradient at the frame `first`."""
        network, first = self.network, influence.first
        rtrl.influence_gradient(
            network.plan,
            network.cut,
            network.inputs,
            self.codes,
            first.params,
            first.block.inputs,
            first.block.u,
            adjoint,
            influence.matrix,
            gradient,
            influence.rows,
        )
