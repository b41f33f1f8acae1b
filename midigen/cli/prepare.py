"""midigen prepare: MIDI files -> one corpus file."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from midigen.cli.command import Command
from midigen.cli.kinds import explained
from midigen.cli.options import AUTO, PATH, json_option, make, options, quiet_option
from midigen.cli.streams import names_on_stdin, print_json, print_path
from midigen.config import CORPORA, Grid, PrepareConfig
from midigen.errors import MidigenError, SkippedInputsError, UsageError

if TYPE_CHECKING:
    from midigen.midi.inputs import Input

RANGES = {"piano": (21, 108), "note": (48, 83)}


SHOWN = (
    *("starter", "null", "output", "parts", "steps_per_beat", "unit", "tonic", "values"),
    *("named_range", "own_songs", "strict", "as_json", "quiet"),
)


@click.command("prepare", cls=Command, shown=SHOWN)
@click.argument("inputs", nargs=-1, type=PATH, metavar="INPUT...")
@click.option(
    "-0",
    "--null",
    "null",
    is_flag=True,
    help="The list on stdin ends its names with NUL, as find -print0 writes it; implies -.",
)
@click.option(
    "--starter",
    is_flag=True,
    help="The starter songs that come with midigen, beside any INPUT.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    show_default=f"{CORPORA}/corpus-DIGEST.safetensors",
    help="The corpus file; replaced if it is a corpus already.",
)
@options(Grid, "unit", "steps_per_beat", "step", "articulation", "values", "low", "high")
@click.option(
    "--range",
    "named_range",
    type=click.Choice(list(RANGES)),
    help="Pitches by name instead: piano is 21..108, note is 48..83 (C-4..B-6 of the note that "
    "midigen follows).",
)
@options(Grid, "outside", "tonic")
@options(PrepareConfig)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with 3 if any input was skipped (the corpus is made all the same).",
)
@json_option("Print the summary as one JSON object in place of the path and the table.")
@quiet_option("No progress, warnings or table.")
@click.pass_context
def command(
    ctx: click.Context,
    inputs: tuple[str, ...],
    null: bool,
    starter: bool,
    output: str | None,
    named_range: str | None,
    as_json: bool,
    quiet: bool,
    strict: bool,
    **given: Any,
) -> None:
    """Read MIDI files into one corpus file, and print its path.

    An INPUT is a MIDI file, a folder to search (for .mid, .midi, .kar, .rmi and .mat), a glob in
    quotes, or - for a list of them on stdin, one a line.  A .mat is a piano-roll benchmark, kept
    with its own splits.

    \b
        midigen prepare songs/
        midigen prepare --starter
        midigen prepare "albums/**/*.mid" --range note -o my.corpus
        find . -name "*.mid" -print0 | midigen prepare -0

    The corpus holds a manifest: every input, its verdict and the reason.  Nothing that is wrong
    with an input ends the command.  Of songs with the same notes one is kept.  Unless options say
    so, the songs decide the frames a beat, the parts with columns of their own, and whether all
    are moved to one key.
    """  # noqa: D301  click wants the backspace itself
    from midigen.output.console import make_console, progress, warn
    from midigen.output.prepare import show_summary
    from midigen.preparation import Settings, prepare, summarise

    decide = tuple(name for name in ("steps_per_beat", "tonic") if given[name] == AUTO)
    config = make(PrepareConfig, given)  # first: the names of parts are no parts of a Grid yet
    grid = _grid(ctx, named_range, given)
    if output is not None:
        _check_replaceable(output)
    console = make_console(quiet)
    recordings: list[str] = []
    files = _find_inputs(inputs, null, starter, recordings)
    settings = Settings(grid, decide, **config.to_json())
    with explained(inputs[0], "songs") if len(inputs) == 1 else nullcontext():
        corpus, warnings = prepare(files, settings, progress=partial(progress, console))
    if recordings:
        warnings.append(f"{_counted(recordings)} ignored: midigen reads MIDI")
    path = output or os.path.join(CORPORA, f"corpus-{corpus.digest[:10]}.safetensors")
    _check_replaceable(path)
    with progress(console, "writing"):
        corpus.save(path)
        summary = summarise(corpus, warnings)
    if as_json:
        print_json(corpus=path, **summary)
    else:
        for warning in warnings:
            warn(console, warning)
        show_summary(console, summary, path)
        print_path(path)
    skipped = sum(summary["skipped"].values())
    if strict and skipped:
        raise SkippedInputsError(
            f"{skipped} of {summary['inputs']} inputs were skipped; the manifest in {path} says why"
        )


def _counted(recordings: list[str]) -> str:
    """Say how many recordings there are."""
    return "1 audio file" if len(recordings) == 1 else f"{len(recordings):,} audio files"


def _grid(ctx: click.Context, named_range: str | None, given: dict[str, Any]) -> Grid:
    """Make the Grid.  UsageError where what was given for it does not fit together."""
    for name, unit in (("step", "seconds"), ("steps_per_beat", "beat")):
        source = ctx.get_parameter_source(name)
        if given["unit"] != unit and source == ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--{name.replace('_', '-')} is for --grid {unit}: name that too, or leave it out"
            )
    if named_range:
        sources = {ctx.get_parameter_source(name) for name in ("low", "high")}
        if sources != {ParameterSource.DEFAULT}:
            raise UsageError("--range says the pitches already: leave out --low and --high")
        given["low"], given["high"] = RANGES[named_range]
    if given["low"] > given["high"]:
        raise UsageError(f"--low {given['low']} is above --high {given['high']}")
    for name in [name for name in ("steps_per_beat", "tonic") if given[name] == AUTO]:
        del given[name]
    return make(Grid, given)


def _find_inputs(
    inputs: tuple[str, ...], null: bool, starter: bool, recordings: list[str]
) -> list[Input]:
    """Find the files that the command line and the list on stdin name, and the starter songs.

    Recordings among them are no inputs, but added to `recordings`.
    """
    from midigen.midi.inputs import ENDINGS, expand, printable
    from midigen.starter import starter_songs

    named = [name for name in inputs if name != "-"]
    from_stdin = null or len(named) < len(inputs)
    if starter:
        named += map(str, starter_songs())
    elif not inputs and not from_stdin:
        raise UsageError("no input given: name MIDI files or folders, or - for a list on stdin")
    listed: list[str] = []
    if from_stdin:
        if sys.stdin is None:
            raise UsageError(
                "the list is to come on stdin, which is closed: pipe it in, or name files or "
                "folders"
            )
        listed = names_on_stdin(b"\0" if null else b"\n")
    files = expand(named, listed, recordings)
    if not files:
        where = ", ".join(printable(name) for name in named) or "the list on stdin"
        found = f", but {_counted(recordings)}: midigen reads MIDI" if recordings else ""
        raise MidigenError(f"no MIDI files ({ENDINGS}) in {where}{found}")
    return files


def _check_replaceable(path: str) -> None:
    """MidigenError where something would be overwritten that is no corpus."""
    from midigen.files import format_of

    if os.path.isdir(path) or os.path.basename(path) in ("", ".", ".."):
        raise MidigenError(f"{path} is a folder: name a file")
    if os.path.exists(path) and format_of(path) != "midigen-corpus":
        raise MidigenError(f"{path} exists and is no corpus: name another file with -o")
