"""midigen compare: songs of several makers -> a page for blind listening; ratings -> who won."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from midigen.cli.command import Command, Paths
from midigen.cli.options import make, options, quiet_option
from midigen.cli.render import PERCENT, make_request, soundfont_option
from midigen.cli.songs import named_songs
from midigen.cli.streams import print_path, teller
from midigen.config import CompareConfig
from midigen.errors import MidigenError, UsageError

if TYPE_CHECKING:
    from midigen.corpus import Corpus
    from midigen.figures.piece import Piece
    from midigen.rendering.excerpts import Source

DEFAULT = "blind.html"


@click.command(cls=Command, short_help="Compare songs by ear, blind.")
@click.option("--corpus", metavar="FILE", help="The corpus file that models were trained on.")
@click.option(
    "--songs",
    "groups",
    type=Paths(),
    multiple=True,
    metavar="SONG...",
    help="MIDI files or folders by one maker; give it once for each.",
)
@options(CompareConfig)
@soundfont_option
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    default=DEFAULT,
    show_default=True,
    help="The page to write; one that is there is kept, unless it is named here.",
)
@click.option(
    "--tally",
    type=Paths(),
    metavar="FILE.json...",
    help="Say who won by the ratings that listeners saved, and make no page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the tally as JSON.")
@quiet_option()
@click.pass_context
def command(
    ctx: click.Context,
    corpus: str | None,
    groups: tuple[tuple[str, ...], ...],
    soundfont: str | None,
    output: str,
    tally: tuple[str, ...] | None,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Make a page for blind listening, or say who won.

    \b
        midigen compare --corpus CORPUS --songs A/*.mid --songs B/*.mid -o blind.html
        midigen compare --tally midigen-ratings-*.json

    The page has excerpts of each group of songs, of the corpus's held-out songs, and of a Markov
    chain, which all sound alike but for their notes: a piano plays them at one tempo and loudness,
    on the corpus's grid.  They come in a random order, and nothing that can be read says which is
    which.  It is one file, to be opened in a browser or sent to others; listeners rate each excerpt
    from 1 to 5 and save a file.

    The tally of such files gives each source's mean, and for every two the exact p-value of their
    difference.
    """  # noqa: D301  click wants the backspace itself
    settings = make(CompareConfig, given)
    if tally is not None:
        _refuse_both(corpus, groups)
        return _tally(tally, as_json)
    if as_json:
        raise UsageError("--json is for --tally")
    if not corpus or not groups:
        missing = "--corpus" if not corpus else "--songs"
        raise UsageError(
            f"{missing} is missing: name --corpus CORPUS and --songs SONG... for a page, or "
            "--tally FILE.json... for who won"
        )
    named = ctx.get_parameter_source("output") == click.core.ParameterSource.COMMANDLINE
    _page(corpus, groups, settings, soundfont, Path(output), named, quiet)


def _refuse_both(corpus: str | None, groups: Sequence[object]) -> None:
    """UsageError where a page and a tally are asked for."""
    if corpus or groups:
        raise UsageError("--tally makes no page: leave out --corpus and --songs")


def _tally(paths: Sequence[str], as_json: bool) -> None:
    """Print who won."""
    from midigen.evaluation.ratings import tally
    from midigen.output.compare import show_tally

    report = tally(paths)
    if as_json:
        click.echo(json.dumps(report))
    else:
        show_tally(report)


def _page(
    corpus_path: str,
    groups: Sequence[Sequence[str]],
    settings: CompareConfig,
    soundfont: str | None,
    target: Path,
    replace: bool,
    quiet: bool,
) -> None:
    """Write the page, and print its path."""
    from midigen.corpus import Corpus
    from midigen.evaluation.markov import MOST_ORDER
    from midigen.files import replacing
    from midigen.midi.write import write_new
    from midigen.output.console import make_console, progress
    from midigen.rendering.blind import corpus_sources, make_blind_page

    if target.suffix.lower() != ".html" or target.is_dir():
        raise UsageError(f"-o {target} is no page: give it a name that ends in .html")
    corpus = Corpus.load(corpus_path)
    console, say = make_console(quiet), make_request(soundfont, quiet).say
    sources = _songs(groups, corpus, quiet)
    with progress(console, "drawing a Markov chain", MOST_ORDER + 1) as advance:
        sources += corpus_sources(corpus, sources[0], settings.excerpts, settings.seed, advance)
    with progress(console, "rendering excerpts", PERCENT) as advance:
        page = make_blind_page(
            sources, corpus, settings, soundfont, say, lambda share: advance(PERCENT * share)
        ).encode()
    if replace:
        with replacing(target) as temporary:
            temporary.write_bytes(page)
    else:
        target = write_new(target.parent, target.stem, page, target.suffix)
    print_path(target)
    say(f"a page of {len(page) / 1e6:.2f} MB: open it in a browser, or send it to listeners")


def _songs(groups: Sequence[Sequence[str]], corpus: Corpus, quiet: bool) -> list[Source]:
    """Read the groups of songs; what cannot be read is left out, and told."""
    from midigen.output.console import make_console, progress
    from midigen.rendering.excerpts import Source, read_piece

    files = [named_songs(group) for group in groups]
    names = group_names(files)
    say = teller(quiet)
    sources = []
    problems: list[str] = []
    with progress(make_console(quiet), "reading songs", sum(map(len, files))) as advance:
        for name, paths in zip(names, files, strict=True):
            pieces: list[Piece] = []
            for path in paths:
                try:
                    pieces.append(read_piece(path, corpus.grid))
                except MidigenError as e:
                    problems.append(str(e))
                advance()
            if not pieces:
                raise MidigenError(f"none of the songs of {name} can be read: {problems[-1]}")
            sources.append(Source(name, pieces))
    for problem in problems:
        say(f"left out: {problem}")
    return sources


def group_names(files: Sequence[Sequence[str]]) -> list[str]:
    """Name groups of songs by the folders that they lie in, as far back as they differ.

    >>> group_names([["runs/a/1.mid", "runs/a/2.mid"], ["runs/b/1.mid"]])
    ['a', 'b']
    """
    folders = [_folder(group) for group in files]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = [Path(*folder.parts[-depth:]).as_posix() for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{folder.name} {number}" for number, folder in enumerate(folders, start=1)]


def _folder(files: Sequence[str]) -> Path:
    """Return the folder that some files have in common, from the root on."""
    return Path(os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files]))
