"""What `midigen runs` shows on stdout: a table of runs, and those that cannot be read."""

from collections.abc import Sequence
from pathlib import PurePath

from rich.table import Table

from midigen.midi.inputs import printable
from midigen.output.console import make_table_console, say
from midigen.training.runs import BrokenRun, RunSummary

NATS = (
    "held out: how much songs that a model has not learned from surprise it (nats a frame; lower "
    "is better, among runs on one corpus)"
)


def show(runs: Sequence[RunSummary], broken: Sequence[BrokenRun]) -> None:
    """Show what `midigen.training.runs.list_runs` returns."""
    console = make_table_console()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("run", "trained", "corpus"):
        table.add_column(heading, overflow="fold")
    for heading in ("minutes", "held\nout", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            printable(run.name),
            run.time.astimezone().strftime("%Y-%m-%d %H:%M"),
            printable(PurePath(run.corpus).stem) or "-",
            "-" if run.minutes is None else f"{run.minutes:.1f}",
            "-" if run.validation is None else f"{run.validation:.2f}",
            f"{run.parameters:,}",
        )
    if runs:
        console.print(table)
        say(console, NATS)
    for other in broken:
        say(console, printable(f"{other.name} has no model that can be read: {other.reason}"))
