"""The recurrent network: a multi-layer perceptron whose output is partly fed back.  Eq. (1), (8).

The output is u = [r; y], the R recurrent units first, so that the parameters that can reach r are the first of the
vector.
"""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cpu import network as kernels
from midigen.kernels.cpu import rtrl, textbook
from midigen.model.layout import Layout

ROWS, COLUMNS = 64, 1 << 14  # of J, at most, that one thread takes at a time: back over the frames, in a product
FIRST_STRETCH = 32  # frames back to the first look at the propagator's rank; later stretches are as long as all before


def share(pool, rows, most, job):
    """Call job(slice) for pieces of at most `most` of `rows` rows, cut the same way with an executor and without."""
    pieces = max(1, -(-rows // most))
    ends = [rows * i // pieces for i in range(pieces + 1)]
    slices = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]
    for _ in (pool.map if pool else map)(job, slices):
        pass


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
    """What one block of h frames leaves for its gradient: layer inputs (flat), outputs u (h, R + Y), and where series
    begin, `starts` (h,) uint8."""

    inputs: np.ndarray
    u: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class Influence:
    """How the parameters have moved the state: J (n_cut, P_r), laid out as kernels.cpu.rtrl says.

    What leads on from y^(cut) to r: `params`, the weights (P,) at the frame that J belongs to, and `last`, a Block of
    that frame alone.
    """

    matrix: np.ndarray
    params: np.ndarray
    last: Block


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
        widths = [*hidden, recurrent]
        self.cut = len(widths) if recurrent <= min(widths) else 1 + int(np.argmin(widths))
        self.cut_units = widths[self.cut - 1]
        self.plan = self._plan(widths)

    def _plan(self, widths):
        """The plan of kernels.cpu.rtrl, whose last layer ends with r."""
        below = [n for _, n in self.shapes]  # with the 1 behind the inputs
        parts = [[m * n, m, n, w * n] for (m, n), w in zip(self.shapes, widths, strict=True)]
        before = np.cumsum([[0, 0, 0, 0], *parts], axis=0)
        return np.array([[w, n - 1, *row] for w, n, row in zip(widths, below, before, strict=False)], np.int64)

    def initial(self, rng, output_scale=0.01):
        """Random parameters (P,): uniform in +-1/sqrt(fan-in), the rows of y normal with `output_scale`, biases 0."""
        params = super().initial(rng)
        y = self.layers(params)[-1][self.recurrent:, :-1]
        y[:] = rng.normal(0, output_scale, y.shape)
        return params

    def forward(self, params, x, state, starts=None):
        """Run h frames x (h, X) from state (R,), which is moved on in place; returns the Block.

        starts: uint8 (h,), 1 where a new series begins, from a silent state; None for nowhere.
        """
        h = len(x)
        starts = np.zeros(h, np.uint8) if starts is None else starts
        block = Block(self.empty_inputs(h), np.empty((h, int(self.sizes[-1])), self.dtype), starts)
        kernels.forward_block(self.sizes, self.codes, params, self.recurrent, x, starts, state, block.inputs, block.u)
        return block

    def backward(self, params, block, du, gradient):
        """gradient (P,) += that of the block's losses, du (h, R + Y) = dE/du_t.  Returns dE/dr before the block."""
        adjoint = np.zeros(self.recurrent, self.dtype)
        deltas = np.empty(len(du) * int(self.sizes[1:].sum()), self.dtype)
        kernels.backward_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u,
                               block.starts, du, adjoint, deltas, gradient)
        return adjoint

    def influence(self, params, block, old, tolerance=0.0, pool=None):
        """The Influence at the block's end from `old`, that before it (None for 0).  Eq. (11)-(12a).

        A series that begins in the block leaves nothing of `old`.

        tolerance: singular values of the propagator under tolerance max(1, the largest) are dropped on its way back;
        0 keeps all, 1e-6 in float32 (1e-8 in float64) stays at the rounding error.  pool: an executor that shares the
        rows of J among its threads; the result is the same without it.
        """
        h, units = len(block.u), self.cut_units
        s = np.eye(units, max(units, self.recurrent), dtype=self.dtype)
        begun = np.flatnonzero(block.starts)
        origin = int(begun[-1]) if len(begun) else 0
        old = None if len(begun) else old
        before = old or Influence(None, params, block)
        run = (self.plan, self.cut, self.inputs, self.codes, params, block.inputs, block.u, before.params,
               before.last.inputs, before.last.u, old is not None, origin)
        sums, lefts = [np.empty((units, self.influential), self.dtype)], []
        stop, reach, fresh = h, FIRST_STRETCH if tolerance else h, True
        while stop > origin:
            start = max(origin, h - reach)
            share(pool, len(s), ROWS, lambda rows: rtrl.influence_stage(
                *run, start, stop, not fresh, s[rows], sums[-1][rows]))  # noqa: B023  called before these change
            stop, reach, fresh = start, 2 * reach, False
            if stop == origin:
                break
            left, kept = _factor(s[:, :units], tolerance, min(reach, stop - origin))
            if left is not None:
                s = np.zeros((len(kept), s.shape[1]), self.dtype)
                s[:, :units] = kept
                lefts.append(left)
                sums.append(np.empty((len(s), self.influential), self.dtype))
                fresh = True
            if not len(s):
                sums.pop(), lefts.pop()
                break
        if old is not None and len(s):
            lefts.append(np.ascontiguousarray(s[:, :units]))
            sums.append(old.matrix)
        while lefts:
            left, inner = lefts.pop(), sums.pop()
            share(pool, self.influential, COLUMNS, lambda part: rtrl.influence_expand(
                left, inner, part.start, part.stop, sums[-1]))  # noqa: B023
        return Influence(sums[0], params.copy(), self._last(block))

    def _last(self, block):
        """The last frame of a block as a Block of its own."""
        parts, h = [], len(block.u)
        for _, below, _, _, at, _ in self.plan:
            end = h * (at + below + 1)
            parts.append(block.inputs[end - below - 1:end])
        return Block(np.concatenate(parts), block.u[-1:].copy(), block.starts[-1:])

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T dr/dw, the second term of Eq. (13)."""
        rtrl.influence_gradient(self.plan, self.cut, self.inputs, self.codes, influence.params, influence.last.inputs,
                                influence.last.u, adjoint, influence.matrix, gradient)

    def textbook(self, params, block, du, influence, gradient):
        """gradient (P, or longer) += that of the losses in the block by Eq. (9)-(10), du (h, R + Y) = dE/du_t.

        Returns J = du/dw, whole (flat, (R + Y) P), at the block's end from `influence` before it (None for 0).
        """
        shape = block.u.shape[1], self.parameters
        new = np.zeros(shape, self.dtype) if influence is None else influence.reshape(shape).copy()
        textbook.textbook_block(self.sizes, self.codes, params, self.recurrent, block.inputs, block.u, block.starts, du,
                                new, gradient[:self.parameters])
        return new.ravel()
