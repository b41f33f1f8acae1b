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
    import numpy as np
    from numpy.typing import NDArray

MAX_FRAMES = 1_000_000  # of all songs together: more is hours of sound, or a slip


@click.command(cls=Command, short_help="Write new songs with a trained model.")
@click.argument("model", required=False)
@options(GenerateConfig, "count", "length")
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
    model: str | None, primer: str | None, device: str, output: str, quiet: bool, **given: Any
) -> None:
    """Write new songs with MODEL, a run folder or its model.safetensors.

    Without MODEL its path is read from the pipe: midigen train | midigen generate.
    Prints the path of each song. No file is ever overwritten.
    """
    settings = make(GenerateConfig, given)
    if output == "-":
        _check_stdout(settings.count)
    path = model or path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    import numpy as np

    from midigen.generation import generate_songs
    from midigen.midi.write import midi_bytes, roll_to_midi
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress
    from midigen.output.generate import report

    player = RnnRbm.load(path)
    device = choose(device, say=teller(quiet))
    grid, card, count = player.grid, player.card, settings.count
    bpm = settings.bpm or playable_bpm(card.bpm)
    opening, metre = _read_primer(primer, grid) if primer else (None, card.metre)
    frames = _frames(settings.length, count, grid, bpm, metre)
    seed = secrets.randbelow(2**32) if settings.seed is None else settings.seed
    folder = None if output == "-" else _make_folder(output)
    made_with = (
        f"model {player.digest}; {frames} frames; temperature {settings.temperature}; "
        f"gibbs-steps {settings.gibbs_steps}; "
        f"primer {0 if opening is None else len(opening)} frames"
    )
    rolls = []
    with progress(make_console(quiet), "generating", count * frames) as advance:
        songs = generate_songs(
            player,
            frames,
            count=count,
            primer=opening,
            temperature=settings.temperature,
            gibbs_steps=settings.gibbs_steps,
            seed=seed,
            progress=advance,
            backend=backend_of(device),
        )
        for number, roll in enumerate(songs, start=1):
            rolls.append(roll)
            whole = opening is not None and settings.keep_primer
            song = np.concatenate([opening, roll]) if whole else roll
            text = f"midigen {__version__}; seed {seed}; song {number} of {count}; {made_with}"
            midi = roll_to_midi(song, grid, bpm, metre, settings.program, settings.velocity, text)
            _deliver(midi_bytes(midi), folder, f"{_stem(card.name)}-seed{seed}-{number}")
    report(rolls, grid, bpm, card, quiet)


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


def _read_primer(path: str, grid: Grid) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a primer's roll, uint8 (T0, grid.channels), and its metre."""
    from midigen.midi.read import read_notes
    from midigen.midi.roll import notes_to_roll

    table = read_notes(path)
    try:
        return notes_to_roll(table, grid)[0], table.metre
    except MidigenError as e:
        raise MidigenError(f"the primer {path} does not fit the model: {e}") from None


def _frames(
    length: tuple[float, str], count: int, grid: Grid, bpm: float, metre: tuple[int, int]
) -> int:
    """Return the length in frames of the grid; UsageError where it is no length for songs."""
    amount, unit = length
    try:
        frames = length_in_frames(length, grid, bpm, metre)
    except ValueError as e:
        raise UsageError(f"--length {e}") from None
    if frames * count > MAX_FRAMES:
        raise UsageError(
            f"--length {amount:g} {unit} in {count} song(s) makes more than {MAX_FRAMES:,} frames"
        )
    return frames


def _stem(name: str) -> str:
    """Return the model's name, as far as every file system takes it."""
    name = re.sub(r"[^\w.-]+", "-", name or "midigen")
    return name[:50].strip("-.") or "midigen"
