"""What the columns of rolls stand for, counted by hand."""

import numpy as np
import pytest

from midigen.columns import SHIFTS, coins, columns_of
from midigen.config import Grid, Part

LINE = Part(name="melody", low=60, high=62, kind="line")
BLOCK = Part(name="chords", low=48, high=49, kind="block")
VOICES = Part(name="strings", low=50, high=52, kind="voices")
DRUMS = Part(name="drums", low=36, high=37, kind="drums")
BAND = Grid(parts=(LINE, BLOCK, VOICES, DRUMS))


def test_the_columns_of_parts_lie_one_behind_the_other():
    found = columns_of(BAND)
    assert BAND.channels == len(found.part_of) == 4 + 3 + 4 + 2
    assert found.part_of.tolist() == [0] * 4 + [1] * 3 + [2] * 4 + [3] * 2
    assert found.parts == 4
    # hold and strike columns have no pitch
    assert found.pitch.tolist() == [60, 61, 62, -1, 48, 49, -1, 50, 51, 52, -1, 36, 37]


def test_one_voice_is_a_group_with_its_hold_column_and_no_other_part_is():
    assert columns_of(BAND).groups.tolist() == [[0, 4]]
    two = columns_of(Grid(parts=(LINE, Part(name="bass", low=30, high=31, kind="line"))))
    assert two.groups.tolist() == [[0, 4], [4, 7]]


def test_the_notes_of_lines_and_blocks_are_remembered_without_what_holds_them():
    assert columns_of(BAND).lines.tolist() == [[0, 3], [4, 6]]


def test_a_song_in_parts_is_transposed_within_each_part_and_drums_stay():
    moves = columns_of(BAND).moves
    row = np.arange(BAND.channels)
    # up by one: column i is what the one below was; the highest of a range comes back as the lowest
    assert row[moves[1]].tolist() == [2, 0, 1, 3, 5, 4, 6, 9, 7, 8, 10, 11, 12]
    assert moves.shape == (SHIFTS, BAND.channels) and moves.dtype == np.int64
    assert np.array_equal(moves[0], row)
    assert columns_of(BAND).ranges.tolist() == [[0, 3], [4, 6], [7, 10]]


@pytest.mark.parametrize("shift", [1, 5, 127])
def test_a_shift_down_undoes_one_up(shift):
    moves = columns_of(BAND).moves
    assert np.array_equal(moves[shift][moves[-shift % SHIFTS]], np.arange(BAND.channels))


@pytest.mark.parametrize("articulation, blocks", [("gap", 1), ("onset", 2)])
def test_without_parts_there_is_one_whose_top_line_is_remembered(articulation, blocks):
    grid = Grid(low=60, high=64, articulation=articulation)
    found = columns_of(grid)
    assert (found.parts, found.groups.shape) == (1, (0, 2))
    assert found.lines.tolist() == [[0, 5]]
    assert found.pitch.tolist() == list(range(60, 65)) * blocks
    row = np.arange(5 * blocks).reshape(blocks, 5)
    assert np.array_equal(row.ravel()[found.moves[2]], np.roll(row, 2, axis=1).ravel())


def test_columns_are_made_once_for_a_grid():
    assert columns_of(BAND) is columns_of(Grid(parts=(LINE, BLOCK, VOICES, DRUMS)))


def test_coins_and_a_die_for_a_line():
    assert coins(Grid(low=60, high=64)) == pytest.approx(5 * np.log(2))
    # 4 columns of the line, one of which may be on, and 3 of the block
    assert coins(Grid(parts=(LINE, BLOCK))) == pytest.approx(np.log(5) + 3 * np.log(2))
