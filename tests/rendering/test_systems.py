import numpy as np
import pytest

from midigen.midi.view import SongView
from midigen.rendering.systems import bar_edges, bar_widths, split_bars


def song(bars, end, bpm=120.0, metre=(4, 4)):
    return SongView("song", (), np.array(bars, np.float64), end, bpm, metre, None, "")


def test_the_last_bar_is_as_long_as_the_one_before_it():
    assert bar_edges(song([0, 2, 5], 5.5)).tolist() == [0, 2, 5, 8]
    assert bar_edges(song([0, 2, 5], 9)).tolist() == [0, 2, 5, 9]


def test_the_only_bar_is_as_long_as_its_metre_says():
    assert bar_edges(song([0], 0.5, 60, (3, 4))).tolist() == [0, 3]


def test_bars_are_as_wide_as_their_beats():
    """Whatever their seconds."""
    view = song([0, 1, 3, 7, 8], 8)._replace(quarters=(1, 4, 4, 4, 2))
    np.testing.assert_allclose(bar_widths(view), [0.25, 1, 1, 1, 0.5])
    assert bar_widths(song([0, 1, 3, 7, 8], 8)).tolist() == [1] * 5  # nothing is known of beats


def test_no_bar_vanishes_or_fills_the_picture():
    widths = bar_widths(song([0, 1, 2, 3], 8)._replace(quarters=(4, 4, 0.1, 1000)))
    assert widths.min() == 0.125 and widths.max() == 8


@pytest.mark.parametrize(
    "room, lengths",
    [
        (19, [16, 16, 1]),
        (7.5, [4] * 8 + [1]),
        (3, [2] * 16 + [1]),
        (1.5, [1] * 33),
        (0.5, [1] * 33),
    ],
)
def test_systems_take_fours_or_twos(room, lengths):
    systems = split_bars(np.ones(33), room)
    assert [len(system) for system in systems] == lengths
    assert [bar for system in systems for bar in system] == list(range(33))


def test_a_pickup_comes_on_top():
    widths = np.array([0.25, *[1] * 8])
    assert [len(system) for system in split_bars(widths, 4.5)] == [5, 4]
    assert [len(system) for system in split_bars(widths, 4.0)] == [4, 4, 1]  # there is no room


def test_wide_bars_take_the_room_they_need():
    assert [len(s) for s in split_bars(np.array([1, 1, 3, 1, 8, 1]), 4.5)] == [2, 2, 1, 1]
