"""Notes to rolls and back.

A roll is uint8 (T, V): T frames, V = grid.channels columns; docs/file-formats.md draws one. Its
entries are 0 and 1 or, on a grid of velocities, 0 and the MIDI velocity 1..127 of the note that
sounds.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid, Part
from midigen.errors import MidigenError
from midigen.midi.key import Key, key_of
from midigen.midi.metres import bars_left_out
from midigen.midi.notes import NoteTable
from midigen.midi.parts import DRUMS, part_names

MAX_FRAMES = 200_000  # 13 hours at 120 beats a minute: beyond it a file is an accident or an attack
ONSET_TOLERANCE = 0.05  # share of a frame by which an onset on the grid may miss its frame

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class RollCounts:
    """What became of a song's notes.

    Parameters
    ----------
    notes : int
        All notes of the song but those of drums.
    transposed : int
        Those that were moved by octaves.
    dropped : int
        Those that were left out, as they are out of range or no part has a place for them.
    off_grid : int
        Those whose onset is off the beat grid.
    merged : int
        Onsets that the roll cannot show, as the pitch sounds already.
    parts : tuple of int
        The notes in each part of the grid, drums too.
    first : int
        Frames of whole bars of silence that were left out at the start.
    shift : int
        Semitones that the song was moved up by, of a grid with one tonic.
    """

    notes: int
    transposed: int
    dropped: int
    off_grid: int
    merged: int
    parts: tuple[int, ...] = ()
    first: int = 0
    shift: int = 0


class PlacedNotes(NamedTuple):
    """Notes on the frames of a grid, in its parts.

    Parameters
    ----------
    start, end : ndarray of int64 (N,)
        First frame, and the one behind the last.
    pitch : ndarray of int64 (N,)
        MIDI pitches, moved as the grid moves them.
    part : ndarray of int64 (N,)
        The number of each note's part, -1 where it has no place; 0 without parts.
    """

    start: Int64
    end: Int64
    pitch: Int64
    part: Int64

    def of(self, which: NDArray) -> "PlacedNotes":
        """Return some of the notes, by their places or by a mask."""
        return PlacedNotes(*(values[which] for values in self))

    def with_others(self, others: "PlacedNotes") -> "PlacedNotes":
        """Return these notes, and others behind them."""
        return PlacedNotes(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


class PartNotes(NamedTuple):
    """The notes of a song in one part.

    Parameters
    ----------
    start : ndarray of int64 (N,)
        Frames.
    pitch, velocity : ndarray of int64 (N,)
        As MIDI has them; what the grid moves is moved.
    program : ndarray of int64 (N,)
        Those of their tracks, of drums 0.
    """

    start: Int64
    pitch: Int64
    velocity: Int64
    program: Int64


def notes_to_roll(table: NoteTable, grid: Grid) -> tuple[NDArray[np.uint8], RollCounts]:
    """Quantise the notes of a song to the frames of a grid.

    A note from s to e, both in frames, fills frames rint(s) to rint(e) - 1, at least one. Whole
    bars of silence at the start are left out.  On a grid with one tonic the song is moved to C
    major or A minor first.  On a grid with parts the notes are sorted into them; of notes that
    begin together in a line the highest stays, a later one ends the one before it, and what has no
    part goes to the voices.

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
    notes, rows, counts = place_notes(table, grid)
    frames = int(notes.end[notes.part >= 0].max())
    written = _write(notes, grid, frames)
    merged = sum(
        int((notes.part == n).sum()) - shown
        for n, (_, shown) in enumerate(written)
        if not (grid.parts and grid.parts[n].kind == "drums")
    )
    counts = replace(counts, merged=merged)
    if grid.values == "velocity":
        return _velocity_roll(notes, table.notes[rows, 3], grid, frames), counts
    return np.hstack([columns for columns, _ in written]), counts


