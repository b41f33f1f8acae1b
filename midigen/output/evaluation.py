"""What `midigen evaluate` shows on stdout: tables, and lines on how far they can be trusted.

A report is what `midigen.evaluation.report` returns.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from midigen.output.console import make_table_console, say

MARK = " *"  # behind what is conditional on more than the past
WIDE = 80  # columns from which a table of songs has all it can show
NATS = (
    "nats a frame: how well the notes of each next frame are foreseen (the mean of their log-"
    "probability); nearer to 0 is better"
)
# songs that stand beside each other, and what their columns are called
SONG_GROUPS = {
    "generated": "new",
    "held_out": "held\nout",
    "chain": "chain",
    "planned": "with\nplans",
}
COPIED = {
    "": "texture",
    "near_": "texture, nearly",
    "line_": "top line",
    "line_near_": "top line, nearly",
}

Report = Mapping[str, Any]


def show_model(report: Report, console: Console | None = None) -> None:
    """Show what `evaluate_model` returns, on stdout or another console."""
    console = console or make_table_console()
    headings = ["nats a\nframe", "at\nmost", "±\nsongs", "frame\naccuracy", "pooled\naccuracy"]
    table = _table("", *headings, narrow=console.width < WIDE)
    for row in report["rows"]:
        # the model, whose likelihood may be estimated, is the last
        exact = report["exact"] or row is not report["rows"][-1]
        table.add_row(
            row["name"] + MARK * bool(row["conditional_on"]),
            f"{row['log_likelihood']:.3f}",
            "exact" if exact else f"{row['log_likelihood_at_most']:.3f}",
            _number(row["error_songs"], ".3f"),
            f"{row['frame_accuracy']:.1%}",
            f"{row['pooled_accuracy']:.1%}",
        )
    console.print(table)
    for line in model_remarks(report):
        say(console, line)


def model_remarks(report: Report) -> list[str]:
    """Return the lines below the table of `show_model`."""
    part = ""
    if report["frames"] != report["all_frames"]:
        part = f" of {report['all_frames']:,}, a fixed random choice"
    lines = [
        NATS,
        f"{report['songs']:,} {report['split']} songs, {report['frames']:,} frames{part}",
    ]
    if report["exact"]:
        lines.append("the model's partition functions are summed exactly")
    else:
        own = report["rows"][-1]
        apart = own["log_likelihood_at_most"] - own["log_likelihood"]
        lines.append(
            "annealed importance sampling from both sides, "
            f"{report['mean_temperatures']:,.0f} temperatures in the mean, "
            f"{report['temperatures']:,} at most, x {report['chains']} chains each way, seed "
            f"{report['seed']}: the model's likelihood lies between its two figures, about"
        )
        if apart > report["tolerance"]:
            lines.append(
                f"they are {apart:.3f} apart, over the {report['tolerance']:g} of --tolerance: "
                "take more --chains"
            )
    told = [row["conditional_on"] for row in report["rows"] if row["conditional_on"]]
    if told:
        lines.append(
            f"{MARK.strip()} conditional: the model is told each song's {', '.join(told[0])} "
            "ahead, so this is not to be put beside published figures, or models that are told less"
        )
    if not report["trained_on_this_corpus"]:
        lines.append(
            "the model was not trained on this corpus: some of its songs may be among those it "
            "learned from"
        )
    if report["split"] == "train":
        lines.append(
            "these are the songs that the model was trained on: only held-out songs show what it "
            "has learned"
        )
    return lines


def show_songs(report: Report, console: Console | None = None) -> None:
    """Show what `evaluate_songs` returns, on stdout or another console."""
    console = console or make_table_console()
    narrow = console.width < WIDE
    groups = [name for name in SONG_GROUPS if report["copying"][name]]
    for table in (
        _copying_table(report["copying"], groups, narrow),
        _figures_table(report, groups, narrow),
        _overlap_table(report["rows"], narrow),
    ):
        console.print(table)
        console.print()
    for line in song_remarks(report):
        say(console, line)


def song_remarks(report: Report) -> list[str]:
    """Return the lines below the tables of `show_songs`."""
    copying = report["copying"]
    lines = [
        f"{_songs(report['songs'], 'new')} against {_songs(report['train_songs'], 'training')}; "
        f"held out are {_songs(report['held_out_songs'])} that the model was not trained on"
    ]
    found = max(copying["songs"], key=lambda song: song["frames"])
    if found["frames"]:
        transposed = f", transposed by {found['transposed']:+d}" if found["transposed"] else ""
        lines.append(
            f"the longest copied run: {found['beats']:g} beats ({found['frames']} frames) of "
            f"{found['song']} from bar {found['bar']}, as in {found['source']} from bar "
            f"{found['source_bar']}{transposed}"
        )
    longer = copying["longer_than_held_out"]
    if longer is not None:
        lines.append(
            f"{longer} of {report['songs']} have a longer copied run than 95 % of the held-out "
            "songs have" + (": these may be copies" if longer else "")
        )
    lines += [f"skipped {skipped['song']}: {skipped['reason']}" for skipped in report["skipped"]]
    lines += [
        "copies of the corpus would do best in all but the first table: read that first",
        "distance: the mean of |z|, each 3 at most; z counts standard deviations over the corpus's "
        "songs, and ! marks those over 1. 0 is the corpus itself; held-out songs show what can be "
        "reached",
        *(_chain_remark(SONG_GROUPS[name], found) for name, found in report["orders"].items()),
        "none of this measures how good a song sounds: listen",
    ]
    return lines


def _chain_remark(name: str, found: Report) -> str:
    """Say which Markov chain stands in a column, and what the others would show."""
    orders = "; ".join(
        f"{row['order']}: {_number(row['distance'], '.2f')}, {row['copied_beats']:.3g}"
        for row in found["orders"]
    )
    return (
        f"{name.replace(chr(10), ' ')}: a Markov chain of order {found['order']}, the nearest to "
        "the corpus of those that copy no more than held-out songs (order: distance, beats "
        f"copied: {orders})"
    )


def _copying_table(copying: Report, groups: Sequence[str], narrow: bool) -> Table:
    headings = [SONG_GROUPS[name] for name in groups]
    table = _table("copied beats\n(median; most)", *headings, narrow=narrow)
    for kind, name in COPIED.items():
        sides = [(copying[group], kind) for group in groups]
        cells = [f"{s[k + 'median_beats']:.3g}; {s[k + 'longest_beats']:.3g}" for s, k in sides]
        table.add_row(name, *cells)
    table.add_row("copied frames", *(f"{copying[group]['share']:.1%}" for group in groups))
    return table


def _figures_table(report: Report, groups: Sequence[str], narrow: bool) -> Table:
    others = [name for name in groups if name != "generated"]
    headings = ["corpus", "±\nsongs", *(SONG_GROUPS[name] for name in others), "new", "z"]
    columns = ["corpus", "deviation", *others, "generated"]
    if narrow:
        del headings[1], columns[1]
    table, group = _table("figure", *headings, narrow=narrow), None
    for row in report["figures"]:
        if row["group"] != group:
            group = row["group"]
            table.add_row(group, style="bold")
        cells = [_number(row[name], "z.2f") for name in columns]
        far = row["generated_z"] is not None and abs(row["generated_z"]) > 1
        table.add_row(
            f" {row['name']}", *cells, _number(row["generated_z"], "+z.1f") + ("!" if far else " ")
        )
    distances = {"corpus": 0.0, "deviation": None, **report["distance"]}
    cells = ["" if name == "deviation" else _number(distances[name], ".2f") for name in columns]
    table.add_row("distance", *cells, style="bold")
    return table


def _overlap_table(rows: Sequence[Report], narrow: bool) -> Table:
    table = _table(
        "overlap with the corpus's histogram", SONG_GROUPS["held_out"], "new", narrow=narrow
    )
    for row in rows:
        overlaps = row["held_out_overlap"], row["overlap"]
        table.add_row(row["name"], *(_number(overlap, ".2f") for overlap in overlaps))
    return table


def _songs(count: int, kind: str = "") -> str:
    return f"{count:,} {kind} song{'s'[: count != 1]}".replace("  ", " ")


def _number(value: float | None, spec: str) -> str:
    """Write a number, which rounds to no -0 where the spec has a z."""
    return "-" if value is None else f"{value:{spec}}"


def _table(*headings: str, narrow: bool = False) -> Table:
    """Make a table whose names may break into lines, and whose figures may not."""
    table = Table(box=None, padding=(0, 1 if narrow else 2, 0, 0), header_style="bold")
    for i, heading in enumerate(headings):
        table.add_column(
            heading, justify="right" if i else "left", no_wrap=bool(i), overflow="fold"
        )
    return table
