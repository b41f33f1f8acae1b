"""How long a run lasts and how large its steps are, by hand."""

import pytest

from midigen.training import schedule
from midigen.training.schedule import COOLING, FULL_PACE, MOST_GIBBS, Budget, CoolDown, Pace


@pytest.fixture
def clock(monkeypatch):
    """The time, in seconds, which a test moves on by itself."""
    now = [100.0]
    monkeypatch.setattr(schedule.time, "monotonic", lambda: now[0])
    return now


def test_at_full_pace_nothing_changes():
    assert FULL_PACE == Pace(1.0, cooling=False) and FULL_PACE.gibbs_steps(7) == 7


@pytest.mark.parametrize(
    "factor, steps", [(1.0, 10), (0.5, 20), (0.4, 25), (1 / MOST_GIBBS, 50), (0.01, 50), (0.0, 50)]
)
def test_slower_weights_get_more_gibbs_steps_up_to_a_limit(factor, steps):
    assert Pace(factor, cooling=True).gibbs_steps(10) == steps
    assert Pace(factor).gibbs_steps(10) == 10


def test_the_clock_runs_from_the_first_start(clock):
    budget = Budget(epochs=None, minutes=2)
    clock[0] += 50
    assert budget.seconds() == budget.share_done(3.0) == 0
    budget.start()
    clock[0] += 30
    budget.start()  # no second time
    assert budget.seconds() == 30 and budget.share_done(3.0) == 0.25
    clock[0] += 1000
    assert budget.share_done(3.0) == 1


def test_the_tighter_limit_counts(clock):
    budget = Budget(epochs=10, minutes=1)
    budget.start()
    clock[0] += 15
    assert budget.share_done(2.0) == 0.25 and budget.share_done(7.5) == 0.75
    assert budget.share_done(30) == 1


def test_without_limits_nothing_is_used(clock):
    budget = Budget(None, None)
    budget.start()
    clock[0] += 1e6
    assert budget.share_done(1e6) == 0


def test_the_step_runs_down_over_what_is_left_of_the_budget():
    cool_down = CoolDown(begun=0.6, frames=1000, early=False)
    for share, factor in ((0.6, 1.0), (0.7, 0.75), (0.8, 0.5), (0.999, 0.0025)):
        pace = cool_down.pace(share, 10**9)
        assert pace.cooling and pace.factor == pytest.approx(factor)
    assert cool_down.pace(1.0, 1000) is None


def test_after_an_early_stop_it_lasts_for_its_share_of_all_frames():
    cool_down = CoolDown(begun=0.1, frames=600, early=True)
    more = 600 * COOLING / (1 - COOLING)  # COOLING of all, these included
    for part, factor in ((0, 1.0), (0.25, 0.75), (0.9, 0.1)):
        assert cool_down.pace(0.1, 600 + part * more).factor == pytest.approx(factor)
    assert cool_down.pace(0.1, 600 + 1.001 * more) is None
    assert cool_down.pace(0.55, 600).factor == pytest.approx(0.5)  # or what is left of the budget
    assert cool_down.pace(1.0, 600) is None


def test_a_run_that_has_used_its_budget_does_not_cool_down():
    assert CoolDown(begun=1.0, frames=100, early=False).pace(1.0, 100) is None
