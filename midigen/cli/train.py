"""midigen train: a corpus -> a run folder with the best model, the last checkpoint and a log."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from midigen.cli.command import Command
from midigen.cli.kinds import explained
from midigen.cli.options import (
    AUTO,
    PATH,
    device_option,
    json_option,
    make,
    options,
    quiet_option,
    take,
)
from midigen.cli.streams import path_from_stdin, print_json, print_path, teller
from midigen.config import DEFAULT_MINUTES, RUNS, BudgetConfig, ModelConfig, TrainConfig
from midigen.errors import MidigenError, UsageError
from midigen.interrupts import exit_code, stopped_by

if TYPE_CHECKING:
    from midigen.training.run import Run
    from midigen.training.schedule import Budget

Say = Callable[[str], None]
# what may be given with --resume
RESUMABLE = ("epochs", "minutes", "quiet", "as_json", "corpus", "resume", "device", "any_model")


SHOWN = (
    *("minutes", "output", "resume", "like", "seed"),
    *("hidden", "learning_rate", "dropout", "transpose", "device", "as_json", "quiet"),
)


@click.command(cls=Command, shown=SHOWN, short_help="Train a model on a corpus.")
@click.argument("corpus", required=False, type=PATH)
@options(ModelConfig, ranges=False)
@options(TrainConfig, ranges=False)
@options(BudgetConfig)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="DIR",
    show_default=f"{RUNS}/run-001, run-002, ...",
    help="Folder of the run, made where it is missing.",
)
@device_option
@click.option(
    "--resume",
    type=PATH,
    metavar="RUN",
    help="Go on with the run in this folder, with its own settings.",
)
@click.option(
    "--like",
    type=PATH,
    metavar="RUN",
    help="Start with the settings of the run in this folder; those on the command line come first.",
)
@click.option(
    "--any-model",
    is_flag=True,
    help="End with exit code 0 even if the model predicts notes worse than coins would.",
)
@json_option("Print one JSON object in place of the path: paths, figures and settings.")
@quiet_option()
@click.pass_context
def command(
    ctx: click.Context,
    corpus: str | None,
    output: str | None,
    resume: str | None,
    like: str | None,
    any_model: bool,
    device: str,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a model on CORPUS, a file that `midigen prepare` made.

    Without CORPUS its path is read from the pipe: midigen prepare songs/ | midigen train.
    Prints the path of the best model; beside it in the run's folder are the last checkpoint, for
    --resume, and log.jsonl. Ctrl-C stops at the next step and saves.
    """
    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    limits = make(BudgetConfig, given)
    if resume:
        _refuse_settings(ctx)
        run, budget = _resume(resume, corpus, limits, device, teller(quiet))
    else:
        if like:
            given |= _settings_like(ctx, like)
        sizes, learning = take(ModelConfig, given), take(TrainConfig, given)
        make(TrainConfig, {name: value for name, value in learning.items() if value != AUTO})
        path = corpus or path_from_stdin("corpus")
        run = _new(path, output, sizes, learning, device, teller(quiet))
        budget = _budget(limits)
    with _Interrupt(quiet, run) as interrupt:
        report = _train(run, budget, interrupt.is_set, quiet)
    if run.useless and not (any_model or interrupt.is_set()):
        raise MidigenError(f"{run.model_path} {run.useless}; --any-model takes it all the same")
    if as_json:
        print_json(**report)
    else:
        print_path(run.model_path)
    if interrupt.stop:
        ctx.exit(exit_code(interrupt.stop))


def _refuse_settings(ctx: click.Context) -> None:
    """UsageError where a setting is given on the command line that a resumed run has already."""
    for option in ctx.command.params:
        name = option.name or ""
        if name in RESUMABLE or ctx.get_parameter_source(name) != ParameterSource.COMMANDLINE:
            continue
        value = ctx.params[name]
        assert isinstance(option, click.Option)
        # of the flags that share a name, the one that was given
        if not isinstance(option.flag_value, str) or option.flag_value == value:
            flags = option.secondary_opts if value is False else option.opts
            raise UsageError(f"--resume goes on with the run's own settings: leave out {flags[-1]}")


