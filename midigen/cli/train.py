"""midigen train: a corpus -> a run folder with the best model, the last checkpoint and a log."""

import contextlib
import os
import re
import signal

import click

from midigen.cli import Command, device_option, path_from_stdin, print_path, teller
from midigen.config import ModelConfig, TrainConfig
from midigen.errors import MidigenError, UsageError

DEFAULT_MINUTES = 2.0
BUDGET = (
    "epochs",
    "minutes",
    "quiet",
    "corpus",
    "resume",
    "device",
)  # what may be given with --resume


class Widths(click.ParamType):
    """ "150", "150,100" or "none" -> a tuple of layer widths."""

    name = "widths"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        if str(value).strip().lower() in ("none", ""):
            return ()
        if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", str(value)):
            self.fail(f"{value!r}: write none, or widths such as 150 or 150,100", param, ctx)
        return tuple(int(width) for width in str(value).split(","))


class Semitones(click.ParamType):
    """ "-5,6" or "0" -> (lowest, highest) shift."""

    name = "semitones"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"\s*([+-]?\d+)\s*(?:[, ]\s*([+-]?\d+)\s*)?", str(value))
        if not match:
            self.fail(
                f"{value!r}: write the lowest and highest shift, such as -5,6, or 0 for none",
                param,
                ctx,
            )
        low = int(match[1])
        return (low, int(match[2])) if match[2] else (min(low, 0), max(low, 0))


class Deviations(click.ParamType):
    """ "0.05,1" -> (lowest, highest)."""

    name = "deviations"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r}: write the lowest and the highest, such as 0.05,1", param, ctx)
        return low, high


def setting(name, kind, text, owner=TrainConfig, flag=None, shown=True):
    """A click option for one field of a config, with the field's own default."""
    default = getattr(owner, name)
    return click.option(
        flag or "--" + name.replace("_", "-"),
        name,
        type=kind,
        default=default,
        help=text,
        show_default=shown,
    )


def choice(*values):
    """A choice between words."""
    return click.Choice(values)


def many(*options):
    """One decorator of several, in reading order."""

    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


MODEL_OPTIONS = many(
    setting(
        "hidden",
        Widths(),
        "Widths of the network's hidden layers, or none.",
        ModelConfig,
        shown=",".join(map(str, ModelConfig.hidden)) or "none",
    ),
    setting("recurrent", int, "Recurrent units, R.", ModelConfig),
    setting("rbm_hidden", int, "Hidden units of the RBM, H.", ModelConfig),
    click.option(
        "--visible-model",
        type=choice("auto", "bernoulli", "gaussian"),
        default="auto",
        show_default=True,
        help="Notes that are on or off, or have a loudness; auto is what the corpus holds.",
    ),
    setting(
        "deviation",
        Deviations(),
        "Lowest and highest standard deviation that a gaussian model predicts; the "
        "loudest note is 1.",
        ModelConfig,
        shown="{:g},{:g}".format(*ModelConfig.deviation),
    ),
    setting("dtype", choice("float32", "float64"), "Precision of all arithmetic.", ModelConfig),
)

LEARNING_OPTIONS = many(
    setting(
        "block",
        int,
        "Frames in a block of real-time recurrent learning: every length gives the same gradient, "
        "1 is the textbook's, longer is faster and takes more memory.",
    ),
    setting(
        "rank_tolerance",
        float,
        "Singular values that RTRL may drop on its way back, Eq. (12a); 0: "
        "strictly exact arithmetic, slower where songs are longer than a block.",
    ),
    setting(
        "update",
        choice("batch", "block", "epoch"),
        "Move the weights after every batch of songs, after every block (online), or once an epoch.",
    ),
    setting("batch", int, "Songs side by side."),
    setting(
        "gradient",
        choice("blocks", "textbook"),
        "How the influence matrix J is carried: in blocks or, for study, "
        "whole and frame by frame as in the textbooks, which gives the same gradient much later.",
    ),
    click.option(
        "--concatenate",
        is_flag=True,
        help="All songs as one series: carry the state over song starts.",
    ),
    click.option(
        "--persistent",
        "sampler",
        flag_value="persistent",
        default=TrainConfig.sampler,
        help="Gibbs chains that go on, one for each training frame. [default]",
    ),
    click.option(
        "--cd",
        "sampler",
        flag_value="cd",
        help="Gibbs chains that start at the data each time (CD-k).",
    ),
    click.option(
        "--exact",
        "sampler",
        flag_value="exact",
        help="No sampling: sums over all states, for RBMs with at most 16 hidden or visible units.",
    ),
    setting(
        "gibbs_steps",
        int,
        "Gibbs steps for each frame and step, the k of CD-k.",
        flag="--gibbs-steps",
    ),
    setting(
        "centre",
        bool,
        "Count notes and hidden units from their means, Eq. (25): the same model in fewer steps.",
        flag="--centre/--no-centre",
    ),
    setting("optimizer", choice("adam", "sgd"), "Adam, or gradient descent with momentum."),
    setting("learning_rate", float, "Step size. It runs down to 0 in the last part of a run."),
    setting(
        "variance_rate",
        float,
        "What the steps of a gaussian model's log-variances are multiplied by.",
    ),
    setting("momentum", float, "For sgd."),
    setting("clip", float, "Longest gradient; longer ones are shortened to it, 0 for no limit."),
    setting("weight_decay", float, "Weight of the squared weights in the loss."),
    setting(
        "average",
        float,
        "Decay a step of the running mean of the weights, which is what is kept; 0 for none.",
    ),
    setting(
        "dropout", float, "Share of the fed-back notes that the network does not see in training."
    ),
    setting(
        "noise",
        float,
        "Share of the fed-back notes that are flipped in training; in a gaussian model the "
        "standard deviation of what is added to them.",
    ),
    setting(
        "transpose",
        Semitones(),
        "Random transposition of every song, lowest and highest shift in semitones, as "
        "far as its notes stay in range.",
        shown="{},{}".format(*TrainConfig.transpose),
    ),
    setting(
        "transpose_share",
        float,
        "Share of the songs that an epoch transposes.",
        shown="1, or less in a large collection in one key",
    ),
)

