"""The terminal: everything but results goes to stderr, through here."""

import contextlib
import os

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class _Stderr(Console):
    def on_broken_pipe(self):
        """Nobody reads stderr any more: the work goes on without."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def make_console(quiet=False):
    """A console on stderr that says nothing if `quiet`.

    Text is shown as it is, never read as rich markup, so that names from files can do nothing.  NO_COLOR is respected.
    """
    return _Stderr(stderr=True, quiet=quiet, markup=False, highlight=False, emoji=False)


def warn(console, message):
    """One line, however wide the terminal is."""
    console.print(f"warning: {message}", style="yellow", soft_wrap=True)


@contextlib.contextmanager
def progress(console, what, total):
    """A bar that goes when the block ends; yields advance(steps=1), to reach `total` in all.  On a terminal only."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bars:
        task = bars.add_task(what, total=total)
        yield lambda steps=1: bars.advance(task, steps)
