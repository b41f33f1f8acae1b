"""How long work tells how far it is, whoever shows that: stages, each with so many steps."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Advance = Callable[[int], object]  # told how many more steps are done
# of what is done and how many steps it has, None where that is not known, makes a context
Stages = Callable[[str, int | None], AbstractContextManager[Advance]]


def unseen(what: str, total: int | None) -> AbstractContextManager[Advance]:
    """Show nothing: Stages for nobody.

    >>> with unseen("reading", 2) as advance:
    ...     advance(2)
    """
    return nullcontext(_nothing)


def _nothing(steps: int) -> None:
    pass
