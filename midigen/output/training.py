"""What `midigen train` shows: a line of progress on a terminal, a line now and then elsewhere, and how it ended."""

import time

from rich.progress import BarColumn, Progress, TextColumn

from midigen.kernels.jit import is_compiled
from midigen.output.console import make_console, warn
from midigen.training import events

BAR_WIDTH = 100  # columns of a terminal that has room for a bar beside the text
LINE_SECONDS = 15  # between lines where there is no terminal to draw a bar on


class Display:
    """Follows a run's events.  On a terminal one bar that is drawn over; in a log one line every 15 seconds."""

    def __init__(self, run, budget, quiet):
        self.console = make_console(quiet)
        self.budget = budget
        self.live = self.console.is_terminal and not quiet
        self.corpus_notes = run.trainer.model.about.get("notes_per_frame")
        self.seen = None  # the last validation
        self.started = self.first_frames = None
        self.rate, self.epoch, self.position = 0, 0, 0.0
        self.last_line = time.monotonic()
        columns = [TextColumn("{task.fields[text]}")]
        if self.console.width >= BAR_WIDTH:
            columns.insert(0, BarColumn(bar_width=12))
        self.bar = Progress(*columns, console=self.console, transient=True, disable=not self.live)
        self.task = self.bar.add_task("train", total=1.0, text="")

    def opening(self, run):
        """Say what begins, and that the first step compiles where that is so."""
        model, state = run.trainer.model, run.trainer.state
        self.console.print(
            f"training {run.folder}: {len(run.trainer.train)} songs, {model.theta.size:,} parameters"
            + (f", from epoch {state.epoch + 1}" if run.trainer.optimizer.steps else ""),
            soft_wrap=True,
        )
        settings, share = run.trainer.settings, run.trainer.plan.transpose_share
        if settings.transpose_share is None and share < 1 and any(settings.transpose):
            self.console.print(
                f"most songs are in one key, so an epoch transposes {share:.0%} of them "
                "(--transpose-share 1: all)",
                soft_wrap=True,
            )
        if not run.trainer.valid:
            warn(
                self.console,
                "no songs are held out, so the best model is chosen by the training songs: "
                "prepare more songs",
            )
        if not is_compiled():
            self.console.print(
                "compiling for this machine, once: half a minute or so before the first step"
            )

    def show(self, event):
        """Follow one event."""
        if isinstance(event, events.RolledBack):
            warn(
                self.console,
                f"{event.what} not finite after step {event.steps}: took the step back, "
                f"step size now {event.rate:g}",
            )
            return
        if isinstance(event, events.Validated):
            self.seen = event
        else:
            self._count(event)
        self.bar.update(
            self.task,
            completed=self.budget.share_done(self.epoch + self.position),
            text=self._text(),
        )
        if not self.live and time.monotonic() - self.last_line >= LINE_SECONDS:
            self.last_line = time.monotonic()
            self.console.print(self._text(), soft_wrap=True)

    def _count(self, event):
        now = time.monotonic()
        if self.started is None:  # the first step has compiled: time from here
            self.started, self.first_frames = now, event.frames
        elif now > self.started:
            self.rate = (event.frames - self.first_frames) / (now - self.started)
        self.epoch, self.position = event.epoch, event.position

    def _text(self):
        parts = [f"epoch {self.epoch + 1}"]
        if self.rate:
            parts.append(f"{self.rate:,.0f} frames/s")
        left = self._seconds_left()
        if left is not None:
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        if self.seen:
            parts.append(f"loss {self.seen.loss:.2f} held out {self.seen.validation:.2f}")
            notes = f"notes {self.seen.notes_per_frame:.1f}"
            parts.append(notes + (f"/{self.corpus_notes:.1f}" if self.corpus_notes else ""))
        return "  ".join(parts)

    def _seconds_left(self):
        done = self.budget.share_done(self.epoch + self.position)
        return self.budget.seconds() * (1 - done) / done if done > 0 else None

    def closing(self, run):
        """Say how it ended."""
        state = run.trainer.state
        last = self.seen
        self.console.print(
            f"{run.outcome}: {state.epoch} epochs, {state.frames:,} frames"
            + (
                f"; loss {last.loss:.2f}, held out {last.validation:.2f} nats a frame (pseudo-likelihood), "
                f"notes a frame {last.notes_per_frame:.2f}"
                if last
                else ""
            )
            + (f" (corpus {self.corpus_notes:.2f})" if last and self.corpus_notes else ""),
            soft_wrap=True,
        )
        if run.outcome != "all epochs done" and not state.finished:
            self.console.print(f"go on with: midigen train --resume {run.folder}", soft_wrap=True)


def show(run, budget, interrupted, quiet):
    """Train within the budget, and show it."""
    display = Display(run, budget, quiet)
    display.opening(run)
    with display.bar:
        for event in run.events(budget, interrupted):
            display.show(event)
    display.closing(run)
