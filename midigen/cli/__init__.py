"""The command line: one file a command.

Each prints the paths of what it made on stdout, and everything else on stderr.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

import click

from midigen import __version__
from midigen.cli.command import load_settings_file, nearest
from midigen.cli.kinds import NEXT, WHAT, kind_of
from midigen.cli.streams import print_error, ready_streams
from midigen.errors import MidigenError
from midigen.interrupts import exit_code, termination
from midigen.shell import quoted

# name -> (module, line of help); a command's module is imported only when that command runs
COMMANDS = {
    "prepare": ("midigen.cli.prepare", "Read MIDI files into one corpus file."),
    "train": ("midigen.cli.train", "Train a model on a corpus."),
    "generate": ("midigen.cli.generate", "Write new songs with a trained model."),
    "render": ("midigen.cli.render", "Make sound and pictures of songs."),
    "play": ("midigen.cli.play", "Play songs."),
    "evaluate": ("midigen.cli.evaluate", "Measure a model, or songs, against a corpus."),
    "show": ("midigen.cli.show", "Show a song, a corpus or a run."),
    "runs": ("midigen.cli.runs", "List the runs of training."),
    "compare": ("midigen.cli.compare", "Compare songs by ear, blind."),
    "check": ("midigen.cli.check", "Check the arithmetic on this machine."),
    "completion": ("midigen.cli.completion", "Complete commands with the Tab key."),
}


class LazyGroup(click.Group):
    """Imports a command when it is run, so that `midigen --help` loads no numba, NumPy or rich."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context | None, name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that a line begins with, or say what may have been meant."""
        word = args[0]
        if word not in COMMANDS and not word.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no command {word}{_meant(word)}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the name of a command, without importing any."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=line)
            for name, (_, line) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lines of help in COMMANDS."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _meant(word: str) -> str:
    """Say what an unknown command may have been meant for."""
    kind = kind_of(word) if os.path.exists(word) else None
    if kind:
        return f": for {WHAT[kind]}, midigen {NEXT[kind]} {quoted(word)}"
    near = nearest(word, COMMANDS)
    return f": did you mean {near}?" if near else ""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="midigen")
@click.option(
    "--config",
    type=click.Path(),
    envvar="MIDIGEN_CONFIG",
    is_eager=True,
    expose_value=False,
    callback=load_settings_file,
    help="Settings from a TOML file: a table for each command, e.g. [train] epochs = 50.",
)
@click.pass_context
def group(ctx: click.Context) -> None:
    """Train a small music model on your own MIDI files and get new songs.

    \b
        midigen prepare songs/ | midigen train | midigen generate

    Each command prints the path of what it made; the next one reads that path from the pipe,
    or takes it as its argument. Options may also come from MIDIGEN_<COMMAND>_<OPTION> variables;
    flags take 1 or 0 there, and true or false in the file.
    """  # noqa: D301  click wants the backspace itself
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), color=ctx.color)


def main(args: Sequence[str] | None = None, *, alone: bool = False) -> int:
    """Run the command line; no traceback reaches a user unless MIDIGEN_TRACEBACK=1.

    Parameters
    ----------
    args : sequence of str, optional
        What stands behind `midigen`; by default that of this process.
    alone : bool
        Whether this process has nothing else to do, so that a signal may end it.

    Returns
    -------
    int
        The exit code.
    """
    with ready_streams():
        return _run(args, alone)


def _run(args: Sequence[str] | None, alone: bool) -> int:
    """Run the command line, and tell what goes wrong; return the exit code."""
    try:
        with termination(bounded=alone):
            return group.main(args=args, prog_name="midigen", standalone_mode=False) or 0
    except SystemExit:  # how click and rich end on a broken stdout: its reader has what it wanted
        return 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except (click.Abort, KeyboardInterrupt) as e:
        print_error("stopped")
        return exit_code(e)
    except Exception as e:
        code, line = _explain(e)
        print_error(line)
        return code


def _explain(error: Exception) -> tuple[int, str]:
    """Return the exit code of an error, and a line for the user; raises what a developer wants."""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "midigen"
        return 2, f"{error.format_message()} (`{where} --help` shows how)"
    if isinstance(error, click.ClickException):
        return error.exit_code, error.format_message()
    if isinstance(error, MidigenError):
        return error.exit_code, str(error)
    if isinstance(error, OSError):
        return 1, f"{error.filename or 'stdout'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return 1, (
            f"not enough memory{f' ({error})' if str(error) else ''}: train a smaller model "
            "(--hidden, --recurrent, --rbm-hidden), or take fewer songs at once (--batch, --count)"
        )
    if os.environ.get("MIDIGEN_TRACEBACK") == "1":
        raise error
    return 1, (
        f"failed unexpectedly: {type(error).__name__}: {error} "
        "(MIDIGEN_TRACEBACK=1 shows where; please report it)"
    )
