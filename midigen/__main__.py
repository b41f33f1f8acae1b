"""`midigen` and `python -m midigen`."""

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line, as all that this process does unless there are args; return the code.

    Parameters
    ----------
    args : sequence of str, optional
        What stands behind `midigen`; by default that of this process.
    """
    alone = args is None
    try:
        from midigen.cli import main as run

        code = run(alone=True) if alone else run(args)
    except KeyboardInterrupt:  # ahead of the first line of the command, or behind its last
        code = 130
    if alone and code in (130, 143):
        from midigen.interrupts import end_later

        end_later(code)  # threads that compile are not waited for
        # Python would end itself by SIGINT, and not by the code, where Ctrl-C came amid source text
        # that Numba runs; it forgets that where such text ends well
        exec("")
    return code


if __name__ == "__main__":
    sys.exit(main())