def place_notes(
    table: NoteTable, grid: Grid, key: Key | None = None
) -> tuple[PlacedNotes, Int64, RollCounts]:
    """Put the notes of a song on frames and into parts, as `notes_to_roll` does.

    Parameters
    ----------
    table : NoteTable
        The notes.
    grid : Grid
        What frames and columns stand for.
    key : Key, optional
        The song's, where the grid has one tonic; that which fits its notes best if left out.

    Returns
    -------
    notes : PlacedNotes
        Those that the grid has a place for, or that have no part.
    rows : ndarray of int64 (N,)
        The row of each in `table.notes`; those of drums count on from there.
    counts : RollCounts
        What became of all notes, but for what is merged.

    Raises
    ------
    MidigenError
        As `notes_to_roll` does.
    """
    notes, kept, counts = _place(table, grid, key)
    drums = len(notes.start) - int(kept.sum())
    rows = np.concatenate([np.flatnonzero(kept), len(kept) + np.arange(drums)])
    if grid.parts:
        notes, counts = _sort_into_parts(notes, _names(table, kept, grid), grid, counts)
    return notes, rows, counts


def placed_to_roll(notes: PlacedNotes, grid: Grid, frames: int) -> NDArray[np.uint8]:
    """Write notes into a roll of 0 and 1, uint8 (frames, grid.channels).

    Notes without a part are left out, and so is what lies behind the last frame.
    """
    some = notes.of((notes.part >= 0) & (notes.start < frames))
    some = some._replace(end=np.minimum(some.end, frames))
    return np.hstack([columns for columns, _ in _write(some, grid, frames)])


def notes_of_parts(table: NoteTable, grid: Grid) -> list[PartNotes]:
    """Sort a song's notes into the parts of a grid, as `notes_to_roll` does.

    Returns
    -------
    list of PartNotes
        For every part; a grid without parts has one.

    Raises
    ------
    MidigenError
        As `notes_to_roll` does.
    """
    notes, kept, _ = _place(table, grid)
    number = notes.part
    if grid.parts:
        number, _ = _assign(notes, _names(table, kept, grid), grid)
    programs = np.array([track.program for track in table.tracks], np.int64)
    program = np.zeros(len(number), np.int64)
    program[: kept.sum()] = programs[table.track[kept]]
    drums = table.drum_notes[: len(number) - kept.sum()]
    velocity = np.concatenate([table.notes[kept, 3], drums[:, 3]])
    return [
        PartNotes(notes.start[own], notes.pitch[own], velocity[own], program[own])
        for own in (number == n for n in range(max(len(grid.parts), 1)))
    ]


def count_together(table: NoteTable, grid: Grid, part: int) -> tuple[int, int]:
    """Count the frames in which all that sounds in a part begins, and those in which any does.

    MidigenError as `notes_to_roll` raises it.
    """
    notes, kept, _ = _place(table, grid)
    number, _ = _assign(notes, _names(table, kept, grid), grid)
    own, low = notes.of(number == part), grid.parts[part].low
    if not len(own.start):
        return 0, 0
    ends = int(own.end.max())
    sounding, onsets = _rasterise(own.start, own.end, own.pitch - low, ends, 128 - low)
    begun = onsets.any(axis=1)
    return int((begun & (onsets == sounding).all(axis=1)).sum()), int(begun.sum())


def count_on_grid(table: NoteTable, steps_per_beat: int) -> int:
    """Count the notes that begin on a frame of a beat grid, within ONSET_TOLERANCE."""
    frames = table.notes[:, 0] * np.float64(steps_per_beat / table.ticks_per_beat)
    return int((np.abs(frames - np.rint(frames)) <= ONSET_TOLERANCE).sum())


