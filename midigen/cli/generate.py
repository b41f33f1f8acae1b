"""midigen generate: a model -> new songs as .mid files."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from midigen.backends.choose import backend_of, choose
from midigen.cli.command import Command
from midigen.cli.options import device_option, make, options, quiet_option
from midigen.cli.render import SOUND, make_request, render_each
from midigen.cli.streams import make_folder, path_from_stdin, print_path, teller
from midigen.config import GenerateConfig, Grid
from midigen.duration import length_in_frames, playable_bpm
from midigen.errors import UsageError

MAX_FRAMES = 1_000_000  # of all songs together: more is hours of sound, or a slip
FORMATS = tuple(suffix.removeprefix(".") for suffix in SOUND)


@click.command(cls=Command, short_help="Write new songs with a trained model.")
@click.argument("model", required=False)
@options(GenerateConfig, "count", "length", "form")
@click.option("--form-of", metavar="FILE.mid", help="A song whose form is taken, not its notes.")
@options(GenerateConfig, "style", "metre")
@click.option("--primer", metavar="FILE.mid", help="A song to go on from.")
@options(
    GenerateConfig,
    "best_of",
    "keep_primer",
    "temperature",
    "gibbs_steps",
    "bpm",
    "program",
    "velocity",
)
@device_option
@options(GenerateConfig, "seed")
@click.option(
    "-o",
    "--output",
    default="output",
    show_default=True,
    metavar="DIR",
    help="Folder for the songs, made where it is missing; - writes the one song to stdout.",
)
@click.option(
    "--audio",
    is_flag=False,
    flag_value=FORMATS[0],
    type=click.Choice(FORMATS),
    metavar="[FORMAT]",
    help=f"Make a sound file of each song as well, beside it: {', '.join(FORMATS)}; wav where the "
    "format is left out.",
)
@click.option(
    "--page", is_flag=True, help="Write a page as well, on which the songs are seen and heard."
)
@quiet_option()
def command(
    model: str | None,
    primer: str | None,
    form_of: str | None,
    device: str,
    output: str,
    audio: str | None,
    page: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write new songs with MODEL, a run folder or its model.safetensors.

    Without MODEL its path is read from the pipe: midigen train | midigen generate.
    Prints the path of each song, then those of --audio and --page; commands that read songs from a
    pipe pass over the latter: midigen generate --audio | midigen evaluate --songs --corpus CORPUS.
    No file is ever overwritten.
    """
    settings = make(GenerateConfig, given)
    if output == "-":
        _check_stdout(settings.count)
        if page or audio:
            what = "--page" if page else "--audio"
            raise UsageError(f"{what} makes files beside the songs: name a folder, not -o -")
    path = model or path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    from midigen.composition import check_together, compose, plan_songs
    from midigen.midi.write import midi_bytes
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress
    from midigen.output.generate import report

    if settings.seed is None:
        settings = replace(settings, seed=secrets.randbelow(2**32))
    with _usage_errors():
        check_together(settings, primer, form_of)
    player = RnnRbm.load(path)
    device = choose(device, say=teller(quiet))
    grid, card = player.grid, player.card
    bpm = settings.bpm or playable_bpm(card.bpm)
    _frames(settings.length, settings.count, grid, bpm, settings.metre or card.metre)
    with _usage_errors():
        plan = plan_songs(player, settings, primer, form_of)
    folder = None if output == "-" else make_folder(output)
    songs, paths = [], []
    with progress(make_console(quiet), "generating", plan.frames) as advance:
        for number, song in enumerate(compose(player, plan, advance, backend_of(device)), start=1):
            songs.append(song)
            stem = f"{_stem(card.name)}-seed{settings.seed}-{number}"
            paths += _deliver(midi_bytes(song.midi), folder, stem)
    report([song.roll for song in songs], grid, plan.bpm, card, quiet)
    if audio:
        render_each([str(path) for path in paths], f".{audio}", make_request(None, quiet))
    if page:
        from midigen.cli.pages import write_page_of_new

        write_page_of_new(path, player, plan, songs, paths, backend_of(device), quiet)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn a ValueError into a UsageError."""
    try:
        yield
    except ValueError as e:
        raise UsageError(str(e)) from None


def _deliver(data: bytes, folder: Path | None, stem: str) -> list[Path]:
    """Write one song to a new file, whose path is printed and returned, or to stdout."""
    from midigen.midi.write import write_new

    if folder is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return []
    path = write_new(folder, stem, data)
    print_path(path)
    return [path]


def _check_stdout(count: int) -> None:
    """UsageError where the song cannot go to stdout."""
    if count > 1:
        raise UsageError("-o - writes one song: leave out --count, or name a folder")
    if sys.stdout is None:
        raise UsageError("-o - writes to stdout, which is closed: name a folder")
    if sys.stdout.isatty():
        raise UsageError(
            "-o - writes the bytes of a MIDI file: send them to a file or a pipe, not to the "
            "terminal"
        )


def _frames(
    length: tuple[float, str], count: int, grid: Grid, bpm: float, metre: tuple[int, int]
) -> int:
    """Return a length in frames.  UsageError where it is none for so many songs."""
    try:
        frames = length_in_frames(length, grid, bpm, metre)
    except ValueError as e:
        raise UsageError(f"--length {e}") from None
    if frames * count > MAX_FRAMES:
        amount, unit = length
        raise UsageError(
            f"--length {amount:g} {unit} in {count} song(s) makes more than {MAX_FRAMES:,} frames"
        )
    return frames


def _stem(name: str) -> str:
    """Return the model's name, as far as every file system takes it."""
    name = re.sub(r"[^\w.-]+", "-", name or "midigen")
    return name[:50].strip("-.") or "midigen"
