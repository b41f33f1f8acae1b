"""What `midigen check` shows, on stdout, since it is the result."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from midigen.checks import Result
from midigen.output.console import make_table_console, say


def show(environment: Mapping[str, str], results: Sequence[Result]) -> None:
    """Print versions, devices and a table of relative errors.

    Parameters
    ----------
    environment : mapping
        That of `midigen.checks.environment`.
    results : sequence of Result
        Each check is a row, each backend a column.
    """
    console = make_table_console()
    for name, text in environment.items():
        say(console, f"{name:9} {text}")
    console.print()
    console.print(_table(results))
    console.print()
    passed = sum(result.passed for result in results)
    say(console, f"relative errors; {passed} of {len(results)} within tolerance")


def _table(results: Sequence[Result]) -> Table:
    table = Table("check", box=None, padding=(0, 2, 0, 0))
    table.add_column("equation", no_wrap=True)
    backends = list(dict.fromkeys(result.backend for result in results))
    for backend in backends:
        table.add_column(backend, justify="right", no_wrap=True)
    rows: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        rows.setdefault((result.check, result.equation), {})[result.backend] = result
    for (check, equation), by_backend in rows.items():
        cells = [_cell(by_backend[name]) if name in by_backend else "" for name in backends]
        table.add_row(check, equation, *cells)
    return table


def _cell(result: Result) -> str:
    if result.passed:
        return f"{result.error:.1e}"
    return f"FAILED {result.error:.1e}\n> {result.tolerance:.0e}"
