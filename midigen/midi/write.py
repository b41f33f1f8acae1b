"""From a roll to a .mid file, on whole ticks: reading it on the same grid gives the same roll back.

What is not kept is silence after the last note: a file ends there.
"""

import io
from pathlib import Path

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from midigen.config import Grid, Part
from midigen.errors import MidigenError
from midigen.midi.roll import part_notes
from midigen.outline import Outline

TICKS_PER_BEAT = 480
VELOCITY = 80  # of the notes of a roll that has none
# a frame of fewer ticks could be read back into the frame beside it
MIN_TICKS_PER_FRAME = 4
# the header has 15 bits for the ticks a beat, and pretty_midi reads at most ten million ticks
MAX_TICKS_PER_BEAT = 32_767
MAX_TICKS = 9_000_000


def roll_to_midi(
    roll: NDArray[np.uint8],
    grid: Grid,
    bpm: float,
    metre: tuple[int, int] = (4, 4),
    program: int | None = None,
    velocity: int | None = None,
    text: str | None = None,
    outline: Outline | None = None,
) -> pretty_midi.PrettyMIDI:
    """Make one song, with a named track for each part, or with one instrument without parts.

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
    program : int, optional
        The instrument, 0..127, General MIDI, of the first part that has pitches; by default the
        part's own, and 0 without parts.
    velocity : int, optional
        Velocity of every note, 1..127; by default the roll's own, those of the frames where notes
        begin, and 80 in a roll of 0 and 1.
    text : str, optional
        Written as a text event at the head of track 0.
    outline : Outline, optional
        Its metres are written, its pickup comes after as much silence as fills the first bar, and
        notes, which were moved up by its shift when songs were read, are moved back.

    Returns
    -------
    pretty_midi.PrettyMIDI
        The song.
    """
    outline = outline or Outline(len(roll), ((0, *metre),))
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
    if text is not None:
        midi.text_events.append(pretty_midi.Text(text, 0.0))
    first = next((n for n, part in enumerate(grid.parts) if part.kind != "drums"), 0)
    for number, notes in enumerate(part_notes(roll, grid)):
        part = grid.parts[number] if grid.parts else Part("", grid.low, grid.high)
        own = program if program is not None and number == first else part.program
        instrument = pretty_midi.Instrument(own, part.kind == "drums", part.name)
        instrument.notes = [
            pretty_midi.Note(
                velocity
                or (VELOCITY if grid.parts else _velocity(roll[start, pitch - grid.low], grid)),
                pitch - (0 if part.kind == "drums" else outline.shift),
                (start + late) * frame_seconds,
                (end + late) * frame_seconds,
            )
            for start, end, pitch in notes.tolist()
        ]
        midi.instruments.append(instrument)
    return midi


def _velocity(entry: np.uint8, grid: Grid) -> int:
    return int(entry) if grid.values == "velocity" else VELOCITY


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


def write_new(folder: Path, stem: str, data: bytes) -> Path:
    """Write a .mid file under a name that is not taken: stem.mid, stem-2.mid, stem-3.mid, ...

    No file is ever overwritten, and none is left half-written.

    Parameters
    ----------
    folder : Path
        An existing folder.
    stem : str
        The name without its ending.
    data : bytes
        The content.

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
        path = folder / (f"{stem}.mid" if number == 1 else f"{stem}-{number}.mid")
        try:
            write_as(path, data)
            return path
        except FileExistsError:
            number += 1


def write_as(path: Path, data: bytes) -> None:
    """Write a new file, whole or not at all; MidigenError where it cannot be written.

    FileExistsError where there is one of that name.
    """
    try:
        _create(path, data)
    except FileExistsError:
        raise
    except OSError as e:
        raise MidigenError(f"cannot write {path}: {e.strerror}") from None


def _create(path: Path, data: bytes) -> None:
    f = open(path, "xb")
    try:
        with f:
            f.write(data)
    except BaseException:  # Ctrl-C too
        path.unlink()
        raise
