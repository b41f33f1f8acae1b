"""What `midigen prepare` shows: a table of what became of the inputs."""

from rich.table import Table


def show_summary(console, summary):
    """Print preparation.summarise(...) as a table."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for name, value, remark in _rows(summary):
        table.add_row(name, f"{value:,}" if isinstance(value, int) else f"{value:.2f}", remark)
    console.print(table)


def _rows(summary):
    splits = summary["splits"]
    rows = [
        (
            "songs",
            summary["songs"],
            ", ".join(f"{name} {part['songs']:,}" for name, part in splits.items()),
        ),
        (
            "frames",
            summary["frames"],
            ", ".join(f"{name} {part['frames']:,}" for name, part in splits.items()),
        ),
        ("notes a frame", summary["notes_per_frame"], ""),
    ]
    counts = [
        ("duplicates", summary["duplicates"], "kept once"),
        ("drum notes", summary["drums"], "left out"),
        ("out of range", summary["transposed"], "notes moved by octaves"),
        ("out of range", summary["dropped"], "notes dropped"),
        ("merged", summary["merged"], "onsets that the roll cannot show"),
        ("remarks", summary["remarks"], "files; the manifest says what"),
    ]
    rows += [row for row in counts if row[1]]
    return rows + [("skipped", count, reason) for reason, count in summary["skipped"].items()]
