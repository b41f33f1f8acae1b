"""midigen render: songs -> what can be heard and seen of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click

from midigen.cli.command import Command
from midigen.cli.options import quiet_option
from midigen.cli.songs import named_songs
from midigen.cli.streams import make_folder, print_error, print_path, teller
from midigen.errors import MidigenError, UsageError


class Request(NamedTuple):
    """How songs are to be rendered.

    Parameters
    ----------
    soundfont : str or None
        The instruments of sound, a .sf2 file.
    say : callable
        Called with a line that the user should read.
    quiet : bool
        Whether no progress is shown.
    """

    soundfont: str | None
    say: Callable[[str], None]
    quiet: bool


Progress = Callable[[float], None]  # takes the share of a song that each step has done
Renderer = Callable[[bytes, str, Request, Progress], bytes]


def _audio(midi: bytes, suffix: str, request: Request, progress: Progress) -> bytes:
    from midigen.rendering.audio import KINDS, encode_audio, render_audio

    sound = render_audio(midi, request.soundfont, request.say, progress)
    return encode_audio(sound, next(kind for kind in KINDS if suffix == f".{kind}"))


# the ending of a file's name -> what makes such a file of a MIDI file, that ending and a request
RENDERERS: dict[str, Renderer] = dict.fromkeys((".wav", ".ogg", ".flac", ".mp3"), _audio)
PAGE = ".html"  # one for all songs
SUFFIXES = (*RENDERERS, PAGE)
DEFAULT = ".wav"


@click.command(cls=Command, short_help="Make sound of songs.")
@click.argument("songs", nargs=-1, metavar="[SONG...]")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    show_default="beside each song",
    help="The file to write or replace, whose ending says what it is; or a folder, made where it "
    "is missing.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([suffix.removeprefix(".") for suffix in SUFFIXES]),
    show_default="by the name of -o, else wav",
    help="What to make.",
)
@click.option(
    "--soundfont",
    metavar="FILE.sf2",
    show_default="the small one of pretty_midi",
    help="Instruments for sound.",
)
@quiet_option()
def command(
    songs: tuple[str, ...],
    output: str | None,
    form: str | None,
    soundfont: str | None,
    quiet: bool,
) -> None:
    """Make sound of each SONG, a MIDI file or a folder of them, and print the new paths.

    \b
        midigen render song.mid
        midigen render song.mid -o song.mp3
        midigen render songs/ -o sounds/ --format ogg
        midigen render songs/*.mid -o page.html
        midigen generate --count 5 | midigen render --format ogg

    A page, .html, is one file for all songs, to see and hear them in any browser.

    Sound has the loudness of -18 LUFS, so that songs can be compared; only what would be cut off
    by that is softer.  Files are replaced only where -o names one.
    """  # noqa: D301  click wants the backspace itself
    suffix, target = _target(output, form)
    files = named_songs(songs)
    request = Request(soundfont, cache(teller(quiet)), quiet)  # a line is said once
    if suffix == PAGE:
        return _page(files, output, target, request)
    if target is not None and len(files) > 1:
        raise UsageError(
            f"-o {output} is one file, but there are {len(files)} songs: name a folder"
        )
    folder = None if output is None or target is not None else make_folder(output)
    failed = 0
    for number, file in enumerate(files, start=1):
        what = "rendering" if len(files) == 1 else f"rendering {number} of {len(files)}"
        try:
            data = _render(file, suffix, request, what)
        except MidigenError as e:
            if len(files) == 1:
                raise
            failed += 1
            print_error(e)
            continue
        print_path(_write(data, Path(file), suffix, target, folder))
    _tell_failed(failed, len(files))


def _tell_failed(failed: int, files: int) -> None:
    """MidigenError where some of the songs could not be rendered."""
    if failed:
        raise MidigenError(f"{failed} of {files} songs could not be rendered")


def _target(output: str | None, form: str | None) -> tuple[str, Path | None]:
    """Return the ending of what is to be made, and the one file that -o names, if it does.

    UsageError where -o and --format do not go together, or an ending is unknown.
    """
    suffix = Path(output or "").suffix.lower()
    if output is None or not suffix or output.endswith(("/", os.sep)) or os.path.isdir(output):
        return f".{form}" if form else DEFAULT, None
    if suffix not in SUFFIXES:
        raise UsageError(
            f"-o {output}: songs are not rendered as {suffix}, but as {', '.join(SUFFIXES)}; "
            "the name of a folder ends in /"
        )
    if form and suffix != f".{form}":
        raise UsageError(f"-o {output} is no {form}: leave out --format")
    return suffix, Path(output)


def _page(files: Sequence[str], output: str | None, target: Path | None, request: Request) -> None:
    """Write one page of all songs that can be read, and print its path."""
    from midigen.cli.pages import page_name, write_page
    from midigen.rendering.page import PageSong

    errors: list[MidigenError] = []

    def leave_out(error: MidigenError) -> None:
        if len(files) == 1:
            raise error
        errors.append(error)
        print_error(error)

    songs = []
    for file in files:
        try:
            songs.append(PageSong(Path(file).name, _read(file)))
        except MidigenError as e:
            leave_out(e)
    place = target or page_name([Path(file) for file in files])
    if target is None and output is not None:
        place = make_folder(output) / place.name
    write_page(songs, place, target is not None, request.soundfont, request.quiet, leave_out)
    _tell_failed(len(errors), len(files))


def _render(file: str, suffix: str, request: Request, what: str) -> bytes:
    """Render one song, with a bar; MidigenError names the file."""
    from midigen.midi.inputs import printable
    from midigen.output.console import make_console, progress

    data = _read(file)
    try:
        with progress(make_console(request.quiet), what, 100) as advance:
            return RENDERERS[suffix](data, suffix, request, lambda share: advance(100 * share))
    except MidigenError as e:
        raise MidigenError(f"{printable(file)}: {e}") from None


def _read(file: str) -> bytes:
    """Return the bytes of a song; MidigenError names the file."""
    from midigen.midi.inputs import printable
    from midigen.midi.performance import MAX_BYTES
    from midigen.midi.read import read_file

    try:
        return read_file(file, MAX_BYTES, "at most")
    except MidigenError as e:
        raise MidigenError(f"{printable(file)}: {e}") from None


def _write(data: bytes, song: Path, suffix: str, target: Path | None, folder: Path | None) -> Path:
    """Write what was made of a song, and return where."""
    from midigen.files import replacing
    from midigen.midi.write import write_new

    if target is None:
        return write_new(folder or song.parent, song.stem, data, suffix)
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    return target
