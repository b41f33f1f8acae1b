"""Exact real-time recurrent learning, from slow to fast.  Eq. (9)-(13), (12a).

A recurrent network r_t = f(r_{t-1}, x_t; w) with a loss e_t in every frame has the gradient

    dE/dw = sum_t (de_t/dr_t) J_t,    J_t = dr_t/dw,  the *influence matrix*.

**1. The textbook.**  The chain rule gives J frame by frame, forward in time:

    J_t = A_t J_{t-1} + F_t,    A_t = dr_t/dr_{t-1} (R, R),   F_t = the direct part of dr_t/dw.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> T, R, P = 6, 3, 5
    >>> A, F = rng.normal(size=(T, R, R)) / 3, rng.normal(size=(T, R, P))
    >>> e = rng.normal(size=(T, R))
    >>> J, slow = np.zeros((R, P)), 0
    >>> for t in range(T):
    ...     J = A[t] @ J + F[t]
    ...     slow = slow + e[t] @ J

Nothing is stored of the past, and each frame costs R^2 P: `Backend.textbook`.

**2. Blocks.**  Cut the series into blocks.  Inside a block, ordinary backpropagation is exact and
costs R^2 a frame; what it cannot see is the past before the block, which is all in J.  Carried back
to the block's start, the adjoint m = dE/dr meets it there:

    >>> J, fast = np.zeros((R, P)), 0
    >>> for start, stop in ((0, 4), (4, 6)):
    ...     m = np.zeros(R)
    ...     for t in range(stop - 1, start - 1, -1):   # Eq. (13), `Backend.backward`
    ...         m = m + e[t]
    ...         fast = fast + m @ F[t]
    ...         m = m @ A[t]
    ...     fast = fast + m @ J                        # `influence_gradient`
    ...     S, own = np.eye(R), np.zeros((R, P))       # Eq. (11)-(12), `advance_influence`
    ...     for t in range(stop - 1, start - 1, -1):
    ...         own = own + S @ F[t]
    ...         S = S @ A[t]
    ...     J = own + S @ J
    >>> np.allclose(slow, fast)
    True

S, which leads from a frame to the block's end, is the *propagator*.  J costs R times what
backpropagation costs, but only once a block; a series that fits into one block never needs it.

**3. Narrow layers.**  Where a hidden layer has fewer units than r, J follows that layer (the
*cut*), and layers over it are crossed by backpropagation.

**4. Rank.**  Networks forget: going back, the propagator soon has few directions left that are not
below the rounding error.  Then J = (what the last m frames have met) + Z^T (Z J_{t-m}), with few
orthonormal rows Z, or none.  The m frames are kept instead of their part of J, and Z J costs
rank / R of J.  This is Eq. (12a), `Influence`.  Its rank is seen on random rows carried back in
place of all.  Of short blocks, whose propagator has not lost rank yet, frames are kept, with the
weights of their time, until it has.

All functions here take a backend, and arrays as `midigen.backends.interface` has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend, Block, NetworkShape, Stretch

FIRST_SEARCH = 32  # frames back to the first look at the propagator's rank; later looks double it
PROBES = 32  # random rows that are carried back in place of all n_cut, to see what rank there is
KEPT = 8  # times FIRST_SEARCH: frames that are kept, at most, of a propagator that keeps its rank
MARGIN = 10  # probes that must be left over: they miss a direction once in 10^MARGIN times


@dataclass(frozen=True)
class Influence:
    """How the parameters have moved the state: J (n_cut, P_r) at the end of a block, in parts.

    With m the frames of `recent`, S their propagator and Z the rows,

        J = (what S meets on its way back over `recent`) + S Z^T Z J_ahead.

    J is laid out as `midigen.kernels.cpu.rtrl` says.

    Attributes
    ----------
    matrix : Array (B, k, P_r) or None
        Z J at the frame `ahead`; None where that is nothing.
    rows : Array (B, k, n_cut) or None
        Z; None stands for the identity.
    recent : tuple of Stretch
        The m frames, the newest last.
    ahead : Stretch or None
        The one frame before them; None where every series begins with them.
    searched : int
        Frames back at the last look at the propagator's rank.
    """

    matrix: Array | None
    rows: Array | None
    recent: tuple[Stretch, ...]
    ahead: Stretch | None
    searched: int


class Rank(Enum):
    """What a look at the propagator has shown."""

    NOT_SEEN = "not lost yet, or not looked for: all frames are kept"
    LOW = "low m frames back"
    ZERO = "nothing is left m frames back"
    FULL = "not lost within a long way: J is made whole"


class RankSearch(NamedTuple):
    """What `_search_rank` found: frames m to be kept, the rows Z there, how far it looked."""

    rank: Rank
    frames: int
    rows: Array | None
    searched: int


class _BackwardPath:
    """The way back over the frames kept from before a block, and over the block itself.

    Parameters
    ----------
    stretches : list of Stretch
        The newest last, whose arrays are in scratch memory.
    ahead : Stretch or None
        The frame before the oldest.
    origin : int
        The first frame that counts: where the last series to begin begins.
    """

    def __init__(
        self,
        backend: Backend,
        network: NetworkShape,
        stretches: list[Stretch],
        ahead: Stretch | None,
        origin: int,
    ) -> None:
        self._backend, self._network = backend, network
        self._stretches, self._ahead, self.origin = stretches, ahead, origin
        self._ends = np.cumsum([len(part.block.starts) for part in stretches]).tolist()
        self.frames: int = self._ends[-1]

    def _from_the_newest(self) -> Iterator[tuple[Stretch, Stretch | None, int, int]]:
        """Yield each stretch, the one before it or None, and where it begins and ends."""
        before = [None, *self._stretches[:-1]]
        for part, older, end in zip(
            self._stretches[::-1], before[::-1], self._ends[::-1], strict=True
        ):
            yield part, older, end - len(part.block.starts), end

    def propagate(
        self, first: int, stop: int, accumulate: bool, s: Array, out: Array | None
    ) -> None:
        """Carry rows s back over frames first..stop-1, counted from the oldest one."""
        for part, older, begin, end in self._from_the_newest():
            if begin >= stop or first >= end:
                continue
            ahead = self._ahead
            if older is not None:
                ahead = Stretch(self._backend.tail(self._network, older.block, 1), older.params)
            low, high = max(first - begin, 0), min(stop, end) - begin
            self._backend.propagate(self._network, part, ahead, low, high, accumulate, s, out)
            accumulate = True

    def last(self, frames: int, behind: int = 0) -> tuple[Stretch, ...]:
        """Give the last frames but `behind`, in memory of their own."""
        kept, stop = [], self.frames - behind
        for part, _, begin, end in self._from_the_newest():
            length = end - begin
            count = min(stop, end) - max(stop - frames, begin)
            if count <= 0:
                continue
            if count == length and part is not self._stretches[-1]:
                kept.append(part)
            else:
                tail = self._backend.tail(self._network, part.block, count, max(end - stop, 0))
                kept.append(Stretch(tail, part.params))
        return tuple(kept[::-1])


def last_start(starts: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the frame of starts (h, B) at which each series' last one begins, 0 for none: (B,)."""
    return np.where(starts.any(axis=0), len(starts) - 1 - starts[::-1].argmax(axis=0), 0)


