"""midigen show: a song, a corpus or a run -> what is in it, on the terminal."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from midigen.cli.command import Command
from midigen.cli.streams import names_on_stdin, print_error, print_path
from midigen.errors import MidigenError, UsageError
from midigen.midi.inputs import is_rendered


@click.command(cls=Command, short_help="Show a song, a corpus or a run.")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--all", "everything", is_flag=True, help="Long lists and long songs to their end.")
@click.option(
    "--plot",
    metavar="FILE.svg",
    help="Draw how a run was trained as a picture, in place of all else; prints its path.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a FILE, each a line.")
@click.pass_context
def command(
    ctx: click.Context, files: tuple[str, ...], everything: bool, plot: str | None, as_json: bool
) -> None:
    """Show what is in each FILE; what it is, its content tells.

    \b
    - a MIDI file: key, metre, tempo, parts, and a piano roll
    - a corpus: its songs, and what was skipped and why
    - a run folder or a model: sizes, settings, how it was trained

    Without FILE paths are read from the pipe: midigen generate | midigen show.
    Without colours (NO_COLOR, a pipe) parts have characters of their own.
    """  # noqa: D301  click wants the backspace itself
    if plot and as_json:
        raise UsageError("--plot makes a picture and --json prints: leave out one of them")
    names = list(files) or _listed()
    if plot:
        _plot(names, plot)
        return
    failed = False
    for number, name in enumerate(names):
        try:
            _show(name, everything, as_json, is_first=not number)
        except MidigenError as e:
            if len(names) == 1:
                raise
            print_error(e)
            failed = True
    ctx.exit(int(failed))


def _listed() -> list[str]:
    """Read paths from the pipe, without those of what midigen renders of songs."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no file given: name a song, a corpus or a run, or pipe their paths in")
    names = [name for name in names_on_stdin() if not is_rendered(name)]
    if not names:
        raise MidigenError("no path came through the pipe: the command before this one made none")
    return names


def _show(name: str, everything: bool, as_json: bool, is_first: bool) -> None:
    """Show one file."""
    from midigen.rendering.contents import kind_of

    kind, view = kind_of(name), None
    facts: dict[str, Any]
    if kind == "song":
        from midigen.midi.view import read_view
        from midigen.rendering.contents import song_facts

        view = read_view(name)
        facts = song_facts(view)
    elif kind == "corpus":
        from midigen.corpus import Corpus
        from midigen.rendering.contents import corpus_facts

        facts = corpus_facts(Corpus.load(name))
    else:
        from midigen.rendering.run_facts import run_facts

        facts = run_facts(name)
    if as_json:
        click.echo(json.dumps({"file": name, **facts}))
        return
    from midigen.output import show

    console = show.make_console()
    if not is_first:
        console.print()
    if view is not None:
        show.show_song(console, view, facts, everything)
    elif kind == "corpus":
        show.show_corpus(console, facts, name, everything)
    else:
        show.show_run(console, facts, name)


def _plot(names: list[str], path: str) -> None:
    """Draw the curves of one run."""
    from midigen.files import replacing
    from midigen.rendering.contents import kind_of
    from midigen.rendering.curves import curves_svg
    from midigen.training.log import read_log

    if len(names) != 1 or kind_of(names[0]) != "run":
        raise UsageError("--plot draws one run: name its folder")
    if not path.lower().endswith(".svg"):
        raise UsageError(f"--plot {path}: curves are SVG, so name a file that ends in .svg")
    folder = names[0] if os.path.isdir(names[0]) else os.path.dirname(names[0])
    picture = curves_svg(read_log(folder or "."), os.path.basename(os.path.abspath(folder)))
    with replacing(path) as temporary:
        temporary.write_text(picture, encoding="utf-8")
    print_path(path)
