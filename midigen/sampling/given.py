"""What is given of a song: notes that are fixed, notes that may not be, the most at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid
from midigen.kernels.codes import MOST_ON
from midigen.outline import Outline

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Given:
    """A song of which some is given, for `midigen.sampling.sample_given` to draw the rest.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        The song.  What is not fixed of it is not read.
    fixed : NDArray[np.bool_], shape (T, V)
        Columns that have the roll's value, on or off.
    outline : Outline
        What the model is told of it, of T frames.
    allowed : NDArray[np.bool_], shape (T, V), optional
        Columns that may be on; all if left out.
    at_most : NDArray[np.int64], shape (P,), optional
        The most notes of each part at once, 0..8, P being 1 without parts; where more are fixed,
        no other is drawn.  Of a part whose
        chords begin together they are the notes that begin together, of drums the hits.
    keep_density : bool
        Whether as many notes sound in a frame as if all were allowed, Eq. (35), rather than as
        many as songs have in which others happen not to sound.

    Raises
    ------
    ValueError
        In one line, for shapes that do not fit and a fixed note that is not allowed.
    """

    roll: NDArray[np.uint8]
    fixed: Bools
    outline: Outline
    allowed: Bools | None = None
    at_most: Int64 | None = None
    keep_density: bool = False

    def __post_init__(self) -> None:
        """Check what can be seen without a model."""
        shape = self.roll.shape
        if self.roll.ndim != 2 or not shape[0]:
            raise ValueError(f"the roll must have shape (T, V) and a frame at least, not {shape}")
        for name, mask in (("fixed", self.fixed), ("allowed", self.allowed)):
            if mask is None:
                continue
            if mask.shape != shape or mask.dtype != np.bool_:
                raise ValueError(
                    f"{name} must be bool {shape} as the roll, not {mask.dtype} {mask.shape}"
                )
        if self.outline.frames != len(self.roll):
            raise ValueError(
                f"an outline of {self.outline.frames} frames for a roll of {len(self.roll)}"
            )
        if self.allowed is not None:
            wrong = np.argwhere(self.on & ~self.allowed)
            if len(wrong):
                frame, column = wrong[0].tolist()
                raise ValueError(
                    f"the note of column {column} is fixed in frame {frame} and not allowed there"
                )

    @property
    def on(self) -> Bools:
        """Return which columns are fixed and on, (T, V)."""
        return self.fixed & (self.roll > 0)

    def check(self, grid: Grid) -> None:
        """Raise ValueError, in one line, for what no roll of a grid can be."""
        columns = columns_of(grid)
        if self.roll.shape[1] != grid.channels:
            raise ValueError(
                f"a roll of {self.roll.shape[1]} columns for a model of {grid.channels}"
            )
        on = self.on
        for first, stop in columns.groups.tolist():
            crowded = np.flatnonzero(on[:, first:stop].sum(axis=1) > 1)
            if len(crowded):
                name = grid.parts[columns.part_of[first]].name
                raise ValueError(
                    f"frame {crowded[0]} has two fixed notes of {name}, which sings one at a time"
                )
        if self.at_most is None:
            return
        outside = (self.at_most < 0) | (self.at_most > MOST_ON)
        if self.at_most.shape != (columns.parts,) or outside.any():
            raise ValueError(
                f"at_most must be a number for each part, {columns.parts} in all, of 0..{MOST_ON}"
            )

    def to_draw(self, grid: Grid) -> Bools:
        """Return which columns are to be drawn, (T, V): the others are known, on or off.

        They are not fixed, and allowed; in a part that sings one note, no other is fixed; where
        fixed notes are as many as may be at once, they are the only ones.
        """
        found = ~self.fixed if self.allowed is None else ~self.fixed & self.allowed
        on = self.on
        full = [(first, stop, 1) for first, stop in columns_of(grid).groups.tolist()]
        if self.at_most is not None:
            full += [
                (first, stop, most)
                for (first, stop), most in zip(
                    note_columns(grid), self.at_most.tolist(), strict=True
                )
            ]
        for first, stop, most in full:
            found[:, first:stop] &= (on[:, first:stop].sum(axis=1) < most)[:, None]
        return found


def note_columns(grid: Grid) -> list[tuple[int, int]]:
    """Return the columns of each part whose notes `Given.at_most` counts: first, one behind last.

    They are a part's pitches, and of one that sings one note all columns; without parts, the
    pitches that sound.
    """
    if not grid.parts:
        return [(0, grid.pitches)]
    ends = np.cumsum([part.channels for part in grid.parts]).tolist()
    return [
        (end - part.channels, end if part.kind == "line" else end - part.channels + part.pitches)
        for part, end in zip(grid.parts, ends, strict=True)
    ]