def advance_influence(
    backend: Backend,
    network: NetworkShape,
    params: Array,
    block: Block,
    before: Influence | None,
    tolerance: float = 0.0,
) -> Influence:
    """Carry J over a block of frames.  Eq. (11)-(12a).

    Parameters
    ----------
    backend : Backend
    network : Network
    params : Array (P,)
        The weights that the block was run with; they are copied.
    block : Block
        What `backend.forward` has left.
    before : Influence or None
        J before the block, None for 0.  A series that begins in the block leaves nothing of it.
    tolerance : float
        How small, beside the propagator's largest direction and 1, a direction may be that is taken
        for 0.  0 keeps all; 1e-6 in float32, 1e-8 in float64, stays at the rounding error.

    Returns
    -------
    Influence
        J at the block's end.
    """
    if block.starts.any(axis=0).all():
        before = None
    recent = before.recent if before else ()
    path = _BackwardPath(
        backend,
        network,
        [*recent, Stretch(block, backend.copy(params))],
        before.ahead if before else None,
        int(last_start(block.starts).min()),
    )
    found = RankSearch(Rank.FULL, 0, None, FIRST_SEARCH)
    if tolerance:
        found = _search_rank(backend, network, path, block, before, tolerance)
    if found.rank is Rank.NOT_SEEN:
        kept = path.last(found.frames)
        if before is None:
            return Influence(None, None, kept, None, found.searched)
        return Influence(before.matrix, before.rows, kept, before.ahead, found.searched)
    kept, (ahead,) = path.last(found.frames), path.last(1, found.frames)
    matrix = None
    if found.rank is not Rank.ZERO:
        matrix = _matrix_ahead(backend, network, path, block, before, found, tolerance)
    return Influence(matrix, found.rows, kept, ahead, found.searched)


