"""midigen evaluate: a model and a corpus, or songs and a corpus -> figures."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from midigen.backends.choose import backend_of, choose
from midigen.cli.command import Command
from midigen.cli.kinds import explained
from midigen.cli.options import PATH, device_option, json_option, make, options, quiet_option
from midigen.cli.songs import named_songs
from midigen.cli.streams import path_from_stdin, print_json, teller
from midigen.config import EvaluateConfig
from midigen.errors import UsageError
from midigen.shell import quoted

MOST_NAMED = 5  # songs in a message


@click.command(cls=Command, short_help="Measure a model, or songs, against a corpus.")
@click.argument("paths", nargs=-1, type=PATH, metavar="[MODEL [CORPUS] | SONG...]")
@click.option(
    "--songs", is_flag=True, help="Judge SONGs, MIDI files or folders of them, instead of a model."
)
@click.option(
    "--corpus",
    type=PATH,
    metavar="FILE",
    show_default="the model's own",
    help="The corpus file to measure against; --songs needs it.",
)
@options(EvaluateConfig, "split", "tolerance", "temperatures", "chains", "rnn_frames", "max_frames")
@device_option
@options(EvaluateConfig, "seed")
@json_option()
@quiet_option("No progress on stderr.")
def command(
    paths: tuple[str, ...],
    songs: bool,
    corpus: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Measure a model, or songs, against a corpus, and print a table.

    \b
        midigen evaluate MODEL [CORPUS]
        midigen evaluate --songs output/songs/*.mid --corpus CORPUS

    MODEL, a run folder or its model.safetensors, is measured in nats a frame on songs that it was
    not trained on, beside simple predictors.  Left out, it is read from the pipe; CORPUS left out
    is the one that it was trained on.

    With --songs new songs are searched for what they copy of the corpus, and their musical figures
    put beside those of the corpus, of its held-out songs and of a Markov chain.  Their paths may
    come from the pipe:
    midigen generate RUN --count 9 | midigen evaluate --songs --corpus CORPUS
    """  # noqa: D301  click wants the backspace itself
    if songs:
        report = _songs(paths, corpus, given["seed"], quiet)
    else:
        report = _model(paths, corpus, make(EvaluateConfig, given), device, quiet)
    if as_json:
        print_json(**report)
    else:
        from midigen.output.evaluation import show_model, show_songs

        (show_songs if songs else show_model)(report)


def _model(
    paths: tuple[str, ...],
    corpus_path: str | None,
    settings: EvaluateConfig,
    device: str,
    quiet: bool,
) -> dict[str, Any]:
    """Measure a model."""
    _refuse_songs(paths)
    if len(paths) > 2 or (len(paths) == 2 and corpus_path):
        raise UsageError("name one model and one corpus, or judge songs with --songs")
    path = paths[0] if paths else path_from_stdin("model")

    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    # isort: split
    from midigen.corpus import Corpus
    from midigen.evaluation.report import evaluate_model
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress, say_compiling

    with explained(path, "model"):
        model = RnnRbm.load(path)
    backend = backend_of(choose(device, say=teller(quiet)))
    corpus_path = corpus_path or (paths[1] if len(paths) == 2 else corpus_of(path))
    with explained(corpus_path, "corpus"):
        corpus = Corpus.load(corpus_path)
    console = make_console(quiet)
    say_compiling(console)
    report = evaluate_model(
        model, corpus, **settings.to_json(), progress=partial(progress, console), backend=backend
    )
    return {"model": str(path), "corpus": str(corpus_path), **report}


def _refuse_songs(paths: tuple[str, ...]) -> None:
    """UsageError, with what to type, where songs are named without --songs."""
    from midigen.midi.inputs import MIDI

    if not any(path.lower().endswith(MIDI) for path in paths):
        return
    named = quoted(*paths) if len(paths) <= MOST_NAMED else "FILES"
    raise UsageError(
        f"{paths[0]} is no model: to judge songs: midigen evaluate --songs {named} --corpus CORPUS"
    )


def corpus_of(model_path: str) -> str:
    """Return the path of the corpus that a model's run names in its checkpoint.

    UsageError where it names none, or where that is gone.
    """
    from midigen.training.checkpoint import CHECKPOINT_NAME, Checkpoint

    folder = Path(model_path) if os.path.isdir(model_path) else Path(model_path).parent
    if not (folder / CHECKPOINT_NAME).exists():
        raise UsageError(f"{model_path} does not say which corpus it was trained on: name a corpus")
    corpus: str = Checkpoint(folder).corpus
    if not os.path.isfile(corpus):
        raise UsageError(
            f"the corpus that {model_path} was trained on, {corpus}, is not there: name a corpus"
        )
    return corpus


def _songs(
    paths: tuple[str, ...], corpus_path: str | None, seed: int, quiet: bool
) -> dict[str, Any]:
    """Judge songs."""
    if not corpus_path:
        raise UsageError("--songs needs --corpus: the corpus that the model was trained on")

    from midigen.corpus import Corpus
    from midigen.evaluation.songs import evaluate_songs, steps_of_songs
    from midigen.output.console import make_console, progress

    with explained(corpus_path, "corpus"):
        corpus = Corpus.load(corpus_path)
    files = named_songs(paths)
    with progress(
        make_console(quiet), "measuring songs", steps_of_songs(len(files), corpus)
    ) as advance:
        report = evaluate_songs(files, corpus, seed, advance)
    return {"corpus": str(corpus_path), **report}
