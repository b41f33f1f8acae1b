"""The terminal: everything but results goes to stderr, through here."""

import contextlib
import os
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class _Stderr(Console):
    def on_broken_pipe(self) -> None:
        """Fall silent where nobody reads stderr any more: the work goes on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def make_console(quiet: bool = False) -> Console:
    """Make a console on stderr.

    Text is shown as it is, never read as rich's markup, so that names from files can do nothing.
    NO_COLOR is respected.

    Parameters
    ----------
    quiet : bool
        Whether it shows nothing.
    """
    return _Stderr(stderr=True, quiet=quiet, markup=False, highlight=False, emoji=False)


def warn(console: Console, message: str) -> None:
    """Show a warning in one line, however wide the terminal is."""
    console.print(f"warning: {message}", style="yellow", soft_wrap=True)


class Bar:
    """A bar on a terminal: call it after each step, or with a number of steps."""

    def __init__(self, bars: Progress, what: str, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=total)

    def __call__(self, steps: int = 1) -> None:
        """Move the bar on."""
        self._bars.advance(self._task, steps)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away for the block, in which stdout, perhaps the same terminal, is written.

        What is written has a line of its own then.
        """
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


@contextlib.contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Bar]:
    """Show a bar while the block runs, on a terminal only.

    Parameters
    ----------
    console : Console
        Where.
    what : str
        What is done, beside the bar.
    total : int
        How many steps there are.

    Yields
    ------
    Bar
        To be called after each step, or with a number of steps.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bars:
        yield Bar(bars, what, total)
