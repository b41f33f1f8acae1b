"""How J is carried over a block, whole or in parts.  Eq. (11)-(12a)."""

from dataclasses import dataclass

import numpy as np

FIRST_STRETCH = 32  # frames back to the first look at the propagator's rank; later stretches are as long as all before
PROBES = 32  # random rows that are carried back in place of all n_cut, to see what rank the propagator has
KEPT = 8  # first stretches of frames, as many as are kept at most of a propagator that has not lost rank
SURE = (
    10  # of them that must be left over: they miss a direction that matters once in 10^SURE times
)


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
class Past:
    """A Block that has been, and the weights (P,) that made it."""

    block: Block
    params: object


@dataclass(frozen=True)
class Influence:
    """How the parameters have moved the state, J (n_cut, P_r) laid out as kernels.cpu.rtrl says, in its parts.

    history: tuple of Past, the m frames that J's way back starts with, the newest last.  first: the frame ahead of
    them, a Past, or None where the series begins with them.  rows: Z (k, n_cut) at that frame, or None for the
    identity.  matrix: Z J of that frame, (k, P_r), or None where that is nothing.  looked: frames back at the last look
    at the propagator's rank.  On the GPU rows and matrix are (B, ..), for B lanes.
    """

    matrix: object
    rows: object
    history: tuple
    first: Past | None
    looked: int


class Way:
    """The way back over a block and the frames kept from before it, whose propagator has not been looked at yet.

    parts: Past, the newest last.  ahead: the frame ahead of them, a Past, or None.  begin: the first frame that counts.
    """

    def __init__(self, network, parts, ahead, begin, pool):
        self._network, self._parts, self._ahead, self._pool = network, parts, ahead, pool
        self._ends = np.cumsum([len(part.block.starts) for part in parts]).tolist()
        self.begin, self.frames = begin, self._ends[-1]

    def carry(self, start, stop, accumulate, s, out):
        """influence_stage over frames start..stop-1, counted from the oldest one."""
        before = [None, *self._parts]
        for part, older, end in zip(
            self._parts[::-1], before[-2::-1], self._ends[::-1], strict=True
        ):
            begin = end - len(part.block.starts)
            if begin < stop and start < end:
                ahead = older and Past(self._network.tail(older.block, 1, 0), older.params)
                self._network.stage(
                    part,
                    ahead or self._ahead,
                    max(start - begin, 0),
                    min(stop, end) - begin,
                    accumulate,
                    s,
                    out,
                    self._pool,
                )
                accumulate = True

    def last(self, frames, behind=0):
        """The last frames but `behind`, a tuple of Past."""
        kept, stop = [], self.frames - behind
        for part, end in zip(self._parts, self._ends, strict=True):
            length = len(part.block.starts)
            count = min(stop, end) - max(stop - frames, end - length)
            if count > 0:
                whole = (
                    count == length and part is not self._parts[-1]
                )  # that one's arrays are not its own
                kept.append(
                    part
                    if whole
                    else Past(
                        self._network.tail(part.block, count, max(end - stop, 0)), part.params
                    )
                )
        return tuple(kept)


class Carrying:
    """What Network and LaneNetwork, which bring the arrays, share of J's way over a block."""

    def influence(self, params, block, old, tolerance=0.0, pool=None):
        """The Influence at the block's end from `old`, that before it (None for 0).  Eq. (11)-(12a).

        A series that begins in the block leaves nothing of `old`.  tolerance: how small, beside the propagator's
        largest direction and 1, one may be that is taken for 0: 0 keeps all, 1e-6 in float32 (1e-8 in float64) stays
        at the rounding error.  pool: an executor that shares the rows of J among its threads; the result is the same
        without it.
        """
        old = None if block.starts.any(axis=0).all() else old
        behind = [*(old.history if old else ()), Past(block, self._copied(params))]
        way = Way(
            self, behind, old.first if old else None, int(last_start(block.starts).min()), pool
        )
        frames, rows, looked = (
            self._forgotten(way, block, old, tolerance) if tolerance else (0, None, FIRST_STRETCH)
        )
        if frames == way.frames - way.begin:
            matrix, rows, first = (old.matrix, old.rows, old.first) if old else (None, None, None)
            return Influence(matrix, rows, way.last(frames), first, looked)
        parts = rows, way.last(frames), way.last(1, frames)[0], looked
        if frames and rows is None:
            return Influence(None, *parts)
        s = self._rows(block, rows)
        j, end = self._room(s), way.frames - frames
        stop, reach = end, way.frames if rows is None else FIRST_STRETCH
        while stop > way.begin:
            start = max(way.begin, stop - reach)
            way.carry(start, stop, stop < end, s, j)
            stop, reach = start, 2 * reach
            if (
                rows is not None and stop > way.begin and not self._basis(s, tolerance)[1]
            ):  # they have died out as well
                return Influence(j, *parts)
        if old is not None and old.matrix is not None:
            self._expand(s, old, j, pool)
        return Influence(j, *parts)

    def _forgotten(self, way, block, old, tolerance):
        """Frames m at the way's end, ahead of which the propagator has little rank, the rows Z of Eq. (12a), and frames
        back at the last look.

        Z is None where that rank is 0.  Where there is no such m, or it is not looked for yet, m is all frames of a
        short way, and 0 of a long one.
        """
        reach, looked = way.frames - way.begin, old.looked if old else FIRST_STRETCH
        short, units, frames = reach <= KEPT * FIRST_STRETCH, self.cut_units, 0
        if short and reach < 2 * looked:
            return reach, None, looked
        count = min(units, PROBES)
        most = count - SURE if count < units else count // 2
        probes = (
            np.random.default_rng(0).standard_normal((count, units))
            if count < units
            else np.eye(units)
        )
        s = self._rows(block, probes)
        while frames < reach - 1:
            new = min(reach - 1, max(2 * frames, FIRST_STRETCH))
            way.carry(way.frames - new, way.frames - frames, False, s, None)
            frames = new
            basis, found = self._basis(s, tolerance)
            if found <= most:
                return frames, basis if found else None, max(frames, FIRST_STRETCH)
        return (reach, None, reach) if short else (0, None, FIRST_STRETCH)

    def influence_gradient(self, adjoint, influence, gradient):
        """gradient (P,) += (dE/dr)^T dr/dw, the second term of Eq. (13)."""
        for past in influence.history[::-1]:
            adjoint = self.backward(
                past.params, past.block, self._no_loss(past.block), gradient, adjoint
            )
        if influence.first is not None:
            self._meet(adjoint, influence, gradient)
