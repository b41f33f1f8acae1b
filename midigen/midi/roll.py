"""Notes to rolls and back.  A roll is uint8 (T, V): T frames, V = grid.channels; docs/file-formats.md draws one.

Its entries are 0 and 1 or, on a grid of velocities, 0 and the MIDI velocity 1..127 of the note that sounds.
"""

from dataclasses import dataclass

import numpy as np

from midigen.errors import MidigenError

MAX_FRAMES = 200_000  # 13 hours at 120 beats a minute: beyond it a file is an accident or an attack
NEAR = 0.05  # an onset further than this share of a frame from its frame is off the grid


@dataclass(frozen=True)
class RollCounts:
    """What became of a song's notes: how many there were, moved by octaves, dropped, with an onset off the grid.

    merged counts onsets that the roll cannot show, as the pitch sounds already.
    """

    notes: int
    transposed: int
    dropped: int
    off_grid: int
    merged: int


def notes_to_roll(table, grid):
    """Rasterise a NoteTable: (roll, RollCounts), roll uint8 (T, V).

    A note from tick s to tick e fills frames rint(s) to rint(e) - 1 of the grid, at least one.  Whole bars of silence
    at the start are left out.  Raises MidigenError where the song is too long, has no note in range, or has
    notes out of range and grid.outside is "refuse".
    """
    pitch, kept, transposed = _fit_pitches(table.notes[:, 2], grid)
    times = _frame_times(table, grid)[kept]
    if not len(times):
        raise MidigenError("no notes in the range")
    off_grid = (
        int((np.abs(times[:, 0] - np.rint(times[:, 0])) > NEAR).sum()) if grid.unit == "beat" else 0
    )
    frames = np.rint(times).astype(np.int64)
    frames -= _leading_silence(table, grid, int(frames[:, 0].min()))
    start, end = frames[:, 0], np.maximum(frames[:, 1], frames[:, 0] + 1)
    if end.max() > MAX_FRAMES:
        raise MidigenError(f"too long ({end.max():,} frames; at most {MAX_FRAMES:,} are read)")
    sounding, onsets = _rasterise(start, end, pitch - grid.low, grid.pitches)
    if grid.articulation == "gap":
        _open_gaps(sounding, onsets)
    shown = _count_shown(sounding, onsets, grid.articulation)
    if grid.values == "velocity":
        sounding, onsets = _give_velocities(
            sounding, onsets, start, pitch - grid.low, table.notes[kept, 3]
        )
    roll = np.hstack([sounding, onsets]) if grid.articulation == "onset" else sounding
    dropped = int((~kept).sum())
    return roll, RollCounts(len(kept), transposed, dropped, off_grid, len(pitch) - shown)


def roll_to_notes(roll, grid):
    """The notes of a roll (T, V), of any integer or bool type: int64 (N, 3), start frame, end frame, pitch, sorted.

    A note is a run of entries over 0 in a column; in the "onset" articulation a set onset begins a new note within one.
    """
    sounding = (
        np.asarray(roll)[:, : grid.pitches].astype(bool).T
    )  # (pitches, T): notes come out pitch by pitch
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


def _fit_pitches(pitch, grid):
    """(pitches in range, mask of the notes kept, number transposed); octaves up or down where grid.outside says so."""
    below, above = np.maximum(grid.low - pitch, 0), np.maximum(pitch - grid.high, 0)
    outside = (below > 0) | (above > 0)
    if grid.outside == "refuse" and outside.any():
        raise MidigenError(
            f"notes out of range ({outside.sum():,} of {len(pitch):,} are outside "
            f"{grid.low}..{grid.high})"
        )
    if grid.outside == "octave":
        pitch = pitch + 12 * (-(-below // 12)) - 12 * (-(-above // 12))
    kept = (pitch >= grid.low) & (
        pitch <= grid.high
    )  # a range under an octave has no place for some
    return pitch[kept], kept, int((outside & kept).sum())


def _frame_times(table, grid):
    """Starts and ends of the notes in frames, not yet rounded: float64 (N, 2)."""
    if grid.unit == "seconds":
        return table.seconds / grid.step
    return table.notes[:, :2] * (grid.steps_per_beat / table.ticks_per_beat)


def _leading_silence(table, grid, first):
    """Frames in the whole bars before the first onset, at frame `first`."""
    numerator, denominator = table.metre
    bar = 4 * numerator / denominator * 60 / table.bpm / grid.frame_seconds(table.bpm)
    return int(first // bar * bar)


def _rasterise(start, end, column, width):
    """Notes -> (sounding, onsets), each uint8 (T, width).  The cost does not grow with the length of the notes."""
    change = np.zeros((end.max() + 1, width), np.int32)
    np.add.at(change, (start, column), 1)
    np.add.at(change, (end, column), -1)
    sounding = (np.cumsum(change, axis=0, out=change)[:-1] > 0).astype(np.uint8)
    onsets = np.zeros_like(sounding)
    onsets[start, column] = 1
    return sounding, onsets


def _give_velocities(sounding, onsets, start, column, velocity):
    """(sounding, onsets) with velocities for ones: those of the latest onset, of several at once the loudest."""
    struck = np.zeros_like(sounding)
    np.maximum.at(struck, (start, column), np.clip(velocity, 1, 127).astype(np.uint8))
    frames = np.arange(len(sounding))
    for i in np.flatnonzero(
        sounding.any(axis=0)
    ):  # column by column: whole tables of indices would be too large
        latest = np.maximum.accumulate(np.where(onsets[:, i], frames, 0))
        sounding[:, i] *= struck[latest, i]
    return sounding, struck


def _open_gaps(sounding, onsets):
    """Clear the frame before a re-strike, unless a note begins in that very frame: a note keeps one frame at least."""
    sounding[:-1] &= ~(onsets[1:] & ~onsets[:-1] & 1)


def _count_shown(sounding, onsets, articulation):
    """How many onsets a reader of the roll can see."""
    if articulation == "onset":
        return int(onsets.sum())
    return int(sounding[0].sum()) + int((sounding[1:] & ~sounding[:-1] & 1).sum())
