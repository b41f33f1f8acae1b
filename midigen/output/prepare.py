"""What `midigen prepare` shows: a table of what became of the inputs."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Show what `midigen.preparation.summarise` returns, as a table."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, value, remark in _rows(summary):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.2f}", remark)
    console.print(table)


def _rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, int | float, str]]:
    """Yield name, figure and remark of every row."""
    for what in ("songs", "frames"):
        parts = [f"{name} {part[what]:,}" for name, part in summary["splits"].items()]
        yield what, summary[what], ", ".join(parts)
    yield "notes a frame", summary["notes_per_frame"], ""
    counts = [
        ("duplicates", summary["duplicates"], "kept once"),
        ("drum notes", summary["drums"], "left out"),
        ("out of range", summary["transposed"], "notes moved by octaves"),
        ("out of range", summary["dropped"], "notes dropped"),
        ("merged", summary["merged"], "onsets that the roll cannot show"),
        ("remarks", summary["remarks"], "files; the manifest says what"),
    ]
    yield from (row for row in counts if row[1])
    yield from (("skipped", count, reason) for reason, count in summary["skipped"].items())
