"""A MIDI file with some of its notes replaced; all other messages stay as they are, to the tick."""

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from midigen.errors import MidigenError
from midigen.midi.notes import NoteTable
from midigen.midi.read import parse_song, plain_errors
from midigen.midi.smf import OWN_TEXT, read_events

if TYPE_CHECKING:
    import mido

DRUM_CHANNEL = 9
OFF, STAYS, ON = range(3)  # in which order messages of one tick are written

Int64 = NDArray[np.int64]
Placed = tuple[int, int, "mido.Message | mido.MetaMessage"]  # tick, rank, message


class NewNotes(NamedTuple):
    """Notes to be added to a file, of one part.

    Parameters
    ----------
    notes : ndarray of int64 (N, 4)
        Start tick, end tick, pitch and velocity.
    beside : ndarray of int64 (N,)
        The row of the note in whose track, and on whose channel, each is put; -1: in a new track.
    name : str
        Of the new track, if there is one.
    program : int
        Its General MIDI instrument.
    drums : bool
        Whether pitches are drums.
    """

    notes: Int64
    beside: Int64
    name: str
    program: int
    drums: bool


class Changes(NamedTuple):
    """What becomes of a file.

    Rows are those of the table that was read of it: its notes, then its drum notes.

    Parameters
    ----------
    removed : ndarray of int64
        Rows of notes that are left out.
    extended : mapping of int to int
        Rows of notes that end later, and the tick.
    added : sequence of NewNotes
    text : str
        Written as a text event at the head of the first track, in place of midigen's own.
    bpm : float, optional
        Quarter notes a minute, throughout; the file's own tempi if left out.
    """

    removed: Int64
    extended: Mapping[int, int]
    added: Sequence[NewNotes]
    text: str
    bpm: float | None = None


class WrittenMidi(pretty_midi.PrettyMIDI):
    """A song whose file is made already: `write` writes that, with all that PrettyMIDI leaves out.

    Parameters
    ----------
    data : bytes
        The file.
    """

    def __init__(self, data: bytes) -> None:
        self.__dict__.update(parse_song(data).song.__dict__)
        self.data = data

    def write(self, filename: object) -> None:
        """Write the file, to a path or an open file; changes made here are not in it."""
        if isinstance(filename, str | bytes) or hasattr(filename, "__fspath__"):
            with open(filename, "wb") as f:
                f.write(self.data)
        else:
            filename.write(self.data)  # type: ignore[attr-defined]


def rewrite(data: bytes, table: NoteTable, changes: Changes) -> bytes:
    """Return a MIDI file with some of its notes replaced.

    Every other message stays at its tick.  A new note never overlaps another one of its pitch on
    its channel: what overlaps is cut away.

    Parameters
    ----------
    data : bytes
        The file.
    table : NoteTable
        What was read of it.
    changes : Changes

    Raises
    ------
    MidigenError
        In one line, where a new track finds no channel that is free.
    """
    with plain_errors():
        midi = read_events(data, "everything").midi
        tracks = [_absolute(track) for track in midi.tracks]
        notes = _rows(tracks, table)
    places = [notes[row] for row in range(len(notes))]
    removed = set(changes.removed.tolist())
    _take_out(tracks, places, removed, changes.extended)
    taken = _Taken(
        (place.channel, place.pitch, place.start, changes.extended.get(row, place.end))
        for row, place in enumerate(places)
        if row not in removed
    )
    free = _free_channels(tracks)
    for part in changes.added:
        channel = -1
        own: list[Placed] = []
        for note, beside in zip(part.notes.tolist(), part.beside.tolist(), strict=True):
            if beside < 0 and channel < 0:
                channel = DRUM_CHANNEL if part.drums else _next(free, part.name)
                own += _head(part, channel)
                tracks.append(own)
            into = own if beside < 0 else tracks[places[beside].track]
            into += _note(note, channel if beside < 0 else places[beside].channel, taken)
    if len(tracks) > 1 and midi.type == 0:
        midi.type = 1
    _tell(tracks, changes)
    midi.tracks = [_relative(track) for track in tracks]
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


class _Place(NamedTuple):
    """Where a note of a table is in its file: numbers of track and messages."""

    track: int
    on: int
    off: int
    channel: int
    pitch: int
    start: int
    end: int


def _absolute(track: "mido.MidiTrack") -> list[Placed]:
    """Return a track's messages with their ticks, but for the one that ends it."""
    tick, found = 0, []
    for message in track:
        tick += message.time
        found.append((tick, STAYS, message))
    return found


def _rows(tracks: Sequence[Sequence[Placed]], table: NoteTable) -> dict[int, _Place]:
    """Find the messages of every row of a table."""
    found: dict[tuple[int, ...], list[_Place]] = defaultdict(list)
    instruments: dict[tuple[int, int], int] = {}
    for place, velocity in (each for n, track in enumerate(tracks) for each in _notes(n, track)):
        number = instruments.setdefault((place.track, place.channel), len(instruments))
        instrument = -1 if place.channel == DRUM_CHANNEL else number
        found[instrument, place.start, place.end, place.pitch, velocity].append(place)
    pitched = zip(table.track.tolist(), table.notes.tolist(), strict=True)
    keys = [(track, *note) for track, note in pitched]
    keys += [(-1, *note) for note in table.drum_notes.tolist()]
    try:
        return {row: found[key].pop(0) for row, key in enumerate(keys)}
    except IndexError:
        raise MidigenError("its notes cannot be told apart") from None


