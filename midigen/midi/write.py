"""From a roll to a .mid file, on whole ticks: reading it on the same grid gives the same roll back.

What is not kept is silence after the last note: a file ends there.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.files import create
from midigen.midi.dynamics import Dynamics
from midigen.midi.key import Key
from midigen.midi.parts import LONE
from midigen.midi.programs import Programs, programs_of
from midigen.midi.roll import part_notes
from midigen.midi.velocities import give_velocities
from midigen.outline import Outline

TICKS_PER_BEAT = 480
# a frame of fewer ticks could be read back into the frame beside it
MIN_TICKS_PER_FRAME = 4
# the header has 15 bits for the ticks a beat, and pretty_midi reads at most ten million ticks
MAX_TICKS_PER_BEAT = 32_767
MAX_TICKS = 9_000_000


@dataclass(frozen=True)
class Playing:
    """How the notes of a song are played.

    Parameters
    ----------
    programs : tuple of (str, int)
        Instruments for parts, as `midigen.midi.programs.read_programs` returns them; the others
        have the grid's.
    velocity : int, optional
        Mean velocity, 1..127; in a roll of velocities, that of every note.
    dynamics : mapping of str to Dynamics
        Of the parts of a roll of 0 and 1, by their names.
    rng : np.random.Generator, optional
        For what varies in velocities: `midigen.midi.velocities.give_velocities`.
    """

    programs: Programs = ()
    velocity: int | None = None
    dynamics: Mapping[str, Dynamics] = field(default_factory=dict)
    rng: np.random.Generator | None = None


def roll_to_midi(
    roll: NDArray[np.uint8],
    grid: Grid,
    bpm: float,
    metre: tuple[int, int] = (4, 4),
    playing: Playing | None = None,
    text: str | None = None,
    outline: Outline | None = None,
) -> pretty_midi.PrettyMIDI:
    """Make one song, with a named track for each part, or one track without parts.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, grid.channels)
        The roll.
    grid : Grid
        What its frames and columns stand for.
    bpm : float
        Quarter notes a minute, 3.6 or more, written as the file's tempo.
    metre : tuple of int
        Numerator and denominator, written as its time signature where there is no outline.
    playing : Playing, optional
        Instruments and velocities; by default the parts' own instruments, and velocities that are
        the roll's own or, in a roll of 0 and 1, have accents by the bar.
    text : str, optional
        Written as a text event at the head of track 0.
    outline : Outline, optional
        Its metres are written, its pickup comes after as much silence as fills the first bar, and
        notes, which were moved up by its shift when songs were read, are moved back.  Of a grid
        with one tonic the key is written, too.

    Returns
    -------
    pretty_midi.PrettyMIDI
        The song.

    Raises
    ------
    ValueError
        Where an instrument is for a part that the grid lacks.
    """
    outline = outline or Outline(len(roll), ((0, *metre),))
    playing = playing or Playing()
    # pretty_midi cuts the tempo to whole microseconds a beat; a hundredth more makes that rounding
    tempo = 60e6 / (round(60e6 / bpm) + 0.01)
    midi = pretty_midi.PrettyMIDI(
        resolution=_ticks_per_beat(grid, bpm, len(roll) + outline.pickup),
        initial_tempo=tempo,
        charset="utf-8",
    )
    frame_seconds = grid.frame_seconds(tempo)
    late = outline.pickup
    midi.time_signature_changes = [
        pretty_midi.TimeSignature(numerator, denominator, (frame and frame + late) * frame_seconds)
        for frame, numerator, denominator in outline.metres or [(0, *metre)]
    ]
    if grid.tonic == "one":
        key = Key.of_shift(outline.shift, outline.minor)
        midi.key_signature_changes = [pretty_midi.KeySignature(key.tonic + 12 * key.minor, 0.0)]
    if text is not None:
        midi.text_events.append(pretty_midi.Text(text, 0.0))
    tracks = part_notes(roll, grid)
    velocities = _velocities(tracks, roll, grid, outline, playing)
    programs = programs_of(grid, playing.programs)
    for number, notes in enumerate(tracks):
        part = grid.parts[number] if grid.parts else None
        is_drum = part is not None and part.kind == "drums"
        instrument = pretty_midi.Instrument(programs[number], is_drum, part.name if part else LONE)
        instrument.notes = [
            pretty_midi.Note(
                velocity,
                pitch - (0 if is_drum else outline.shift),
                (start + late) * frame_seconds,
                (end + late) * frame_seconds,
            )
            for (start, end, pitch), velocity in zip(
                notes.tolist(), velocities[number].tolist(), strict=True
            )
        ]
        midi.instruments.append(instrument)
    return midi


def _velocities(
    tracks: list[NDArray[np.int64]],
    roll: NDArray[np.uint8],
    grid: Grid,
    outline: Outline,
    playing: Playing,
) -> list[NDArray[np.int64]]:
    """Return the velocity of every note of the tracks, each (N, 3)."""
    if grid.values != "velocity":
        return give_velocities(
            tracks, grid, outline, playing.dynamics, playing.velocity, playing.rng
        )
    [notes] = tracks
    if playing.velocity is not None:
        return [np.full(len(notes), playing.velocity)]
    return [roll[notes[:, 0], notes[:, 2] - grid.low].astype(np.int64)]


def _ticks_per_beat(grid: Grid, bpm: float, frames: int) -> int:
    """Choose 480 or near it, so that a frame of a beat grid has a whole number of ticks."""
    frame_beats = 1 / grid.steps_per_beat if grid.unit == "beat" else grid.step * bpm / 60
    ticks_per_frame = min(
        max(round(TICKS_PER_BEAT * frame_beats), MIN_TICKS_PER_FRAME), MAX_TICKS // max(frames, 1)
    )
    if grid.unit == "beat":
        return ticks_per_frame * grid.steps_per_beat
    return min(max(round(ticks_per_frame / frame_beats), 1), MAX_TICKS_PER_BEAT)


def midi_bytes(midi: pretty_midi.PrettyMIDI) -> bytes:
    """Return a song as the bytes of a .mid file."""
    buffer = io.BytesIO()
    midi.write(buffer)
    return buffer.getvalue()


def write_new(folder: Path, stem: str, data: bytes, suffix: str = ".mid") -> Path:
    """Write a file under a name that is not taken: stem.mid, stem-2.mid, stem-3.mid, ...

    No file is ever overwritten, and none is left half-written.

    Parameters
    ----------
    folder : Path
        An existing folder.
    stem : str
        The name without its ending.
    data : bytes
        The content.
    suffix : str
        The name's ending.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MidigenError
        Where it cannot be written.
    """
    number = 1
    while True:
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            create(path, data)
            return path
        except FileExistsError:
            number += 1
