"""From a MIDI file to a table of notes in ticks, by pretty_midi.

A file made to do harm can take seconds and hundreds of megabytes; `read_many` reads files from
anywhere in worker processes with limits.
"""

import io
import os
import re
import struct
import warnings
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from midigen.config import PrepareConfig
from midigen.errors import MidigenError
from midigen.midi.guard import map_guarded
from midigen.midi.inputs import printable
from midigen.midi.notes import MAX_METRE, NoteTable
from midigen.midi.worker import Failure

if TYPE_CHECKING:
    import mido
    import pretty_midi

# the worst file of this size takes the parser 2 s and 75 MB; a movement of a concerto has 110,000
MAX_BYTES = PrepareConfig.max_bytes
MAX_HOURS = 12
MAX_TICKS = 9_999_999  # pretty_midi's own limit: it keeps a table of every tick
# a number in a MIDI file has 4 bytes at most; mido reads a longer one in quadratic time
ENDLESS_NUMBER = re.compile(rb"[\x80-\xff]{2048}")

StrPath = str | os.PathLike[str]


def read_notes(path: StrPath, max_bytes: int = MAX_BYTES) -> NoteTable:
    """Read one MIDI file, in this process.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        The largest size that is read.

    Returns
    -------
    NoteTable
        Its notes.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is one line that names the file.
    """
    try:
        return read_table(path, max_bytes)
    except MidigenError as e:
        raise MidigenError(f"{printable(path)}: {e}") from None


def read_many(
    paths: Iterable[StrPath],
    seconds: float = PrepareConfig.time_limit,
    megabytes: int = PrepareConfig.memory_limit,
    workers: int | None = None,
) -> Generator[tuple[StrPath, NoteTable | Failure], None, None]:
    """Read many files in worker processes.

    Parameters
    ----------
    paths : iterable of path
        The files.
    seconds, megabytes : float, int
        Limits on the time and the memory that a file may take.
    workers : int, optional
        Number of processes, by default as many as there are cores.

    Yields
    ------
    tuple
        A path and its NoteTable, or a Failure that says why there is none, in the order of `paths`.
    """
    return map_guarded(
        read_table,
        paths,
        seconds=seconds,
        megabytes=megabytes,
        workers=workers,
        preload=["pretty_midi"],
    )


def read_table(path: StrPath, max_bytes: int = MAX_BYTES) -> NoteTable:
    """Read a MIDI file as `read_notes` does, but raise the reason alone, as a manifest keeps it."""
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


def parse(data: bytes, name: str) -> NoteTable:
    """Read the bytes of a MIDI file.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What the table is to be called.

    Returns
    -------
    NoteTable
        Its notes.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is the reason alone.
    """
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
    except Exception as e:  # mido and pretty_midi raise almost anything on a damaged file
        raise MidigenError(f"damaged ({type(e).__name__}: {printable(e)})") from None


def _check_header(data: bytes) -> bytes:
    """Return the file from its MThd on, free of the bytes that a parser would choke on."""
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


def _parse(data: bytes, name: str, caught: list[warnings.WarningMessage]) -> NoteTable:
    """Make the table of notes of a file whose header is sound; `caught` fills as it is read."""
    import mido
    import pretty_midi

    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    metre, remarks = _simplify(midi)
    song = pretty_midi.PrettyMIDI(mido_object=midi)
    del midi  # the memory limit counts both
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
    pitch_and_velocity = [(note.pitch, note.velocity) for note in pitched]
    notes = np.column_stack([ticks, pitch_and_velocity]).astype(np.int64)
    order = np.lexsort((notes[:, 3], notes[:, 1], notes[:, 2], notes[:, 0]))
    remarks += sorted({printable(w.message) for w in caught})
    return NoteTable(
        notes=notes[order],
        ticks_per_beat=song.resolution,
        bpm=_longest_tempo(song),
        metre=metre,
        seconds=seconds[order],
        drums=drums,
        name=name,
        warnings=tuple(remarks),
    )


def _simplify(midi: "mido.MidiFile") -> tuple[tuple[int, int], list[str]]:
    """Leave in `midi` only notes, names and tempi, with all tempi on the first track.

    pretty_midi takes tempi from the first track alone, fails on some metres and keeps every pedal
    and word in memory.

    Returns
    -------
    tuple
        The metre, and remarks on the file.
    """
    import mido

    tracks, tempi, metres, misplaced = [], [], [], False
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
                tempi.append((tick, event))
                misplaced |= index > 0
            elif event.type == "time_signature" and _is_plausible(event):
                metres.append((tick, (event.numerator, event.denominator)))
        if kept:
            tracks.append(kept)
        track.clear()
    midi.tracks = [_tempo_track(tempi), *tracks]
    metre = min(metres, key=lambda m: m[0])[1] if metres else (4, 4)
    return metre, ["tempo changes outside the first track"] if misplaced else []


def _is_plausible(event: "mido.MetaMessage") -> bool:
    """Tell whether a time signature is one that a song can have."""
    return 1 <= event.numerator <= MAX_METRE and 1 <= event.denominator <= MAX_METRE


def _tempo_track(tempi: "list[tuple[int, mido.MetaMessage]]") -> "mido.MidiTrack":
    """Make a track of tempo events at their ticks."""
    import mido

    track, last = mido.MidiTrack(), 0
    for tick, event in sorted(tempi, key=lambda t: t[0]):
        event.time, last = tick - last, tick
        track.append(event)
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track


def _longest_tempo(song: "pretty_midi.PrettyMIDI") -> float:
    """Find the tempo, in quarter notes a minute, under which most of the song's time passes."""
    starts, tempi = song.get_tempo_changes()
    ends = np.append(starts[1:], max(song.get_end_time(), starts[-1]))
    values, which = np.unique(np.round(tempi, 6), return_inverse=True)
    return round(float(values[np.argmax(np.bincount(which, weights=ends - starts))]), 3)
