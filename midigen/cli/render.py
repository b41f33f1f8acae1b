"""midigen render: songs -> what can be heard and seen of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click

from midigen.cli.command import Command
from midigen.cli.destination import make_folder
from midigen.cli.options import quiet_option
from midigen.cli.songs import Failures, for_each, named_songs, read_song
from midigen.cli.streams import print_path, teller
from midigen.errors import UsageError


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

    @contextmanager
    def bar(self, doing: str, songs: Sequence[str], song: str) -> Iterator[Progress]:
        """Show a bar for one of some songs; call it with the share that each step has done."""
        from midigen.output.console import make_console, progress

        number = f" {songs.index(song) + 1} of {len(songs)}" if len(songs) > 1 else ""
        with progress(make_console(self.quiet), doing + number, PERCENT) as advance:
            yield lambda share: advance(PERCENT * share)


def make_request(soundfont: str | None, quiet: bool) -> Request:
    """Make the Request of a command, which tells every line once."""
    return Request(soundfont, cache(teller(quiet)), quiet)


Progress = Callable[[float], None]  # takes the share of a song that each step has done
Renderer = Callable[[bytes, str, str, Request, Progress], bytes]
PERCENT = 100


def _audio(midi: bytes, name: str, suffix: str, request: Request, progress: Progress) -> bytes:
    from midigen.rendering.audio import KINDS, encode_audio, render_audio

    sound = render_audio(midi, request.soundfont, request.say, progress)
    return encode_audio(sound, next(kind for kind in KINDS if suffix == f".{kind}"))


def _picture(midi: bytes, name: str, suffix: str, request: Request, progress: Progress) -> bytes:
    from midigen.midi.view import guarded_view
    from midigen.rendering.picture import roll_png, roll_svg

    view = guarded_view(midi, name)
    return roll_png(view) if suffix == ".png" else roll_svg(view).encode()


# the ending of a file's name -> what makes such a file of the bytes of a MIDI file, its name, that
# ending and a request
SOUND, PICTURES = (".wav", ".ogg", ".flac", ".mp3"), (".svg", ".png")
RENDERERS: dict[str, Renderer] = {
    **dict.fromkeys(SOUND, _audio),
    **dict.fromkeys(PICTURES, _picture),
}
PAGE = ".html"  # one for all songs
SUFFIXES = (*RENDERERS, PAGE)
DEFAULT = ".wav"

soundfont_option = click.option(
    "--soundfont",
    metavar="FILE.sf2",
    show_default="the small one that comes with pretty_midi",
    help="Instruments for sound.",
)


@click.command(cls=Command, short_help="Make sound and pictures of songs.")
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
@soundfont_option
@quiet_option()
def command(
    songs: tuple[str, ...],
    output: str | None,
    form: str | None,
    soundfont: str | None,
    quiet: bool,
) -> None:
    """Make sound or a picture of each SONG, a MIDI file or a folder of them; prints the paths.

    \b
        midigen render song.mid
        midigen render song.mid -o song.mp3
        midigen render song.mid -o song.png
        midigen render songs/ -o sounds/ --format ogg
        midigen render songs/*.mid -o page.html
        midigen generate --count 5 | midigen render --format ogg

    A picture, .svg or .png, is a piano roll with bars, parts and names of pitches.
    A page, .html, is one file for all songs, to see and hear them in any browser.

    Sound has the loudness of -18 LUFS, so that songs can be compared; only what would be cut off
    by that is softer.  Files are replaced only where -o names one.
    """  # noqa: D301  click wants the backspace itself
    suffix, target = _target(output, form)
    files = named_songs(songs)
    request = make_request(soundfont, quiet)
    if suffix == PAGE:
        return _page(files, output, target, request)
    if target is not None and len(files) > 1:
        raise UsageError(
            f"-o {output} is one file, but there are {len(files)} songs: name a folder"
        )
    folder = None
    if output is not None and target is None:
        folder = make_folder(Path(output))
    render_each(files, suffix, request, target, folder)


def render_each(
    files: Sequence[str],
    suffix: str,
    request: Request,
    target: Path | None = None,
    folder: Path | None = None,
    tell: Callable[[Path], None] = print_path,
) -> None:
    """Render songs, each on its own, and tell the new paths.

    Parameters
    ----------
    files : sequence of str
        The songs.
    suffix : str
        One of RENDERERS.
    request : Request
        How they are rendered.
    target : Path, optional
        The file to write or replace, of a single song.
    folder : Path, optional
        Where new files are put, by default beside each song; none is replaced.
    tell : callable
        Takes the path of each new file.

    Raises
    ------
    MidigenError
        At the end, where any could not be rendered.
    """

    def render(song: str, midi: bytes) -> None:
        with request.bar("rendering", files, song) as advance:
            data = RENDERERS[suffix](midi, Path(song).name, suffix, request, advance)
        tell(_write(data, Path(song), suffix, target, folder))

    for_each(files, render, "rendered")


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

    songs, failures = [], Failures(len(files))
    for file in files:
        with failures.kept(file):
            songs.append(PageSong(Path(file).name, read_song(file)))
    place = target or page_name([Path(file) for file in files])
    if target is None and output is not None:
        place = make_folder(Path(output)) / place.name
    if songs:
        leave_out = failures.add if len(files) > 1 else None
        write_page(songs, place, target is not None, request.soundfont, request.quiet, leave_out)
    failures.report("rendered")


def _write(data: bytes, song: Path, suffix: str, target: Path | None, folder: Path | None) -> Path:
    """Write what was made of a song, and return where."""
    from midigen.files import replacing
    from midigen.midi.write import write_new

    if target is None:
        return write_new(folder or song.parent, song.stem, data, suffix)
    with replacing(target) as temporary:
        temporary.write_bytes(data)
    return target
