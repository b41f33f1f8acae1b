"""A roll -> PrettyMIDI -> a .mid file, on whole ticks: reading the file on the same grid gives the same roll back.

What is not kept is silence after the last note: a file ends there.
"""

import io
import itertools

import pretty_midi

from midigen.errors import MidigenError
from midigen.midi.roll import roll_to_notes

TICKS_PER_BEAT = 480
VELOCITY = 80  # of the notes of a roll that has none
# a frame of fewer ticks could be read back into the frame beside it
MIN_TICKS_PER_FRAME = 4
# the header has 15 bits for the ticks a beat, and pretty_midi refuses to read more than ten million ticks
MAX_TICKS_PER_BEAT = 32_767
MAX_TICKS = 9_000_000


def roll_to_midi(roll, grid, bpm, metre=(4, 4), program=0, velocity=None, text=None):
    """One song as a PrettyMIDI with one instrument.

    roll (T, grid.channels) uint8; bpm quarter notes a minute, 3.6 or more, written as the file's tempo; metre (n, d),
    written as its time signature; program 0..127, General MIDI; velocity 1..127, the same for every note, or None for
    the roll's own, those of the frames where notes begin (80 in a roll of bits); text, written as a text event at the
    head of track 0.
    """
    # pretty_midi cuts the tempo to whole microseconds a beat; a hundredth more lets it cut where we round
    tempo = 60e6 / (round(60e6 / bpm) + 0.01)
    midi = pretty_midi.PrettyMIDI(
        resolution=_ticks_per_beat(grid, bpm, len(roll)), initial_tempo=tempo, charset="utf-8"
    )
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*metre, 0.0))
    if text is not None:
        midi.text_events.append(pretty_midi.Text(text, 0.0))
    frame_seconds = grid.frame_seconds(tempo)
    piano = pretty_midi.Instrument(program)
    piano.notes = [
        pretty_midi.Note(
            velocity or _velocity(roll[start, pitch - grid.low], grid),
            pitch,
            start * frame_seconds,
            end * frame_seconds,
        )
        for start, end, pitch in roll_to_notes(roll, grid).tolist()
    ]
    midi.instruments.append(piano)
    return midi


def _velocity(entry, grid):
    return int(entry) if grid.values == "velocity" else VELOCITY


def _ticks_per_beat(grid, bpm, frames):
    """480, or near it: a whole number of ticks a frame on a beat grid, enough of them on a grid in seconds."""
    frame_beats = 1 / grid.steps_per_beat if grid.unit == "beat" else grid.step * bpm / 60
    ticks_per_frame = min(
        max(round(TICKS_PER_BEAT * frame_beats), MIN_TICKS_PER_FRAME), MAX_TICKS // max(frames, 1)
    )
    if grid.unit == "beat":
        return ticks_per_frame * grid.steps_per_beat
    return min(max(round(ticks_per_frame / frame_beats), 1), MAX_TICKS_PER_BEAT)


def midi_bytes(midi):
    """The .mid file of a PrettyMIDI, as bytes."""
    buffer = io.BytesIO()
    midi.write(buffer)
    return buffer.getvalue()


def write_new(folder, stem, data):
    """Write `data` to folder/stem.mid, or to stem-2.mid, stem-3.mid, ... where the name is taken; return the Path.

    No file is ever overwritten, and none is left half-written. Raises MidigenError where the folder cannot be written.
    """
    for number in itertools.count(1):
        path = folder / (f"{stem}.mid" if number == 1 else f"{stem}-{number}.mid")
        try:
            _create(path, data)
            return path
        except FileExistsError:
            continue
        except OSError as e:
            raise MidigenError(f"cannot write {path}: {e.strerror}") from None


def _create(path, data):
    f = open(path, "xb")
    try:
        with f:
            f.write(data)
    except BaseException:  # Ctrl-C too
        path.unlink()
        raise
