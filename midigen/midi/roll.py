"""Notes to rolls and back.

A roll is uint8 (T, V): T frames, V = grid.channels columns; docs/file-formats.md draws one. Its
entries are 0 and 1 or, on a grid of velocities, 0 and the MIDI velocity 1..127 of the note that
sounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.notes import NoteTable

MAX_FRAMES = 200_000  # 13 hours at 120 beats a minute: beyond it a file is an accident or an attack
ONSET_TOLERANCE = 0.05  # share of a frame by which an onset on the grid may miss its frame


@dataclass(frozen=True)
class RollCounts:
    """What became of a song's notes.

    Parameters
    ----------
    notes : int
        All notes of the song.
    transposed : int
        Those that were moved by octaves.
    dropped : int
        Those that were left out, as they are out of range.
    off_grid : int
        Those whose onset is off the beat grid.
    merged : int
        Onsets that the roll cannot show, as the pitch sounds already.
    """

    notes: int
    transposed: int
    dropped: int
    off_grid: int
    merged: int


def notes_to_roll(table: NoteTable, grid: Grid) -> tuple[NDArray[np.uint8], RollCounts]:
    """Quantise the notes of a song to the frames of a grid.

    A note from s to e, both in frames, fills frames rint(s) to rint(e) - 1, at least one. Whole
    bars of silence at the start are left out.

    Parameters
    ----------
    table : NoteTable
        The notes.
    grid : Grid
        What frames and columns stand for.

    Returns
    -------
    roll : NDArray[np.uint8], shape (T, grid.channels)
        The roll.
    counts : RollCounts
        What became of the notes.

    Raises
    ------
    MidigenError
        Where the song is too long, has no note in range, or has notes out of range and
        grid.outside is "refuse".
    """
    pitch, kept, transposed = _fit_pitches(table.notes[:, 2], grid)
    times = _frame_times(table, grid)[kept]
    if not len(times):
        raise MidigenError("no notes in the range")
    off_grid = 0
    if grid.unit == "beat":
        off_grid = int((np.abs(times[:, 0] - np.rint(times[:, 0])) > ONSET_TOLERANCE).sum())
    frames = np.rint(times).astype(np.int64)
    frames -= _leading_silence(table, grid, int(frames[:, 0].min()))
    start, end = frames[:, 0], np.maximum(frames[:, 1], frames[:, 0] + 1)
    if end.max() > MAX_FRAMES:
        raise MidigenError(f"too long ({end.max():,} frames; at most {MAX_FRAMES:,} are read)")
    column = pitch - grid.low
    sounding, onsets = _rasterise(start, end, column, grid.pitches)
    if grid.articulation == "gap":
        _clear_before_repeats(sounding, onsets)
    shown = _count_shown(sounding, onsets, grid.articulation)
    if grid.values == "velocity":
        velocity = table.notes[kept, 3]
        sounding, onsets = _give_velocities(sounding, onsets, start, column, velocity)
    roll = np.hstack([sounding, onsets]) if grid.articulation == "onset" else sounding
    dropped = int((~kept).sum())
    return roll, RollCounts(len(kept), transposed, dropped, off_grid, len(pitch) - shown)


def roll_to_notes(roll: NDArray, grid: Grid) -> NDArray[np.int64]:
    """Find the notes of a roll: the runs of entries over 0 in a column.

    With the articulation "onset", a set onset begins a new note within a run.

    Parameters
    ----------
    roll : NDArray, shape (T, grid.channels)
        The roll, of any integer type or bool.
    grid : Grid
        What its columns stand for.

    Returns
    -------
    NDArray[np.int64], shape (N, 3)
        Start frame, end frame and pitch, sorted by start, then pitch.
    """
    # pitches first, so that notes come out pitch by pitch
    sounding = np.asarray(roll)[:, : grid.pitches].astype(bool).T
    silence = np.zeros((len(sounding), 1), bool)
    before = np.hstack([silence, sounding[:, :-1]])
    begins = sounding & ~before
    if grid.articulation == "onset":
        begins |= sounding & np.asarray(roll)[:, grid.pitches :].astype(bool).T
    after = np.hstack([sounding[:, 1:] & ~begins[:, 1:], silence])
    ends = sounding & ~after
    pitch, start = np.nonzero(begins)
    end = np.nonzero(ends)[1] + 1
    notes = np.column_stack([start, end, pitch + grid.low]).astype(np.int64)
    return notes[np.lexsort((pitch, start))]


def _fit_pitches(
    pitch: NDArray[np.int64], grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
    """Keep the pitches in range, those out of it moved by octaves where grid.outside says so.

    Returns
    -------
    tuple
        The pitches kept, which of all notes they belong to (bool), and how many were transposed.
    """
    below, above = np.maximum(grid.low - pitch, 0), np.maximum(pitch - grid.high, 0)
    outside = (below > 0) | (above > 0)
    if grid.outside == "refuse" and outside.any():
        raise MidigenError(
            f"notes out of range ({outside.sum():,} of {len(pitch):,} are outside "
            f"{grid.low}..{grid.high})"
        )
    if grid.outside == "octave":
        pitch = pitch + 12 * (-(-below // 12)) - 12 * (-(-above // 12))
    # a range under an octave has no place for some notes however they are moved
    kept = (pitch >= grid.low) & (pitch <= grid.high)
    return pitch[kept], kept, int((outside & kept).sum())


def _frame_times(table: NoteTable, grid: Grid) -> NDArray[np.float64]:
    """Return starts and ends of the notes in frames, not yet rounded: float64 (N, 2)."""
    if grid.unit == "seconds":
        return table.seconds / np.float64(grid.step)
    return table.notes[:, :2] * np.float64(grid.steps_per_beat / table.ticks_per_beat)


def _leading_silence(table: NoteTable, grid: Grid, first: int) -> int:
    """Count the frames in the whole bars before the first onset, at frame `first`."""
    numerator, denominator = table.metre
    bar = 4 * numerator / denominator * 60 / table.bpm / grid.frame_seconds(table.bpm)
    return int(first // bar * bar)


def _rasterise(
    start: NDArray[np.int64], end: NDArray[np.int64], column: NDArray[np.int64], width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return which columns sound and which begin, each uint8 (T, width).

    The cost does not grow with the length of the notes.
    """
    change = np.zeros((end.max() + 1, width), np.int32)
    np.add.at(change, (start, column), 1)
    np.add.at(change, (end, column), -1)
    sounding = (np.cumsum(change, axis=0, out=change)[:-1] > 0).astype(np.uint8)
    onsets = np.zeros_like(sounding)
    onsets[start, column] = 1
    return sounding, onsets


