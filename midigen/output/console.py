"""The terminal: everything but results goes to stderr, through here."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.segment import Segment
from rich.text import Text

from midigen.midi.inputs import printable

PIPED_WIDTH = 120  # columns, where stdout is no terminal
MOST_BAR = 40  # columns of a bar
BESIDE_BAR = 50  # columns that are kept for what stands beside it


class PlainConsole(Console):
    """Shows text as it is, but control characters as escapes: names and files can do nothing.

    No text is read as rich's markup, and NO_COLOR is respected.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **settings)

    def render_str(self, text: str, *args: Any, **settings: Any) -> Text:
        """Make rich's text of a string, which is laid out with its escapes."""
        return super().render_str(_escaped(text), *args, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render anything: rich's own text, which has not come through `render_str`, as well."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=_escaped(segment.text))


def _escaped(text: str) -> str:
    """Return text whose only control characters are ends of lines."""
    if text.isprintable():
        return text
    return "\n".join(printable(line) for line in text.split("\n"))


class _Stderr(PlainConsole):
    def on_broken_pipe(self) -> None:
        """Fall silent where nobody reads stderr any more: the work goes on."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def make_console(quiet: bool = False) -> Console:
    """Make a console on stderr.

    Parameters
    ----------
    quiet : bool
        Whether it shows nothing.
    """
    return _Stderr(stderr=True, quiet=quiet)


def make_table_console() -> Console:
    """Make a console on stdout, for results; it is wide enough for tables where that is a pipe."""
    console = PlainConsole()
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    return console


def say(console: Console, line: str, style: str | None = None) -> None:
    """Show a line: broken between words on a terminal, in one piece elsewhere."""
    console.print(line, style=style, soft_wrap=not console.is_terminal)


def warn(console: Console, message: str) -> None:
    """Show a warning, as `say` does."""
    say(console, f"warning: {message}", "yellow")


def say_compiling(console: Console, before: str = "") -> None:
    """Say that kernels have to be compiled first, where they have; `before` says ahead of what."""
    from midigen.kernels import jit  # not for every command

    if jit.is_compiled():
        return
    if jit.is_kept():
        say(console, f"compiling for this machine, once: half a minute or so{before}")
        return
    warn(
        console,
        f"compiling for this machine: half a minute or so{before}, and at every start, as there is "
        "no folder for compiled kernels that is yours alone: make ~/.cache writable, or name "
        "one in NUMBA_CACHE_DIR",
    )


def clock(seconds: float) -> str:
    """Write a time.

    >>> clock(75), clock(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class TimeColumn(ProgressColumn):
    """The time left or, while nothing tells it, the time so far."""

    def render(self, task: Task) -> Text:
        """Write the time of a task."""
        left = task.time_remaining
        if left is None or not task.completed:
            return Text(f"{clock(task.elapsed or 0)} so far")
        return Text(f"{clock(left)} left")


class Bar:
    """A bar on a terminal: call it after each step, or with a number of steps."""

    def __init__(self, bars: Progress, what: str, total: int | None) -> None:
        self._bars = bars
        self._task = bars.add_task(what, total=total)

    def __call__(self, steps: float = 1) -> None:
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
def progress(console: Console, what: str, total: int | None = None) -> Iterator[Bar]:
    """Show a bar with the time left while the block runs, on a terminal only.

    Parameters
    ----------
    console : Console
        Where.
    what : str
        What is done, beside the bar.
    total : int, optional
        How many steps there are; where that is not known, the time so far is shown.

    Yields
    ------
    Bar
        To be called after each step, or with a number of steps.
    """
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), TimeColumn()]
    if total is None:
        columns.insert(0, SpinnerColumn("line"))
    else:
        width = min(MOST_BAR, console.width - BESIDE_BAR)
        columns[1:1] = [BarColumn(width)] * (width > 0) + [MofNCompleteColumn()]
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bars:
        yield Bar(bars, what, total)
