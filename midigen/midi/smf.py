"""The bytes of a MIDI file to events, as forgiving as players are.

What midigen has no use for is passed over, however broken; what can be repaired is, and a remark
says so.  A track ends where it cannot be understood any more: what came before is kept.
"""

import struct
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from midigen.errors import MidigenError

if TYPE_CHECKING:
    import mido

MOST_AHEAD = 8192  # bytes ahead of the header, of a mail or of another computer's file system
OWN_TEXT = b"midigen "  # what the text event begins with that `midigen generate` writes
FILM_TEMPO = 500_000  # microseconds a beat
META, END_OF_TRACK, TEXT, TRACK_NAME, TEMPO, METRE, KEY = 0xFF, 0x2F, 0x01, 0x03, 0x51, 0x58, 0x59
# system messages with data bytes; all others have none, or say how many they have
SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}
UNDEFINED = (0xF4, 0xF5, 0xF9, 0xFD)
CHANNEL_TYPES = {
    0x8: "note_off",
    0x9: "note_on",
    0xA: "polytouch",
    0xB: "control_change",
    0xC: "program_change",
    0xD: "aftertouch",
    0xE: "pitchwheel",
}
Wanted = Literal["notes", "controls", "everything"]
WANTED_TYPES: dict[Wanted, tuple[int, ...]] = {
    "notes": (0x8, 0x9, 0xC),
    "controls": (0x8, 0x9, 0xB, 0xC, 0xE),
    "everything": tuple(CHANNEL_TYPES),
}


class Events(NamedTuple):
    """What a file holds.

    Parameters
    ----------
    midi : mido.MidiFile
        Notes, programmes, names, tempi, metres, keys and midigen's own text, track by track; and
        what else is wanted.
    remarks : tuple of str
        What has been repaired.
    broken : str or None
        Why a track ends too soon, if one does: the reason where there are no notes.
    """

    midi: "mido.MidiFile"
    remarks: tuple[str, ...]
    broken: str | None


class _Broken(Exception):  # noqa: N818  (no error of a user's)
    """A track cannot be understood from here on; its text says why."""


CUT = "cut short (a track is not complete)"


def read_events(data: bytes, wanted: Wanted = "notes") -> Events:
    """Read the bytes of a MIDI file.

    Parameters
    ----------
    data : bytes
        The file.
    wanted : {"notes", "controls", "everything"}
        Whether controllers and the pitch wheel are wanted beside notes, or all there is.

    Returns
    -------
    Events
        What it holds, perhaps nothing.

    Raises
    ------
    MidigenError
        Where it is no MIDI file; the message is the reason alone.
    """
    import mido

    remarks: Counter[str] = Counter()
    data = _from_header_on(data, remarks)
    kind, division, promised, place = _read_header(data, remarks)
    ticks, tempo = _ticks_a_beat(division, remarks)
    reader = _Reader(data, wanted, remarks, reads_tempi=tempo is None)
    tracks = reader.read_tracks(place, one_after_another=kind == 2)
    if len(tracks) != promised:
        remarks["wrong number of tracks in the header"] += 1
    if tempo is not None:
        tracks.insert(0, mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=tempo)]))
    told = [text if times == 1 else f"{text} ({times} times)" for text, times in remarks.items()]
    kind = 0 if kind == 0 and len(tracks) == 1 else 1
    return Events(
        mido.MidiFile(type=kind, ticks_per_beat=ticks, tracks=tracks), tuple(told), reader.broken
    )


def _from_header_on(data: bytes, remarks: Counter[str]) -> bytes:
    """Return a file from its MThd on."""
    if not data:
        raise MidigenError("empty")
    begin = data.find(b"MThd", 0, MOST_AHEAD)
    if begin < 0:
        raise MidigenError("not a MIDI file (no MThd at its start)")
    wrapped = data[:4] == b"RIFF" and data[8:12] == b"RMID"
    if begin and not wrapped:
        remarks["bytes ahead of the header passed over"] += 1
    return data[begin:]


def _read_header(data: bytes, remarks: Counter[str]) -> tuple[int, int, int, int]:
    """Return format, division, number of tracks, and where the first chunk behind the header is."""
    if len(data) < 14:
        raise MidigenError("cut short (the header is not complete)")
    length, kind, tracks, division = struct.unpack(">IHHH", data[4:14])
    place = 8 + length
    if place != 14 and data[place : place + 4] != b"MTrk":
        remarks["wrong length of the header"] += 1
        place = 14
    if kind == 2:
        remarks["format 2: tracks are taken one after the other"] += 1
    elif kind > 2:
        remarks[f"format {kind}, which there is not, read as format 1"] += 1
    return kind, division, tracks, place


