"""Notes <-> rolls: the three articulations, the range, the grids, and exact round trips."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from midigen.config import Grid, Part
from midigen.errors import MidigenError
from midigen.midi.notes import NoteTable, Track
from midigen.midi.read import parse
from midigen.midi.roll import MAX_FRAMES, notes_to_roll, part_notes, roll_to_notes, sounding
from midigen.midi.write import midi_bytes, roll_to_midi

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


BAND = Grid(
    parts=(
        Part("melody", 60, 75, "line", 40),
        Part("chords", 48, 71, "voices", 24),
        Part("bass", 36, 50, "line", 33),
        Part("drums", 36, 42, "drums"),
    )
)
NAMES = [part.name for part in BAND.parts]
spans = st.tuples(st.integers(0, 40), st.integers(1, 9))


def band_table(voices):
    """A song of rows (start, end, pitch) for each part of BAND, in named tracks."""
    rows = [(*row, number) for number, voice in enumerate(voices) for row in voice]
    rows.sort(key=lambda row: (row[0], row[2], row[1]))
    rows = np.array(rows, np.int64).reshape(-1, 4)
    drums = rows[:, 3] == NAMES.index("drums")
    notes = np.column_stack([rows[:, :3], np.full(len(rows), 64)])
    return NoteTable(
        notes[~drums],
        4,
        120.0,
        (4, 4),
        notes[~drums, :2] / 8,
        "made",
        tracks=tuple(Track(part.name, part.program, part.kind == "drums") for part in BAND.parts),
        track=rows[~drums, 3],
        drum_notes=notes[drums],
        drum_seconds=notes[drums, :2] / 8,
    )


@st.composite
def bands(draw):
    """Rows of each part of BAND; a line's notes follow one another, a pitch of chords too."""
    voices = []
    for part in BAND.parts:
        taken, rows = {}, []
        for start, length in sorted(draw(st.lists(spans, min_size=part.name == "chords"))):
            pitch = draw(st.integers(part.low, part.high))
            of = 0 if part.kind == "line" else pitch
            if start >= taken.get(of, 0):
                end = start + (1 if part.kind == "drums" else length)
                taken[of] = end
                rows.append((start, end, pitch))
        voices.append(rows)
    return voices


@settings(deadline=None)
@given(bands())
def test_parts_to_roll_and_back(voices):
    roll, counts = notes_to_roll(band_table(voices), BAND)
    assert roll.shape[1] == BAND.channels == 17 + 25 + 16 + 7
    assert counts.parts == tuple(len(rows) for rows in voices) and counts.dropped == 0
    found = [rows.tolist() for rows in part_notes(roll, BAND)]
    for rows, voice, part in zip(found, voices, BAND.parts, strict=True):
        if part.kind != "voices":
            placed = [(start - counts.first, end - counts.first, p) for start, end, p in voice]
            assert [tuple(row) for row in rows] == sorted(placed, key=lambda row: (row[0], row[2]))
    # of the chords, what sounds; and the roll that is read back is the same
    heard = sounding(roll, BAND)
    for start, end, pitch in voices[1]:
        assert heard[start - counts.first : end - counts.first, pitch].all()
    again, _ = notes_to_roll(band_table(found), BAND)
    np.testing.assert_array_equal(again, roll)
    pitched = sorted(map(tuple, sum(found[:3], [])), key=lambda row: (row[0], row[2], row[1]))
    assert [tuple(row) for row in roll_to_notes(roll, BAND).tolist()] == pitched


@settings(deadline=None, max_examples=30)
@given(bands())
def test_parts_to_a_file_and_back(voices):
    roll, _ = notes_to_roll(band_table(voices), BAND)
    table = parse(midi_bytes(roll_to_midi(roll, BAND, 100)), "n")
    used = [n for n, voice in enumerate(voices) if voice]
    assert {track.name for track in table.tracks} == {NAMES[n] for n in used}
    assert all(
        track.program == BAND.parts[NAMES.index(track.name)].program for track in table.tracks
    )
    again, counts = notes_to_roll(table, BAND)
    np.testing.assert_array_equal(again, roll)
    assert counts.dropped == counts.merged == 0


@settings(deadline=None)
@given(
    arrays(
        np.uint8, st.tuples(st.integers(0, 20), st.just(BAND.channels)), elements=st.integers(0, 1)
    )
)
def test_any_roll_of_parts_has_notes(roll):
    """A model may draw what no song has: it is read all the same, and what it gives is kept."""
    found = part_notes(roll, BAND)
    for notes, part in zip(found, BAND.parts, strict=True):
        assert (notes[:, 1] > notes[:, 0]).all() and (notes[:, 1] <= len(roll)).all()
        assert ((notes[:, 2] >= part.low) & (notes[:, 2] <= part.high)).all()
    heard = np.zeros((len(roll), 128), bool)
    for notes in found[:3]:
        for start, end, pitch in notes.tolist():
            heard[start:end, pitch] = True
    np.testing.assert_array_equal(sounding(roll, BAND), heard)


def one_part(rows, kind="line", low=60, high=63, **parts):
    """The columns of one part, as strings; its last is the hold or strike column."""
    grid = Grid(parts=(Part("melody", low, high, kind), *parts.values()))
    return lines(notes_to_roll(band_table([rows, [], [], []]), grid)[0])


def test_a_line_has_onsets_and_holds():
    assert one_part([(0, 3, 60), (3, 4, 60), (5, 7, 62)]) == [
        "#..#...",
        ".......",
        ".....#.",
        ".......",
        ".##...#",
    ]


def test_the_later_note_of_a_line_cuts_the_earlier():
    assert one_part([(0, 6, 60), (2, 3, 61)], high=61) == ["#..", "..#", ".#."]