def _give_velocities(
    sounding: NDArray[np.uint8],
    onsets: NDArray[np.uint8],
    start: NDArray[np.int64],
    column: NDArray[np.int64],
    velocity: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Put velocities for ones: those of the latest onset, of several at once the loudest."""
    struck = np.zeros_like(sounding)
    np.maximum.at(struck, (start, column), np.clip(velocity, 1, 127).astype(np.uint8))
    frames = np.arange(len(sounding))
    # column by column: whole tables of indices would be too large
    for i in np.flatnonzero(sounding.any(axis=0)):
        latest = np.maximum.accumulate(np.where(onsets[:, i], frames, 0))
        sounding[:, i] *= struck[latest, i]
    return sounding, struck


def _clear_before_repeats(sounding: NDArray[np.uint8], onsets: NDArray[np.uint8]) -> None:
    """Clear the frame before a repeated note, unless a note of that pitch begins in it."""
    sounding[:-1] &= ~(onsets[1:] & ~onsets[:-1] & 1)


def _count_shown(sounding: NDArray[np.uint8], onsets: NDArray[np.uint8], articulation: str) -> int:
    """Count the onsets that a reader of the roll can see."""
    if articulation == "onset":
        return int(onsets.sum())
    return int(sounding[0].sum()) + int((sounding[1:] & ~sounding[:-1] & 1).sum())


def sounding(roll, grid):
    from midigen.columns import columns_of

    out = np.zeros((len(roll), 128), bool)
    c = columns_of(grid)
    for first, stop in c.ranges:
        out[:, c.pitch[first] : c.pitch[first] + stop - first] |= roll[:, first:stop] > 0
    return out
