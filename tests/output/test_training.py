"""The line that follows a run: what it says, and what it leaves out where there is no room."""

from types import SimpleNamespace

import pytest

from midigen.output.training import Display
from midigen.training.events import Progress, Validated
from midigen.training.schedule import Budget


@pytest.fixture
def display():
    """Of a run half of whose epochs are done."""
    card = SimpleNamespace(notes_per_frame=2.86)
    run = SimpleNamespace(trainer=SimpleNamespace(model=SimpleNamespace(card=card)))
    display = Display(run, Budget(epochs=100, minutes=None), quiet=True)
    return display


def test_before_the_first_step_it_says_what_is_waited_for(display):
    assert display.line().endswith("ing kernels, 0:00 so far")


def test_all_of_it(display):
    follow(display)
    line = display.line()
    assert line.startswith("epoch 51  ") and " frames/s  " in line and " left  " in line
    assert line.endswith("loss 1.18  held out 0.86  notes 2.5/2.9")


@pytest.mark.parametrize("room", range(20, 100, 5))
def test_a_narrow_line_leaves_out_what_matters_least(display, room):
    follow(display)
    whole, line = display.line(), display.line(room)
    assert len(line) <= max(room, len("epoch 51  held out 0.86"))
    parts = line.split("  ")
    assert set(parts) <= set(whole.split("  ")) and parts[0] == "epoch 51"
    assert "held out 0.86" in parts
    assert (room < 40) or any(part.endswith("left") for part in parts)


def follow(display):
    display._budget.start()
    display.show(Progress(50, 0.0, 1000, 10))
    display._budget.started -= 50
    display._started -= 5
    display.show(Progress(50, 0.0, 214_000, 20))
    display.show(Validated(50, 20, 214_000, 1.18, 0.86, True, 2.5, 0.001))
