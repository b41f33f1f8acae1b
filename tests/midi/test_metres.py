"""Metres and pickups on the frames of a grid, and what is left out at the start."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from midigen.config import Grid
from midigen.midi.metres import bars_left_out, bars_of, likely_metre, metres_from
from midigen.midi.pickup import estimate_pickup
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll

from .craft import make_table

SONGS = sorted((Path(__file__).parents[2] / "songs").glob("*.mid"))
GRID = Grid(steps_per_beat=2)


def told(*metres, notes=((0, 4, 60),)):
    """A song with time signatures (quarter, numerator, denominator), at 4 ticks a beat."""
    table = make_table(notes, metre=metres[0][1:])
    return dataclasses.replace(table, metres=tuple((4 * q, n, d) for q, n, d in metres))


def test_all_changes():
    table = told((0, 4, 4), (8, 3, 4), (14, 3, 4), (14, 6, 8))
    assert bars_of(table, GRID) == (((0, 4, 4), (16, 3, 4), (28, 6, 8)), 0)


def test_the_first_metre_holds_from_the_start_and_none_is_four_quarters():
    assert bars_of(told((2, 3, 4)), GRID) == (((0, 3, 4),), 0)
    assert bars_of(make_table([(0, 1, 60)]), GRID) == (((0, 4, 4),), 0)


@pytest.mark.parametrize(
    "metres, pickup",
    [
        ([(0, 1, 4), (1, 4, 4)], 6),
        ([(0, 3, 8), (1.5, 2, 2)], 5),
        ([(0, 2, 4), (4, 4, 4)], None),  # two bars of 2/4
        ([(0, 4, 4), (4, 2, 4)], None),
    ],
)
def test_a_short_first_bar_is_a_pickup(metres, pickup):
    found, lacking = bars_of(told(*metres), GRID)
    if pickup is None:
        assert (found[0][1:], lacking) == (metres[0][1:], 0)
    else:
        assert (found, lacking) == (((0, *metres[1][1:]),), pickup)


@pytest.mark.parametrize(
    "metres, first, left_out",
    [
        ([(0, 4, 4)], 17, 16),
        ([(0, 1, 4), (1, 4, 4)], 1, 0),
        ([(0, 1, 4), (1, 4, 4)], 2, 2),
        ([(0, 1, 4), (1, 4, 4)], 11, 10),
        ([(0, 4, 4), (6, 3, 4)], 11, 8),
        ([(0, 4, 4), (6, 3, 4)], 13, 12),
        ([(0, 4, 4), (6, 3, 4)], 19, 18),
    ],
)
def test_whole_bars_are_left_out(metres, first, left_out):
    assert bars_left_out(told(*metres), GRID, first) == left_out


def test_metres_are_counted_from_the_first_bar_kept():
    metres = ((0, 4, 4), (16, 3, 4), (28, 6, 8))
    grid = Grid(steps_per_beat=1)
    assert metres_from(grid, metres, 3, 0, 20) == (((0, 4, 4), (16, 3, 4)), 3)
    assert metres_from(grid, metres, 3, 5, 40) == (((0, 4, 4), (11, 3, 4), (23, 6, 8)), 0)
    assert metres_from(grid, metres, 0, 22, 40) == (((0, 3, 4), (6, 6, 8)), 0)


def without_rests(table):
    """The song as if it began with its first note, and the pickup that this makes."""
    bar = 4 * table.ticks_per_beat * table.metre[0] // table.metre[1]
    notes = table.notes.copy()
    rests = notes[0, 0] % bar
    notes[:, :2] -= notes[0, 0]
    return dataclasses.replace(table, notes=notes), (-rests % bar) / table.ticks_per_beat


def test_pickups_of_the_starter_songs():
    """Of 11 songs that begin within a bar 10 are found, and 21 others are left as they are."""
    found = {}
    for path in SONGS:
        table, pickup = without_rests(read_notes(path))
        found[path.stem] = (pickup, estimate_pickup(table))
    wrong = {name: both for name, both in found.items() if both[1] not in (0, both[0])}
    missed = [name for name, (pickup, guess) in found.items() if pickup and not guess]
    assert (wrong, missed) == ({}, ["when-the-saints-go-marching-in"])
    assert sum(pickup > 0 for pickup, _ in found.values()) == 11


def test_songs_that_tell_are_not_asked():
    for path in SONGS:
        assert estimate_pickup(read_notes(path)) == 0


def test_an_estimate_reaches_the_outline():
    table, _ = without_rests(read_notes(next(p for p in SONGS if "auld" in p.name)))
    assert bars_of(table, GRID) == (((0, 4, 4),), 6)
    assert bars_of(table, Grid(unit="beat", steps_per_beat=4)) == (((0, 4, 4),), 12)
    assert notes_to_roll(table, GRID)[1].first == 0


@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (1, 8), (3, 32), (5, 16)])
def test_random_music_begins_with_a_bar(metre):
    rng = np.random.default_rng(5)
    starts = np.sort(rng.integers(0, 400, 600))
    starts[0] = 0
    pitches = rng.integers(40, 90, 600)
    lengths = rng.integers(1, 9, 600)
    rows = list(zip(starts.tolist(), (starts + lengths).tolist(), pitches.tolist(), strict=True))
    assert estimate_pickup(make_table(rows, metre=metre)) == 0


def test_a_song_of_a_note_and_one_of_endless_length_are_passed_over():
    assert estimate_pickup(make_table([(0, 1, 60)])) == 0
    assert estimate_pickup(make_table([(0, 9_000_000, 60), (9_000_000, 9_000_001, 62)])) == 0


@pytest.mark.parametrize("beats, metre", [(3, (3, 4)), (4, (4, 4)), (6, (3, 4)), (8, (4, 4))])
def test_the_bars_that_come_again_tell_a_metre(beats, metre):
    grid, rng = Grid(steps_per_beat=2), np.random.default_rng(0)
    bar = (rng.random((2 * beats, grid.channels)) < 0.05).astype(np.uint8)
    noise = (rng.random((40 * beats, grid.channels)) < 0.005).astype(np.uint8)
    assert likely_metre(np.tile(bar, (20, 1)) | noise, grid) == metre
    assert likely_metre(bar, grid) == (4, 4)  # too short to tell
    assert likely_metre(np.zeros_like(noise), grid) == (4, 4)