def _place(
    table: NoteTable, grid: Grid, key: Key | None = None
) -> tuple[PlacedNotes, NDArray[np.bool_], RollCounts]:
    """Put a song's notes on frames and within the grid's range.

    Returns
    -------
    tuple
        The notes, then those of drums where the grid has some; which of the table's notes they are
        (bool); what became of them so far.
    """
    shift = (key or key_of(table)).shift() if grid.tonic == "one" else 0
    pitch, kept, transposed = _fit_pitches(table.notes[:, 2], grid, shift)
    drums = table.drums if any(part.kind == "drums" for part in grid.parts) else 0
    times = frame_times(table.notes[kept], table.seconds[kept], table, grid)
    drum_times = frame_times(table.drum_notes[:drums], table.drum_seconds[:drums], table, grid)
    if not len(times):
        raise MidigenError("no notes in the range")
    off_grid = 0
    if grid.unit == "beat":
        off_grid = int((np.abs(times[:, 0] - np.rint(times[:, 0])) > ONSET_TOLERANCE).sum())
    frames = np.rint(np.concatenate([times, drum_times])).astype(np.int64)
    first = bars_left_out(table, grid, int(frames[:, 0].min()))
    start = frames[:, 0] - first
    end = np.maximum(frames[:, 1] - first, start + 1)
    end[len(pitch) :] = start[len(pitch) :] + 1  # a drum is hit, however long its note
    if end.max() > MAX_FRAMES:
        raise MidigenError(f"too long ({end.max():,} frames; at most {MAX_FRAMES:,} are read)")
    pitch = np.concatenate([pitch, table.drum_notes[:drums, 2]])
    notes = PlacedNotes(start, end, pitch, np.zeros(len(pitch), np.int64))
    dropped = int((~kept).sum())
    return notes, kept, RollCounts(len(kept), transposed, dropped, off_grid, 0, (), first, shift)


def _names(table: NoteTable, kept: NDArray[np.bool_], grid: Grid) -> NDArray[np.str_]:
    """Return the part of every note that `_place` keeps."""
    drums = table.drums if any(part.kind == "drums" for part in grid.parts) else 0
    return np.concatenate([part_names(table)[kept], np.full(drums, DRUMS)])


def _sort_into_parts(
    notes: PlacedNotes, names: NDArray[np.str_], grid: Grid, counts: RollCounts
) -> tuple[PlacedNotes, RollCounts]:
    """Put notes, each with the name of its part, into the ranges of the grid's parts."""
    number, dropped = _assign(notes, names, grid)
    pitch, transposed = notes.pitch.copy(), 0
    for n, part in enumerate(grid.parts):
        own = number == n
        if part.kind != "drums" and grid.outside != "drop":
            pitch[own], moved = _by_octaves(pitch[own], part.low, part.high)
            transposed += int(moved.sum())
        out = own & ((pitch < part.low) | (pitch > part.high))
        number[out] = -1
        dropped += int(out.sum()) if part.kind != "drums" else 0
    if not (number >= 0).any():
        raise MidigenError("no notes in the range")
    notes = PlacedNotes(notes.start, _cut_lines(notes, number, grid), pitch, number)
    return notes, replace(
        counts,
        transposed=counts.transposed + transposed,
        dropped=counts.dropped + dropped,
        parts=tuple(int((number == n).sum()) for n in range(len(grid.parts))),
    )


def _assign(notes: PlacedNotes, names: NDArray[np.str_], grid: Grid) -> tuple[Int64, int]:
    """Give every note the number of a part, -1 where it has none, and count those but drums."""
    kinds = [part.kind for part in grid.parts]
    voices = next((n for n, kind in enumerate(kinds) if kind in ("voices", "block")), -1)
    number = np.where(names == DRUMS, -1, voices)
    for n, part in enumerate(grid.parts):
        number[names == part.name] = n
    for n, part in enumerate(grid.parts):
        if part.kind == "line":
            own = np.flatnonzero(number == n)
            own = own[np.lexsort((notes.pitch[own], notes.start[own]))]
            start = notes.start[own]
            number[own[:-1][start[:-1] == start[1:]]] = voices  # the last is the highest
    return number, int(((number < 0) & (names != DRUMS)).sum())


