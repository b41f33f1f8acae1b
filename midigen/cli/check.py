"""midigen check: versions, devices, and every gradient against finite differences on this machine."""

import click

from midigen.cli import Command, teller


@click.command(cls=Command, short_help="Check the arithmetic on this machine.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object in place of the tables."
)
@click.pass_context
def command(ctx, as_json):
    """Check the arithmetic on this machine: every gradient against finite differences, in every precision.

    Prints versions, devices and a table of relative errors; the exit code is 1 if any is out of tolerance.
    """
    from midigen import checks
    from midigen.kernels.jit import is_compiled

    if not is_compiled():
        teller(False)("compiling for this machine, once: half a minute or so")
    environment, results = checks.environment(), list(checks.run())
    passed = all(result.passed for result in results)
    if as_json:
        import json
        import math
        from dataclasses import asdict

        rows = [
            {**asdict(r), "error": r.error if math.isfinite(r.error) else None, "passed": r.passed}
            for r in results
        ]
        click.echo(
            json.dumps({"environment": environment, "checks": rows, "passed": passed}, indent=1)
        )
    else:
        from midigen.output.check import show

        show(environment, results)
    ctx.exit(0 if passed else 1)
