"""What `midigen train` shows: a bar on a terminal, a line now and then elsewhere, and the end."""

import time
from collections.abc import Callable

from rich.progress import BarColumn, Progress, TextColumn

from midigen.kernels.jit import is_compiled
from midigen.output.console import make_console, warn
from midigen.training import events
from midigen.training.run import Run
from midigen.training.schedule import Budget
from midigen.training.trainer import Event

BAR_WIDTH = 100  # columns of a terminal that has room for a bar beside the text
LINE_SECONDS = 15  # between lines where there is no terminal to draw a bar on


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
        self._started: float | None = None  # when the first step was done, and its frames
        self._first_frames = 0
        self._frame_rate = 0.0
        self._epoch = 0
        self._epochs = 0.0  # done, with a fraction of the one under way
        self._last_line = time.monotonic()
        columns: list[TextColumn | BarColumn] = [TextColumn("{task.fields[text]}")]
        if self._console.width >= BAR_WIDTH:
            columns.insert(0, BarColumn(bar_width=12))
        self.bar = Progress(*columns, console=self._console, transient=True, disable=not self._live)
        self._task = self.bar.add_task("train", total=1.0, text="")

    def opening(self, run: Run) -> None:
        """Say what begins, and that the first step compiles where that is so."""
        trainer = run.trainer
        begun = f", from epoch {trainer.counters.epoch + 1}" if trainer.state.steps else ""
        self._console.print(
            f"training {run.folder}: {len(trainer.train)} songs, "
            f"{trainer.model.theta.size:,} parameters{begun}",
            soft_wrap=True,
        )
        settings, share = trainer.settings, trainer.plan.transpose_share
        if settings.transpose_share is None and share < 1 and any(settings.transpose):
            self._console.print(
                f"most songs are in one key, so an epoch transposes {share:.0%} of them "
                "(--transpose-share 1: all)",
                soft_wrap=True,
            )
        if not trainer.valid:
            warn(
                self._console,
                "no songs are held out, so the best model is chosen by the training songs: "
                "prepare more songs",
            )
        if not is_compiled():
            self._console.print(
                "compiling for this machine, once: half a minute or so before the first step"
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
        self.bar.update(
            self._task, completed=self._budget.share_done(self._epochs), text=self._text()
        )
        if not self._live and time.monotonic() - self._last_line >= LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self._text(), soft_wrap=True)

    def _count(self, event: events.Progress) -> None:
        now = time.monotonic()
        if self._started is None:  # the first step has compiled: time from here
            self._started, self._first_frames = now, event.frames
        elif now > self._started:
            self._frame_rate = (event.frames - self._first_frames) / (now - self._started)
        self._epoch, self._epochs = event.epoch, event.epoch + event.position

    def _text(self) -> str:
        parts = [f"epoch {self._epoch + 1}"]
        if self._frame_rate:
            parts.append(f"{self._frame_rate:,.0f} frames/s")
        left = self._seconds_left()
        if left is not None:
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        if self._validated:
            parts.append(
                f"loss {self._validated.loss:.2f} held out {self._validated.validation:.2f}"
            )
            notes = f"notes {self._validated.notes_per_frame:.1f}"
            parts.append(notes + (f"/{self._corpus_notes:.1f}" if self._corpus_notes else ""))
        return "  ".join(parts)

    def _seconds_left(self) -> float | None:
        done = self._budget.share_done(self._epochs)
        return self._budget.seconds() * (1 - done) / done if done > 0 else None

    def closing(self, run: Run) -> None:
        """Say how it ended."""
        counters, last = run.trainer.counters, self._validated
        line = f"{run.outcome}: {counters.epoch} epochs, {counters.frames:,} frames"
        if last:
            line += (
                f"; loss {last.loss:.2f}, held out {last.validation:.2f} nats a frame "
                f"(pseudo-likelihood), notes a frame {last.notes_per_frame:.2f}"
            )
            if self._corpus_notes:
                line += f" (corpus {self._corpus_notes:.2f})"
        self._console.print(line, soft_wrap=True)
        if run.outcome != "all epochs done" and not counters.finished:
            self._console.print(f"go on with: midigen train --resume {run.folder}", soft_wrap=True)


def show(run: Run, budget: Budget, interrupted: Callable[[], bool], quiet: bool) -> None:
    """Train a run within the budget, until interrupted() is true, and show how it goes."""
    display = Display(run, budget, quiet)
    display.opening(run)
    with display.bar:
        for event in run.events(budget, interrupted):
            display.show(event)
    display.closing(run)
