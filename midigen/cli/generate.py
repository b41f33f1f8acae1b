"""midigen generate: a model -> new songs as .mid files."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from midigen import __version__
from midigen.backends.choose import backend_of, choose
from midigen.cli.command import Command
from midigen.cli.options import device_option, make, options, quiet_option
from midigen.cli.streams import path_from_stdin, print_path, teller
from midigen.config import GenerateConfig, Grid
from midigen.duration import length_in_frames, playable_bpm
from midigen.errors import MidigenError, UsageError

if TYPE_CHECKING:
    from midigen.model.songs import Told

MAX_FRAMES = 1_000_000  # of all songs together: more is hours of sound, or a slip


@click.command(cls=Command, short_help="Write new songs with a trained model.")
@click.argument("model", required=False)
@options(GenerateConfig, "count", "length", "form")
@click.option("--form-of", metavar="FILE.mid", help="A song whose form is taken, not its notes.")
@options(GenerateConfig, "style", "metre")
@click.option("--primer", metavar="FILE.mid", help="A song to go on from.")
@options(GenerateConfig, "keep_primer", "temperature", "gibbs_steps", "bpm", "program", "velocity")
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
@quiet_option()
def command(
    model: str | None,
    primer: str | None,
    form_of: str | None,
    device: str,
    output: str,
    quiet: bool,
    **given: Any,
) -> None:
    """Write new songs with MODEL, a run folder or its model.safetensors.

    Without MODEL its path is read from the pipe: midigen train | midigen generate.
    Prints the path of each song. No file is ever overwritten.
    """
    settings = make(GenerateConfig, given)
    _check_together(settings, primer, form_of)
    if output == "-":
        _check_stdout(settings.count)
    path = model or path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    import numpy as np

    from midigen.generation import draw_outlines, generate_songs
    from midigen.midi.write import midi_bytes, roll_to_midi
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress
    from midigen.output.generate import report

    player = RnnRbm.load(path)
    device = choose(device, say=teller(quiet))
    grid, card, count = player.grid, player.card, settings.count
    bpm = settings.bpm or playable_bpm(card.bpm)
    opening = _read_song("primer", primer, grid) if primer else None
    model_song = _read_song("song of --form-of", form_of, grid) if form_of else None
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    try:
        outlines = draw_outlines(
            player,
            _length(settings.length, grid, bpm),
            count,
            seed,
            settings.metre,
            settings.style,
            settings.form if model_song is None else model_song.outline.form,
            opening.outline if opening else None,
        )
    except ValueError as e:
        raise UsageError(str(e)) from None
    begun = len(opening.roll) if opening else 0
    frames = sum(outline.frames - begun for outline in outlines)
    if frames > MAX_FRAMES:
        amount, unit = settings.length
        raise UsageError(
            f"--length {amount:g} {unit} in {count} song(s) makes more than {MAX_FRAMES:,} frames"
        )
    folder = None if output == "-" else _make_folder(output)
    made_with = (
        f"model {player.digest}; temperature {settings.temperature}; "
        f"gibbs-steps {settings.gibbs_steps}; primer {begun} frames"
    )
    rolls = []
    with progress(make_console(quiet), "generating", frames) as advance:
        songs = generate_songs(
            player,
            frames,
            count=count,
            primer=opening.roll if opening else None,
            temperature=settings.temperature,
            gibbs_steps=settings.gibbs_steps,
            seed=seed,
            progress=advance,
            backend=backend_of(device),
            outlines=outlines,
        )
        for number, (roll, outline) in enumerate(zip(songs, outlines, strict=True), start=1):
            rolls.append(roll)
            song, told = roll, outline
            if opening and settings.keep_primer:
                song = np.concatenate([opening.roll, roll])
            elif opening:
                told = outline.after(begun, grid)
            text = (
                f"midigen {__version__}; seed {seed}; song {number} of {count}; "
                f"{len(roll)} frames; {made_with}"
            )
            midi = roll_to_midi(
                song, grid, bpm, card.metre, settings.program, settings.velocity, text, told
            )
            _deliver(midi_bytes(midi), folder, f"{_stem(card.name)}-seed{seed}-{number}")
    report(rolls, grid, bpm, card, quiet)


def _check_together(settings: GenerateConfig, primer: str | None, form_of: str | None) -> None:
    """UsageError for options that say the same twice."""
    asked = {
        "--form": settings.form is not None,
        "--form-of": form_of is not None,
        "--primer": primer is not None,
    }
    given = [name for name, is_given in asked.items() if is_given]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} both say how the song goes on: give one")
    if primer and settings.metre:
        raise UsageError("--primer has a metre of its own: leave out --metre")


def _deliver(data: bytes, folder: Path | None, stem: str) -> None:
    """Write one song, to a new file whose path is printed or, without a folder, to stdout."""
    from midigen.midi.write import write_new

    if folder is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        print_path(write_new(folder, stem, data))


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


def _make_folder(name: str) -> Path:
    """Make the folder for the songs where it is missing."""
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise MidigenError(f"-o {name} is a file: name a folder") from None
    except OSError as e:
        raise MidigenError(f"cannot make the folder {name}: {e.strerror}") from None
    return Path(name)


def _read_song(what: str, path: str, grid: Grid) -> Told:
    """Read a MIDI file on the model's grid, with its outline."""
    from midigen.midi.form import outline_of
    from midigen.midi.read import read_notes
    from midigen.midi.roll import notes_to_roll
    from midigen.model.songs import Told

    table = read_notes(path)
    try:
        roll, counts = notes_to_roll(table, grid)
    except MidigenError as e:
        raise MidigenError(f"the {what} {path} does not fit the model: {e}") from None
    return Told(roll, outline_of(table, grid, roll, counts))


def _length(length: tuple[float, str], grid: Grid, bpm: float) -> int | float:
    """Return a length in frames, or, of bars, as a float; UsageError where it is none for songs."""
    try:
        frames = length_in_frames(length, grid, bpm, (4, 4))
    except ValueError as e:
        raise UsageError(f"--length {e}") from None
    return float(length[0]) if length[1] == "bars" else frames


def _stem(name: str) -> str:
    """Return the model's name, as far as every file system takes it."""
    name = re.sub(r"[^\w.-]+", "-", name or "midigen")
    return name[:50].strip("-.") or "midigen"
