"""What `midigen evaluate` shows on stdout: tables, and lines on how far they can be trusted.

A report is what `midigen.evaluation.report` returns.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

# with a larger share of frames whose chains disagree, the model's figure is not to be trusted
MAX_DISAGREEING = 0.05
PIPED_WIDTH = 120  # columns, where stdout is no terminal

Report = Mapping[str, Any]


def show_model(report: Report) -> None:
    """Show what `evaluate_model` returns."""
    console = _console()
    table = _table("", "nats a frame", "± chains", "± songs", "frame accuracy", "pooled accuracy")
    for row in report["rows"]:
        # the model, whose likelihood may be estimated, is the last
        exact = report["exact"] or row is not report["rows"][-1]
        table.add_row(
            row["name"],
            f"{row['log_likelihood']:.3f}",
            "exact" if exact else _number(row["error_chains"], ".4f"),
            _number(row["error_songs"], ".3f"),
            f"{row['frame_accuracy']:.1%}",
            f"{row['pooled_accuracy']:.1%}",
        )
    console.print(table)
    for line in model_remarks(report):
        console.print(line, soft_wrap=True)


def model_remarks(report: Report) -> list[str]:
    """Return the lines below the table of `show_model`."""
    part = ""
    if report["frames"] != report["all_frames"]:
        part = f" of {report['all_frames']:,}, a fixed random choice"
    lines = [f"{report['songs']:,} {report['split']} songs, {report['frames']:,} frames{part}"]
    if report["exact"]:
        lines.append("the model's partition functions are summed exactly")
    else:
        lines.append(
            f"annealed importance sampling, {report['temperatures']:,} temperatures x "
            f"{report['chains']} chains, seed {report['seed']}: the model's figure is likely too "
            f"high by {report['flattery']:.4f} nats"
        )
        if report["disagreeing"] > MAX_DISAGREEING:
            lines.append(
                f"the chains disagree in {report['disagreeing']:.0%} of the frames, so the model's "
                "figure may be too high by more than that: raise --temperatures"
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


def show_songs(report: Report) -> None:
    """Show what `evaluate_songs` returns."""
    console = _console()
    table = _table("", "corpus", "new", "held out", "overlap", "held out's")
    for cells in _copying_rows(report["copying"]):
        table.add_row(*cells, "", "")
    for row in report["rows"]:
        name, shown = row["name"], [row["corpus"], row["generated"], row["held_out"]]
        if row["corpus"] is None:  # a distribution has no mean: its distance from the corpus's own
            name += ", divergence"
            own = None if row["overlap"] is None else 0.0
            shown = [own, row["divergence"], row["held_out_divergence"]]
        shown += [row["overlap"], row["held_out_overlap"]]
        table.add_row(name, *(_number(value, ".2f") for value in shown))
    console.print(table)
    for line in song_remarks(report):
        console.print(line, soft_wrap=True)


def song_remarks(report: Report) -> list[str]:
    """Return the lines below the table of `show_songs`."""
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
    lines.append("copies of the corpus would do best in every row but the first two")
    return [*lines, "none of this measures how good a song sounds: listen"]


def _copying_rows(copying: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield name, corpus, new and held out of the rows on copying."""
    sides = [copying["generated"], copying["held_out"]]
    runs = [
        f"{side['median_beats']:.1f}; {side['longest_beats']:.1f}" if side else "-"
        for side in sides
    ]
    yield "longest copied run, beats (median; most)", "", *runs
    yield "copied frames", "", *(f"{side['share']:.1%}" if side else "-" for side in sides)


def _songs(count: int, kind: str = "") -> str:
    return f"{count:,} {kind} song{'s'[: count != 1]}".replace("  ", " ")


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else f"{value:{spec}}"


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=not i)
    return table


def _console() -> Console:
    """Make a console on stdout, without colour and wide enough where that is no terminal."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    return console
