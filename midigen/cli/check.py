"""midigen check: versions, devices, and every gradient against finite differences here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from midigen.cli.command import Command
from midigen.cli.streams import teller

if TYPE_CHECKING:
    from midigen.checks import Result


@click.command(cls=Command, short_help="Check the arithmetic on this machine.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object in place of the tables."
)
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Check the arithmetic on this machine: every gradient against finite differences, in every
    precision.

    Prints versions, devices and a table of relative errors; the exit code is 1 if any is out of
    tolerance.
    """  # noqa: D205  one paragraph of the help
    from midigen import checks
    from midigen.kernels.jit import is_compiled

    if not is_compiled():
        teller(False)("compiling for this machine, once: half a minute or so")
    environment, results = checks.environment(), list(checks.run())
    passed = all(result.passed for result in results)
    if as_json:
        import json

        rows = [_row(result) for result in results]
        report = {"environment": environment, "checks": rows, "passed": passed}
        click.echo(json.dumps(report, indent=1))
    else:
        from midigen.output.check import show

        show(environment, results)
    ctx.exit(0 if passed else 1)


def _row(result: Result) -> dict[str, Any]:
    """Return a checks.Result as JSON has it: an error that is not finite is null."""
    import math
    from dataclasses import asdict

    error = result.error if math.isfinite(result.error) else None
    return {**asdict(result), "error": error, "passed": result.passed}
