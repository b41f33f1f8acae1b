"""What `midigen prepare` shows: a table of what became of the inputs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from midigen.output.console import say
from midigen.shell import quoted

MOST = 8  # names in a list
MOST_SKIPPED = 10  # files that are named


def show_summary(console: Console, summary: Mapping[str, Any], path: str) -> None:
    """Show what `midigen.preparation.summarise` returns of the corpus in the file `path`.

    It is a table, and the first of the files that were skipped.
    """
    show_figures(console, summary)
    skipped = summary["skipped_inputs"]
    for entry in skipped[:MOST_SKIPPED]:
        say(console, f"skipped {entry['input']}: {entry['reason']}")
    if len(skipped) > MOST_SKIPPED:
        more = len(skipped) - MOST_SKIPPED
        say(console, f"and {more:,} more: midigen show {quoted(path)} --all")


def show_figures(console: Console, summary: Mapping[str, Any]) -> None:
    """Show the table of a summary alone."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, value, remark in _rows(summary):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.2f}", remark)
    console.print(table)


def _rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, int | float, str]]:
    """Yield name, figure and remark of every row."""
    for what in ("songs", "frames"):
        splits = [(name, split[what]) for name, split in summary["splits"].items()]
        yield what, summary[what], _listed(splits)
    yield "notes a frame", summary["notes_per_frame"], ""
    yield from _music(summary)
    left_out = "" if "drums" in summary["parts"] else "left out"
    counts = [
        ("duplicates", summary["duplicates"], "kept once"),
        ("drum notes", summary["drums"], left_out),
        ("out of range", summary["transposed"], "notes moved by octaves"),
        ("dropped", summary["dropped"], "notes without a place"),
        ("merged", summary["merged"], "onsets that the roll cannot show"),
        ("remarks", summary["remarks"], "files; the manifest says what"),
    ]
    yield from (row for row in counts if row[1])
    yield from (("skipped", count, reason) for reason, count in summary["skipped"].items())


def _music(summary: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield the rows on the grid, and on what is known of the songs ahead."""
    if "steps_per_beat" in summary:
        share = f"keep {summary['on_grid']:.1%} of the onsets" if "on_grid" in summary else ""
        yield "frames a beat", summary["steps_per_beat"], share
    if summary.get("off_grid"):
        yield "off the grid", summary["off_grid"], "songs with other rhythms, which are rounded"
    for name, part in summary["parts"].items():
        yield name, part["songs"], f"songs, pitches {part['low']}..{part['high']}"
    moved = ", moved to C major or A minor" if summary["tonic"] == "one" else ""
    if summary["keys"]:
        yield "keys", len(summary["keys"]), _listed(summary["keys"].items()) + moved
    if summary["metres"]:
        yield "metres", len(summary["metres"]), _listed(summary["metres"].items())
    if summary["styles"]:
        named = {name or "none": count for name, count in summary["styles"].items()}
        yield "styles", len(named), _listed(named.items())
    if summary["pickups"]:
        yield "pickups", summary["pickups"], "songs that begin within a bar"


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    """Write names with their counts, the first few of many."""
    texts = [f"{name} {count:,}" for name, count in counts]
    return ", ".join(texts[:MOST]) + (", ..." if len(texts) > MOST else "")
