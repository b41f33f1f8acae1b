"""What `midigen check` shows, on stdout, since it is the result: versions, devices and a table of relative errors."""

from rich.console import Console
from rich.table import Table


def show(environment, results):
    """Print checks.environment() and then the Results, a row a check and a column a backend."""
    console = Console(markup=False, highlight=False, emoji=False)
    for name, text in environment.items():
        console.print(f"{name:9} {text}", soft_wrap=True)
    backends = list(dict.fromkeys(r.backend for r in results))
    table = Table("check", "equation", box=None, padding=(0, 2, 0, 0))
    for backend in backends:
        table.add_column(backend, justify="right")
    rows = {}
    for result in results:
        rows.setdefault((result.check, result.equation), {})[result.backend] = result
    for (check, equation), by_backend in rows.items():
        table.add_row(
            check, equation, *(_cell(by_backend[b]) if b in by_backend else "" for b in backends)
        )
    console.print()
    console.print(table)
    console.print()
    failed = sum(not r.passed for r in results)
    console.print(
        f"relative errors; {len(results) - failed} of {len(results)} within tolerance",
        soft_wrap=True,
    )


def _cell(result):
    return (
        f"{result.error:.1e}"
        if result.passed
        else f"FAILED {result.error:.1e} > {result.tolerance:.0e}"
    )