NEGATIVE_OPTIONS = many(
    setting(
        "negative",
        choice("off", "bounded", "literal"),
        "Push random songs away: not, as far as the model still "
        "finds them likely, or by all of their gradient (which has no bound).",
    ),
    setting("negative_weight", float, "Weight of the random songs' gradient."),
    setting("negative_density", float, "Share of notes that are on in a random song, over 0.5."),
    setting(
        "negative_margin",
        float,
        "How early noise is pushed: 0 where it is as likely as the model's samples.",
    ),
    setting("negative_songs", int, "Random songs for each batch."),
)

RUN_OPTIONS = many(
    click.option(
        "--minutes",
        type=click.FloatRange(0, 1_000_000, min_open=True),
        help="Time to train, from the first step on.  "
        f"[default: {DEFAULT_MINUTES:g} where --epochs is not given]",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(1, 1 << 30),
        help="Passes over the training songs, earlier ones included.",
    ),
    setting(
        "validate_every",
        int,
        "Epochs between validations on held-out songs; 0: a few hundred steps.",
    ),
    setting("patience", int, "Validations without a new best before the end is begun."),
    setting(
        "seed", int, "The same seed and settings give the same model, on any number of threads."
    ),
    click.option(
        "-o",
        "--output",
        metavar="DIR",
        show_default="output/run-001, run-002, ...",
        help="Folder of the run, made where it is missing.",
    ),
    device_option,
    click.option(
        "--resume", metavar="RUN", help="Go on with the run in this folder, with its own settings."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing on stderr but errors."),
)


@click.command(cls=Command, short_help="Train a model on a corpus.")
@click.argument("corpus", required=False)
@MODEL_OPTIONS
@LEARNING_OPTIONS
@NEGATIVE_OPTIONS
@RUN_OPTIONS
@click.pass_context
def command(ctx, corpus, minutes, epochs, output, resume, device, quiet, **settings):
    """Train a model on CORPUS, a file that `midigen prepare` made.

    Without CORPUS its path is read from the pipe: midigen prepare songs/ | midigen train.
    Prints the path of the best model; beside it in the run's folder are the last checkpoint, for --resume, and
    log.jsonl. Ctrl-C stops at the next step and saves.
    """
    import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

    if resume:
        _only_budget(ctx)
        run = _resume(resume, corpus, device, teller(quiet))
    else:
        run = _new(corpus or path_from_stdin("corpus"), output, settings, device, teller(quiet))

    from midigen.output.training import show
    from midigen.training.run import Budget

    budget = Budget(epochs, DEFAULT_MINUTES if minutes is None and epochs is None else minutes)
    with _Interrupt(quiet) as interrupt:
        show(run, budget, interrupt.is_set, quiet)
    print_path(run.model_path)
    if interrupt.is_set():
        ctx.exit(130)


def _only_budget(ctx):
    for option in ctx.command.params:
        if (
            option.name in BUDGET
            or ctx.get_parameter_source(option.name) != click.core.ParameterSource.COMMANDLINE
        ):
            continue
        value = ctx.params[option.name]
        if (
            not isinstance(option.flag_value, str) or option.flag_value == value
        ):  # --cd is one of three of a name
            flags = option.secondary_opts if value is False else option.opts
            raise UsageError(f"--resume goes on with the run's own settings: leave out {flags[-1]}")


def _new(path, output, settings, *device):
    """A Run on a corpus, in a new folder."""
    model_names = ("hidden", "recurrent", "rbm_hidden", "visible_model", "deviation", "dtype")
    sizes = {name: settings.pop(name) for name in model_names}
    try:
        settings = TrainConfig(**settings)
    except ValueError as e:
        raise UsageError(str(e)) from None

    from midigen.corpus import Corpus
    from midigen.training.checkpoint import new_run_folder, use_run_folder
    from midigen.training.run import Run

    corpus = Corpus.load(path)
    return Run.new(
        lambda: use_run_folder(output) if output else new_run_folder(),
        corpus,
        path,
        sizes,
        settings,
        *device,
    )


def _resume(folder, corpus_path, *device):
    """The Run in a folder, on the corpus it was made from, or on the same one elsewhere."""
    from midigen.corpus import Corpus
    from midigen.training.checkpoint import Checkpoint
    from midigen.training.run import Run

    checkpoint = Checkpoint(folder)
    path = corpus_path or checkpoint.corpus
    if not corpus_path and not os.path.exists(path):
        raise MidigenError(
            f"there is no file {path}, on which {folder} was training: if it has moved, name it behind "
            f"--resume {folder}"
        )
    return Run.resumed(folder, checkpoint, Corpus.load(path), path, *device)


class _Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a flag, so that a step is finished and saved; the second stops at once."""

    def __init__(self, quiet):
        self._quiet = quiet

    def __enter__(self):
        self._set = False
        self._before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, *_):
        if self._set:
            raise KeyboardInterrupt
        self._set = True
        if not self._quiet:
            with contextlib.suppress(
                OSError
            ):  # as it is: whatever the signal has cut into may be writing, too
                os.write(
                    2,
                    b"\nmidigen: stops when this step is done and saved; Ctrl-C again stops at once\n",
                )

    def is_set(self):
        """Whether the user has asked to stop."""
        return self._set