def _ticks_a_beat(division: int, remarks: Counter[str]) -> tuple[int, int | None]:
    """Return the ticks a quarter note, and its microseconds where the time is in film frames."""
    if division < 0x8000:
        if division == 0:
            raise MidigenError("damaged (its header gives 0 ticks a beat)")
        return division, None
    frames, ticks = 0x100 - (division >> 8), division & 0xFF
    if ticks == 0:
        raise MidigenError("damaged (its header gives 0 ticks a film frame)")
    remarks["time in film frames, taken as 120 beats a minute"] += 1
    slower = 1.001 if frames == 29 else 1  # 29.97 frames a second
    frames = 30 if frames == 29 else frames
    if frames * ticks % 2:
        return frames * ticks, round(2 * FILM_TEMPO * slower)
    return frames * ticks // 2, round(FILM_TEMPO * slower)


class _Reader:
    """Reads the tracks of a file; `broken` says why one of them ends too soon."""

    def __init__(
        self, data: bytes, wanted: Wanted, remarks: Counter[str], reads_tempi: bool
    ) -> None:
        import mido

        self._message, self._meta_message = mido.Message, mido.MetaMessage
        self._new_track = mido.MidiTrack
        self._data, self._remarks, self._reads_tempi = data, remarks, reads_tempi
        self._wanted = {kind: CHANNEL_TYPES[kind] for kind in WANTED_TYPES[wanted]}
        self._everything = wanted == "everything"
        self._place = 0
        self.broken: str | None = None

    def read_tracks(self, place: int, one_after_another: bool) -> "list[mido.MidiTrack]":
        """Read all tracks from `place` on."""
        tracks, tick, data = [], 0, self._data
        while 0 <= place <= len(data) - 8:
            name, (length,) = data[place : place + 4], struct.unpack_from(">I", data, place + 4)
            start, end = place + 8, place + 8 + length
            if name == b"MTrk":
                track, last = self._read_track(start, end, tick)
                tracks.append(track)
                tick = last if one_after_another else 0
                place = self._next_chunk(end)
            elif name.isalnum() and end <= len(data):
                self._remarks["unknown chunks passed over"] += 1
                place = end
            else:
                place = data.find(b"MTrk", place)
        return tracks

    def _next_chunk(self, end: int) -> int:
        """Return where to go on behind a track, which ends at `end` by its length; -1: nowhere."""
        if self._is_chunk(end):
            return end
        return self._data.find(b"MTrk", self._place)

    def _is_chunk(self, place: int) -> bool:
        """Tell whether a chunk or the end of the file is at `place`."""
        name = self._data[place : place + 4]
        return place == len(self._data) or (len(name) == 4 and name.isalnum())

    def _read_track(self, start: int, end: int, tick: int) -> "tuple[mido.MidiTrack, int]":
        """Read a track that begins at `start`; return it, and its last tick."""
        limit = end
        if not self._is_chunk(end):
            following = self._data.find(b"MTrk", start)
            limit = len(self._data) if following < 0 else following
        self._place, self._limit = start, limit
        self._track = self._new_track()
        self._tick, self._last_tick = tick, 0
        self._status = 0
        ended = False
        try:
            while not ended and self._place < limit:
                if self._place == end and b"\xff\x2f\x00" not in self._data[end:limit]:
                    break  # what follows is no part of it
                ended = self._read_event()
        except _Broken as e:
            self.broken = self.broken or str(e)
            self._remarks[f"{e}: read up to there"] += 1
        if ended and (self._place > end or end > len(self._data)):
            self._remarks["wrong length of a track"] += 1
        return self._track, self._tick

    def _read_event(self) -> bool:
        """Read one event; return whether it is that of the end."""
        data = self._data
        self._tick += self._number()
        self._need(1)
        status = data[self._place]
        if status < 0x80:
            if not self._status:
                raise _Broken("damaged (running status ahead of any status)")
            self._channel_event(self._status)
        elif status < 0xF0:
            self._place += 1
            self._status = status
            self._channel_event(status)
        else:
            self._place += 1
            if status == META:
                return self._meta_event()
            self._system_event(status)
        return False

    def _need(self, count: int) -> None:
        """Raise unless so many bytes follow."""
        if self._place + count > self._limit:
            raise _Broken(CUT)

    def _number(self) -> int:
        """Read a number of at most four bytes."""
        value = 0
        for _ in range(4):
            self._need(1)
            byte = self._data[self._place]
            self._place += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise _Broken("damaged (a number without an end)")

    def _channel_event(self, status: int) -> None:
        """Read the data bytes of a note, a programme or a controller."""
        kind, channel = status >> 4, status & 0x0F
        count = 1 if kind in (0xC, 0xD) else 2
        self._need(count)
        values = self._data[self._place : self._place + count]
        self._place += count
        if max(values) > 127:
            self._remarks["values over 127 taken as 127"] += 1
            values = bytes(min(value, 127) for value in values)
        name = self._wanted.get(kind)
        if name is None:
            return
        if kind == 0xC:
            self._append(name, channel=channel, program=values[0])
        elif kind == 0xB:
            self._append(name, channel=channel, control=values[0], value=values[1])
        elif kind == 0xE:
            pitch = (values[0] | values[1] << 7) - 8192
            self._append(name, channel=channel, pitch=pitch)
        elif kind == 0xD:
            self._append(name, channel=channel, value=values[0])
        elif kind == 0xA:
            self._append(name, channel=channel, note=values[0], value=values[1])
        else:
            self._append(name, channel=channel, note=values[0], velocity=values[1])

    def _append(self, name: str, /, **values: int) -> None:
        """Take an event of a channel."""
        # what was read is in range
        message = self._message(name, skip_checks=True, **values, time=self._delta())
        self._track.append(message)

    def _delta(self) -> int:
        """Return the ticks since the last event that was taken."""
        delta, self._last_tick = self._tick - self._last_tick, self._tick
        return delta

    def _system_event(self, status: int) -> None:
        """Pass over an event that is not of a channel, and leave running status as it is."""
        if status in (0xF0, 0xF7):
            count = self._number()
        else:
            count = SYSTEM_BYTES.get(status, 0)
            what = "undefined" if status in UNDEFINED else "system"
            self._remarks[f"{what} status bytes passed over"] += 1
        self._need(count)
        if self._everything and status == 0xF0:
            inner = self._data[self._place : self._place + count].removesuffix(b"\xf7")
            if max(inner, default=0) < 0x80:
                message = self._message("sysex", data=inner, time=self._delta())
                self._track.append(message)
        self._place += count

    def _meta_event(self) -> bool:
        """Read a meta event; return whether it is that of the end."""
        self._need(1)
        kind = self._data[self._place]
        self._place += 1
        length = self._number()
        self._need(length)
        value = self._data[self._place : self._place + length]
        self._place += length
        if kind == TEMPO or (kind in (METRE, KEY) and not self._everything):
            self._take_meta(kind, value)
        elif kind == TRACK_NAME or (kind == TEXT and value.startswith(OWN_TEXT)):
            name, key = ("track_name", "name") if kind == TRACK_NAME else ("text", "text")
            self._append_meta(name, **{key: value.decode("latin-1")})
        elif self._everything:
            self._append_any_meta(kind, value)
        return kind == END_OF_TRACK

    def _append_any_meta(self, kind: int, value: bytes) -> None:
        """Take a meta event that midigen has no use for, as it is."""
        from mido.midifiles.meta import UnknownMetaMessage, build_meta_message

        delta = self._delta()
        try:
            message = build_meta_message(kind, value, delta)
        except Exception:  # of mido, which fails in many ways on values that make no sense
            message = UnknownMetaMessage(kind, value, delta)
        self._track.append(message)

    def _append_meta(self, name: str, /, **values: object) -> None:
        """Take a meta event."""
        self._track.append(self._meta_message(name, **values, time=self._delta()))

    def _take_meta(self, kind: int, value: bytes) -> None:
        """Take a tempo, a metre or a key; one that is none is passed over."""
        if kind == TEMPO:
            tempo = int.from_bytes(value[:3], "big") if len(value) >= 3 else 0
            if tempo == 0:
                self._remarks["tempi that are none passed over"] += 1
            elif self._reads_tempi:
                self._append_meta("set_tempo", tempo=tempo)
        elif kind == METRE:
            if len(value) < 2:
                self._remarks["metres that are none passed over"] += 1
            else:
                numerator, denominator = value[0], 2 ** value[1]
                self._append_meta("time_signature", numerator=numerator, denominator=denominator)
        else:
            key = _key(value)
            if key is None:
                self._remarks["keys that are none passed over"] += 1
            else:
                self._append_meta("key_signature", key=key)


def _key(value: bytes) -> str | None:
    """Name the key of a key signature; None where it is none."""
    from mido.midifiles.meta import KeySignatureError, build_meta_message

    if len(value) < 2:
        return None
    try:
        key: str = build_meta_message(KEY, value[:2]).key
    except KeySignatureError:
        return None
    return key
