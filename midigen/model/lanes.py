"""A Network on the GPU: B series side by side, one a lane.  Eq. (8), (11)-(13).

Arrays lie on the device, frames first and lanes next; see midigen.kernels.cuda.
"""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cuda import network as kernels
from midigen.kernels.cuda import rank, rtrl
from midigen.kernels.cuda.blas import Matrix, copy, fill, flat, gemm, matrix
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.network import FIRST_STRETCH, Block

PROBES = 32  # random rows that are carried back in place of all n_cut, to see what rank the propagator has
SURE = 10  # of them that must be left over: they miss a direction that matters once in 10^SURE times


@dataclass(frozen=True)
class LaneInfluence:
    """How the parameters have moved the states of B lanes, J (B, n_cut, P_r), whole or in the parts of Eq. (12b).

    history: a Block of the m frames that J's way back starts with, or None for none.  rows: Z (B, k, n_cut) at the
    frame ahead of them, or None for the identity.  matrix: Z J of that frame, (B, k, P_r), or None where that is
    nothing.  first, last: Blocks of that frame and of the one that J belongs to.  params: the weights of all of these.
    """

    matrix: object
    rows: object
    history: Block | None
    first: Block
    last: Block
    params: object


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

    def backward(self, params, block, du, gradient, later=None):
        """gradient (P,) += that of the losses in the block, du (h, B, R + Y) = dE/du_t.

        later: dE/dr at the block's end from what follows, (B, R), or None for 0.  Returns dE/dr before the block.
        """
        network, lanes = self.network, block.starts.shape[1]
        adjoint = upload(np.zeros((lanes, network.recurrent), network.dtype))
        if later is not None:
            copy(later, adjoint)
        deltas = scratch("deltas", block.starts.size * int(network.sizes[1:].sum()), network.dtype)
        kernels.backward_block(network.sizes, self._codes, params, network.recurrent, block.inputs, block.u,
                               upload(block.starts), du, adjoint, deltas, gradient)
        return adjoint

    def influence(self, params, block, old, tolerance=0.0):
        """The LaneInfluence at the block's end from `old`, that before it (None for 0).  Eq. (11)-(12), (12b).

        A series that begins in the block leaves nothing of `old` in its lane.  tolerance: how long, beside the
        propagator's longest row, a row may be that is taken for 0; 0 keeps J whole.
        """
        network, (h, lanes) = self.network, block.starts.shape
        begun = block.starts.any(axis=0)
        known, origin = np.where(begun | (old is None), 0, 1), _last_start(block.starts)
        before = old or LaneInfluence(None, None, None, block, block, params)

        def carry(start, stop, accumulate, s, out):
            rtrl.influence_stage(network.plan, network.cut, network.inputs, self._codes, params, block.inputs, block.u,
                                 before.params, before.last.inputs, before.last.u, known, origin, start, stop,
                                 accumulate, s, out)

        frames, rows = self._forgotten(h, lanes, carry, tolerance) if tolerance else (0, None)
        kept = empty(network.parameters, network.dtype)
        copy(matrix(params, 0, 1, network.parameters), matrix(kept, 0, 1, network.parameters))
        last = self._tail(block, 1, 0)
        history, first = (self._tail(block, frames, 0), self._tail(block, 1, frames)) if frames else (None, last)
        parts = (rows, history, first, last, kept)
        if frames and rows is None:
            return LaneInfluence(None, *parts)
        s = self._rows(lanes, network.cut_units) if rows is None else self._rows(lanes, tuple(rows.shape)[1], rows)
        j = empty((lanes, tuple(s.shape)[1], network.influential), network.dtype)
        stop, reach = h - frames, h if rows is None else FIRST_STRETCH
        while stop > 0:
            start = max(0, stop - reach)
            carry(start, stop, stop < h - frames, s, j)
            stop, reach = start, 2 * reach
            if stop and not self._basis(s, tolerance)[1]:  # the few rows have died out as well
                return LaneInfluence(j, *parts)
        if old is not None:
            self._carry_on(s, known, old, j)
        return LaneInfluence(j, *parts)

    def _forgotten(self, h, lanes, carry, tolerance):
        """Frames m at the block's end, fewer than h, ahead of which the propagator has little rank, and the rows Z.

        Z is None where that rank is 0; (0, None) where there is no such m.  See Eq. (12b).
        """
        units = self.network.cut_units
        count, probes = min(units, PROBES), None
        if count < units:
            probes = np.random.default_rng(0).standard_normal((1, count, units)).repeat(lanes, axis=0)
            probes = upload(probes, self.network.dtype)
        s, frames, most = self._rows(lanes, count, probes), 0, count - SURE if count < units else count // 2
        while frames < h - 1:
            new = min(h - 1, max(2 * frames, FIRST_STRETCH))
            carry(h - new, h - frames, False, s, None)
            frames = new
            basis, found = self._basis(s, tolerance)
            if found <= most:
                if not found:
                    return frames, None
                rows = empty((lanes, found, units), self.network.dtype)
                copy(Matrix(flat(basis), 0, lanes * found, units, units, group=found, leap=count * units), rows)
                return frames, rows
        return 0, None

    def _basis(self, s, tolerance):
        """Orthonormal rows that span those of s (B, M, n), and how many the lane with most of them has."""
        lanes, count, _ = tuple(s.shape)
        units = self.network.cut_units
        basis = scratch.shaped("basis", (lanes, count, units), s.dtype)
        ranks = scratch.shaped("ranks", (lanes,), np.int64)
        rank.orthonormal_rows(s, units, tolerance, basis, ranks)
        return basis, int(ranks.copy_to_host().max())

    def _rows(self, lanes, count, values=None):
        """Rows (B, count, n_cut) for influence_stage, those of the identity where `values` is left out."""
        units = self.network.cut_units
        width = max(units, self.network.recurrent)
        if values is None:
            return upload(np.tile(np.eye(count, width, dtype=self.network.dtype), (lanes, 1, 1)))
        s = empty((lanes, count, width), self.network.dtype)
        copy(values, matrix(s, 0, lanes * count, units, width))
        return s

    def _carry_on(self, s, known, old, j):
        """j (B, M, P_r) += what `old` adds to rows s that have come back to its end."""
        network, (lanes, count, width) = self.network, tuple(s.shape)
        if old.history:
            begun, rest = old.history.starts.any(axis=0), old.first
            rtrl.influence_stage(network.plan, network.cut, network.inputs, self._codes, old.params, old.history.inputs,
                                 old.history.u, old.params, rest.inputs, rest.u, np.where(begun, 0, known),
                                 _last_start(old.history.starts), 0, len(old.history.starts), True, s, j)
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

    def whole(self, influence):
        """J (B, n_cut, P_r) of a LaneInfluence."""
        lanes, units = tuple(influence.last.u.shape)[1], self.network.cut_units
        j = upload(np.zeros((lanes, units, self.network.influential), self.network.dtype))
        self._carry_on(self._rows(lanes, units), np.ones(lanes, np.uint8), influence, j)
        return j

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
        rtrl.influence_gradient(network.plan, network.cut, network.inputs, self._codes, influence.params,
                                influence.first.inputs, influence.first.u, adjoint, influence.matrix, gradient,
                                influence.rows)


def _last_start(starts):
    """The frame of starts (h, B) at which each lane's last series begins, 0 where none does, (B,)."""
    return np.where(starts.any(axis=0), len(starts) - 1 - starts[::-1].argmax(axis=0), 0)