def _notes(number: int, track: Sequence[Placed]) -> Iterable[tuple[_Place, int]]:
    """Yield the notes of a track in the order in which they end, as pretty_midi reads them.

    One end ends all notes of its pitch and channel that began at earlier ticks.
    """
    begun: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
    for at, (tick, _, message) in enumerate(track):
        if message.type not in ("note_on", "note_off"):
            continue
        key = message.channel, message.note
        if message.type == "note_on" and message.velocity > 0:
            begun[key].append((at, tick, message.velocity))
            continue
        ended = [note for note in begun[key] if note[1] != tick]
        for on, start, velocity in ended:
            yield _Place(number, on, at, *key, start, tick), velocity
        begun[key] = [note for note in begun[key] if note[1] == tick] if ended else []


def _take_out(
    tracks: list[list[Placed]],
    places: Sequence[_Place],
    removed: set[int],
    extended: Mapping[int, int],
) -> None:
    """Leave out notes, and let some end later; an end that others have as well stays."""
    needed = {
        (place.track, place.off)
        for row, place in enumerate(places)
        if row not in removed and row not in extended
    }
    gone = {(places[row].track, places[row].on) for row in removed}
    gone |= {(places[row].track, places[row].off) for row in [*removed, *extended]} - needed
    later: list[tuple[int, Placed]] = []
    for row, tick in extended.items():
        place = places[row]
        off = tracks[place.track][place.off][2]
        later.append((place.track, (tick, OFF, off.copy())))
    for number, track in enumerate(tracks):
        track[:] = [event for at, event in enumerate(track) if (number, at) not in gone]
    for number, event in later:
        tracks[number].append(event)


class _Taken:
    """When which pitch of which channel sounds.

    Parameters
    ----------
    notes : iterable of (channel, pitch, start, end)
    """

    def __init__(self, notes: Iterable[tuple[int, int, int, int]]) -> None:
        self._spans: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for channel, pitch, start, end in notes:
            self._spans[channel, pitch].append((start, end))

    def cut(self, channel: int, pitch: int, start: int, end: int) -> tuple[int, int]:
        """Return what of a note is free from its first free tick on, and take it."""
        spans = self._spans[channel, pitch]
        for first, last in sorted(spans):
            if first <= start < last:
                start = last
        end = min([end, *(first for first, _ in spans if first > start)])
        if start < end:
            spans.append((start, end))
        return start, end


def _note(note: list[int], channel: int, taken: _Taken) -> list[Placed]:
    """Return the messages of a new note, none where its pitch sounds all the while."""
    import mido

    start, end, pitch, velocity = note
    start, end = taken.cut(channel, pitch, start, end)
    if start >= end:
        return []
    on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
    off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
    return [(start, ON, on), (end, OFF, off)]


def _free_channels(tracks: Sequence[Sequence[Placed]]) -> list[int]:
    """Return the channels without notes, the last ones first, behind those that have anything."""
    messages = [message for track in tracks for _, _, message in track]
    sounding = {message.channel for message in messages if message.type == "note_on"}
    told = {message.channel for message in messages if hasattr(message, "channel")}
    free = [c for c in range(16) if c not in sounding and c != DRUM_CHANNEL]
    return sorted(free, key=lambda channel: (channel in told, channel), reverse=True)


def _next(free: list[int], name: str) -> int:
    """Take the next of free channels; MidigenError where there is none."""
    if not free:
        raise MidigenError(f"all channels of the song are in use, and none is free for the {name}")
    return free.pop()


def _head(part: NewNotes, channel: int) -> list[Placed]:
    """Return what a new track begins with."""
    import mido

    name = mido.MetaMessage("track_name", name=_latin(part.name))
    if part.drums:
        return [(0, STAYS, name)]
    program = mido.Message("program_change", channel=channel, program=part.program)
    return [(0, STAYS, name), (0, STAYS, program)]


def _tell(tracks: list[list[Placed]], changes: Changes) -> None:
    """Write the text, and the tempo where one is asked for, at the head of the first track."""
    import mido

    def stays(message: "mido.MetaMessage") -> bool:
        if message.type == "set_tempo":
            return changes.bpm is None
        return not (message.type == "text" and message.text.startswith(OWN_TEXT.decode()))

    for track in tracks:
        track[:] = [event for event in track if stays(event[2])]
    head = [mido.MetaMessage("text", text=_latin(changes.text))]
    if changes.bpm is not None:
        head.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / changes.bpm)))
    tracks[0][:0] = [(0, STAYS, message) for message in head]


def _latin(text: str) -> str:
    """Return a text whose bytes, in mido's Latin-1, are its UTF-8."""
    return text.encode().decode("latin-1")


def _relative(track: list[Placed]) -> "mido.MidiTrack":
    """Return the messages of a track with the ticks since the one before, and its end."""
    import mido

    ends = [tick for tick, _, message in track if message.type == "end_of_track"]
    rest = [event for event in track if event[2].type != "end_of_track"]
    made, last = mido.MidiTrack(), 0
    for tick, _, message in sorted(rest, key=lambda event: event[:2]):
        made.append(message.copy(time=tick - last))
        last = tick
    made.append(mido.MetaMessage("end_of_track", time=max([last, *ends]) - last))
    return made
