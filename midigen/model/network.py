"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

The output is u = [r; y], the R recurrent units first, so that the parameters that can reach r are the first of the
vector.
"""

import numpy as np

from midigen.kernels.cpu import network as kernels
from midigen.kernels.cpu import rtrl, textbook
from midigen.model.influence import Block, Carrying, last_start
from midigen.model.layout import Layout

ROWS, COLUMNS = (
    64,
    1 << 14,
)  # of J, at most, that one thread takes at a time: back over the frames, in a product


def share(pool, rows, most, job):
    """Call job(slice) for pieces of at most `most` of `rows` rows, cut the same way with an executor and without."""
    pieces = max(1, -(-rows // most))
    ends = [rows * i // pieces for i in range(pieces + 1)]
    slices = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]
    for _ in (pool.map if pool else map)(job, slices):
        pass


class Network(Carrying, Layout):
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
        widths = [*hidden, recurrent]
        self.cut = len(widths) if recurrent <= min(widths) else 1 + int(np.argmin(widths))
        self.cut_units = widths[self.cut - 1]
        self.plan = self._plan(widths)

    def _plan(self, widths):
        """The plan of kernels.cpu.rtrl, whose last layer ends with r."""
        below = [n for _, n in self.shapes]  # with the 1 behind the inputs
        parts = [[m * n, m, n, w * n] for (m, n), w in zip(self.shapes, widths, strict=True)]
        before = np.cumsum([[0, 0, 0, 0], *parts], axis=0)
        return np.array(
            [[w, n - 1, *row] for w, n, row in zip(widths, below, before, strict=False)], np.int64
        )

    def initial(self, rng, output_scale=0.01):
        """Random parameters (P,): uniform in +-1/sqrt(fan-in), the rows of y normal with `output_scale`, biases 0."""
        params = super().initial(rng)
        y = self.layers(params)[-1][self.recurrent :, :-1]
        y[:] = rng.normal(0, output_scale, y.shape)
        return params

    def forward(self, params, x, state, starts=None):
        """Run h frames x (h, X) from state (R,), which is moved on in place; returns the Block.

        starts: uint8 (h,), 1 where a new series begins, from a silent state; None for nowhere.
        """
        h = len(x)
        starts = np.zeros(h, np.uint8) if starts is None else starts
        block = Block(self.empty_inputs(h), np.empty((h, int(self.sizes[-1])), self.dtype), starts)
        kernels.forward_block(
            self.sizes, self.codes, params, self.recurrent, x, starts, state, block.inputs, block.u
        )
        return block

    def backward(self, params, block, du, gradient, later=None):
        """gradient (P,) += that of the block's losses, du (h, R + Y) = dE/du_t.

        later: dE/dr (R,) at the block's end from what follows, or None for 0.  Returns dE/dr before the block.
        """
        adjoint = np.zeros(self.recurrent, self.dtype) if later is None else later.copy()
        deltas = np.empty(len(du) * int(self.sizes[1:].sum()), self.dtype)
        kernels.backward_block(
            self.sizes,
            self.codes,
            params,
            self.recurrent,
            block.inputs,
            block.u,
            block.starts,
            du,
            adjoint,
            deltas,
            gradient,
        )
        return adjoint

    def stage(self, part, ahead, start, stop, accumulate, s, out, pool):
        """influence_stage over frames start..stop-1 of a Past, `ahead` being the frame before it, or None."""
        known, before, block = (
            ahead is not None and not part.block.starts.any(),
            ahead or part,
            part.block,
        )
        share(
            pool,
            len(s),
            ROWS,
            lambda rows: rtrl.influence_stage(
                self.plan,
                self.cut,
                self.inputs,
                self.codes,
                part.params,
                block.inputs,
                block.u,
                before.params,
                before.block.inputs,
                before.block.u,
                known,
                int(last_start(block.starts)),
                start,
                stop,
                accumulate,
                s[rows],
                None if out is None else out[rows],
            ),
        )

    def _rows(self, block, rows):
        """Rows for influence_stage, (M, n_cut or R if that is more), those of the identity where `rows` is None."""
        rows = np.eye(self.cut_units) if rows is None else rows
        s = np.zeros((len(rows), max(self.cut_units, self.recurrent)), self.dtype)
        s[:, : self.cut_units] = rows
        return s

    def _room(self, s):
        return np.empty((len(s), self.influential), self.dtype)

    def _copied(self, params):
        return params.copy()

    def _basis(self, s, tolerance):
        """Orthonormal rows (k, n_cut) that span those of s (M, n) up to the tolerance, and k: M if s is not finite."""
        wide = s[:, : self.cut_units].astype(np.float64)
        if not np.isfinite(wide).all():
            return None, len(s)
        _, sigma, rows = np.linalg.svd(wide, full_matrices=False)
        found = int((sigma > tolerance * max(1.0, sigma[0])).sum())
        return rows[:found].astype(self.dtype), found

    def _expand(self, s, old, j, pool):
        """j (M, P_r) += what `old`'s matrix adds to rows s that have come back to its frame."""
        left = s[:, : self.cut_units] if old.rows is None else s[:, : self.cut_units] @ old.rows.T
        left = np.ascontiguousarray(left)
        share(
            pool,
            self.influential,
            COLUMNS,
            lambda part: rtrl.influence_expand(left, old.matrix, part.start, part.stop, j),
        )

    def tail(self, block, frames, behind):
        """The last frames of a block but `behind` as a Block of their own."""
        parts, h = [], len(block.u)
        stop = h - behind
        for _, below, _, _, at, _ in self.plan:
            parts.append(
                block.inputs[h * at + (stop - frames) * (below + 1) : h * at + stop * (below + 1)]
            )
        return Block(
            np.concatenate(parts),
            block.u[stop - frames : stop].copy(),
            block.starts[stop - frames : stop].copy(),
        )

    def _no_loss(self, block):
        return np.zeros_like(block.u)

    def _meet(self, adjoint, influence, gradient):
        """influence_gradient at the frame `first`."""
        first = influence.first
        rtrl.influence_gradient(
            self.plan,
            self.cut,
            self.inputs,
            self.codes,
            first.params,
            first.block.inputs,
            first.block.u,
            adjoint,
            influence.matrix,
            gradient,
            influence.rows,
        )

    def textbook(self, params, block, du, influence, gradient):
        """gradient (P, or longer) += that of the losses in the block by Eq. (9)-(10), du (h, R + Y) = dE/du_t.

        Returns J = du/dw, whole (flat, (R + Y) P), at the block's end from `influence` before it (None for 0).
        """
        shape = block.u.shape[1], self.parameters
        new = np.zeros(shape, self.dtype) if influence is None else influence.reshape(shape).copy()
        textbook.textbook_block(
            self.sizes,
            self.codes,
            params,
            self.recurrent,
            block.inputs,
            block.u,
            block.starts,
            du,
            new,
            gradient[: self.parameters],
        )
        return new.ravel()
