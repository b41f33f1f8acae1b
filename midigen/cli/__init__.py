"""The command line: one file a command. Each prints the paths it made on stdout, everything else on stderr."""

import importlib
import io
import os
import sys

import click

from midigen import __version__
from midigen.device import DEVICES
from midigen.errors import MidigenError, UsageError
from midigen.interrupts import termination

# name -> (module, line of help); a command's module is imported only when that command runs
COMMANDS = {
    "prepare": ("midigen.cli.prepare", "Read MIDI files into one corpus file."),
    "train": ("midigen.cli.train", "Train a model on a corpus."),
    "generate": ("midigen.cli.generate", "Write new songs with a trained model."),
    "evaluate": ("midigen.cli.evaluate", "Measure a model, or songs, against a corpus."),
    "check": ("midigen.cli.check", "Check the arithmetic on this machine."),
}


class LazyGroup(click.Group):
    """Imports a subcommand when it is run, so that `midigen --help` loads no numba, NumPy or rich."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        return importlib.import_module(COMMANDS[name][0]).command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


class Command(click.Command):
    """A command whose long options may stand in its table of the settings file or, above that, in variables.

    No value may be empty, which would pass for one that is not given, or nan, which is outside no range.
    """

    def parse_args(self, ctx, args):
        names, settings = long_names(self), {}
        variables = {
            name: f"MIDIGEN_{ctx.info_name}_{name}".upper().replace("-", "_") for name in names
        }
        given = {
            name: os.environ[variable]
            for name, variable in variables.items()
            if os.environ.get(variable)
        }
        from_file = {
            name: value for name, value in (ctx.default_map or {}).items() if name not in given
        }
        for name, value in (from_file | given).items():
            settings |= _meaning(names[name], name, value, ctx)
        ctx.default_map = settings
        rest = super().parse_args(ctx, args)
        for param in self.params:
            values = ctx.params.get(param.name)
            for value in values if isinstance(values, tuple) else (values,):
                if value == "" or value != value:
                    raise click.BadParameter(
                        "it is empty" if value == "" else "nan is not a number", ctx, param
                    )
        return rest


def long_names(command):
    """{"gibbs-steps": its click.Option, ...}: the long options of a command, with --no-... as their own."""
    return {
        flag[2:]: option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts + option.secondary_opts
        if flag.startswith("--")
    }


def _meaning(option, name, value, ctx):
    """What `name = value` says, as click's {parameter: default}: a flag takes a truth, and sets its own value."""
    if not option.is_flag:
        return {option.name: str(value)}
    on = click.BOOL.convert(str(value), option, ctx)
    if option.is_bool_flag:
        return {option.name: on == ("--" + name in option.opts)}
    return {option.name: option.flag_value} if on else {}


def _load_config(ctx, param, path):
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as f:
            tables = tomllib.load(f)
    except (OSError, ValueError) as e:  # not TOML, or not even UTF-8
        raise click.UsageError(f"cannot read the settings in {path}: {e}") from None
    known = {
        name: {key: f"[{name}] {key}" for key in long_names(group.get_command(ctx, name))}
        for name in COMMANDS
    }
    anywhere = {key: place for keys in known.values() for key, place in keys.items()}
    ctx.default_map = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            _refuse(path, name, anywhere)
        if name not in known:
            _refuse(path, f"[{name}]", {name: f"[{name}]" for name in known})
        ctx.default_map[name] = {key.replace("_", "-"): value for key, value in table.items()}
        for key, value in ctx.default_map[name].items():
            if key not in known[name]:
                _refuse(path, f"[{name}] {key}", known[name])
            if isinstance(value, dict | list):
                raise click.UsageError(
                    f"{path}: [{name}] {key} takes one value, written as on the command line"
                )


def _refuse(path, wrong, right):
    """right: {name: how it is written in a settings file}."""
    import difflib

    nearest = difflib.get_close_matches(wrong.strip("[]").split("] ")[-1], right, 1, 0)[0]
    raise click.UsageError(f"{path}: {wrong} is no setting; the nearest is {right[nearest]}")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="midigen")
@click.option(
    "--config",
    type=click.Path(),
    envvar="MIDIGEN_CONFIG",
    is_eager=True,
    expose_value=False,
    callback=_load_config,
    help="Settings from a TOML file: a table for each command, e.g. [train] epochs = 50.",
)
def group():
    """Train a small music model on your own MIDI files and get new songs.

    \b
        midigen prepare songs/ | midigen train | midigen generate

    Each command prints the path of what it made; the next one reads that path from the pipe,
    or takes it as its argument. Options may also come from MIDIGEN_<COMMAND>_<OPTION> variables;
    flags take 1 or 0 there, and true or false in the file.
    """


device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="Where to compute: cuda is an NVIDIA GPU (pip install 'midigen[cuda]'); auto takes it where there is one.",
)


def teller(quiet):
    """say(line) on stderr, or nothing."""

    def say(line):
        from midigen.output.console import make_console

        make_console(quiet).print(line, soft_wrap=True)

    return say


def path_from_stdin(what):
    """The one path that the command before this one printed; `what` names it in the message, e.g. "corpus"."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"no {what} given: name a {what}, or pipe its path in")
    lines = names_on_stdin()
    if not lines:
        raise MidigenError(
            f"no {what} path came through the pipe: the command before this one made none"
        )
    if len(lines) > 1:
        raise UsageError(f"the pipe brought {len(lines)} paths, but one {what} is wanted")
    return lines[0]


def names_on_stdin(end=b"\n"):
    """The names on stdin, in the bytes of the file system and not in stdin's encoding."""
    names = (
        name if end == b"\0" else name.rstrip(b"\r") for name in sys.stdin.buffer.read().split(end)
    )
    return [os.fsdecode(name) for name in names if name.strip()]


def print_path(path):
    """On stdout, as names_on_stdin reads it."""
    click.echo(os.fsencode(path))


def _say(message):
    click.echo(f"midigen: {' '.join(str(message).split())}", err=True)


def _ready_streams():
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # no name of a song ends a table, whatever the encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    if not os.environ.get("COLUMNS", "").strip(
        "0"
    ):  # rich takes 0 for a width in which nothing can be shown
        os.environ.pop("COLUMNS", None)


def main(args=None):
    """Run the command line and return its exit code; no traceback unless MIDIGEN_TRACEBACK=1."""
    try:
        with termination():
            _ready_streams()
            return group.main(args=args, prog_name="midigen", standalone_mode=False) or 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.UsageError as e:
        where = e.ctx.command_path if e.ctx else "midigen"
        _say(f"{e.format_message()} (`{where} --help` shows how)")
        return 2
    except click.ClickException as e:
        _say(e.format_message())
        return e.exit_code
    except MidigenError as e:
        _say(e)
        return e.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return 130
    except SystemExit:  # how click and rich end on a broken stdout: its reader has what it wanted
        return 0
    except OSError as e:
        _say(f"{e.filename or 'the output'}: {e.strerror or e}")
        return 1
    except MemoryError as e:
        _say(
            f"not enough memory{f' ({e})' if str(e) else ''}: train a smaller model (--hidden, --recurrent, "
            "--rbm-hidden), or take fewer songs at once (--batch, --count)"
        )
        return 1
    except Exception as e:  # the last resort: a user sees one line, a developer asks for the rest
        if os.environ.get("MIDIGEN_TRACEBACK") == "1":
            raise
        _say(
            f"failed unexpectedly: {type(e).__name__}: {e} (MIDIGEN_TRACEBACK=1 shows where; please report it)"
        )
        return 1
