"""What can be given of a song, and what of it is left to be drawn."""

import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.outline import Outline
from midigen.sampling.given import Given, note_columns
from tests.sampling.toy import PARTS, PLAIN

T = 4
MIXED = Grid(
    parts=(
        Part(name="lead", low=60, high=62, kind="line"),
        Part(name="chords", low=48, high=50, kind="block"),
        Part(name="drums", low=36, high=37, kind="drums"),
    )
)


def of(grid=PARTS, on=(), fixed=(), **others):
    """A Given of T frames; on and fixed are lists of (frame, column)."""
    roll, known = np.zeros((T, grid.channels), np.uint8), np.zeros((T, grid.channels), bool)
    for place in on:
        roll[place] = known[place] = True
    for place in fixed:
        known[place] = True
    return Given(roll, known, Outline(T), **others)


def test_notes_that_are_counted_are_pitches():
    assert note_columns(MIXED) == [(0, 4), (4, 7), (8, 10)]
    assert note_columns(Grid(low=60, high=62, articulation="onset")) == [(0, 3)]


def test_what_is_open():
    allowed = np.ones((T, 6), bool)
    allowed[1, 4] = False
    song = of(on=[(0, 1), (2, 3)], fixed=[(3, 5)], allowed=allowed, at_most=np.array([1, 1]))
    expected = np.ones((T, 6), bool)
    expected[0, :3] = False  # one sings already
    expected[1, 4] = False  # forbidden
    expected[2, 3:5] = False  # as many as may be; the column that strikes anew is no note
    expected[3, 5] = False  # fixed, off
    assert np.array_equal(song.to_draw(PARTS), expected)
    crowded = of(on=[(0, 3), (0, 4)], at_most=np.array([1, 1]))  # beyond it: no other is drawn
    crowded.check(PARTS)
    assert not crowded.to_draw(PARTS)[0, 3:5].any() and crowded.to_draw(PARTS)[1, 3:].all()
    silent = of(at_most=np.array([0, 2])).to_draw(PARTS)
    assert not silent[:, :3].any() and silent[:, 3:].all()


def test_what_does_not_fit_is_said_in_a_line():
    for message, make in {
        "fixed must be bool": lambda: Given(
            np.zeros((T, 3), np.uint8), np.zeros((T, 4), bool), Outline(T)
        ),
        "allowed must be bool": lambda: of(PLAIN, allowed=np.ones((T, 3), int)),
        "a frame at least": lambda: Given(
            np.zeros((0, 3), np.uint8), np.zeros((0, 3), bool), Outline(0)
        ),
        "an outline of 5 frames for a roll of 4": lambda: Given(
            np.zeros((T, 3), np.uint8), np.zeros((T, 3), bool), Outline(5)
        ),
        "column 2 is fixed in frame 1 and not allowed": lambda: of(
            PLAIN, on=[(1, 2)], allowed=np.zeros((T, 3), bool)
        ),
        "a roll of 3 columns for a model of 6": lambda: of(PLAIN).check(PARTS),
        "frame 2 has two fixed notes of lead": lambda: of(on=[(2, 0), (2, 1)]).check(PARTS),
        "at_most must be a number for each part, 2 in all": lambda: of(at_most=np.array([1])).check(
            PARTS
        ),
        "of 0..8": lambda: of(at_most=np.array([1, 9])).check(PARTS),
    }.items():
        with pytest.raises(ValueError, match=message):
            make()
    of(on=[(2, 0), (1, 1), (0, 3), (0, 4)], at_most=np.array([1, 2])).check(PARTS)
