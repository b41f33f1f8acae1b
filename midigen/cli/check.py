"""midigen check: versions, devices, and every gradient against finite differences here."""

from __future__ import annotations

from functools import partial

import click

from midigen.cli.command import Command
from midigen.cli.options import json_option
from midigen.cli.streams import print_json, teller


@click.command(cls=Command, short_help="Check the arithmetic on this machine.")
@json_option("Print one JSON object in place of the tables.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check the arithmetic on this machine: every gradient against finite differences, in every
    precision.

    Prints versions, devices and a table of relative errors; the exit code is 1 if any is out of
    tolerance.
    """  # noqa: D205  one paragraph of the help
    from midigen import checks
    from midigen.kernels.jit import is_compiled
    from midigen.output.console import make_console, progress

    if not is_compiled():
        teller(False)("compiling for this machine, once: half a minute or so")
    environment, results = checks.environment(), checks.run(partial(progress, make_console()))
    passed = all(result.passed for result in results)
    if as_json:
        from dataclasses import asdict

        rows = [{**asdict(result), "passed": result.passed} for result in results]
        print_json(environment=environment, checks=rows, passed=passed)
    else:
        from midigen.output.check import show

        show(environment, results)
    ctx.exit(0 if passed else 1)
