"""What `midigen evaluate` prints on stdout: tables, and lines that say how far they can be trusted."""

from rich.console import Console
from rich.table import Table

DISAGREEING = (
    0.05  # share of frames whose chains disagree from which on the figure is not to be trusted
)
PIPED_WIDTH = 120


def show_model(report):
    """Print report.evaluate_model(...)."""
    console = _console()
    table = _table("", "nats a frame", "± chains", "± songs", "frame accuracy", "pooled accuracy")
    for row in report["rows"]:
        chains = (
            "exact"
            if row is not report["rows"][-1] or report["exact"]
            else _number(row["error_chains"], ".4f")
        )
        table.add_row(
            row["name"],
            f"{row['log_likelihood']:.3f}",
            chains,
            _number(row["error_songs"], ".3f"),
            f"{row['frame_accuracy']:.1%}",
            f"{row['pooled_accuracy']:.1%}",
        )
    console.print(table)
    for line in model_remarks(report):
        console.print(line, soft_wrap=True)


def model_remarks(report):
    """Lines on an evaluation of a model, as a list."""
    part = (
        ""
        if report["frames"] == report["all_frames"]
        else f" of {report['all_frames']:,}, a fixed random choice"
    )
    lines = [f"{report['songs']:,} {report['split']} songs, {report['frames']:,} frames{part}"]
    if report["exact"]:
        lines.append("the model's partition functions are summed exactly")
    else:
        lines.append(
            f"annealed importance sampling, {report['temperatures']:,} temperatures x {report['chains']} "
            f"chains, seed {report['seed']}: the model's figure is likely too high by "
            f"{report['flattery']:.4f} nats"
        )
        if report["disagreeing"] > DISAGREEING:
            lines.append(
                f"the chains disagree in {report['disagreeing']:.0%} of the frames, so the model's figure "
                "may be too high by more than that: raise --temperatures"
            )
    if not report["trained_on_this_corpus"]:
        lines.append(
            "the model was not trained on this corpus: some of its songs may be among those it learned from"
        )
    if report["split"] == "train":
        lines.append(
            "these are the songs that the model was trained on: only held-out songs show what it has learned"
        )
    return lines


def show_songs(report):
    """Print report.evaluate_songs(...)."""
    console = _console()
    table = _table("", "corpus", "new", "held out", "overlap", "held out's")
    for cells in _copying_rows(report["copying"]):
        table.add_row(*cells, "", "")
    for row in report["rows"]:
        shown = [row["corpus"], row["generated"], row["held_out"]]
        if row["corpus"] is None:
            shown = [
                0.0 if row["overlap"] is not None else None,
                row["divergence"],
                row["held_out_divergence"],
            ]
        name = row["name"] + (", divergence" if row["corpus"] is None else "")
        table.add_row(
            name,
            *(_number(value, ".2f") for value in shown),
            _number(row["overlap"], ".2f"),
            _number(row["held_out_overlap"], ".2f"),
        )
    console.print(table)
    for line in song_remarks(report):
        console.print(line, soft_wrap=True)


def song_remarks(report):
    """Lines on an evaluation of songs, as a list."""
    copying = report["copying"]
    lines = [
        f"{_songs(report['songs'], 'new')} against {_songs(report['train_songs'], 'training')}; held out are "
        f"{_songs(report['held_out_songs'])} that the model was not trained on"
    ]
    found = max(copying["songs"], key=lambda song: song["frames"])
    if found["frames"]:
        lines.append(
            f"the longest copied run: {found['beats']:g} beats ({found['frames']} frames) of {found['song']} "
            f"from bar {found['bar']}, as in {found['source']} from bar {found['source_bar']}"
            + (f", transposed by {found['transposed']:+d}" if found["transposed"] else "")
        )
    longer = copying["longer_than_held_out"]
    if longer is not None:
        lines.append(
            f"{longer} of {report['songs']} have a longer copied run than 95 % of the held-out songs have"
            + (": these may be copies" if longer else "")
        )
    lines += [f"skipped {skipped['song']}: {skipped['reason']}" for skipped in report["skipped"]]
    lines.append("copies of the corpus would do best in every row but the first two")
    return [*lines, "none of this measures how good a song sounds: listen"]


def _copying_rows(copying):
    """Name, corpus, new and held out of the rows on copying."""
    sides = [copying["generated"], copying["held_out"]]
    yield (
        "longest copied run, beats (median; most)",
        "",
        *(
            f"{side['median_beats']:.1f}; {side['longest_beats']:.1f}" if side else "-"
            for side in sides
        ),
    )
    yield "copied frames", "", *(f"{side['share']:.1%}" if side else "-" for side in sides)


def _songs(count, kind=""):
    return f"{count:,} {kind} song{'s'[: count != 1]}".replace("  ", " ")


def _number(value, spec):
    return "-" if value is None else f"{value:{spec}}"


def _table(*headings):
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=not i)
    return table


def _console():
    """A console on stdout, without colour and as wide as it takes where that is no terminal."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    return console
