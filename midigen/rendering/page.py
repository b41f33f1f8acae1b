"""The page of songs: to be seen, heard and kept, in one file that any browser opens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from midigen.errors import MidigenError
from midigen.midi.inputs import printable
from midigen.midi.names import drum_name
from midigen.midi.view import SongView, read_view
from midigen.rendering.audio import render_audio
from midigen.rendering.clips import clip_of
from midigen.rendering.colours import track_colours
from midigen.rendering.document import base64_text, clean, document, web_file

MOST_BYTES = 3_000_000  # of a page, as long as sound of LEAST_KBPS keeps to it
# of MP3, which every browser plays, older Safari too; at one rate, as browsers seek in others by
# guessing, and the playhead would be off
KBPS = (96, 64, 56, 48, 40)
LEAST_KBPS = KBPS[-1]
UNSAID = ("song", "frames")  # of what stands in a file: what the page shows in other words
DIGEST = 12  # letters of a model's digest that are shown
SHELL_BYTES = 60_000  # of a page without songs, at most
NOTE_BYTES = 23  # start, length, pitch and velocity with their commas, at most
TAIL = 2.5  # seconds that the last note may ring on

START, END, PITCH = 0, 1, 2  # columns of notes
NUMBERS = "Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve".split()


class Fact(NamedTuple):
    """Something that was measured of a song.

    Parameters
    ----------
    label, value : str
        What, and how much.
    note : str
        More of this one.
    meaning : str
        How to read any of this label, which a page says once.
    """

    label: str
    value: str
    note: str = ""
    meaning: str = ""


class PageSong(NamedTuple):
    """A song for a page.

    Parameters
    ----------
    name : str
        The file's name, which a download gets.
    midi : bytes
        The file, which may come from anywhere.
    facts : tuple of Fact
        What is known of it beside what stands in it.
    """

    name: str
    midi: bytes
    facts: tuple[Fact, ...] = ()


def _raise(error: MidigenError) -> None:
    raise error


def make_page(
    songs: Sequence[PageSong],
    title: str | None = None,
    soundfont: str | PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] = lambda share: None,
    leave_out: Callable[[MidigenError], None] | None = None,
) -> str:
    """Make the page of some songs.

    Parameters
    ----------
    songs : sequence of PageSong
        In their order.
    title : str, optional
        The heading; by default the one song's name, or how many there are.
    soundfont : path, optional
        What they are played with, as `midigen.rendering.audio.render_audio` takes it.
    say : callable, optional
        Told, in a line, of what falls short.
    progress : callable, optional
        Called with the share of a song that each step has done.
    leave_out : callable, optional
        Called with the error, which names the song, where one cannot be read or played; the others
        make the page.  By default it is raised.

    Returns
    -------
    str
        HTML, to be written as UTF-8.  It has less than MOST_BYTES where its songs are not too long
        for that.

    Raises
    ------
    MidigenError
        In one line, where there is no song to show.
    """
    leave_out = leave_out or _raise
    views = [_read(song, leave_out) for song in songs]
    kbps = choose_kbps([view for view in views if view], [len(song.midi) for song in songs])
    shown: list[tuple[PageSong, SongView, dict[str, Any]]] = []
    for song, view in zip(songs, views, strict=True):
        if view:
            try:
                shown.append((song, view, _sound(song.midi, kbps, soundfont, say, progress)))
            except MidigenError as e:
                leave_out(MidigenError(f"{printable(song.name)}: {e}"))
    if not shown:
        raise MidigenError("there is no song for the page")
    return _document(shown, title)


def _read(song: PageSong, leave_out: Callable[[MidigenError], None]) -> SongView | None:
    """Read a song's notes; None where that cannot be done, after `leave_out` was told."""
    try:
        return read_view(song.midi, song.name)
    except MidigenError as e:
        leave_out(e)
        return None


def choose_kbps(views: Sequence[SongView], midi_bytes: Sequence[int]) -> int:
    """Choose the bit rate of the sound, in kbit/s, such that a page keeps to MOST_BYTES.

    It is LEAST_KBPS where none is low enough.  `midi_bytes` are the sizes of the files.
    """
    seconds = sum(view.end + TAIL for view in views)
    notes = sum(NOTE_BYTES * len(track.notes) for view in views for track in view.tracks)
    room = MOST_BYTES - SHELL_BYTES - notes - sum(midi_bytes) * 4 / 3
    fitting = (kbps for kbps in KBPS if seconds * kbps * 1000 / 8 * 4 / 3 <= room)
    return next(fitting, LEAST_KBPS)


