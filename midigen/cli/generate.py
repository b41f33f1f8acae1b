"""midigen generate: a model -> new songs as .mid files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from midigen.backends.choose import backend_of, choose
from midigen.cli.command import Command
from midigen.cli.destination import destination_of
from midigen.cli.kinds import explained
from midigen.cli.options import PATH, device_option, json_option, make, options, quiet_option
from midigen.cli.render import SOUND, make_request, render_each
from midigen.cli.streams import path_from_stdin, print_json, print_path, teller
from midigen.config import SONGS, GenerateConfig, Grid, SteerConfig
from midigen.duration import length_in_frames, playable_bpm
from midigen.errors import UsageError

NEW_SEEDS = 1_000_000  # that a seed is drawn from: six digits, since they stand in names
MAX_FRAMES = 1_000_000  # of all songs together: more is hours of sound, or a slip
FORMATS = tuple(suffix.removeprefix(".") for suffix in SOUND)


SHOWN = (
    *("count", "length", "form", "metre", "primer", "source", "keep", "fill", "key", "best_of"),
    *("temperature", "program", "seed", "output", "page", "quiet"),
)


@click.command(cls=Command, shown=SHOWN, short_help="Write new songs with a trained model.")
@click.argument("model", required=False, type=PATH)
@options(GenerateConfig, "count", "length", "form")
@click.option(
    "--form-of",
    type=PATH,
    metavar="FILE.mid",
    help="A song whose form is taken, not its notes.",
)
@options(GenerateConfig, "style", "metre")
@click.option(
    "--primer",
    type=PATH,
    metavar="FILE.mid",
    help="A song to go on from, in its tempo, metre and tracks.",
)
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="FILE.mid",
    help="A song to start from, with --keep, --fill or --vary; its file is written anew with the "
    "new notes in it.",
)
@options(SteerConfig)
@options(
    GenerateConfig,
    "best_of",
    "endings",
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
    type=PATH,
    default=SONGS,
    show_default=True,
    metavar="DIR|FILE.mid|-",
    help="Folder for the songs, made where it is missing; a name ending in .mid is that of the one "
    "song; - writes it to stdout.",
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
@json_option("Print one JSON object in place of the paths: settings, paths, figures.")
@quiet_option()
def command(
    model: str | None,
    primer: str | None,
    source: str | None,
    form_of: str | None,
    device: str,
    output: str,
    audio: str | None,
    page: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write new songs with MODEL, a run folder or its model.safetensors.

    Without MODEL its path is read from the pipe: midigen train | midigen generate.
    Prints the path of each song, then those of --audio and --page; commands that read songs from a
    pipe pass over the latter: midigen generate RUN --audio | midigen evaluate --songs --corpus
    CORPUS.  No file is ever overwritten.
    """
    steer = make(SteerConfig, given)
    settings = make(GenerateConfig, given)
    if source is not None and _is_given("length"):
        raise UsageError("a song of --from is as long as it is: leave out --length")
    destination = destination_of(output, settings.count)
    if as_json and output == "-":
        raise UsageError("-o - and --json both write to stdout: leave out one")
    if output == "-" and (page or audio):
        what = "--page" if page else "--audio"
        raise UsageError(f"{what} makes files beside the songs: name a folder, not -o -")
    path = model or path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    from midigen.cli.pages import corpus_at_hand, write_page_of_new
    from midigen.composition import check_together, compose, plan_songs
    from midigen.evaluation.score import Judge
    from midigen.midi.write import midi_bytes
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress, say_compiling
    from midigen.output.generate import (
        findings,
        particles_of,
        remarks,
        score_figures,
        show,
        show_given,
        show_scores,
        song_figures,
    )

    if settings.seed is None:
        settings = replace(settings, seed=secrets.randbelow(NEW_SEEDS))
    with _usage_errors():
        check_together(settings, primer, form_of, source, steer)
    with explained(path, "model"):
        player = RnnRbm.load(path)
    device = choose(device, say=teller(quiet))
    grid, card = player.grid, player.card
    bpm = settings.bpm or playable_bpm(card.bpm)
    _frames(settings.length, settings.count, grid, bpm, settings.metre or card.metre)
    with _usage_errors():
        plan = plan_songs(player, settings, primer, form_of, source, steer)
    destination.make_ready()
    songs, paths = [], []
    made: list[Path] = []
    tell = made.append if as_json else print_path
    console = make_console(quiet)
    say_compiling(console)
    backend, judge = backend_of(device), Judge(player)
    if page or plan.is_judged:
        with progress(console, "reading the corpus", 1):
            corpus = corpus_at_hand(path, player, teller(quiet))
            judge = Judge(player, corpus, backend)
    with progress(console, "generating", plan.work(grid)) as bar:
        for number, song in enumerate(compose(player, plan, bar, backend, judge), start=1):
            songs.append(song)
            stem = f"{_stem(card.name)}-seed{settings.seed}-{number}"
            with bar.hidden():
                delivered = destination.deliver(midi_bytes(song.midi), stem)
                if delivered:
                    paths.append(delivered)
                    tell(delivered)
    rolls = [song.roll for song in songs]
    show(rolls, grid, plan.bpm, card, quiet)
    show_scores(plan, songs, judge.held_out, quiet)
    show_given(plan, songs, quiet)
    if audio:
        render_each(
            [str(path) for path in paths], f".{audio}", make_request(None, quiet), tell=tell
        )
    if page:
        scores = [song.score for song in songs]
        write_page_of_new(player, scores, judge.held_out, paths, quiet, tell)
    if as_json:
        asked = {**plan.settings.to_json(), "primer": primer, "form_of": form_of, "bpm": plan.bpm}
        asked |= {"from": source, **steer.to_json(), "particles": particles_of(plan)}
        found = zip(paths, songs, song_figures(rolls, grid, plan.bpm), strict=True)
        print_json(
            model=path,
            seed=settings.seed,
            settings=asked,
            songs=[
                {
                    "path": str(where),
                    **score_figures(song.score),
                    "survivors": song.fit.survivors,
                    "hardest_bar": song.fit.bar,
                    **figures,
                }
                for where, song, figures in found
            ],
            held_out=judge.held_out._asdict(),
            files=[str(where) for where in made],
            warnings=findings(rolls, grid, plan.bpm, card)[1:] + remarks(plan, songs),
        )


def _is_given(name: str) -> bool:
    """Tell whether an option stands on the command line: what always holds need not fit."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn a ValueError into a UsageError."""
    try:
        yield
    except ValueError as e:
        raise UsageError(str(e)) from None


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
