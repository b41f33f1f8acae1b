"""midigen runs: the runs in a folder, with what each was trained on and how good it is."""

from __future__ import annotations

import click

from midigen.cli.command import Command
from midigen.cli.options import PATH, json_option
from midigen.cli.streams import print_json
from midigen.config import RUNS
from midigen.errors import MidigenError


@click.command(cls=Command, short_help="List the runs of training.")
@click.argument("folder", required=False, type=PATH, default=RUNS)
@json_option()
def command(folder: str, as_json: bool) -> None:
    """List the runs of training in FOLDER, by default output/runs, the newest last.

    The table has each run's name, when it was trained last, its corpus, for how many minutes it was
    trained, how well it predicts held-out songs, and how many parameters it has.
    """
    from midigen.training.runs import list_runs

    runs, broken = list_runs(folder)
    if not runs and not broken:
        raise MidigenError(f"there are no runs in {folder}: `midigen train` makes them")
    if as_json:
        from dataclasses import asdict

        print_json(
            folder=folder,
            runs=[{**asdict(run), "time": run.time.isoformat()} for run in runs],
            broken=[asdict(run) for run in broken],
        )
    else:
        from midigen.output.runs import show

        show(runs, broken)
