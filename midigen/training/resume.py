"""From where, and for how long, a run goes on that was stopped, killed or is to be longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from midigen.training.checkpoint import COOLING_NAME, Checkpoint
from midigen.training.schedule import Budget, Schedule


def resume(
    folder: str | Path,
    epochs: int | None,
    minutes: float | None,
    default_minutes: float,
    say: Callable[[str], None],
) -> tuple[Checkpoint, Budget]:
    """Choose the checkpoint to go on from, and the budget.

    A run that is given no limits, and had not ended, ends as it was to.  While its step size ran
    down it goes on there, unless the new limits are larger: then from before that.

    Parameters
    ----------
    folder : path
        That of the run.
    epochs, minutes : int or None, float or None
        The new limits, as in Budget.
    default_minutes : float
        What a run that had ended gets without limits.
    say : callable
        Told, in a line, what a user may not expect.

    Raises
    ------
    MidigenError
        In one line, where there is no checkpoint or it is damaged.
    """
    checkpoint = Checkpoint(folder)
    cooling = _in_cool_down(folder, checkpoint)
    schedule = (cooling or checkpoint).schedule
    if epochs is None and minutes is None:
        if schedule and not schedule.ended:
            say("going on within the limits that the run was given")
            return cooling or checkpoint, schedule.budget
        _say_of_end(schedule, say)
        return checkpoint, Budget(None, default_minutes)
    if cooling is None or schedule is None:
        _say_of_end(schedule, say)
        return checkpoint, Budget(epochs, minutes)
    if schedule.is_exceeded(epochs, minutes):
        say(
            "going back to before the step size ran down, since the run may now be longer than it "
            "was to be; without --epochs and --minutes it would end as planned"
        )
        return checkpoint, Budget(epochs, minutes)
    as_planned = (epochs, minutes) == (schedule.epochs, schedule.minutes)
    return cooling, schedule.budget if as_planned else Budget(epochs, minutes)


def _say_of_end(schedule: Schedule | None, say: Callable[[str], None]) -> None:
    """Say why a run that had ended goes on from an earlier epoch than its last."""
    if schedule and schedule.ended:
        say("going on from before the step size ran down, with which the run had ended")


def _in_cool_down(folder: str | Path, checkpoint: Checkpoint) -> Checkpoint | None:
    """Read the checkpoint from the last part of a run; None where it is not that of this one.

    It is of an earlier attempt where it did not begin at `checkpoint`.
    """
    if not Path(folder, COOLING_NAME).exists():
        return None
    cooling = Checkpoint(folder, COOLING_NAME)
    begun = cooling.schedule and cooling.schedule.cooling
    return cooling if begun and begun.frames == checkpoint.counters.frames else None
