"""Outlines: which bars come again, metres, pickups, density."""

import numpy as np
import pytest

from midigen.config import Grid, Part
from midigen.midi.form import form_of, outline_of, outline_of_roll
from midigen.midi.roll import notes_to_roll

from .craft import make_table

GRID = Grid(
    low=48,
    high=83,
    steps_per_beat=1,
    parts=(Part("melody", 60, 83, "line"), Part("chords", 48, 71)),
)
PLAIN = Grid(low=60, high=83, steps_per_beat=1)
TUNES = {
    "A": [60, 62, 64, 65],
    "B": [67, 65, 64, 62],
    "C": [72, 71, 69, 67],
    "a": [60, 62, 64, 67],  # A with another end
    "b": [67, 62, 60, 69],  # half of B or less
    "-": [],
}


def song(letters, grid=PLAIN):
    """A song of bars of four quarters, each with the notes of its letter."""
    rows = [
        (4 * bar + i, 4 * bar + i + 1, pitch)
        for bar, letter in enumerate(letters)
        for i, pitch in enumerate(TUNES[letter])
    ]
    return make_table(rows, ticks_per_beat=1)


def form(letters, grid=PLAIN):
    table = song(letters)
    roll, counts = notes_to_roll(table, grid)
    return outline_of(table, grid, roll, counts).form[:, 0].tolist()


@pytest.mark.parametrize(
    "letters, expected",
    [
        ("ABC", [0, 0, 0]),
        ("AAAA", [0, 1, 1, 1]),
        ("AABA", [0, 1, 0, 2]),
        ("ABAB", [0, 0, 2, 2]),
        ("ABCABC", [0, 0, 0, 3, 3, 3]),
        ("ABABAB", [0, 0, 2, 2, 2, 2]),  # on at that distance, not to the first
        ("A-A", [0, 0, 2]),  # silence repeats nothing
        ("A--A", [0, 0, 0, 3]),
        ("Bb", [0, 0]),
    ],
)
def test_forms(letters, expected):
    assert form(letters) == expected


def test_going_on_is_preferred_to_a_better_bar():
    """Bar 5 goes on at the distance of the bar before, though the bar ahead is more alike."""
    grid = Grid(low=60, high=83, steps_per_beat=4)
    rows = []
    for bar, pitches in enumerate([range(60, 76), range(62, 78), range(60, 76), range(62, 78)]):
        rows += [(16 * bar + i, 16 * bar + i + 1, pitch) for i, pitch in enumerate(pitches)]
    rows = [row if row[0] != 63 else (63, 64, 60) for row in rows]  # a little of bar 4 is changed
    roll, _ = notes_to_roll(make_table(rows), grid)
    np.testing.assert_array_equal(form_of(roll, grid, np.arange(5) * 16)[:, 0], [0, 0, 2, 2])


def test_each_part_has_a_form_of_its_own():
    rows = [(i, i + 1, 72 + i % 4) for i in range(8)]
    rows += [
        (4 * bar, 4 * bar + 4, pitch)
        for bar, chord in enumerate([(48, 52), (50, 53)])
        for pitch in chord
    ]
    roll, counts = notes_to_roll(make_table(rows, ticks_per_beat=1), GRID)
    assert counts.parts == (8, 4)
    np.testing.assert_array_equal(form_of(roll, GRID, np.array([0, 4, 8])), [[0, 0], [1, 0]])


def test_held_notes_of_other_pitches_are_not_alike():
    """The column that holds a line's note is the same for every pitch: it tells nothing."""
    roll = np.zeros((32, GRID.channels), np.uint8)
    roll[[0, 16], [0, 7]] = 1
    roll[1:16, 24] = roll[17:, 24] = 1
    assert form_of(roll, GRID, np.array([0, 16, 32]))[1, 0] == 0
    roll[16, [0, 7]] = 1, 0
    assert form_of(roll, GRID, np.array([0, 16, 32]))[1, 0] == 1


def test_bars_of_other_lengths_and_the_bar_behind_a_pickup_are_no_models():
    roll = np.zeros((14, PLAIN.channels), np.uint8)
    roll[:, 3] = 1
    np.testing.assert_array_equal(
        form_of(roll, PLAIN, np.array([-3, 1, 5, 8, 12, 16]))[:, 0],
        [0, 0, 0, 2, 0],  # bar 2 is shorter; half of the last is silent
    )


def test_a_long_song_costs_little_and_finds_near_models_only():
    rng = np.random.default_rng(0)
    roll = (rng.random((4 * 2000, PLAIN.channels)) < 0.2).astype(np.uint8)
    roll[-4:] = roll[:4]
    roll[-8:-4] = roll[-408:-404]
    back = form_of(roll, PLAIN, np.arange(2001) * 4)[:, 0]
    assert back[-1] == 0 and back[-2] == 100 and (back[:-2] == 0).all()


@pytest.mark.parametrize("pitches, minor", [((60, 64, 67, 72), False), ((69, 72, 76, 81), True)])
def test_outline_of_a_song(pitches, minor):
    table = make_table([(2 * i, 2 * i + 2, pitch) for i, pitch in enumerate(pitches)], 1)
    roll, counts = notes_to_roll(table, PLAIN)
    outline = outline_of(table, PLAIN, roll, counts, "jigs")
    assert (outline.frames, outline.metres, outline.pickup) == (8, ((0, 4, 4),), 0)
    assert (outline.minor, outline.style, outline.shift) == (minor, "jigs", 0)
    assert (outline.density, outline.form.shape) == (0.5, (2, 1))


def test_outline_of_a_roll_and_on_seconds():
    roll = np.eye(12, PLAIN.channels, dtype=np.uint8)
    outline = outline_of_roll(roll, PLAIN, metre=(3, 4))
    assert (outline.metres, outline.form.shape, outline.density) == (((0, 3, 4),), (4, 1), 1)
    seconds = Grid(unit="seconds", step=0.5, low=60, high=83)
    table = song("AB")
    roll, counts = notes_to_roll(table, seconds)
    outline = outline_of(table, seconds, roll, counts)
    assert (outline.metres, outline.form.shape, outline.density) == ((), (0, 1), 1)
