"""What `midigen compare --tally` shows: who won."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from midigen.output.console import make_table_console

LEVEL = 0.05  # of the corrected p-values, under which a difference is called one

Report = Mapping[str, Any]


def show_tally(report: Report) -> None:
    """Show what `midigen.evaluation.ratings.tally` returns, on stdout."""
    console = make_table_console()
    table = _table("source", "mean", "excerpts", "ratings")
    for source in report["sources"]:
        cells = f"{source['mean']:.2f}", str(source["excerpts"]), str(source["ratings"])
        table.add_row(source["name"], *cells)
    console.print(table)
    console.print()
    if report["pairs"]:
        pairs = _table("difference", "by", "p", "Holm's p", "shown")
        for pair in report["pairs"]:
            pairs.add_row(
                f"{pair['first']} over {pair['second']}",
                f"{pair['difference']:.2f}",
                _p(pair["p"]),
                _p(pair["p_holm"]),
                "yes" if pair["p_holm"] < LEVEL else "no",
            )
        console.print(pairs)
        console.print()
    for line in remarks(report):
        console.print(line, soft_wrap=not console.is_terminal)


def remarks(report: Report) -> list[str]:
    """Return the lines below the tables: who won, and what the figures mean."""
    best = report["sources"][0]["name"]
    unsure = [
        pair["second"]
        for pair in report["pairs"]
        if pair["first"] == best and pair["p_holm"] >= LEVEL
    ]
    lines = [f"liked best: {best}" if report["pairs"] else f"only {best} is rated"]
    if unsure:
        lines = [f"highest mean: {best}, but not shown to be liked better than {', '.join(unsure)}"]
    return [
        *lines,
        f"{_count(report['listeners'], 'listener')}, {_count(report['excerpts'], 'excerpt')}, "
        "ratings from 1, bad, to 5, excellent",
        "p: how often chance alone, in which excerpts came from where, makes as large a difference "
        "(exact permutation test over excerpts); Holm's p is corrected for the number of pairs, "
        f"and a difference is shown where it is under {LEVEL:g}",
    ]


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s'[: number != 1]}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"
