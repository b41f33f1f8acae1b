"""What `midigen train` shows: a bar on a terminal, a line now and then elsewhere, and the end."""

import time
from collections.abc import Callable
from typing import Any

from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.text import Text

from midigen.kernels.jit import is_compiled
from midigen.output.console import clock, make_console, say, warn
from midigen.shell import quoted
from midigen.training import events
from midigen.training.run import Run
from midigen.training.schedule import Budget
from midigen.training.trainer import Event

BAR_WIDTH = 100  # columns of a terminal that has room for a bar beside the text
BAR = 12  # columns of the bar
LINE_SECONDS = 15  # between lines where there is no terminal to draw a bar on
NATS = (
    "loss and held out: how much the next notes surprise the model, in songs that it learns from "
    "and in others (nats a frame, pseudo-likelihood; lower is better)"
)
# what is left out first, where a line has not enough room
DISPENSABLE = ("notes", "speed", "loss", "left")


class Display:
    """Follows a run's events: one bar that is drawn over on a terminal, lines in a log.

    Parameters
    ----------
    run : Run
        The run, before its first event.
    budget : Budget
        How long it may last.
    quiet : bool
        Whether to show nothing.
    """

    def __init__(self, run: Run, budget: Budget, quiet: bool) -> None:
        self._console = make_console(quiet)
        self._budget = budget
        self._live = self._console.is_terminal and not quiet
        self._corpus_notes: float | None = run.trainer.model.card.notes_per_frame
        self._validated: events.Validated | None = None  # the last one
        self._opened = time.monotonic()
        self._compiled = is_compiled()
        self._started: float | None = None  # when the first step was done, and its frames
        self._first_frames = 0
        self._frame_rate = 0.0
        self._epoch = 0
        self._epochs = 0.0  # done, with a fraction of the one under way
        self._last_line = time.monotonic()
        room = self._console.width - 1
        columns: list[ProgressColumn] = [_Line(self, room)]
        if self._console.width >= BAR_WIDTH:
            columns = [BarColumn(bar_width=BAR), _Line(self, room - BAR - 1)]
        self.bar = Progress(*columns, console=self._console, transient=True, disable=not self._live)
        self._task = self.bar.add_task("train", total=1.0)

    def opening(self, run: Run) -> None:
        """Say what begins, and that the first step compiles where that is so."""
        trainer, console = run.trainer, self._console
        begun = f", from epoch {trainer.counters.epoch + 1}" if trainer.state.steps else ""
        say(
            console,
            f"training {run.folder}: {len(trainer.train)} songs, "
            f"{trainer.model.theta.size:,} parameters{begun}",
        )
        settings, share = trainer.settings, trainer.plan.transpose_share
        if settings.transpose_share is None and share < 1 and any(settings.transpose):
            say(
                console,
                f"most songs are in one key, so an epoch transposes {share:.0%} of them "
                "(--transpose-share 1: all)",
            )
        if not trainer.valid:
            warn(
                console,
                "no songs are held out, so the best model is chosen by the training songs: "
                "prepare more songs",
            )
        say(console, NATS)
        if not self._compiled:
            say(
                console,
                "compiling for this machine, once: half a minute or so before the first step",
            )

    def show(self, event: Event) -> None:
        """Follow one event."""
        if isinstance(event, events.RolledBack):
            warn(
                self._console,
                f"{event.what} not finite after step {event.steps}: took the step back, "
                f"step size now {event.rate:g}",
            )
            return
        if isinstance(event, events.Validated):
            self._validated = event
        else:
            self._count(event)
        self.bar.update(self._task, completed=self._budget.share_done(self._epochs))
        if not self._live and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            say(self._console, self.line())

    def _count(self, event: events.Progress) -> None:
        now = time.monotonic()
        if self._started is None:  # the first step has compiled: time from here
            self._started, self._first_frames = now, event.frames
        elif now > self._started:
            self._frame_rate = (event.frames - self._first_frames) / (now - self._started)
        self._epoch, self._epochs = event.epoch, event.epoch + event.position

    def line(self, room: int | None = None) -> str:
        """Say how far the run is, in so many columns; in one line of any length if left out."""
        if self._started is None:
            what = "loading" if self._compiled else "compiling"
            return f"{what} kernels, {clock(time.monotonic() - self._opened)} so far"
        parts = {"epoch": f"epoch {self._epoch + 1}"}
        if self._frame_rate:
            parts["speed"] = f"{self._frame_rate:,.0f} frames/s"
        left = self._seconds_left()
        if left is not None:
            parts["left"] = f"{clock(left)} left"
        if self._validated:
            parts["loss"] = f"loss {self._validated.loss:.2f}"
            parts["held out"] = f"held out {self._validated.validation:.2f}"
            notes = f"notes {self._validated.notes_per_frame:.1f}"
            parts["notes"] = notes + (f"/{self._corpus_notes:.1f}" if self._corpus_notes else "")
        for name in DISPENSABLE:
            if room is not None and len("  ".join(parts.values())) > room:
                parts.pop(name, None)
        return "  ".join(parts.values())

    def _seconds_left(self) -> float | None:
        done = self._budget.share_done(self._epochs)
        return self._budget.seconds() * (1 - done) / done if done > 0 else None

    def closing(self, run: Run) -> None:
        """Say how it ended."""
        counters, last = run.trainer.counters, self._validated
        line = f"{run.outcome}: {counters.epoch} epochs, {counters.frames:,} frames"
        if last:
            line += (
                f"; loss {last.loss:.2f}, held out {last.validation:.2f} nats a frame, notes a "
                f"frame {last.notes_per_frame:.2f}"
            )
            if self._corpus_notes:
                line += f" (corpus {self._corpus_notes:.2f})"
        say(self._console, line)
        if run.outcome != "all epochs done" and not counters.finished:
            say(self._console, f"go on with: midigen train --resume {quoted(run.folder)}")


class _Line(ProgressColumn):
    """What a Display says of its run, as it is drawn."""

    def __init__(self, display: Display, room: int) -> None:
        super().__init__()
        self._display, self._room = display, room

    def render(self, task: Task) -> Text:
        return Text(self._display.line(self._room), no_wrap=True)


def show(run: Run, budget: Budget, interrupted: Callable[[], bool], quiet: bool) -> None:
    """Train a run within the budget, until interrupted() is true, and show how it goes."""
    display = Display(run, budget, quiet)
    display.opening(run)
    with display.bar:
        for event in run.events(budget, interrupted):
            display.show(event)
    display.closing(run)


def summary(run: Run, budget: Budget) -> dict[str, Any]:
    """Sum up a run that has ended, for `midigen train --json`.

    Returns
    -------
    dict
        "model" and "run", paths; "outcome", why it ended; "epochs", "frames"; "minutes", of this
        process; "validation" of the model, nats a frame, lower is better; "parameters", how many;
        "model_settings" and "settings".
    """
    trainer = run.trainer
    return {
        "model": str(run.model_path),
        "run": str(run.folder),
        "outcome": run.outcome,
        "epochs": trainer.counters.epoch,
        "frames": trainer.counters.frames,
        "minutes": round(budget.seconds() / 60, 3),
        "validation": run.validation,
        "parameters": trainer.model.theta.size,
        "model_settings": trainer.model.config.to_json(),
        "settings": trainer.settings.to_json(),
    }
