"""A MIDI file -> a table of notes in ticks, by pretty_midi; `read_many` does it in guarded worker processes."""

import io
import os
import re
import struct
import warnings
from pathlib import Path

import numpy as np

from midigen.errors import MidigenError
from midigen.midi.guard import MEGABYTES, SECONDS, guarded
from midigen.midi.inputs import printable
from midigen.midi.notes import METRE, NoteTable

MAX_BYTES = 500_000  # the worst of this size take the parser 2 s and 75 MB; a concerto's movement is 110,000
MAX_HOURS = 12
MAX_TICKS = 9_999_999  # pretty_midi's own limit: it keeps a table of every tick
# A number of a MIDI file has 4 bytes at most; mido reads a longer one in quadratic time.
ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{2048}")
DRUM_CHANNEL = 9  # channel 10, counted from 0


def read_notes(path, max_bytes=MAX_BYTES):
    """Read one MIDI file, in this process: a NoteTable.  Raises MidigenError, in one line that names the file.

    A file made to do harm can take seconds and hundreds of megabytes here: for files from elsewhere use `read_many`.
    """
    try:
        return read_reason(path, max_bytes)
    except MidigenError as e:
        raise MidigenError(f"{printable(path)}: {e}") from None


def read_many(paths, seconds=SECONDS, megabytes=MEGABYTES, workers=None):
    """Read many files in worker processes; yields (path, NoteTable or Verdict), in the order of `paths`.

    A file that takes over `seconds` or `megabytes`, or ends its worker, gets a Verdict that says so.
    """
    return guarded(
        read_reason,
        paths,
        seconds=seconds,
        megabytes=megabytes,
        workers=workers,
        preload=["pretty_midi"],
    )


def read_reason(path, max_bytes=MAX_BYTES):
    """`read_notes` with errors that give the reason alone, as the manifest keeps it."""
    try:
        if not os.path.isfile(path):
            raise MidigenError("not a file" if os.path.exists(path) else "no such file")
        size = os.path.getsize(path)
        if size > max_bytes:
            raise MidigenError(f"too large ({size:,} bytes; --max-bytes allows {max_bytes:,})")
        data = Path(path).read_bytes()
    except OSError as e:
        raise MidigenError(f"cannot be read ({e.strerror or e})") from None
    return parse(data, printable(Path(path).name))


def parse(data, name):
    """The bytes of a MIDI file -> a NoteTable called `name`.  Raises MidigenError with the reason."""
    data = _check_header(data)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return _parse(data, name, caught)
    except (MidigenError, MemoryError):
        raise
    except EOFError:
        raise MidigenError("cut short (a track is not complete)") from None
    except (OSError, ValueError) as e:  # these come with words for people
        raise MidigenError(f"damaged ({printable(e) or type(e).__name__})") from None
    except Exception as e:  # noqa: BLE001  mido and pretty_midi raise almost anything on a damaged file
        raise MidigenError(f"damaged ({type(e).__name__}: {printable(e)})") from None


def _check_header(data):
    """The file from its MThd on, once the bytes that a parser would choke on are ruled out."""
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[max(data.find(b"MThd"), 0) :]
    if not data:
        raise MidigenError("empty")
    if data[:4] != b"MThd":
        raise MidigenError("not a MIDI file (no MThd at its start)")
    if len(data) < 14:
        raise MidigenError("cut short (the header is not complete)")
    kind, tracks, division = struct.unpack(">HHH", data[8:14])
    if kind > 1:
        raise MidigenError(f"not supported (MIDI format {kind}; 0 and 1 are read)")
    if not 0 < tracks < 0x8000:
        raise MidigenError(f"damaged (its header promises {tracks} tracks)")
    if division >= 0x8000:
        raise MidigenError("not supported (its time is in film frames, not beats)")
    if division == 0:
        raise MidigenError("damaged (its header gives 0 ticks a beat)")
    if ENDLESS_NUMBER.search(data):
        raise MidigenError("damaged (a number without an end)")
    return data


def _parse(data, name, caught):
    import mido
    import pretty_midi

    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    metre, remarks = _simplify(midi)
    song = pretty_midi.PrettyMIDI(mido_object=midi)
    del midi
    pitched = [
        note
        for instrument in song.instruments
        if not instrument.is_drum
        for note in instrument.notes
    ]
    drums = sum(len(instrument.notes) for instrument in song.instruments if instrument.is_drum)
    if not pitched:
        raise MidigenError("no notes" if not drums else "no notes but drums")
    seconds = np.array([(note.start, note.end) for note in pitched])
    if seconds.max() > MAX_HOURS * 3600:
        raise MidigenError(
            f"too long ({seconds.max() / 3600:,.0f} hours; at most {MAX_HOURS} are read)"
        )
    times, which = np.unique(seconds, return_inverse=True)
    ticks = np.array([song.time_to_tick(time) for time in times])[which.reshape(seconds.shape)]
    notes = np.column_stack([ticks, [(note.pitch, note.velocity) for note in pitched]]).astype(
        np.int64
    )
    order = np.lexsort((notes[:, 3], notes[:, 1], notes[:, 2], notes[:, 0]))
    remarks += sorted({printable(w.message) for w in caught})
    return NoteTable(
        notes[order],
        song.resolution,
        _longest_tempo(song),
        metre,
        seconds[order],
        drums,
        name,
        tuple(remarks),
    )


def _simplify(midi):
    """Leave in `midi` only notes, names and tempi, with all tempi on the first track; returns (metre, remarks).

    pretty_midi takes tempi from the first track alone, fails on some metres and keeps every pedal and word in memory.
    """
    import mido

    tracks, conductor, metres, misplaced = [], [], [], False
    for index, track in enumerate(midi.tracks):
        tick, last, kept = 0, 0, mido.MidiTrack()
        for event in track:
            tick += event.time
            if tick > MAX_TICKS:
                raise MidigenError(f"too long (more than {MAX_TICKS:,} ticks)")
            if event.type in ("note_on", "note_off", "track_name"):
                event.time, last = tick - last, tick
                kept.append(event)
            elif event.type == "set_tempo":
                if event.tempo == 0:
                    raise MidigenError("damaged (a tempo of 0)")
                conductor.append((tick, event))
                misplaced |= index > 0
            elif (
                event.type == "time_signature"
                and 1 <= event.numerator <= METRE
                and 1 <= event.denominator <= METRE
            ):
                metres.append((tick, (event.numerator, event.denominator)))
        if kept:
            tracks.append(kept)
        track.clear()
    midi.tracks = [_first_track(conductor), *tracks]
    metre = min(metres, key=lambda m: m[0])[1] if metres else (4, 4)
    return metre, ["tempo changes outside the first track"] if misplaced else []


def _first_track(conductor):
    """Tempo events at their ticks, [(tick, message)] -> a track with the times between them."""
    import mido

    track, last = mido.MidiTrack(), 0
    for tick, event in sorted(conductor, key=lambda c: c[0]):
        event.time, last = tick - last, tick
        track.append(event)
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _longest_tempo(song):
    """The tempo, in quarter notes a minute, under which most of the song's time passes."""
    starts, tempi = song.get_tempo_changes()
    ends = np.append(starts[1:], max(song.get_end_time(), starts[-1]))
    values, which = np.unique(np.round(tempi, 6), return_inverse=True)
    return round(float(values[np.argmax(np.bincount(which, weights=ends - starts))]), 3)