def _matrix_ahead(
    backend: Backend,
    network: NetworkShape,
    path: _BackwardPath,
    block: Block,
    before: Influence | None,
    found: RankSearch,
    tolerance: float,
) -> Array:
    """Make Z J, or J, at the frame where the search has ended: (B, k, P_r)."""
    s = backend.propagator_rows(network, block.starts.shape[1], found.rows)
    matrix = backend.empty((s.shape[0], s.shape[1], network.influential), network.dtype)
    end = stop = path.frames - found.frames
    reach = path.frames if found.rank is Rank.FULL else FIRST_SEARCH
    while stop > path.origin:
        first = max(path.origin, stop - reach)
        path.propagate(first, stop, stop < end, s, matrix)
        stop, reach = first, 2 * reach
        if found.rank is Rank.LOW and stop > path.origin:
            if not backend.orthonormal_rows(network, s, tolerance).rank:  # died out on the way
                return matrix
    if before is not None and before.matrix is not None:
        backend.expand(network, s, before.rows, before.matrix, matrix)
    return matrix


def _search_rank(
    backend: Backend,
    network: NetworkShape,
    path: _BackwardPath,
    block: Block,
    before: Influence | None,
    tolerance: float,
) -> RankSearch:
    """Look for the fewest frames m ahead of which the propagator has little rank.

    The way back is looked at where it is twice as long as at the last look.
    """
    reach = path.frames - path.origin
    searched = before.searched if before else FIRST_SEARCH
    is_short = reach <= KEPT * FIRST_SEARCH
    if is_short and reach < 2 * searched:
        return RankSearch(Rank.NOT_SEEN, reach, None, searched)
    units = network.cut_units
    count = min(units, PROBES)
    most = count - MARGIN if count < units else count // 2
    probes = np.eye(units)
    if count < units:
        probes = np.random.default_rng(0).standard_normal((count, units))
    s, frames = backend.propagator_rows(network, block.starts.shape[1], probes), 0
    while frames < reach - 1:
        further = min(reach - 1, max(2 * frames, FIRST_SEARCH))
        path.propagate(path.frames - further, path.frames - frames, False, s, None)
        frames = further
        basis = backend.orthonormal_rows(network, s, tolerance)
        if basis.rank <= most:
            rank, rows = (Rank.LOW, basis.rows) if basis.rank else (Rank.ZERO, None)
            return RankSearch(rank, frames, rows, max(frames, FIRST_SEARCH))
    if is_short:
        return RankSearch(Rank.NOT_SEEN, reach, None, reach)
    return RankSearch(Rank.FULL, 0, None, FIRST_SEARCH)


def influence_gradient(
    backend: Backend,
    network: NetworkShape,
    adjoint: Array,
    influence: Influence,
    gradient: Array,
) -> None:
    """Add (dE/dr)^T dr/dw, the second term of Eq. (13), to a gradient.

    Parameters
    ----------
    adjoint : Array (B, R)
        dE/dr at the end of the block that `influence` belongs to.
    influence : Influence
        J there.
    gradient : Array (P,)
        Added to.
    """
    for stretch in influence.recent[::-1]:
        block = stretch.block
        no_loss = backend.scratch("no loss", tuple(block.u.shape), network.dtype)
        backend.fill(no_loss, 0)
        adjoint = backend.backward(network, stretch.params, block, no_loss, gradient, adjoint)
    if influence.ahead is not None:
        ahead, matrix, rows = influence.ahead, influence.matrix, influence.rows
        backend.influence_gradient(network, ahead, adjoint, matrix, rows, gradient)
