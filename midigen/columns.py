"""What the columns of a roll stand for: parts, voices that sing one note, transposition.

Without parts a roll has the grid's pitches, with the articulation "onset" twice.  With parts it has
the columns of one part after the other:

    line     its pitches, where a note begins, and a column that holds it: of all of them at most
             one is on, which makes them a softmax group, Eq. (29)
    block    its pitches, where a chord begins, and a column that holds all of it
    voices   its pitches, where they sound, and a column that strikes all of them anew
    drums    its pitches, where they are hit
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid

SHIFTS = 256  # transpositions that can be told apart: -128..127 semitones, as numbers modulo 256

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of the rolls of a grid, V of them.

    Parameters
    ----------
    part_of : ndarray of int64 (V,)
        The number of each column's part; 0 without parts.
    groups : ndarray of int64 (G, 2)
        First column, and the one behind the last, of each softmax group.
    lines : ndarray of int64 (L, 2)
        The same of the pitches whose latest notes a model remembers: of each line and block, or of
        the grid without parts.
    moves : ndarray of int64 (SHIFTS, V)
        Transposed up by `shift`, column i is what column moves[shift % SHIFTS, i] was.  Pitches
        that leave a part's range at one end come back at the other.
    pitch : ndarray of int64 (V,)
        The MIDI pitch of each column, -1 of those that have none.
    ranges : ndarray of int64 (n, 2)
        First column, and the one behind the last, of each range of pitches that is transposed.
    """

    part_of: Int64
    groups: Int64
    lines: Int64
    moves: Int64
    pitch: Int64
    ranges: Int64

    @property
    def parts(self) -> int:
        """Number of parts, P; 1 without parts."""
        return int(self.part_of.max()) + 1


def coins(grid: Grid) -> float:
    """Return the surprise at a frame, in nats, of whoever tosses a fair coin for each column.

    For a softmax group it is a fair die of as many sides as the group has columns, and one for none
    of them.  A model that is worse knows less than nothing.

    >>> round(coins(Grid()), 1)  # 88 ln 2
    61.0
    """
    sizes = np.diff(columns_of(grid).groups).ravel()
    return float((grid.channels - sizes.sum()) * np.log(2) + np.log(sizes + 1).sum())


@cache
def columns_of(grid: Grid) -> Columns:
    """Say what the columns of a grid are."""
    blocks: list[tuple[int, int, bool]] = []  # lowest pitch, columns, whether they are transposed
    groups, lines, at = [], [], 0
    part_of: list[int] = []
    if not grid.parts:
        blocks = [(grid.low, grid.pitches, True)] * (grid.channels // grid.pitches)
        lines, part_of = [(0, grid.pitches)], [0] * grid.channels
    for number, part in enumerate(grid.parts):
        blocks.append((part.low, part.pitches, part.kind != "drums"))
        if part.kind != "drums":
            blocks.append((-1, 1, False))
        if part.kind == "line":
            groups.append((at, at + part.channels))
        if part.kind in ("line", "block"):
            lines.append((at, at + part.pitches))
        part_of += [number] * part.channels
        at += part.channels
    shifts = (np.arange(SHIFTS) + SHIFTS // 2) % SHIFTS - SHIFTS // 2
    moves, at = np.empty((SHIFTS, grid.channels), np.int64), 0
    pitch: list[int] = []
    ranges: list[tuple[int, int]] = []
    for low, count, moved in blocks:
        own = np.arange(count) - (shifts[:, None] if moved else 0)
        moves[:, at : at + count] = at + own % count
        pitch += range(low, low + count) if low >= 0 else [-1]
        ranges += [(at, at + count)] * moved
        at += count
    return Columns(
        np.array(part_of, np.int64),
        np.array(groups, np.int64).reshape(-1, 2),
        np.array(lines, np.int64).reshape(-1, 2),
        moves,
        np.array(pitch, np.int64),
        np.array(ranges, np.int64).reshape(-1, 2),
    )
