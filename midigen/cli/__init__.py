"""The command line: one file a command. Each prints the paths it made on stdout, everything else on stderr."""

import importlib
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


def _load_config(ctx, param, path):
    if path is None:
        return
    import tomllib

    try:
        with open(path, "rb") as f:
            tables = tomllib.load(f)
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise click.UsageError(f"cannot read the settings in {path}: {e}") from None
    ctx.default_map = {name: {key.replace("-", "_"): value for key, value in table.items()}
                       for name, table in tables.items() if isinstance(table, dict)}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"],
                                              "auto_envvar_prefix": "MIDIGEN"})
@click.version_option(__version__, prog_name="midigen")
@click.option("--config", type=click.Path(), is_eager=True, expose_value=False, callback=_load_config,
              help="Settings from a TOML file: a table for each command, e.g. [train] epochs = 50.")
def group():
    """Train a small music model on your own MIDI files and get new songs.

    \b
        midigen prepare songs/ | midigen train | midigen generate

    Each command prints the path of what it made; the next one reads that path from the pipe,
    or takes it as its argument. Options may also come from MIDIGEN_<COMMAND>_<OPTION> variables.
    """


device_option = click.option(
    "--device", type=click.Choice(DEVICES), default="cpu", show_default=True,
    help="Where to compute: cuda is an NVIDIA GPU (pip install 'midigen[cuda]'); auto takes it where there is one.")


def teller(quiet):
    """say(line) on stderr, or nothing."""
    return lambda line: None if quiet else click.echo(line, err=True)


def path_from_stdin(what):
    """The one path that the command before this one printed; `what` names it in the message, e.g. "corpus"."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"no {what} given: name a {what}, or pipe its path in")
    lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not lines:
        raise MidigenError(f"no {what} path came through the pipe: the command before this one made none")
    if len(lines) > 1:
        raise UsageError(f"the pipe brought {len(lines)} paths, but one {what} is wanted")
    return lines[0]


def _say(message):
    click.echo(f"midigen: {' '.join(str(message).split())}", err=True)


def main(args=None):
    """Run the command line and return its exit code; no traceback unless MIDIGEN_TRACEBACK=1."""
    try:
        with termination():
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
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as e:
        _say(f"{e.filename or 'the output'}: {e.strerror or e}")
        return 1
    except Exception as e:  # the last resort: a user sees one line, a developer asks for the rest
        if os.environ.get("MIDIGEN_TRACEBACK") == "1":
            raise
        _say(f"failed unexpectedly: {type(e).__name__}: {e} (MIDIGEN_TRACEBACK=1 shows where; please report it)")
        return 1