def _document(shown: Sequence[tuple[PageSong, SongView, dict[str, Any]]], title: str | None) -> str:
    """Put the page together from its songs, their notes and their sound."""
    settings = [_settings(view.text) for _, view, _ in shown]
    shared = [row for row in settings[0] if all(row in others for others in settings)]
    entries = [
        {
            **_entry(song, view),
            **_roll(view),
            "settings": [row for row in own if row not in shared],
            "sound": sound,
        }
        for (song, view, sound), own in zip(shown, settings, strict=True)
    ]
    title = clean(title or (entries[0]["name"] if len(shown) == 1 else f"{_count(shown)} songs"))
    facts = [fact for song, _, _ in shown for fact in song.facts]
    meanings = {fact.label: fact.meaning for fact in facts if fact.meaning}
    data = {
        "title": title,
        "lede": _lede(shared),
        "settings": shared,
        "meanings": [{"label": label, "value": text} for label, text in meanings.items()],
        "songs": entries,
    }
    scripts = [web_file("roll.js"), web_file("page.js")]
    return document(title, "page.html", [web_file("page.css")], scripts, data)


def _sound(
    midi: bytes,
    kbps: int,
    soundfont: str | PathLike[str] | None,
    say: Callable[[str], None] | None,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Play a song: MP3 in base64, and its seconds."""
    return clip_of(render_audio(midi, soundfont, say, progress), kbps)


def _entry(song: PageSong, view: SongView) -> dict[str, Any]:
    """Return a song's names, facts and file."""
    stem = Path(song.name).stem
    return {
        "name": clean(view.title) or clean(stem) or "song",
        "file": _file_name(stem),
        "gist": " · ".join(_gist(view)),
        "facts": [{"label": f.label, "value": f.value, "note": f.note} for f in song.facts],
        "midi": base64_text(song.midi),
    }


def _file_name(stem: str) -> str:
    """Return a name that every file system takes."""
    return (re.sub(r"[^\w .,()+-]+", "-", clean(stem)).strip(" .-") or "song") + ".mid"


def _roll(view: SongView) -> dict[str, Any]:
    """Return the notes of a song by parts, in milliseconds, and its bars."""
    parts = []
    for track, colour in zip(view.tracks, track_colours(view.tracks), strict=True):
        notes = track.notes.copy()
        notes[:, END] -= notes[:, START]
        notes[:, [START, END]] *= 1000
        instrument = "" if track.drums else track.instrument
        name = clean(track.name) or track.part
        parts.append(
            {
                "name": name,
                "instrument": instrument if instrument.casefold() != name.casefold() else "",
                "colour": colour,
                "drums": track.drums,
                "notes": notes.round().astype(int).ravel().tolist(),
            }
        )
    drums = {int(pitch) for track in view.tracks if track.drums for pitch in track.notes[:, PITCH]}
    return {
        "parts": parts,
        "drumNames": {pitch: drum_name(pitch) for pitch in sorted(drums)},
        "bars": [round(float(bar), 3) for bar in view.bars],
        "key": view.key,
    }


def _gist(view: SongView) -> list[str]:
    """Describe a song in a few words."""
    numerator, denominator = view.metre
    bars = len(view.bars)
    minutes, seconds = divmod(round(view.end), 60)
    return [
        *([view.key] if view.key else []),
        f"{numerator}/{denominator}",
        f"♩ = {view.bpm:.0f}",
        f"{bars} bar{'s'[: bars > 1]}",
        f"{minutes}:{seconds:02}",
    ]


def _settings(text: str) -> list[dict[str, str]]:
    """Return what `midigen generate` wrote into a song, item by item.

    >>> [row["label"] for row in _settings("midigen 0.1.0; seed 7; 384 frames")]
    ['midigen', 'seed']
    """
    rows = []
    for item in filter(None, map(str.strip, text.split(";"))):
        label, _, value = item.partition(" ")
        if label.isdigit():
            label, value = value, label
        if label == "model":
            value = value[:DIGEST]
        if label in UNSAID or (label, value) == ("primer", "0 frames"):
            continue
        rows.append({"label": clean(label), "value": clean(value)})
    return rows


def _lede(shared: Sequence[dict[str, str]]) -> str:
    """Say where the songs come from, as far as all say it."""
    made = {row["label"]: row["value"] for row in shared}
    if "midigen" not in made:
        return ""
    seed = f", seed {made['seed']}" if "seed" in made else ""
    return (
        f"Composed by a model that learned from MIDI files, with midigen {made['midigen']}{seed}."
    )


def _count(songs: Sequence[object]) -> str:
    number = len(songs)
    return NUMBERS[number - 2] if 2 <= number < 2 + len(NUMBERS) else str(number)