def _cut_lines(notes: PlacedNotes, number: Int64, grid: Grid) -> Int64:
    """Return where the notes end, those of lines no later than the next one begins."""
    end = notes.end.copy()
    for n, part in enumerate(grid.parts):
        if part.kind == "line":
            own = np.flatnonzero(number == n)
            own = own[np.argsort(notes.start[own])]
            end[own[:-1]] = np.minimum(end[own[:-1]], notes.start[own[1:]])
    return end


def _write(notes: PlacedNotes, grid: Grid, frames: int) -> list[tuple[NDArray[np.uint8], int]]:
    """Write the columns of every part, uint8 (frames, C); count the onsets that each shows."""
    if grid.parts:
        return [
            _write_part(notes.of(notes.part == n), part, frames)
            for n, part in enumerate(grid.parts)
        ]
    column = notes.pitch - grid.low
    sounding, onsets = _rasterise(notes.start, notes.end, column, frames, grid.pitches)
    if grid.articulation == "gap":
        _clear_before_repeats(sounding, onsets)
    shown = _count_shown(sounding, onsets, grid.articulation)
    both = grid.articulation == "onset"
    return [(np.hstack([sounding, onsets]) if both else sounding, shown)]


def _velocity_roll(
    notes: PlacedNotes, velocity: Int64, grid: Grid, frames: int
) -> NDArray[np.uint8]:
    """Write notes with their velocities into the roll of a grid without parts."""
    column = notes.pitch - grid.low
    sounding, onsets = _rasterise(notes.start, notes.end, column, frames, grid.pitches)
    if grid.articulation == "gap":
        _clear_before_repeats(sounding, onsets)
    sounding, struck = _give_velocities(sounding, onsets, notes.start, column, velocity)
    return np.hstack([sounding, struck]) if grid.articulation == "onset" else sounding


def _write_part(notes: PlacedNotes, part: Part, frames: int) -> tuple[NDArray[np.uint8], int]:
    """Write the columns of one part, uint8 (frames, part.channels); count the onsets they show."""
    roll = np.zeros((frames, part.channels), np.uint8)
    column = notes.pitch - part.low
    if part.kind == "drums" or not len(column):
        roll[notes.start, column] = 1
    elif part.kind == "line":
        change = np.zeros(frames + 1, np.int64)
        np.add.at(change, notes.start, 1)
        np.add.at(change, notes.end, -1)
        roll[:, -1] = np.cumsum(change)[:-1]
        roll[notes.start, -1] = 0
        roll[notes.start, column] = 1
    elif part.kind == "block":
        sounding, onsets = _rasterise(notes.start, notes.end, column, frames, part.pitches)
        begun = onsets.any(axis=1)
        roll[:, :-1], roll[:, -1] = onsets, sounding.any(axis=1) & ~begun
    else:
        sounding, onsets = _rasterise(notes.start, notes.end, column, frames, part.pitches)
        struck = onsets.sum(axis=1, dtype=np.int64)
        strike = (struck > 0) & (2 * struck >= sounding.sum(axis=1, dtype=np.int64))
        roll[:, :-1], roll[:, -1] = sounding, strike
        onsets[1:] &= strike[1:, None] | ~sounding[:-1] & 1
        return roll, int(onsets.sum())
    return roll, int(roll[:, : part.pitches].sum())


