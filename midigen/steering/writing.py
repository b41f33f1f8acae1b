"""New notes back into the file that they were drawn for: ticks, velocities, tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.midi.parts import LONE
from midigen.midi.programs import ALL, programs_of
from midigen.midi.rewrite import Changes, NewNotes, WrittenMidi, rewrite
from midigen.midi.roll import part_notes
from midigen.midi.velocities import LOUDEST, give_velocities
from midigen.midi.write import Playing
from midigen.outline import Outline
from midigen.steering.source import Source

NEAR = 64  # notes of a part among which the one is looked for in whose track a new one is put
SEMITONES_A_BEAT = 2.0  # how far a beat is from a note, beside how far its pitch is

Int64 = NDArray[np.int64]


class NewMusic(NamedTuple):
    """What is written into a song's file.

    Parameters
    ----------
    notes : sequence of ndarray of int64 (N, 3)
        For every part start frame, end frame and pitch, as the roll has them; frames may lie behind
        the song's end.
    stay : ndarray of bool (R,)
        Which of the song's rows are left in.
    longer : mapping of int to int
        Rows that end later, and the frame.
    outline : Outline
        Of the whole, new music behind the song included.
    roll : ndarray of uint8 (T, V)
        All of it.
    in_their_tracks : bool
        Whether new notes belong in the tracks of the old ones around them; else, and where there
        are none or an instrument is asked for, in tracks of their own.
    """

    notes: Sequence[Int64]
    stay: NDArray[np.bool_]
    longer: Mapping[int, int]
    outline: Outline
    roll: NDArray[np.uint8]
    in_their_tracks: bool


def music_behind(source: Source, roll: NDArray[np.uint8], outline: Outline) -> NewMusic:
    """Return what goes on behind a song, of the roll (T, V) of both; held notes end later."""
    begun, placed = source.outline.frames, source.notes
    longer: dict[int, int] = {}
    new = []
    for number, notes in enumerate(part_notes(roll, source.grid)):
        start, end, pitch = notes.T
        for stop, high in notes[(start < begun) & (end > begun)][:, 1:].tolist():
            own = (placed.part == number) & (placed.pitch == high)
            if own.any():
                latest = np.flatnonzero(own)[np.argmax(placed.end[own])]
                longer[int(source.rows[latest])] = stop
        new.append(notes[start >= begun])
    stay = np.ones(source.count, bool)
    return NewMusic(new, stay, longer, outline, roll, True)


def write_music(
    source: Source, music: NewMusic, playing: Playing, text: str, bpm: float | None = None
) -> WrittenMidi:
    """Write new notes into the file of a song, at its own ticks.

    Parameters
    ----------
    source : Source
    music : NewMusic
    playing : Playing
        Instruments, velocities.
    text : str
        That says how it was made.
    bpm : float, optional
        A tempo in place of the song's own.
    """
    grid, shift = source.grid, source.outline.shift
    programs, asked = programs_of(grid, playing.programs), {part for part, _ in playing.programs}
    added = []
    loud = velocities_beside(source, music, playing)
    for number, (notes, velocity) in enumerate(zip(music.notes, loud, strict=True)):
        part = grid.parts[number] if grid.parts else None
        name, drums = (part.name, part.kind == "drums") if part else (LONE, False)
        pitch = notes[:, 2] - (0 if drums else shift)
        ticks = [[source.tick_of(start), source.tick_of(end)] for start, end, _ in notes.tolist()]
        table = np.column_stack([np.array(ticks, np.int64).reshape(-1, 2), pitch, velocity])
        beside = np.full(len(notes), -1)
        if music.in_their_tracks and not asked & {name, ALL}:
            beside = nearest_rows(source, number, notes[:, 0], pitch)
        fits = (pitch >= 0) & (pitch <= 127)
        added.append(NewNotes(table[fits], beside[fits], name, programs[number], drums))
    extended = {row: source.tick_of(frame) for row, frame in music.longer.items()}
    changes = Changes(np.flatnonzero(~music.stay), extended, added, text, bpm)
    return WrittenMidi(rewrite(source.data, source.table, changes))


def nearest_rows(source: Source, part: int, frames: Int64, pitch: Int64) -> Int64:
    """Return, for each new note of a part, the row of the song's nearest, in time and pitch.

    Parameters
    ----------
    source : Source
    part : int
    frames, pitch : ndarray of int64 (N,)
        Where the notes begin, and how high they sound.

    Returns
    -------
    ndarray of int64 (N,)
        -1 of a part of which the song has no note.
    """
    own = np.flatnonzero(source.parts == part)
    if not len(own):
        return np.full(len(frames), -1)
    own = own[np.argsort(source.frames[own], kind="stable")]
    begin, high = source.frames[own], source.ticks[own, 2]
    beat = source.grid.steps_per_beat if source.grid.unit == "beat" else 1
    if source.grid.unit == "seconds":
        beat = max(round(60 / source.table.bpm / source.grid.step), 1)
    found = np.empty(len(frames), np.int64)
    for i, (frame, wanted) in enumerate(zip(frames.tolist(), pitch.tolist(), strict=True)):
        at = max(int(np.searchsorted(begin, frame)) - NEAR // 2, 0)
        near = slice(at, at + NEAR)
        far = np.abs(high[near] - wanted) + SEMITONES_A_BEAT / beat * np.abs(begin[near] - frame)
        found[i] = own[near][np.argmin(far)] if len(far) else own[-1]
    return found


def velocities_beside(source: Source, music: NewMusic, playing: Playing) -> list[Int64]:
    """Say how loud new notes are: as the corpus's, but at the level of the song's own.

    Where something of a part stays its new notes are moved to that level, else to that of all that
    stays.
    """
    grid, notes = source.grid, music.notes
    if grid.values == "velocity":
        if playing.velocity is not None:
            return [np.full(len(own), playing.velocity) for own in notes]
        return [music.roll[own[:, 0], own[:, 2] - grid.low].astype(np.int64) for own in notes]
    dynamics, rng, outline = playing.dynamics, playing.rng, music.outline
    if playing.velocity is not None:
        return give_velocities(notes, grid, outline, dynamics, playing.velocity, rng)
    placed, rows = source.notes, source.rows
    staying = [music.stay[rows] & (placed.part == part) for part in range(len(notes))]
    both = [
        np.concatenate([own, np.column_stack(placed.of(old)[:3])])
        for own, old in zip(notes, staying, strict=True)
    ]
    given = give_velocities(both, grid, outline, dynamics, None, rng)
    told = [source.ticks[rows[old], 3] for old in staying]
    apart = [
        actual - loud[len(own) :] for actual, loud, own in zip(told, given, notes, strict=True)
    ]
    everywhere = np.concatenate(apart)
    common = float(everywhere.mean()) if len(everywhere) else 0.0
    return [
        np.clip(
            np.rint(loud[: len(own)] + (far.mean() if len(far) else common)), 1, LOUDEST
        ).astype(np.int64)
        for loud, own, far in zip(given, notes, apart, strict=True)
    ]
