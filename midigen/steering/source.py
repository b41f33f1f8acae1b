"""A song to start from: its file, its notes on a model's grid, and where frames are in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.form import outline_of
from midigen.midi.inputs import printable
from midigen.midi.key import Key
from midigen.midi.metres import bar_ticks
from midigen.midi.notes import NoteTable
from midigen.midi.parts import DRUMS, part_names
from midigen.midi.read import MAX_BYTES, parse_whole, read_file
from midigen.midi.roll import PlacedNotes, frame_times, place_notes, placed_to_roll
from midigen.outline import Outline

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Source:
    """A song that new music is written beside, or behind.

    Rows are those of its table: its notes, then its drum notes.

    Parameters
    ----------
    data : bytes
        The file.
    table : NoteTable
    grid : Grid
        The model's.
    notes : PlacedNotes
        Those that the grid has a place for, on frames.
    rows : ndarray of int64 (N,)
        The row of each.
    first : int
        Frames of silence at its start that the roll leaves out.
    outline : Outline
    to_tick : callable
        From seconds to a tick of the file.
    """

    data: bytes
    table: NoteTable
    grid: Grid
    notes: PlacedNotes
    rows: Int64
    first: int
    outline: Outline
    to_tick: Callable[[float], int]

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.table.notes) + len(self.table.drum_notes)

    @cached_property
    def ticks(self) -> Int64:
        """Start and end tick, pitch and velocity of every row, (R, 4)."""
        return np.concatenate([self.table.notes, self.table.drum_notes])

    @cached_property
    def frames(self) -> Int64:
        """The frame in which each row begins, (R,); negative ahead of the roll."""
        table = self.table
        seconds = np.concatenate([table.seconds, table.drum_seconds])
        times = frame_times(self.ticks, seconds, table, self.grid)
        starts: Int64 = np.rint(times[:, 0]).astype(np.int64) - self.first
        return starts

    @cached_property
    def parts(self) -> Int64:
        """The number of the model's part that each row is in, (R,); -1 where it is in none."""
        found = np.full(self.count, -1)
        found[self.rows] = self.notes.part
        return found

    @cached_property
    def names(self) -> NDArray[np.str_]:
        """What part of the song each row is of, (R,)."""
        return np.concatenate([part_names(self.table), np.full(self.table.drums, DRUMS)])

    @cached_property
    def belongs(self) -> Int64:
        """The number of the model's part that each row is in, or is lost beside, (R,); -1: none."""
        if not self.grid.parts:
            return np.where(self.tracks >= 0, 0, -1)
        found = self.parts.copy()
        for number, part in enumerate(self.grid.parts):
            found[(self.parts < 0) & (self.names == part.name)] = number
        return found

    @cached_property
    def tracks(self) -> Int64:
        """The track of each row, (R,); -1 of drums."""
        return np.concatenate([self.table.track, np.full(self.table.drums, -1)])

    @cached_property
    def bars(self) -> NDArray[np.float64]:
        """Where bars begin, a pickup as well, and the last ends, in ticks, (bars + 1,)."""
        return bar_ticks(self.table)

    def tick_of(self, frame: int) -> int:
        """Return the tick at which a frame begins."""
        if self.grid.unit == "seconds":
            return self.to_tick((self.first + frame) * self.grid.step)
        return round((self.first + frame) * self.table.ticks_per_beat / self.grid.steps_per_beat)

    def frame_of(self, tick: float) -> int:
        """Return the first frame that begins at a tick or behind it, 0..T."""
        low, high = 0, self.outline.frames
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.tick_of(middle) >= tick else (middle + 1, high)
        return low


def read_source(what: str, path: str | PathLike[str], grid: Grid, key: Key | None = None) -> Source:
    """Read a MIDI file to start from.

    Parameters
    ----------
    what : str
        It is, for errors: "song" or "primer".
    path : path
    grid : Grid
        The model's.
    key : Key, optional
        What key it is in, where the grid has one tonic; found if left out.

    Raises
    ------
    MidigenError
        In one line, where it cannot be read or does not fit the model.
    """
    try:
        data = read_file(path, MAX_BYTES, "at most")
        table, song = parse_whole(data, printable(Path(path).name))
    except MidigenError as e:
        raise MidigenError(f"{printable(path)}: {e}") from None
    try:
        notes, rows, counts = place_notes(table, grid, key)
    except MidigenError as e:
        raise MidigenError(f"the {what} {printable(path)} does not fit the model: {e}") from None
    placed = (notes.part >= 0) & ~_beside_lines(table, notes, rows, grid)
    notes, rows = notes.of(placed), rows[placed]
    roll = placed_to_roll(notes, grid, int(notes.end.max()))
    outline = outline_of(table, grid, roll, counts)
    if key is not None:
        outline = replace(outline, minor=key.minor)
    return Source(data, table, grid, notes, rows, counts.first, outline, song.time_to_tick)


def _beside_lines(
    table: NoteTable, notes: PlacedNotes, rows: Int64, grid: Grid
) -> NDArray[np.bool_]:
    """Tell which notes are of a line of the song that has no room for them: two in one frame.

    They are among the chords otherwise.
    """
    names = np.concatenate([part_names(table), np.full(table.drums, DRUMS)])[rows]
    found = np.zeros(len(rows), bool)
    for number, part in enumerate(grid.parts):
        if part.kind == "line":
            found |= (names == part.name) & (notes.part != number)
    return found