def test_of_simultaneous_notes_in_a_line_the_highest_stays():
    rows = [(0, 2, 60), (0, 2, 62), (2, 4, 61)]
    alone = Grid(parts=(Part("melody", 60, 63, "line"),))
    roll, counts = notes_to_roll(band_table([rows, [], [], []]), alone)
    assert lines(roll) == ["....", "..#.", "#...", "....", ".#.#"]
    assert (counts.parts, counts.dropped) == ((2,), 1)
    both = Grid(parts=(*alone.parts, Part("chords", 60, 63)))
    roll, counts = notes_to_roll(band_table([rows, [], [], []]), both)
    assert lines(roll)[5:] == ["##..", "....", "....", "....", "#..."]
    assert (counts.parts, counts.dropped) == ((2, 1), 0)


def test_voices_strike_where_half_of_them_begin():
    rows = [(0, 4, 60), (0, 2, 61), (2, 4, 61), (4, 8, 60), (5, 8, 62), (6, 8, 63)]
    assert one_part(rows, "voices") == [
        "########",
        "####....",
        ".....###",
        "......##",
        "#.#.##..",
    ]
    roll, counts = notes_to_roll(
        band_table([rows, [], [], []]), Grid(parts=(Part("melody", 60, 63),))
    )
    assert counts.merged == 0
    # a strike begins all anew: what was held at frames 2 and 5, too
    assert part_notes(roll, Grid(parts=(Part("melody", 60, 63),)))[0].tolist() == [
        [0, 2, 60],
        [0, 2, 61],
        [2, 4, 60],
        [2, 4, 61],
        [4, 5, 60],
        [5, 8, 60],
        [5, 8, 62],
        [6, 8, 63],
    ]


def test_a_note_that_strikes_again_alone_is_merged_and_counted():
    rows = [(0, 4, 60), (0, 4, 61), (0, 4, 62), (0, 2, 63), (2, 4, 63)]
    _, counts = notes_to_roll(band_table([rows, [], [], []]), Grid(parts=(Part("notes", 60, 63),)))
    assert counts.merged == 1


def test_a_drum_is_hit_however_long_its_note():
    voices = [[(0, 2, 60)], [], [], [(0, 1, 36), (2, 90, 38)]]
    grid = Grid(parts=(Part("melody", 60, 60, "line"), Part("drums", 36, 38, "drums")))
    roll, _ = notes_to_roll(band_table(voices), grid)
    assert lines(roll) == ["#..", ".#.", "#..", "...", "..#"]


def test_parts_that_the_grid_lacks_go_to_the_voices_and_drums_are_dropped():
    voices = [[(0, 4, 60)], [(0, 4, 64)], [(0, 4, 40)], [(2, 3, 38)]]
    grid = Grid(parts=(Part("melody", 60, 71, "line"), Part("chords", 36, 71)))
    roll, counts = notes_to_roll(band_table(voices), grid)
    assert (counts.parts, counts.dropped, len(roll)) == ((1, 2), 0, 4)
    assert [rows[:, 2].tolist() for rows in part_notes(roll, grid)] == [[60], [40, 64]]


def test_notes_outside_a_part_move_by_octaves_or_go():
    voices = [[(0, 4, 90), (4, 8, 60)], [], [], [(0, 1, 50), (1, 2, 36)]]
    grid = Grid(parts=(Part("melody", 60, 71, "line"), Part("drums", 36, 42, "drums")))
    roll, counts = notes_to_roll(band_table(voices), grid)
    assert [rows.tolist() for rows in part_notes(roll, grid)] == [
        [[0, 4, 66], [4, 8, 60]],
        [[1, 2, 36]],
    ]
    assert (counts.transposed, counts.dropped, counts.parts) == (1, 0, (2, 1))
    drop = dataclasses.replace(grid, outside="drop")
    assert notes_to_roll(band_table(voices), drop)[1].dropped == 1


def test_one_tonic_moves_all_parts_but_drums():
    scale = [(4 * i, 4 * i + 4, 62 + step) for i, step in enumerate([0, 4, 7, 12, 7, 4, 0, 2, 11])]
    voices = [scale, [], [(0, 8, 38), (8, 16, 45)], [(0, 1, 38)]]
    kept, _ = notes_to_roll(band_table(voices), BAND)
    roll, counts = notes_to_roll(band_table(voices), dataclasses.replace(BAND, tonic="one"))
    assert counts.shift == -2
    for part, shift in enumerate((-2, 0, -2, 0)):
        moved = part_notes(kept, BAND)[part] + [0, 0, shift]
        np.testing.assert_array_equal(part_notes(roll, BAND)[part], moved)


def test_one_tonic_without_parts_and_at_the_end_of_the_range():
    rows = [(i, i + 1, pitch) for i, pitch in enumerate([67, 71, 74, 79, 74, 71, 67])]  # G major
    grid = Grid(low=60, high=83, tonic="one")
    roll, counts = notes_to_roll(make_table(rows), grid)
    assert (counts.shift, counts.transposed) == (5, 1)  # 79 would be 84
    assert roll_to_notes(roll, grid)[:, 2].tolist() == [72, 76, 79, 72, 79, 76, 72]


def test_sounding_without_parts():
    grid = Grid(low=60, high=61, articulation="onset")
    np.testing.assert_array_equal(
        np.argwhere(sounding(np.array([[0, 1, 0, 1], [1, 0, 0, 0]]), grid)), [[0, 61], [1, 60]]
    )
    assert [rows.tolist() for rows in part_notes(np.eye(2), Grid(low=60, high=61))] == [
        [[0, 1, 60], [1, 2, 61]]
    ]
