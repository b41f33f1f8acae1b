"""A MIDI file as pictures and pages want it: notes in seconds, track by track, and bars."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.errors import MidigenError
from midigen.midi.guard import map_guarded
from midigen.midi.inputs import printable
from midigen.midi.metres import bar_ticks
from midigen.midi.parts import CHORDS, DRUMS, track_parts
from midigen.midi.read import note_table, parse_song, plain_errors, read_file
from midigen.midi.worker import Failure

if TYPE_CHECKING:
    import pretty_midi

MAX_BYTES = 2_000_000
SECONDS, MEGABYTES = 20, 512  # that reading may take


class TrackView(NamedTuple):
    """The notes of one track.

    Parameters
    ----------
    name : str
        What the file calls it, "" where it does not; on one line.
    program : int
        General MIDI instrument, 0..127.
    drums : bool
        Whether pitches are drums.
    notes : NDArray[np.float64], shape (N, 4)
        Start and end in seconds, pitch, velocity; sorted by start, N > 0.
    part : str
        "melody", "chords", "bass" or "drums", as far as names, programmes and notes tell; else
        "chords".
    """

    name: str
    program: int
    drums: bool
    notes: NDArray[np.float64]
    part: str = CHORDS

    @property
    def instrument(self) -> str:
        """What General MIDI calls the instrument; "drums" where pitches are drums."""
        from pretty_midi.constants import INSTRUMENT_MAP

        return DRUMS if self.drums else str(INSTRUMENT_MAP[self.program])


class SongView(NamedTuple):
    """A song to be shown.

    Parameters
    ----------
    name : str
        The file's name.
    tracks : tuple of TrackView
        Those with notes, at least one.
    bars : NDArray[np.float64], shape (B,)
        Where bars begin, in seconds; the first is 0, growing.
    end : float
        When the last note ends, in seconds.
    bpm : float
        Quarter notes a minute, of the tempo that holds longest.
    metre : tuple of int
        Numerator and denominator, the first in the file; 4/4 where it tells none.
    key : str or None
        The first key signature, such as "Bb minor"; None without one.
    text : str
        What `midigen generate` has written of how it made the song, "" in other files.
    title : str
        The song's title, "" where the file has none.
    quarters : tuple of float
        How long each bar is, in quarter notes: a pickup, and a bar that a change of metre cuts, are
        shorter.
    """

    name: str
    tracks: tuple[TrackView, ...]
    bars: NDArray[np.float64]
    end: float
    bpm: float
    metre: tuple[int, int]
    key: str | None
    text: str
    title: str = ""
    quarters: tuple[float, ...] = ()


def read_view(source: str | os.PathLike[str] | bytes, name: str | None = None) -> SongView:
    """Read a MIDI file, from anywhere, in a process of its own with limits.

    Parameters
    ----------
    source : path or bytes
        The file, or what is in it.
    name : str, optional
        What to call the song; by default the file's name.

    Returns
    -------
    SongView
        What is to be shown.

    Raises
    ------
    MidigenError
        Where it cannot be read, in one line that names the file.
    """
    shown = name or ("a song" if isinstance(source, bytes) else Path(source).name)
    try:
        data = source if isinstance(source, bytes) else read_file(source, MAX_BYTES, "at most")
        return guarded_view(data, shown)
    except MidigenError as e:
        where = shown if isinstance(source, bytes) else source
        raise MidigenError(f"{printable(where)}: {e}") from None


def guarded_view(data: bytes, name: str) -> SongView:
    """Read the bytes of a MIDI file as `read_view` does; MidigenError has the reason alone."""
    [(_, view)] = map_guarded(
        _parse_named,
        [(data, printable(name))],
        seconds=SECONDS,
        megabytes=MEGABYTES,
        workers=1,
        preload=["pretty_midi"],
    )
    if isinstance(view, Failure):
        raise MidigenError(view.reason)
    return view


def parse_view(data: bytes, name: str) -> SongView:
    """Read the bytes of a MIDI file of one's own making, in this process, as `read_view` does.

    MidigenError has the reason alone.
    """
    with plain_errors():
        parsed = parse_song(data)
        song, told = parsed.song, parsed.told
        table = note_table(parsed, name)
        parts = track_parts(table) if len(table.notes) else {}
        tracks = tuple(
            _track(instrument, parts.get(number, CHORDS))
            for number, instrument in enumerate(song.instruments)
            if instrument.notes
        )
        ticks = bar_ticks(table)
        return SongView(
            name=name,
            tracks=tracks,
            bars=np.array([song.tick_to_time(round(tick)) for tick in ticks[:-1].tolist()]),
            end=max(float(track.notes[:, 1].max()) for track in tracks),
            bpm=table.bpm,
            metre=table.metre,
            key=_key_name(table.keys[0][1]) if table.keys else None,
            text=_decoded(told.texts[0]) if told.texts else "",
            title=_decoded(told.title),
            quarters=tuple((np.diff(ticks) / song.resolution).tolist()),
        )


def _parse_named(item: tuple[bytes, str]) -> SongView:
    return parse_view(*item)


def _track(instrument: "pretty_midi.Instrument", part: str) -> TrackView:
    rows = [(note.start, note.end, note.pitch, note.velocity) for note in instrument.notes]
    notes = np.array(sorted(rows), np.float64)
    drums = bool(instrument.is_drum)
    name = _decoded(instrument.name).strip(":")  # LilyPond writes "staff:voice"
    return TrackView(name, int(instrument.program), drums, notes, DRUMS if drums else part)


def _key_name(signature: str) -> str:
    """Return a key signature in words.

    >>> _key_name("Bbm"), _key_name("F#")
    ('Bb minor', 'F# major')
    """
    minor = signature.endswith("m")
    return f"{signature.removesuffix('m')} {'minor' if minor else 'major'}"


def _decoded(text: str) -> str:
    r"""Return the text of an event on one line, whose bytes were read as Latin-1 but may be UTF-8.

    >>> _decoded("Fl\xc3\xb6te")
    'Flöte'
    """
    try:
        text = text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass
    return printable(text.strip())
