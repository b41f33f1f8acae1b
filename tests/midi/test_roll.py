"""Notes <-> rolls: the three articulations, the range, the grids, and exact round trips."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.roll import MAX_FRAMES, notes_to_roll, roll_to_notes

from .craft import make_table

GRID = Grid(low=60, high=63)
rolls = arrays(
    np.uint8, st.tuples(st.integers(1, 24), st.just(GRID.pitches)), elements=st.integers(0, 1)
)


def lines(roll):
    """A roll as one string a column, "#" where it is on."""
    return ["".join(".#"[bit] for bit in column) for column in roll.T]


def draw(rows, articulation="gap", **grid):
    return lines(
        notes_to_roll(make_table(rows), Grid(low=60, high=61, articulation=articulation, **grid))[0]
    )


def trimmed(roll):
    """Without the silence after the last note, and without whole bars of it before the first."""
    on = np.flatnonzero(roll.any(axis=1))
    return roll[on[0] // 16 * 16 : on[-1] + 1]


@settings(deadline=None)
@given(rolls)
@pytest.mark.parametrize("articulation", ["gap", "sustain"])
def test_roll_to_notes_and_back(articulation, roll):
    grid = dataclasses.replace(GRID, articulation=articulation)
    notes = roll_to_notes(roll, grid)
    assert len(notes) == roll[0].sum() + (np.diff(roll.astype(int), axis=0) == 1).sum()
    if len(notes):
        again, counts = notes_to_roll(make_table(notes), grid)
        np.testing.assert_array_equal(again, trimmed(roll))
        assert counts.merged == 0


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(60, 63), st.integers(0, 30)), min_size=1), st.data())
def test_notes_to_onset_roll_and_back(onsets, data):
    grid = dataclasses.replace(GRID, articulation="onset")
    notes = []
    for pitch in range(60, 64):
        starts = sorted(start for p, start in onsets if p == pitch)
        for start, limit in zip(starts, starts[1:] + [40], strict=False):
            notes.append((start, data.draw(st.integers(start + 1, limit)), pitch))
    roll, counts = notes_to_roll(make_table(notes), grid)
    first = min(start for start, _, _ in notes) // 16 * 16
    expected = sorted((start - first, end - first, pitch) for start, end, pitch in notes)
    assert sorted(map(tuple, roll_to_notes(roll, grid).tolist())) == expected
    assert counts.merged == 0
    assert roll.shape[1] == 8


def test_gap_clears_the_frame_before_a_restrike():
    assert draw([(0, 4, 60), (4, 8, 60)]) == ["###.####", "........"]


def test_gap_spares_a_note_of_one_frame():
    assert draw([(0, 1, 60), (1, 2, 60), (2, 4, 60), (4, 5, 60)]) == ["###.#", "....."]


def test_gap_within_a_longer_note_of_another_voice():
    assert draw([(0, 8, 60), (4, 6, 60)]) == ["###.####", "........"]


def test_gap_leaves_separate_notes_and_other_pitches():
    assert draw([(0, 2, 60), (3, 4, 60), (2, 4, 61)]) == ["##.#", "..##"]


def test_sustain_merges_and_counts():
    table = make_table([(0, 4, 60), (4, 8, 60), (4, 8, 61)])
    roll, counts = notes_to_roll(table, Grid(low=60, high=61, articulation="sustain"))
    assert lines(roll) == ["########", "....####"]
    assert counts.merged == 1


def test_onset_marks_every_strike():
    assert draw([(0, 2, 60), (2, 4, 60), (3, 4, 61)], "onset") == ["####", "...#", "#.#.", "...#"]


def test_onset_bit_restrikes_and_alone_is_nothing():
    grid = Grid(low=60, high=60, articulation="onset")
    roll = np.array([[1, 1], [1, 0], [1, 1], [0, 1], [1, 0]], np.uint8)
    assert roll_to_notes(roll, grid).tolist() == [[0, 2, 60], [2, 3, 60], [4, 5, 60]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_roll_of_any_integer_type(dtype):
    assert roll_to_notes(np.eye(2, dtype=dtype), Grid(low=60, high=61)).tolist() == [
        [0, 1, 60],
        [1, 2, 61],
    ]


def test_empty_roll_has_no_notes():
    assert roll_to_notes(np.zeros((0, 2), np.uint8), Grid(low=60, high=61)).shape == (0, 3)


@pytest.mark.parametrize("ticks, frame", [(0, 0), (59, 0), (61, 1), (120, 1), (179, 1), (181, 2)])
def test_onsets_go_to_the_nearest_frame(ticks, frame):
    table = make_table([(0, 1, 60), (ticks, ticks + 480, 61)], ticks_per_beat=480)
    roll, _ = notes_to_roll(table, Grid(low=60, high=61))
    assert np.flatnonzero(roll[:, 1]).min() == frame


def test_short_notes_fill_a_frame():
    roll, _ = notes_to_roll(make_table([(0, 1, 60)], ticks_per_beat=480), Grid())
    assert roll.sum() == 1


def test_off_grid_is_over_a_twentieth_of_a_frame():
    table = make_table(
        [(0, 60, 60), (125, 180, 60), (247, 300, 60), (480, 600, 60)], ticks_per_beat=480
    )
    assert (
        notes_to_roll(table, Grid())[1].off_grid == 1
    )  # 125 is 0.042 of a frame off, 247 is 0.058


def test_seconds_grid_follows_the_clock():
    table = make_table([(0, 4, 60), (4, 8, 61)], bpm=60.0)  # two notes of a second
    roll, counts = notes_to_roll(table, Grid(unit="seconds", step=0.25, low=60, high=61))
    assert lines(roll) == ["####....", "....####"]
    assert counts.off_grid == 0


@pytest.mark.parametrize(
    "first, metre, silence", [(3, (4, 4), 3), (16, (4, 4), 0), (37, (4, 4), 5), (37, (3, 4), 1)]
)
def test_whole_bars_of_silence_at_the_start_go(first, metre, silence):
    roll, _ = notes_to_roll(make_table([(first, first + 2, 60)], metre=metre), Grid())
    assert np.flatnonzero(roll.any(axis=1))[0] == silence


def test_octaves_bring_notes_into_range():
    table = make_table([(0, 1, 21), (1, 2, 108), (2, 3, 48), (3, 4, 83)])
    roll, counts = notes_to_roll(table, Grid(low=48, high=83))
    assert roll_to_notes(roll, Grid(low=48, high=83))[:, 2].tolist() == [57, 72, 48, 83]
    assert (counts.transposed, counts.dropped) == (2, 0)


def test_range_under_an_octave_has_no_place_for_some():
    table = make_table([(0, 1, 60), (1, 2, 72), (2, 3, 65)])
    assert notes_to_roll(table, Grid(low=60, high=61))[1].dropped == 1


def test_drop_and_refuse():
    table = make_table([(0, 1, 40), (1, 2, 60)])
    roll, counts = notes_to_roll(table, Grid(low=50, high=70, outside="drop"))
    assert (roll.sum(), counts.dropped, counts.transposed, counts.notes) == (1, 1, 0, 2)
    with pytest.raises(MidigenError, match="1 of 2 are outside 50..70"):
        notes_to_roll(table, Grid(low=50, high=70, outside="refuse"))
    with pytest.raises(MidigenError, match="no notes in the range"):
        notes_to_roll(table, Grid(low=80, high=90, outside="drop"))


def test_the_longest_song():
    table = make_table([(0, 1, 60), (MAX_FRAMES - 1, MAX_FRAMES, 60)])
    assert len(notes_to_roll(table, GRID)[0]) == MAX_FRAMES
    with pytest.raises(MidigenError, match="too long"):
        notes_to_roll(make_table([(0, 1, 60), (MAX_FRAMES, MAX_FRAMES + 1, 60)]), GRID)


def test_digest_follows_the_music_alone():
    rows = [(0, 4, 60), (4, 8, 62)]
    table = make_table(rows)
    finer = make_table(
        [(100 * start, 100 * end, pitch) for start, end, pitch in rows], ticks_per_beat=400
    )
    slower = make_table(rows, bpm=60.0)
    assert table.digest() == finer.digest() == slower.digest()
    assert table.digest("seconds") == finer.digest("seconds") != slower.digest("seconds")
    assert table.digest() != make_table([(0, 4, 60), (4, 7, 62)]).digest()
    assert table.digest() != make_table([(0, 4, 60), (4, 8, 63)]).digest()
