"""How J is carried over a block, whole or in parts.  Eq. (11)-(12a)."""

from dataclasses import dataclass

import numpy as np

FIRST_STRETCH = 32  # frames back to the first look at the propagator's rank; later stretches are as long as all before
PROBES = 32  # random rows that are carried back in place of all n_cut, to see what rank the propagator has
SURE = 10  # of them that must be left over: they miss a direction that matters once in 10^SURE times


def last_start(starts):
    """The frame of starts (h, ..) at which the last series begins, 0 where none does, for each of the other axes."""
    return np.where(starts.any(axis=0), len(starts) - 1 - starts[::-1].argmax(axis=0), 0)


@dataclass
class Block:
    """What one block of h frames leaves for its gradient: layer inputs (flat), outputs u (h, R + Y), and where series
    begin, `starts` (h,) uint8.  On the GPU u is (h, B, R + Y) and starts, on the host, (h, B)."""

    inputs: object
    u: object
    starts: np.ndarray


@dataclass(frozen=True)
class Influence:
    """How the parameters have moved the state, J (n_cut, P_r) laid out as kernels.cpu.rtrl says, in its parts.

    history: a Block of the m frames that J's way back starts with, or None for none.  rows: Z (k, n_cut) at the frame
    ahead of them, or None for the identity.  matrix: Z J of that frame, (k, P_r), or None where that is nothing.
    first, last: Blocks of that frame and of the one that J belongs to.  params: the weights (P,) of all of these.
    On the GPU rows and matrix are (B, ..), for B lanes.
    """

    matrix: object
    rows: object
    history: Block | None
    first: Block
    last: Block
    params: object


class Carrying:
    """What Network and LaneNetwork, which bring the arrays, share of J's way over a block.

    A way is (carry, begin, old): carry(start, stop, accumulate, s, out) is influence_stage over these frames of the
    block, `begin` the first that counts, `old` the Influence before it, or None.
    """

    def influence(self, params, block, old, tolerance=0.0, pool=None):
        """The Influence at the block's end from `old`, that before it (None for 0).  Eq. (11)-(12a).

        A series that begins in the block leaves nothing of `old`.  tolerance: how small, beside the propagator's
        largest direction and 1, one may be that is taken for 0: 0 keeps all, 1e-6 in float32 (1e-8 in float64) stays
        at the rounding error.  pool: an executor that shares the rows of J among its threads; the result is the same
        without it.
        """
        carry, begin, old = self._way(params, block, old, pool)
        h = len(block.starts)
        frames, rows = self._forgotten(carry, begin, block, tolerance) if tolerance else (0, None)
        last = self._tail(block, 1, 0)
        history, first = (self._tail(block, frames, 0), self._tail(block, 1, frames)) if frames else (None, last)
        parts = (rows, history, first, last, self._copied(params))
        if frames and rows is None:
            return Influence(None, *parts)
        s = self._rows(block, rows)
        j = self._room(s)
        stop, reach = h - frames, h if rows is None else FIRST_STRETCH
        while stop > begin:
            start = max(begin, stop - reach)
            carry(start, stop, stop < h - frames, s, j)
            stop, reach = start, 2 * reach
            if rows is not None and stop > begin and not self._basis(s, tolerance)[1]:  # they have died out as well
                return Influence(j, *parts)
        if old is not None:
            self._carry_on(s, block, old, j, pool)
        return Influence(j, *parts)

    def _forgotten(self, carry, begin, block, tolerance):
        """Frames m at the block's end, ahead of which the propagator has little rank, and the rows Z of Eq. (12a).

        Z is None where that rank is 0; (0, None) where there is no such m.
        """
        h, units = len(block.starts), self.cut_units
        count, frames = min(units, PROBES), 0
        most = count - SURE if count < units else count // 2
        probes = np.random.default_rng(0).standard_normal((count, units)) if count < units else np.eye(units)
        s = self._rows(block, self._probes(block, probes))
        while frames < h - begin - 1:
            new = min(h - begin - 1, max(2 * frames, FIRST_STRETCH))
            carry(h - new, h - frames, False, s, None)
            frames = new
            basis, found = self._basis(s, tolerance)
            if found <= most:
                return frames, basis if found else None
        return 0, None