def _settings_like(ctx: click.Context, path: str) -> dict[str, Any]:
    """Return the settings of a run that the command line does not give."""
    from midigen.model.rnn_rbm import RnnRbm

    with explained(path, "model"):
        model = RnnRbm.load(path)
    found = {**model.config.to_json(), **model.card.settings}
    asked = {
        name for name in found if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in found.items()
        if name in ctx.params and name not in asked
    }


def _new(
    path: str,
    output: str | None,
    sizes: dict[str, Any],
    learning: dict[str, Any],
    device: str,
    say: Say,
) -> Run:
    """Make a Run on a corpus, in a new folder."""
    from midigen.corpus import Corpus
    from midigen.training.checkpoint import new_run_folder, use_run_folder
    from midigen.training.run import Run

    def make_folder() -> str | Path:
        return use_run_folder(output) if output else new_run_folder()

    with explained(path, "corpus"):
        corpus = Corpus.load(path)
    return Run.new(make_folder, corpus, path, sizes, learning, device, say)


def _resume(
    folder: str, corpus_path: str | None, limits: BudgetConfig, device: str, say: Say
) -> tuple[Run, Budget]:
    """Return the Run in a folder, on the corpus it was made from, or on the same one elsewhere."""
    from midigen.corpus import Corpus
    from midigen.training.resume import resume
    from midigen.training.run import Run

    if os.path.isfile(folder):  # as `midigen train` prints it
        folder = os.path.dirname(folder) or os.curdir
    checkpoint, budget = resume(folder, limits.epochs, limits.minutes, DEFAULT_MINUTES, say)
    path = corpus_path or checkpoint.corpus
    if not corpus_path and not os.path.exists(path):
        raise MidigenError(
            f"there is no file {path}, on which {folder} was training: if it has moved, name it "
            f"behind --resume {folder}"
        )
    with explained(path, "corpus"):
        corpus = Corpus.load(path)
    return Run.resumed(folder, checkpoint, corpus, path, device, say), budget


def _budget(limits: BudgetConfig) -> Budget:
    """Return the Budget of a new run."""
    from midigen.training.schedule import Budget

    unlimited = limits.minutes is None and limits.epochs is None
    return Budget(limits.epochs, DEFAULT_MINUTES if unlimited else limits.minutes)


def _train(
    run: Run, budget: Budget, interrupted: Callable[[], bool], quiet: bool
) -> dict[str, Any]:
    """Train within the budget, show how it goes, and sum it up."""
    from midigen.output.training import show, summary

    show(run, budget, interrupted, quiet)
    return summary(run, budget)


class _Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a flag, so that a step is finished and saved.

    The second stops at once, and so does the first while the run has saved nothing yet: the first
    step compiles, which takes long, and there is nothing to lose.

    Attributes
    ----------
    stop : KeyboardInterrupt or None
        What has come.
    """

    def __init__(self, quiet: bool, run: Run) -> None:
        self._quiet, self._run = quiet, run
        self.stop: KeyboardInterrupt | None = None

    def __enter__(self) -> _Interrupt:
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.stop or not self._run.saved:
            before = self._before[number]
            if callable(before):  # that of the whole command
                before(number, frame)
            raise stopped_by(number)
        self.stop = stopped_by(number)
        if not self._quiet:
            # the first validation compiles, too
            wait = b"midigen: it is judged first, which takes up to half a minute\n"
            line = (
                b"\nmidigen: stops when this step is done and saved; Ctrl-C again stops at once\n"
            ) + (b"" if self._run.validation is not None else wait)
            # as it is: whatever the signal has cut into may be writing, too
            with contextlib.suppress(OSError):
                os.write(2, line)

    def is_set(self) -> bool:
        """Say whether the user has asked to stop."""
        return self.stop is not None
