"""midigen generate: a model -> new songs as .mid files."""

import re
import secrets
import sys
from pathlib import Path

import click

from midigen import __version__
from midigen.cli import Command, device_option, path_from_stdin, print_path, teller
from midigen.device import choose
from midigen.errors import MidigenError, UsageError

MAX_FRAMES = 1_000_000  # of all songs together: more is hours of sound, or a slip
SLOWEST, FASTEST = 4, 1000  # quarter notes a minute
UNITS = {
    "": "beats",
    "beat": "beats",
    "beats": "beats",
    "bar": "bars",
    "bars": "bars",
    "s": "seconds",
    "sec": "seconds",
    "second": "seconds",
    "seconds": "seconds",
}


class Length(click.ParamType):
    """ "32 bars", "64beats", "90 s" or a bare number of beats -> (number, "bars" | "beats" | "seconds")."""

    name = "length"

    def convert(self, value, param, ctx):
        match = re.fullmatch(r"([0-9]*\.?[0-9]+) *([a-z]*)", str(value).strip().lower())
        if match is None or match[2] not in UNITS:
            self.fail(f"{value!r} is no length: write 32 bars, 64 beats or 90 seconds", param, ctx)
        return float(match[1]), UNITS[match[2]]


@click.command(cls=Command, short_help="Write new songs with a trained model.")
@click.argument("model", required=False)
@click.option(
    "--count", type=click.IntRange(1), default=1, show_default=True, help="How many songs to make."
)
@click.option(
    "--length",
    type=Length(),
    default="64 beats",
    show_default=True,
    help='New music in each song: "32 bars", "64 beats" or "90 seconds"; a bare number is beats.',
)
@click.option("--primer", metavar="FILE.mid", help="A song to go on from.")
@click.option(
    "--keep-primer/--no-keep-primer",
    default=True,
    show_default=True,
    help="Put the primer in front of the new music, or leave it out.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 100, min_open=True),
    default=1.0,
    show_default=True,
    help="Below 1 the music is tamer, above 1 wilder.",
)
@click.option(
    "--gibbs-steps",
    type=click.IntRange(1, 100_000),
    show_default="25",
    help="Gibbs sampling steps for each frame: more is slower and closer to the model.",
)
@click.option(
    "--bpm",
    type=click.FloatRange(SLOWEST, FASTEST),
    show_default="the corpus's median",
    help="Quarter notes a minute.",
)
@click.option(
    "--program",
    type=click.IntRange(0, 127),
    default=0,
    show_default=True,
    help="General MIDI instrument, counted from 0: 0 is the piano, 40 the violin. "
    "Lists that count from 1 say one more.",
)
@click.option(
    "--velocity",
    type=click.IntRange(1, 127),
    show_default="the model's own, or 80 where it has none",
    help="Loudness of every note.",
)
@device_option
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    show_default="a new one",
    help="The same seed, model and settings give the same songs. It stands in each file and its name.",
)
@click.option(
    "-o",
    "--output",
    default="output",
    show_default=True,
    metavar="DIR",
    help="Folder for the songs, made where it is missing; - writes the one song to stdout.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors.")
def command(
    model,
    count,
    length,
    primer,
    keep_primer,
    temperature,
    gibbs_steps,
    bpm,
    program,
    velocity,
    device,
    seed,
    output,
    quiet,
):
    """Write new songs with MODEL, a run folder or its model.safetensors.

    Without MODEL its path is read from the pipe: midigen train | midigen generate.
    Prints the path of each song. No file is ever overwritten.
    """
    if output == "-":
        _check_stdout(count)
    path = model or path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    import numpy as np

    from midigen.generation import DEFAULT_GIBBS_STEPS, generate_songs
    from midigen.midi.write import midi_bytes, roll_to_midi
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress
    from midigen.output.generate import report

    model = RnnRbm.load(path)
    device = choose(device, say=teller(quiet))
    grid, about = model.grid, model.about
    bpm = bpm or min(
        max(about.get("bpm", 120.0), SLOWEST), FASTEST
    )  # some files have tempi that nobody can play
    opening, metre = _read_primer(primer, grid) if primer else (None, about.get("metre") or (4, 4))
    frames = _frames(length, count, grid, bpm, metre)
    seed = secrets.randbelow(2**32) if seed is None else seed
    gibbs_steps = gibbs_steps or DEFAULT_GIBBS_STEPS
    folder = None if output == "-" else _make_folder(output)
    settings = (
        f"model {model.digest}; {frames} frames; temperature {temperature}; gibbs-steps {gibbs_steps}; "
        f"primer {0 if opening is None else len(opening)} frames"
    )
    rolls = []
    with progress(make_console(quiet), "generating", count * frames) as advance:
        songs = generate_songs(
            model,
            frames,
            count=count,
            primer=opening,
            temperature=temperature,
            gibbs_steps=gibbs_steps,
            seed=seed,
            progress=advance,
            device=device,
        )
        for number, roll in enumerate(songs, start=1):
            rolls.append(roll)
            song = roll if opening is None or not keep_primer else np.concatenate([opening, roll])
            text = f"midigen {__version__}; seed {seed}; song {number} of {count}; {settings}"
            midi = roll_to_midi(song, grid, bpm, metre, program, velocity, text)
            _deliver(midi_bytes(midi), folder, f"{_stem(about)}-seed{seed}-{number}")
    report(rolls, grid, bpm, about, quiet)


def _deliver(data, folder, stem):
    """Write one song, to a new file whose path is printed or, without a folder, to stdout."""
    from midigen.midi.write import write_new

    if folder is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        print_path(write_new(folder, stem, data))


def _check_stdout(count):
    if count > 1:
        raise UsageError("-o - writes one song: leave out --count, or name a folder")
    if sys.stdout is None:
        raise UsageError("-o - writes to stdout, which is closed: name a folder")
    if sys.stdout.isatty():
        raise UsageError(
            "-o - writes the bytes of a MIDI file: send them to a file or a pipe, not to the terminal"
        )


def _make_folder(name):
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise MidigenError(f"-o {name} is a file: name a folder") from None
    except OSError as e:
        raise MidigenError(f"cannot make the folder {name}: {e.strerror}") from None
    return Path(name)


def _read_primer(path, grid):
    """A primer's roll, uint8 (T0, grid.channels), and its metre."""
    from midigen.midi.read import read_notes
    from midigen.midi.roll import notes_to_roll

    table = read_notes(path)
    try:
        return notes_to_roll(table, grid)[0], table.metre
    except MidigenError as e:
        raise MidigenError(f"the primer {path} does not fit the model: {e}") from None


def _frames(length, count, grid, bpm, metre):
    """--length in frames of the grid; bars follow the metre (n, d), bars and beats the bpm on a grid in seconds."""
    amount, unit = length
    beats = {
        "bars": amount * 4 * metre[0] / metre[1],
        "beats": amount,
        "seconds": amount * bpm / 60,
    }[unit]
    frames = beats * 60 / bpm / grid.frame_seconds(bpm)
    if frames <= 0.5:  # round(0.5) is 0
        raise UsageError(f"--length {amount:g} {unit} is less than one frame of the model")
    if frames * count > MAX_FRAMES:
        raise UsageError(
            f"--length {amount:g} {unit} in {count} song(s) makes more than {MAX_FRAMES:,} frames"
        )
    return round(frames)


def _stem(about):
    """The model's name, as far as every file system takes it."""
    return (
        re.sub(r"[^\w.-]+", "-", str(about.get("name") or "midigen"))[:50].strip("-.") or "midigen"
    )
