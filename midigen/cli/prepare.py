"""midigen prepare: MIDI files -> one corpus file."""

import json
import os
import sys

import click

from midigen.cli import Command, names_on_stdin, print_path
from midigen.errors import MidigenError, SkippedInputs, UsageError

RANGES = {"piano": (21, 108), "note": (48, 83)}


def _parse_split(ctx, param, text):
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not all(0 <= share < 1e9 for share in shares) or not sum(shares):
        raise click.BadParameter(f"{text!r} is not three shares such as 80/10/10")
    return shares


@click.command("prepare", cls=Command)
@click.argument("inputs", nargs=-1, metavar="INPUT...")
@click.option(
    "-0",
    "--null",
    "null",
    is_flag=True,
    help="The list on stdin ends its names with NUL, as find -print0 writes it; implies -.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The corpus file; replaced if it is a corpus already.  "
    "[default: output/corpus-DIGEST.safetensors]",
)
@click.option(
    "--grid",
    "unit",
    type=click.Choice(["beat", "seconds"]),
    default="beat",
    show_default=True,
    help="Frames follow the beat, as scores do, or the clock, for free performances.",
)
@click.option(
    "--steps-per-beat",
    type=click.IntRange(1, 96),
    default=4,
    show_default=True,
    help="Frames a quarter note, with --grid beat.",
)
@click.option(
    "--step",
    type=click.FloatRange(0.001, 10),
    default=0.1,
    show_default=True,
    help="Seconds a frame, with --grid seconds.",
)
@click.option(
    "--articulation",
    type=click.Choice(["gap", "sustain", "onset"]),
    default="gap",
    show_default=True,
    help="How a repeated note shows: the frame before it is cleared (gap), not at all (sustain), or by a "
    "second set of columns (onset).",
)
@click.option(
    "--values",
    type=click.Choice(["binary", "velocity"]),
    default="binary",
    show_default=True,
    help="What a roll keeps of a note: that it sounds, or how loud it is, for --visible-model gaussian.",
)
@click.option("--low", type=click.IntRange(0, 127), help="Lowest MIDI pitch.  [default: 21]")
@click.option("--high", type=click.IntRange(0, 127), help="Highest MIDI pitch.  [default: 108]")
@click.option(
    "--range",
    "named_range",
    type=click.Choice(list(RANGES)),
    help="Pitches by name instead: piano is "
    "21..108, note is 48..83 (C-4..B-6 of the note that midigen follows).",
)
@click.option(
    "--outside",
    type=click.Choice(["octave", "drop", "refuse"]),
    default="octave",
    show_default=True,
    help="Notes out of that range: move them by octaves, drop them, or refuse the file.",
)
@click.option(
    "--split",
    callback=_parse_split,
    default="80/10/10",
    show_default=True,
    metavar="TRAIN/VALID/TEST",
    help="Shares of the songs; each song's content decides where it falls, so new songs move no other.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1, 86400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Skip a file that takes longer to read.",
)
@click.option(
    "--memory-limit",
    type=click.IntRange(32, 1 << 20),
    default=256,
    show_default=True,
    metavar="MB",
    help="Skip a file that takes more memory to read (on Linux).",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=500_000,
    show_default=True,
    help="Skip a MIDI file larger than this.",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes that read.  [default: one a core]"
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 3 if any input was skipped (the corpus is made all the same).",
)
@click.option(
    "--json", "as_json", is_flag=True, help="The summary as JSON on stderr, instead of a table."
)
@click.option(
    "-q",
    "--quiet",
    is_flag=True,
    help="No progress, warnings or table; --json still gives its summary.",
)
@click.pass_context
def command(ctx, inputs, null, output, as_json, quiet, strict, **options):
    """Read MIDI files into one corpus file, and print its path.

    An INPUT is a MIDI file, a folder to search (for .mid, .midi, .kar and .mat), a glob in quotes, or - for a list of
    them on stdin, one a line.  A .mat is a piano-roll benchmark, kept with its own splits.

    \b
        midigen prepare songs/
        midigen prepare "albums/**/*.mid" --range note -o my.corpus
        find . -name "*.mid" -print0 | midigen prepare -0

    The corpus holds a manifest: every input, its verdict and the reason.  Nothing that is wrong with an input ends the
    command.  Drums (channel 10) are left out, and of songs with the same notes one is kept.
    """
    from midigen.output.console import make_console, progress, warn
    from midigen.output.prepare import show_summary
    from midigen.preparation import prepare, summarise

    for name, grid in (("step", "seconds"), ("steps_per_beat", "beat")):
        if (
            options["unit"] != grid
            and ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE
        ):
            raise UsageError(
                f"--{name.replace('_', '-')} is for --grid {grid}: name that too, or leave it out"
            )
    settings = _settings(**options)
    if output is not None:
        _check_replaceable(output)
    files = _find_inputs(inputs, null)
    console = make_console(quiet or as_json)
    with progress(console, "reading", len(files)) as advance:
        corpus, warnings = prepare(files, settings, on_file=lambda entry: advance())
    path = output or os.path.join("output", f"corpus-{corpus.digest[:10]}.safetensors")
    _check_replaceable(path)
    corpus.save(path)
    summary = summarise(corpus, warnings)
    for warning in warnings:
        warn(console, warning)
    show_summary(console, summary)
    if as_json:
        click.echo(json.dumps({"corpus": path, **summary}), err=True)
    print_path(path)
    skipped = sum(summary["skipped"].values())
    if strict and skipped:
        raise SkippedInputs(
            f"{skipped} of {summary['inputs']} inputs were skipped; the manifest in {path} says why"
        )


def _settings(
    unit,
    steps_per_beat,
    step,
    articulation,
    values,
    low,
    high,
    named_range,
    outside,
    split,
    time_limit,
    memory_limit,
    max_bytes,
    workers,
):
    from midigen.config import Grid
    from midigen.preparation import Settings

    if named_range and (low is not None or high is not None):
        raise UsageError("--range says the pitches already: leave out --low and --high")
    default_low, default_high = RANGES[named_range or "piano"]
    low, high = default_low if low is None else low, default_high if high is None else high
    if low > high:
        raise UsageError(f"--low {low} is above --high {high}")
    grid = Grid(unit, steps_per_beat, step, low, high, articulation, outside, values)
    return Settings(grid, split, time_limit, memory_limit, max_bytes, workers)


def _find_inputs(inputs, null):
    """The files that the command line and the list on stdin name."""
    from midigen.midi.inputs import expand, printable

    named = [name for name in inputs if name != "-"]
    from_stdin = null or len(named) < len(inputs)
    if not inputs and not from_stdin:
        raise UsageError("no input given: name MIDI files or folders, or - for a list on stdin")
    listed = []
    if from_stdin:
        if sys.stdin is None:
            raise UsageError(
                "the list is to come on stdin, which is closed: pipe it in, or name files or folders"
            )
        listed = names_on_stdin(b"\0" if null else b"\n")
    files = expand(named, listed)
    if not files:
        where = ", ".join(printable(name) for name in named) or "the list on stdin"
        raise MidigenError(f"no MIDI files (.mid, .midi, .kar) in {where}")
    return files


def _check_replaceable(path):
    """Nothing is overwritten but a corpus."""
    from midigen.files import format_of

    if os.path.isdir(path) or os.path.basename(path) in ("", ".", ".."):
        raise MidigenError(f"{path} is a folder: name a file")
    if os.path.exists(path) and format_of(path) != "midigen-corpus":
        raise MidigenError(f"{path} exists and is no corpus: name another file with -o")
