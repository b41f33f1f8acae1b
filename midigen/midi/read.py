"""From a MIDI file to a table of notes in ticks, by pretty_midi.

A file made to do harm can take seconds and hundreds of megabytes; `read_many` reads files from
anywhere in worker processes with limits.
"""

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import MAX_METRE, PrepareConfig
from midigen.errors import MidigenError
from midigen.midi.guard import map_guarded
from midigen.midi.inputs import printable
from midigen.midi.notes import NoteTable, Track
from midigen.midi.smf import read_events
from midigen.midi.worker import Failure

if TYPE_CHECKING:
    import mido
    import pretty_midi

# the worst file of this size takes the parser 2 s and 75 MB; a movement of a concerto has 110,000
MAX_BYTES = PrepareConfig.max_bytes
MAX_HOURS = 12
MAX_TICKS = 9_999_999  # pretty_midi's own limit: it keeps a table of every tick

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
        Limits on the processor time and the memory that a file may take.
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
    return parse(read_file(path, max_bytes), printable(Path(path).name))


def read_file(path: StrPath, max_bytes: int, limit: str = "--max-bytes allows") -> bytes:
    """Return the bytes of a file of at most `max_bytes`.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        The largest size that is read.
    limit : str
        What an error says ahead of that number.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is the reason alone.
    """
    try:
        if not os.path.isfile(path):
            raise MidigenError("not a file" if os.path.exists(path) else "no such file")
        size = os.path.getsize(path)
        if size > max_bytes:
            raise MidigenError(f"too large ({size:,} bytes; {limit} {max_bytes:,})")
        return Path(path).read_bytes()
    except OSError as e:
        raise MidigenError(f"cannot be read ({e.strerror or e})") from None


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
    return parse_whole(data, name)[0]


def parse_whole(data: bytes, name: str) -> "tuple[NoteTable, pretty_midi.PrettyMIDI]":
    """Read the bytes of a MIDI file as `parse` does, and return what the parser made of it, too."""
    with plain_errors():
        parsed = parse_song(data)
        if all(i.is_drum for i in parsed.song.instruments if i.notes):
            raise MidigenError("no notes but drums")
        return note_table(parsed, name), parsed.song


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raise what goes wrong with a damaged file as MidigenError with the reason alone."""
    try:
        yield
    except (MidigenError, MemoryError):
        raise
    except Exception as e:  # what pretty_midi makes of odd notes
        raise MidigenError(f"damaged ({printable(e) or 'its notes make no sense'})") from None


class ParsedSong(NamedTuple):
    """What the parser made of a file.

    Parameters
    ----------
    song : pretty_midi.PrettyMIDI
        Its notes, names, tempi and programmes.
    told : Told
        What else it says.
    remarks : tuple of str
        What is odd about it.
    """

    song: "pretty_midi.PrettyMIDI"
    told: "Told"
    remarks: tuple[str, ...]


def parse_song(data: bytes) -> ParsedSong:
    """Read the bytes of a MIDI file as the parser has them; in the block of `plain_errors`.

    MidigenError where there are no notes.
    """
    import pretty_midi

    events = read_events(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = _simplify(events.midi)
        song = pretty_midi.PrettyMIDI(mido_object=events.midi)
    if not any(i.notes for i in song.instruments):
        raise MidigenError(events.broken or "no notes")
    remarks = [*events.remarks, *(["tempo changes outside the first track"] * told.misplaced)]
    remarks += sorted({printable(w.message) for w in caught})
    return ParsedSong(song, told, tuple(remarks))


def note_table(parsed: ParsedSong, name: str) -> NoteTable:
    """Make the table of notes of a file, which may have drums alone, or none."""
    song, told = parsed.song, parsed.told
    pitched = [i for i in song.instruments if not i.is_drum]
    drums = [i for i in song.instruments if i.is_drum]
    notes, seconds, track = _table(song, pitched)
    drum_notes, drum_seconds, _ = _table(song, drums)
    metres = tuple(sorted(told.metres, key=lambda metre: metre[0]))
    return NoteTable(
        notes=notes,
        ticks_per_beat=song.resolution,
        bpm=_longest_tempo(song),
        metre=metres[0][1:] if metres else (4, 4),
        seconds=seconds,
        name=name,
        warnings=parsed.remarks,
        tracks=tuple(Track(printable(i.name), int(i.program), i.is_drum) for i in song.instruments),
        track=np.flatnonzero([not i.is_drum for i in song.instruments])[track],
        drum_notes=drum_notes,
        drum_seconds=drum_seconds,
        metres=metres,
        keys=tuple(sorted(told.keys, key=lambda key: key[0])),
        text=printable(told.texts[0]) if told.texts else "",
    )


def _table(
    song: "pretty_midi.PrettyMIDI", instruments: "list[pretty_midi.Instrument]"
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Put the notes of some instruments in one table, sorted.

    Returns
    -------
    tuple
        Start tick, end tick, pitch and velocity (N, 4); start and end in seconds (N, 2); the place
        of each note's instrument in the list (N,).
    """
    rows = [
        (note.start, note.end, note.pitch, note.velocity, number)
        for number, instrument in enumerate(instruments)
        for note in instrument.notes
    ]
    table = np.array(rows, np.float64).reshape(-1, 5)
    seconds, others = table[:, :2], table[:, 2:].astype(np.int64)
    if len(table) and seconds.max() > MAX_HOURS * 3600:
        raise MidigenError(
            f"too long ({seconds.max() / 3600:,.0f} hours; at most {MAX_HOURS} are read)"
        )
    times, which = np.unique(seconds, return_inverse=True)
    ticks = np.array([song.time_to_tick(time) for time in times], np.int64)
    notes = np.column_stack([ticks[which.reshape(seconds.shape)], others[:, :2]])
    order = np.lexsort((notes[:, 3], notes[:, 1], notes[:, 2], notes[:, 0]))
    return notes[order], seconds[order], others[order, 2]