def roll_to_notes(roll: NDArray, grid: Grid) -> Int64:
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
    Int64, shape (N, 3)
        Start frame, end frame and pitch, sorted by start, then pitch.
    """
    pitched = [
        notes
        for number, notes in enumerate(part_notes(roll, grid))
        if not (grid.parts and grid.parts[number].kind == "drums")
    ]
    return _in_order(np.concatenate([np.zeros((0, 3), np.int64), *pitched]))


def part_notes(roll: NDArray, grid: Grid) -> list[Int64]:
    """Find the notes of each part of a roll.

    Parameters
    ----------
    roll : NDArray, shape (T, grid.channels)
        The roll, of any integer type or bool.
    grid : Grid
        What its columns stand for.

    Returns
    -------
    list of Int64, shape (N, 3)
        For every part, drums too, start frame, end frame and pitch, sorted by start, then pitch; a
        drum's note is one frame long.  A grid without parts has one.
    """
    return [_runs(on, begins, low) for on, begins, low in _parts_on(roll, grid)]


def notes_beside(roll: NDArray, kept: PlacedNotes, grid: Grid) -> list[Int64]:
    """Find the notes of each part of a roll besides some that are known to be in it.

    What goes on where a known note ends, or goes on into one, is a note of its own.

    Parameters
    ----------
    roll : NDArray, shape (T, grid.channels)
        The roll, of any integer type or bool.
    kept : PlacedNotes
        The notes that are known.
    grid : Grid
        What its columns stand for.

    Returns
    -------
    list of Int64, shape (N, 3)
        As `part_notes` does.
    """
    frames, found = len(roll), []
    shown = placed_to_roll(kept, grid, frames)
    pairs = zip(_parts_on(roll, grid), _parts_on(shown, grid), strict=True)
    for number, ((on, begins, low), (covered, _, _)) in enumerate(pairs):
        own = kept.of((kept.part == number) & (kept.start < frames))
        ends = np.minimum(own.end, frames)
        # a roll shows no note whole: gaps, notes that are merged
        lasting, _ = _rasterise(own.start, ends, own.pitch - low, frames, on.shape[1])
        found.append(_runs(on & ~covered & (lasting == 0), begins, low))
    return found


def sounding(roll: NDArray, grid: Grid) -> NDArray[np.bool_]:
    """Tell which pitches sound in each frame, in all parts but drums.

    Parameters
    ----------
    roll : NDArray, shape (T, grid.channels)
        The roll, of any integer type or bool.
    grid : Grid
        What its columns stand for.

    Returns
    -------
    NDArray[np.bool_], shape (T, 128)
        Whether each MIDI pitch sounds.
    """
    pitches = np.zeros((len(roll), 128), bool)
    if not grid.parts:
        pitches[:, grid.low : grid.high + 1] = np.asarray(roll)[:, : grid.pitches] > 0
    for columns, part in _columns_of_parts(roll, grid):
        if part.kind != "drums":
            pitches[:, part.low : part.high + 1] |= sounding_in(columns, part)
    return pitches


def sounding_in(columns: NDArray[np.bool_], part: Part) -> NDArray[np.bool_]:
    """Tell which pitches of one part sound, (T, part.pitches), by its columns; of drums, hits.

    A held frame of a line or a block with no note ahead of it is silent.
    """
    pitches: NDArray[np.bool_] = columns[:, : part.pitches]
    if part.kind not in ("line", "block") or not len(columns):
        return pitches
    line = np.zeros_like(pitches)
    frames = np.arange(len(columns))
    begins = pitches.any(axis=1)
    begun = np.maximum.accumulate(np.where(begins, frames, -1))
    rested = np.maximum.accumulate(np.where(begins | columns[:, -1], -1, frames))
    on = begun > rested
    if part.kind == "block":
        return pitches[np.maximum(begun, 0)] & on[:, None]
    highest = part.pitches - 1 - np.argmax(pitches[:, ::-1], axis=1)  # were there ever two
    line[frames[on], highest[begun[on]]] = True
    return line


def _columns_of_parts(roll: NDArray, grid: Grid) -> list[tuple[NDArray[np.bool_], Part]]:
    """Return the columns of each part, as bool, with the part."""
    on = np.asarray(roll).astype(bool)
    ends = np.cumsum([part.channels for part in grid.parts], dtype=np.int64)
    blocks = np.split(on, ends[:-1], axis=1) if len(ends) else []
    return list(zip(blocks, grid.parts, strict=True))


def _parts_on(
    roll: NDArray, grid: Grid
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_] | None, int]]:
    """Return of each part what sounds (T, pitches), what begins where that is told, lowest pitch.

    A drum is hit in one frame.
    """
    if not grid.parts:
        on = np.asarray(roll).astype(bool)
        onsets = on[:, grid.pitches :] if grid.articulation == "onset" else None
        return [(on[:, : grid.pitches], onsets, grid.low)]
    found: list[tuple[NDArray[np.bool_], NDArray[np.bool_] | None, int]] = []
    for columns, part in _columns_of_parts(roll, grid):
        on = sounding_in(columns, part)
        begins = on & columns[:, -1:] if part.kind == "voices" else columns[:, : part.pitches]
        found.append((on, begins, part.low))
    return found


def _runs(on: NDArray[np.bool_], onsets: NDArray[np.bool_] | None, low: int) -> Int64:
    """Return the notes (N, 3) of columns that sound, cut where a set onset begins one anew."""
    # pitches first, so that notes come out pitch by pitch
    on = on.T
    silence = np.zeros((len(on), 1), bool)
    begins = on & ~np.hstack([silence, on[:, :-1]])
    if onsets is not None:
        begins |= on & onsets.T
    ends = on & ~np.hstack([on[:, 1:] & ~begins[:, 1:], silence])
    pitch, start = np.nonzero(begins)
    end = np.nonzero(ends)[1] + 1
    return _in_order(np.column_stack([start, end, pitch + low]).astype(np.int64))


def _in_order(notes: Int64) -> Int64:
    """Sort notes (N, 3) by start, then pitch."""
    return notes[np.lexsort((notes[:, 1], notes[:, 2], notes[:, 0]))]


def _fit_pitches(pitch: Int64, grid: Grid, shift: int) -> tuple[Int64, NDArray[np.bool_], int]:
    """Keep the pitches in range, those out of it moved by octaves where grid.outside says so.

    What leaves the range by the shift alone comes back by octaves.

    Returns
    -------
    tuple
        The pitches kept, which of all notes they belong to (bool), and how many were transposed
        besides the shift.
    """
    inside, outside = _by_octaves(pitch, grid.low, grid.high)
    if grid.outside == "refuse" and outside.any():
        raise MidigenError(
            f"notes out of range ({outside.sum():,} of {len(pitch):,} are outside "
            f"{grid.low}..{grid.high})"
        )
    if grid.outside == "octave":
        pitch = inside
    # a range under an octave has no place for some notes however they are moved
    kept = (pitch >= grid.low) & (pitch <= grid.high)
    pitch, moved = _by_octaves(pitch + shift, grid.low, grid.high)
    kept &= (pitch >= grid.low) & (pitch <= grid.high)
    return pitch[kept], kept, int(((outside | moved) & kept).sum())


def _by_octaves(pitch: Int64, low: int, high: int) -> tuple[Int64, NDArray[np.bool_]]:
    """Move pitches outside low..high by octaves towards it, and tell which."""
    below, above = np.maximum(low - pitch, 0), np.maximum(pitch - high, 0)
    return pitch + 12 * (-(-below // 12)) - 12 * (-(-above // 12)), (below > 0) | (above > 0)


def frame_times(
    notes: Int64, seconds: NDArray[np.float64], table: NoteTable, grid: Grid
) -> NDArray[np.float64]:
    """Return starts and ends of notes (N, 4) of a table in frames, not yet rounded: (N, 2)."""
    if grid.unit == "seconds":
        return seconds / np.float64(grid.step)
    return notes[:, :2] * np.float64(grid.steps_per_beat / table.ticks_per_beat)


def _rasterise(
    start: Int64, end: Int64, column: Int64, frames: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return which columns sound and which begin, each uint8 (frames, width).

    The cost does not grow with the length of the notes.
    """
    change = np.zeros((frames + 1, width), np.int32)
    np.add.at(change, (start, column), 1)
    np.add.at(change, (end, column), -1)
    sounding = (np.cumsum(change, axis=0, out=change)[:-1] > 0).astype(np.uint8)
    onsets = np.zeros_like(sounding)
    onsets[start, column] = 1
    return sounding, onsets


def _give_velocities(
    sounding: NDArray[np.uint8],
    onsets: NDArray[np.uint8],
    start: Int64,
    column: Int64,
    velocity: Int64,
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
