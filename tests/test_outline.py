"""Outlines: bars, what is left of them behind a primer, JSON, what no song has."""

import json

import numpy as np
import pytest

from midigen.config import Grid
from midigen.outline import Outline, bar_frames

GRID = Grid(steps_per_beat=2)
NO_FORM = np.zeros((0, 0), np.int64)


@pytest.mark.parametrize(
    "frames, metres, pickup, starts",
    [
        (16, ((0, 4, 4),), 0, [0, 8, 16]),
        (12, ((0, 4, 4),), 0, [0, 8, 16]),  # the last bar would end behind the song
        (10, ((0, 4, 4),), 6, [-6, 2, 10]),  # a pickup of a quarter note
        (20, ((0, 4, 4), (8, 3, 4)), 0, [0, 8, 14, 20]),
        (20, ((0, 4, 4), (10, 3, 4)), 0, [0, 8, 10, 16, 22]),  # a metre that cuts a bar short
        (9, ((0, 6, 8),), 0, [0, 6, 12]),
        (3, ((0, 1, 64),), 0, [0, 1, 2, 3]),  # no bar is shorter than a frame
    ],
)
def test_bars(frames, metres, pickup, starts):
    assert Outline(frames, metres, pickup).bar_starts(GRID).tolist() == starts


def test_on_a_grid_of_seconds_and_without_a_metre_there_are_no_bars():
    assert len(Outline(16, ((0, 4, 4),)).bar_starts(Grid(unit="seconds"))) == 0
    assert len(Outline(16).bar_starts(GRID)) == 0
    assert bar_frames(GRID, 3, 4) == 6


@pytest.mark.parametrize("first", [0, 2, 5, 8, 11, 17])
def test_what_is_left_behind_a_primer_has_the_bars_it_had(first):
    whole = Outline(24, ((0, 4, 4), (10, 3, 4)), 6, True, "jigs", 1.5, NO_FORM, -2)
    rest = whole.after(first, GRID)
    assert rest.frames == 24 - first and not rest.form.size
    assert (rest.minor, rest.style, rest.density, rest.shift) == (True, "jigs", 1.5, -2)
    starts = whole.bar_starts(GRID)
    begun = starts[starts <= first].max()
    expected = [begun, *starts[starts > first]]
    assert (rest.bar_starts(GRID) + first).tolist() == expected


@pytest.mark.parametrize(
    "outline",
    [
        Outline(0),
        Outline(9, ((0, 3, 4),)),
        Outline(
            40, ((0, 4, 4), (32, 2, 4)), 3, True, "jigs", 1.5, np.array([[0, 0], [1, 0]]), shift=-5
        ),
    ],
)
def test_outlines_come_back_from_json(outline):
    data = outline.to_json()
    again = Outline.from_json(json.loads(json.dumps(data)))
    assert again.to_json() == data and again.form.shape == outline.form.shape
    assert again.form.dtype == np.int64 and isinstance(again.metres, tuple)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": -1},
        {"frames": 1.5},
        {"metres": ((1, 4, 4),)},
        {"metres": ((0, 0, 4),)},
        {"metres": ((0, 4, 0),)},
        {"metres": ((0, 4, 4), (0, 3, 4))},
        {"metres": ((0, 4, 4), (8, 3, 4), (6, 2, 4))},
        {"pickup": -1},
        {"pickup": 0.5},
        {"density": float("nan")},
        {"density": -1.0},
        {"shift": 128},
        {"form": np.zeros(3, np.int64)},
        {"form": np.array([[0], [-1]])},
        {"form": np.array([[1]])},  # before the first bar
        {"form": np.array([[0], [2]])},
    ],
)
def test_what_no_song_has_is_refused(wrong):
    with pytest.raises((ValueError, TypeError)):
        Outline(**{"frames": 16, **wrong})
