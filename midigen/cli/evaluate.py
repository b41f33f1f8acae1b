"""midigen evaluate: a model and a corpus, or songs and a corpus -> figures."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import click

from midigen.cli import Command, device_option, names_on_stdin, path_from_stdin, teller
from midigen.device import choose
from midigen.errors import MidigenError, UsageError


@click.command(cls=Command, short_help="Measure a model, or songs, against a corpus.")
@click.argument("paths", nargs=-1, metavar="[MODEL [CORPUS] | SONG...]")
@click.option(
    "--songs", is_flag=True, help="Judge SONGs, MIDI files or folders of them, instead of a model."
)
@click.option(
    "--corpus",
    metavar="FILE",
    show_default="the model's own",
    help="The corpus file to measure against; --songs needs it.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default="test",
    show_default=True,
    help="Which songs of the corpus the model has to predict.",
)
@click.option(
    "--temperatures",
    type=click.IntRange(100, 10_000_000),
    default=2000,
    show_default=True,
    help="Moves of each chain of annealed importance sampling: fewer flatter the model.",
)
@click.option(
    "--chains",
    type=click.IntRange(2, 10_000),
    default=4,
    show_default=True,
    help="Chains for each frame; their spread gives the standard error.",
)
@click.option(
    "--rnn-frames",
    type=click.IntRange(0, 10**9),
    default=1_000_000,
    show_default=True,
    help="Frames that a recurrent network with independent notes is trained on, to stand beside; 0: none.",
)
@click.option(
    "--max-frames",
    type=click.IntRange(1),
    help="Measure the model on a fixed random choice of songs of at most that many frames together, "
    "or of one.",
)
@device_option
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same figures, on any number of cores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
def command(
    paths,
    songs,
    corpus,
    split,
    temperatures,
    chains,
    rnn_frames,
    max_frames,
    device,
    seed,
    as_json,
    quiet,
):
    """Measure a model, or songs, against a corpus, and print a table.

    \b
        midigen evaluate MODEL [CORPUS]
        midigen evaluate --songs output/*.mid --corpus CORPUS

    MODEL, a run folder or its model.safetensors, is measured in nats a frame on songs that it was not trained on,
    beside simple predictors.  Left out, it is read from the pipe; CORPUS left out is the one that it was trained on.

    With --songs new songs are put beside the corpus and its held-out songs, and searched for copied runs first of
    all.  Their paths may come from the pipe: midigen generate --count 9 | midigen evaluate --songs --corpus CORPUS
    """
    if songs:
        report = _songs(paths, corpus, quiet)
    else:
        report = _model(
            paths, corpus, quiet, device, split, temperatures, chains, seed, max_frames, rnn_frames
        )
    if as_json:
        click.echo(json.dumps(report))
    else:
        from midigen.output.evaluation import show_model, show_songs

        (show_songs if songs else show_model)(report)


def _model(paths, corpus_path, quiet, device, *settings):
    if len(paths) > 2 or (len(paths) == 2 and corpus_path):
        raise UsageError("name one model and one corpus, or judge songs with --songs")
    path = paths[0] if paths else path_from_stdin("model")

    from midigen.kernels.jit import (
        is_compiled,
    )  # ahead of NumPy, whose BLAS then keeps to one thread as well

    from midigen.corpus import Corpus
    from midigen.evaluation.report import evaluate_model
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.output.console import make_console, progress

    model = RnnRbm.load(path)
    device = choose(device, "", teller(quiet))
    corpus_path = corpus_path or (paths[1] if len(paths) == 2 else _corpus_of(path))
    corpus = Corpus.load(corpus_path)
    console = make_console(quiet)
    if not is_compiled():
        console.print("compiling for this machine, once: half a minute or so")
    report = evaluate_model(model, corpus, *settings, partial(progress, console), device)
    return {"model": str(path), "corpus": str(corpus_path), **report}


def _corpus_of(model_path):
    """The corpus that a model's run names in its checkpoint, if it is still there."""
    from midigen.training.checkpoint import CHECKPOINT_NAME, Checkpoint

    folder = Path(model_path) if os.path.isdir(model_path) else Path(model_path).parent
    if not (folder / CHECKPOINT_NAME).exists():
        raise UsageError(f"{model_path} does not say which corpus it was trained on: name a corpus")
    corpus = Checkpoint(folder).corpus
    if not os.path.isfile(corpus):
        raise UsageError(
            f"the corpus that {model_path} was trained on, {corpus}, is not there: name a corpus"
        )
    return corpus


def _songs(paths, corpus_path, quiet):
    if not corpus_path:
        raise UsageError("--songs needs --corpus: the corpus that the model was trained on")

    from midigen.corpus import Corpus
    from midigen.evaluation.report import evaluate_songs
    from midigen.midi.inputs import expand, is_benchmark
    from midigen.output.console import make_console, progress

    corpus = Corpus.load(corpus_path)
    files = expand(paths, () if paths else _listed())
    files = [file.path for file in files if not is_benchmark(file.path)]
    if not files:
        raise MidigenError("no MIDI files (.mid, .midi, .kar) among the songs")
    total = len(files) + sum(song.split != "train" for song in corpus.songs)
    with progress(make_console(quiet), "songs", total) as advance:
        report = evaluate_songs(files, corpus, advance)
    return {"corpus": str(corpus_path), **report}


def _listed():
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("no songs given: name MIDI files or folders, or pipe their paths in")
    return names_on_stdin()