@dataclass
class Told:
    """What a file says besides its notes, each with its tick where it has one."""

    tempi: "list[tuple[int, mido.MetaMessage]]" = field(default_factory=list)
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    keys: list[tuple[int, str]] = field(default_factory=list)
    programs: dict[int, int] = field(default_factory=dict)  # the first of each channel
    texts: list[str] = field(default_factory=list)  # midigen's own
    title: str = ""  # the first track's name, where that has no notes
    misplaced: bool = False  # whether tempi are on other tracks than the first

    def read(self, event: "mido.MetaMessage", tick: int, in_first: bool) -> None:
        """Take what an event says that is no note."""
        if event.type == "set_tempo":
            self.tempi.append((tick, event))
            self.misplaced |= not in_first
        elif event.type == "time_signature" and _is_plausible(event):
            self.metres.append((tick, event.numerator, event.denominator))
        elif event.type == "key_signature":
            self.keys.append((tick, event.key))
        elif event.type == "program_change":
            self.programs.setdefault(event.channel, event.program)
        elif event.type == "text":
            self.texts.append(event.text)


def _simplify(midi: "mido.MidiFile") -> Told:
    """Leave in `midi` only notes, names, tempi and programmes, with all tempi on the first track.

    pretty_midi takes tempi from the first track alone and fails on some metres.  It makes an
    instrument of each programme of a track: a track that changes its programme keeps that of most
    of its notes.
    """
    import mido

    told, tracks = Told(), []
    notes: list[Counter[tuple[int, int | None]]] = []  # by channel and programme, of each track
    for index, track in enumerate(midi.tracks):
        tick, last, kept = 0, 0, mido.MidiTrack()
        programs: dict[int, int] = {}
        count: Counter[tuple[int, int | None]] = Counter()
        for event in track:
            tick += event.time
            if tick > MAX_TICKS:
                if event.type not in ("note_on", "note_off"):
                    continue
                raise MidigenError(f"too long (more than {MAX_TICKS:,} ticks)")
            if event.type in ("note_on", "note_off", "track_name"):
                event.time, last = tick - last, tick
                kept.append(event)
                if event.type == "note_on":
                    count[event.channel, programs.get(event.channel)] += 1
                continue
            told.read(event, tick, index == 0)
            if event.type == "program_change":
                programs[event.channel] = event.program
        if index == 0 and not count:
            told.title = next((e.name for e in kept if e.type == "track_name"), "")
        if kept:
            tracks.append(kept)
            notes.append(count)
        track.clear()
    for kept, count in zip(tracks, notes, strict=True):
        most: dict[int, int] = {}
        for (channel, program), _ in reversed(count.most_common()):
            most[channel] = told.programs.get(channel, 0) if program is None else program
        kept[:0] = [
            mido.Message("program_change", channel=channel, program=program)
            for channel, program in sorted(most.items())
        ]
    midi.tracks = [_tempo_track(told.tempi), *tracks]
    return told


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
