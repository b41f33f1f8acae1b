"""How long a run lasts, and how large its steps are: values that are worked out, not kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

COOLING = 0.4  # share of a run over which the step size runs down to 0
MOST_GIBBS = 5  # times as many Gibbs steps at the end of a run


@dataclass(frozen=True)
class Pace:
    """How a batch is trained on.

    Attributes
    ----------
    factor : float
        What the step size is multiplied by.
    cooling : bool
        Whether this is the last part of a run, which validations no longer end.
    """

    factor: float = 1.0
    cooling: bool = False

    def gibbs_steps(self, steps: int) -> int:
        """Give more Gibbs steps the slower the weights move, up to MOST_GIBBS times `steps`."""
        if not self.cooling:
            return steps
        return round(steps / max(self.factor, 1 / MOST_GIBBS))


NextPace = Callable[[], Pace | None]  # that of the next batch; None to stop ahead of it
FULL_PACE = Pace()


@dataclass
class Budget:
    """When to stop: after `epochs` in all, or `minutes` from the first step on, which compiles.

    None is no limit.  `used` is how many seconds of the minutes earlier processes have trained for.
    """

    epochs: int | None
    minutes: float | None
    started: float | None = None
    used: float = 0.0

    def start(self) -> None:
        """Start the clock, once."""
        if self.started is None:
            self.started = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the clock was started."""
        return 0.0 if self.started is None else time.monotonic() - self.started

    def share_done(self, epochs_done: float) -> float:
        """Return the share of the budget that is used, 0..1, by its tighter limit.

        epochs_done may be a fraction.
        """
        shares = [0.0]
        if self.minutes is not None:
            shares.append((self.used + self.seconds()) / (60 * self.minutes))
        if self.epochs is not None:
            shares.append(epochs_done / self.epochs)
        return min(1.0, max(shares))


@dataclass(frozen=True)
class CoolDown:
    """The last part of a run, in which the step size runs down to 0.

    It lasts for what is left of the budget or, after an early stop, for as many frames as make
    COOLING of all.

    Attributes
    ----------
    begun : float
        The share of the budget that was used when it began.
    frames : int
        How many were trained on before.
    early : bool
        Whether validation has ended the run.
    start : float
        The factor of the step size that it begins with: less than 1 where it was begun under
        another budget.
    """

    begun: float
    frames: int
    early: bool
    start: float = 1.0

    def pace(self, share: float, frames: int) -> Pace | None:
        """Return the Pace after `share` of the budget and so many frames; None at the end."""
        left = self.start * (1 - share) / max(1 - self.begun, 1e-9)
        if self.early:
            more = (frames - self.frames) / max(self.frames, 1)
            left = min(left, 1 - more * (1 - COOLING) / COOLING)
        return Pace(left, cooling=True) if left > 0 else None


@dataclass(frozen=True)
class Schedule:
    """What a checkpoint keeps of the budget of its run.

    Attributes
    ----------
    epochs, minutes : int or None, float or None
        As in Budget.
    seconds : float
        Used of the minutes.
    cooling : CoolDown or None
        The last part of the run, in a checkpoint of that.
    factor : float
        Of the step size, at the last batch.
    ended : bool
        Whether that part comes next, in a checkpoint from before it.
    """

    epochs: int | None
    minutes: float | None
    seconds: float
    cooling: CoolDown | None = None
    factor: float = 1.0
    ended: bool = False

    @property
    def budget(self) -> Budget:
        """Return what the run goes on with."""
        return Budget(self.epochs, self.minutes, used=self.seconds)

    def is_exceeded(self, epochs: int | None, minutes: float | None) -> bool:
        """Tell whether a run may go on for longer within new limits than it was to."""
        left = None if self.minutes is None else self.minutes - self.seconds / 60
        limits = (self.epochs, epochs), (left, minutes)
        return any(old is not None and (new is None or new > old) for old, new in limits)

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Schedule:
        """Read what `to_json` wrote.  TypeError, ValueError for anything else."""
        cooling = values["cooling"] and CoolDown(**values["cooling"])
        schedule = cls(**{**values, "cooling": cooling})
        numbers = [schedule.epochs or 0, schedule.minutes or 0, schedule.seconds]
        numbers += [schedule.factor]
        if cooling:
            numbers += [cooling.begun, cooling.frames, cooling.start]
        if not all(0 <= number < math.inf for number in numbers):
            raise ValueError("a schedule that is none")
        return schedule
