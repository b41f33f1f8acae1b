"""New notes back into the file that they were drawn for: ticks, velocities, tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.midi.dynamics import Dynamics
from midigen.midi.parts import LONE
from midigen.midi.programs import ALL, programs_of
from midigen.midi.rewrite import Changes, NewNotes, WrittenMidi, rewrite
from midigen.midi.velocities import LOUDEST, give_velocities
from midigen.midi.write import Playing
from midigen.outline import Outline
from midigen.steering.source import Source

NEAR = 64  # notes of a part among which the one is looked for in whose track a new one is put
BEATS = 0.5  # that is as far as a semitone, from a new note to those around it

Int64 = NDArray[np.int64]


def write_beside(
    source: Source,
    new: Sequence[Int64],
    stay: NDArray[np.bool_],
    playing: Playing,
    text: str,
    bpm: float | None,
    in_their_tracks: bool,
) -> WrittenMidi:
    """Write new notes into the file of the song that they were drawn for.

    Parameters
    ----------
    source : Source
    new : sequence of ndarray of int64 (N, 3)
        For every part start frame, end frame and pitch, as the roll has them; frames may lie behind
        the song's end.
    stay : ndarray of bool (R,)
        Which of the song's notes are left in.
    playing : Playing
        Instruments, velocities.
    text : str
        That says how it was made.
    bpm : float, optional
        As `midigen.midi.rewrite.Changes` takes it.
    in_their_tracks : bool
        Whether new notes belong in the tracks of the old ones around them; else, and where there
        are none or an instrument is asked for, in tracks of their own.
    """
    grid, shift = source.grid, source.outline.shift
    programs, asked = programs_of(grid, playing.programs), {part for part, _ in playing.programs}
    velocities = velocities_beside(source, new, stay, playing)
    added, extended = [], {}
    for number, (notes, loud) in enumerate(zip(new, velocities, strict=True)):
        part = grid.parts[number] if grid.parts else None
        name, drums = (part.name, part.kind == "drums") if part else (LONE, False)
        pitch = notes[:, 2] - (0 if drums else shift)
        ticks = [[source.tick_of(start), source.tick_of(end)] for start, end, _ in notes.tolist()]
        table = np.column_stack([np.array(ticks, np.int64).reshape(-1, 2), pitch, loud])
        beside = np.full(len(notes), -1)
        if in_their_tracks and not asked & {name, ALL}:
            beside = nearest_rows(source, number, notes[:, 0], pitch)
        fits = (pitch >= 0) & (pitch <= 127)
        added.append(NewNotes(table[fits], beside[fits], name, programs[number], drums))
    del extended
    changes = Changes(np.flatnonzero(~stay), {}, added, text, bpm)
    return WrittenMidi(rewrite(source.data, source.table, changes))
