"""What new notes are bound to: no forbidden pitch sounds in the file, at any time."""

from dataclasses import replace

import mido
import numpy as np
import pytest

from midigen.config import Part, SteerConfig
from midigen.outline import Outline
from midigen.steering.constraints import (
    Allowed,
    Constraints,
    chord_times,
    columns_allowed,
    read_constraints,
)
from midigen.steering.harmony import read_chords
from tests.steering.songs import (
    BAND,
    BAR,
    BEAT,
    BLOCKS,
    CLOCK,
    ONSETS,
    PLAIN,
    band,
    file,
    lively,
    made,
    notes,
    track,
)

D_MINOR = {2, 4, 5, 7, 9, 10, 0, 1}  # and its leading note
GRIDS = {"band": BAND, "blocks": BLOCKS, "plain": PLAIN, "onsets": ONSETS, "clock": CLOCK}


def moved(grid):
    """The grid on which all songs are in one key."""
    return replace(grid, tonic="one")


def pitched(midi):
    return [n for n in notes(midi) if n[1] != 9]


@pytest.mark.parametrize("move", [False, True], ids=["kept", "one key"])
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_new_songs_have_notes_of_the_key_alone(grid, move):
    grid = moved(grid) if move else grid
    model = lively(grid, outlines=[Outline(64, ((0, 4, 4),), shift=s) for s in (-3, 4)])
    plan, songs = made(model, key="D minor", count=3)
    for song in songs:
        assert len(pitched(song)) > 10
        assert {n[4] % 12 for n in pitched(song)} <= D_MINOR
    assert all(outline.minor for outline in plan.outlines)
    assert {outline.shift for outline in plan.outlines} <= ({-5} if move else {-3, 4})


def test_without_a_key_all_notes_sound():
    """So that the tests here can fail."""
    _, [song] = made(lively(BAND), gibbs_steps=3)
    assert {n[4] % 12 for n in pitched(song)} == set(range(12))


@pytest.mark.parametrize("grid", [BAND, moved(BAND), BLOCKS, PLAIN], ids=lambda g: g.tonic)
def test_drums_are_left_alone(grid):
    plan, [song] = made(lively(grid, 0.3), scale="pentatonic:C", range="60-66")
    assert {n[4] % 12 for n in pitched(song)} <= {0, 2, 4}
    drums = {n[4] for n in notes(song) if n[1] == 9}
    assert drums == (set(range(36, 43)) if len(grid.parts) > 2 else set())
    lost = ["no note is left for the bass: it has nothing new"]
    assert list(plan.remarks) == (lost if len(grid.parts) > 2 else [])


CHORDS = [{0, 4, 7}, {9, 0, 4}, {5, 9, 0}, {7, 11, 2, 5}]
ALL = {0, 2, 4, 5, 7, 9, 11}


@pytest.mark.parametrize("move", [False, True], ids=["kept", "one key"])
@pytest.mark.parametrize("grid", [BAND, BLOCKS, PLAIN, ONSETS])
def test_chords_sound_in_their_bars_alone(grid, move):
    """Held notes end where the chord does; a melody may have notes between."""
    grid = moved(grid) if move else grid
    model = lively(grid, outlines=[Outline(64, ((0, 4, 4),), shift=3)])
    _, songs = made(model, chords="C Am F G7", length=(8.0, "bars"), count=2)
    for song in songs:
        assert len(pitched(song)) > 30
        for name, _, start, end, pitch, _ in pitched(song):
            for tick in range(start, end, BEAT // 4):
                chord = tick // BAR % 4
                if name == "melody":
                    assert pitch % 12 in ALL
                    assert tick != start or start % BAR or pitch % 12 in CHORDS[chord]
                else:
                    assert pitch % 12 in CHORDS[chord]
                    assert pitch >= 52 or pitch % 12 == (0, 9, 5, 7)[chord]


def test_a_stroke_says_the_bass():
    _, [song] = made(lively(BAND), chords="C/E F/A", length=(4.0, "bars"))
    low = {(n[2] // BAR % 2, n[4] % 12) for n in pitched(song) if n[0] != "melody" and n[4] < 52}
    assert low == {(0, 4), (1, 9)}


def test_ranges_are_meant_as_they_sound():
    for grid in (BAND, moved(BAND)):
        model = lively(grid, outlines=[Outline(64, ((0, 4, 4),), shift=5)])
        _, [song] = made(model, range=("melody=64-70", "38-58"))
        for name, low, high in (("melody", 64, 70), ("chords", 38, 58), ("bass", 38, 58)):
            found = {n[4] for n in pitched(song) if n[0] == name}
            assert found and low <= min(found) and max(found) <= high


def most(song, *names):
    times = range(0, 4 * BAR, BEAT // 2)
    return max(sum(n[2] <= t < n[3] for n in notes(song) if n[0] in names) for t in times)


def test_no_more_notes_at_once_than_are_asked_for():
    model = lively(BAND, 0.3)
    _, [free] = made(model, key="C")
    assert most(free, "chords") > 3
    _, [song] = made(model, at_most="4")
    assert most(song, "melody", "chords", "bass") <= 4 and most(song, "chords") == 2
    _, [song] = made(model, at_most=("chords=3", "bass=0"))
    assert most(song, "chords") == 3 and most(song, "bass") == 0 and most(song, "melody") == 1
    _, [song] = made(lively(PLAIN, 0.3), at_most="2")
    assert most(song, "notes") == 2
    _, [song] = made(lively(BLOCKS, 0.3), at_most="chords=2")
    assert most(song, "chords") == 2


@pytest.mark.parametrize("grid", [BAND, moved(BAND), BLOCKS, PLAIN, ONSETS])
@pytest.mark.parametrize(
    "asked", [{"keep": "melody"}, {"fill": "bars 2-3"}, {"vary": 0.6}, {"keep": "60-68"}]
)
def test_beside_what_is_kept_new_notes_are_bound(tmp_path, grid, asked):
    """Kept notes are not: E minor and a chord a bar, in a song in C."""
    path = band(tmp_path / "song.mid", bars=4)
    old = notes(mido.MidiFile(path))
    _, [song] = made(lively(grid), path, chords="Em G", key="E minor", **asked)
    fresh = [n for n in pitched(song) if n not in old]
    assert len(fresh) > 3
    for name, _, start, end, pitch, _ in fresh:
        assert pitch % 12 in {4, 6, 7, 9, 11, 0, 2, 3}
        for tick in range(start, end, BEAT // 4):
            if name.lower() != "melody":
                assert pitch % 12 in ({4, 7, 11}, {7, 11, 2})[tick // BAR % 2]


def test_a_chord_that_begins_with_a_kept_note_sounds_no_longer_than_it_may():
    """A block holds all its notes together, and kept ones may be held into the next chord."""
    part = Part("chords", 60, 71, "block")
    grid = replace(BLOCKS, parts=(part,))
    fixed = np.zeros((4, 13), bool)
    fixed[:2, 0] = fixed[1:3, 12] = True
    on = fixed.copy()
    on[1, 0] = False  # the kept note begins in frame 0 and is held until frame 2
    sound = np.ones((4, 13), bool)
    sound[2:, 4] = False
    found = columns_allowed(Allowed(sound.copy(), sound), fixed, on, grid)
    assert not found[0, 4] and not found[1, 4] and found[0, 7]
    free = columns_allowed(Allowed(sound.copy(), sound), ~on, on & False, grid)
    assert free[0, 4] and not free[2, 12] and free[1, 12] and free[3, 12]


def test_what_a_primer_holds_ends_where_it_may_not_sound(tmp_path):
    melody = [(b * BEAT, (b + 1) * BEAT, 61, 80) for b in range(8)]
    path = tmp_path / "p.mid"
    file(track("Melody", 0, melody)).save(path)
    for seed in range(4):
        _, [song] = made(lively(BLOCKS), primer=path, seed=seed, key="C", length=(2.0, "bars"))
        fresh = [n for n in pitched(song) if n[2] >= 2 * BAR]
        assert fresh and {n[4] % 12 for n in fresh} <= ALL
        assert max(n[3] for n in pitched(song) if n[4] == 61) == 2 * BAR


def times(text, outline, grid=PLAIN):
    return chord_times(read_chords(text), outline, grid)


def test_chords_that_fit_are_told_nothing_of():
    found = times("C:2 F:2 G", Outline(64, ((0, 4, 4),)))
    assert found.remarks == () and found.number[:16].tolist() == [0] * 4 + [1] * 4 + [2] * 8
    assert np.flatnonzero(found.begins)[:4].tolist() == [0, 4, 8, 16]
    waltz = times("C F", Outline(24, ((0, 3, 4),)))
    assert waltz.number.tolist() == [0] * 6 + [1] * 6 + [0] * 6 + [1] * 6


def test_ahead_of_the_first_bar_the_last_chord_sounds():
    found = times("C F", Outline(2 + 16, ((0, 4, 4),), pickup=6))
    assert found.number.tolist() == [1] * 2 + [0] * 8 + [1] * 8 and not found.begins[0]


@pytest.mark.parametrize(
    "text, words",
    [
        ("C F G", "do not fit the song's 8 bars: the last time they end with F"),
        ("C:3", "do not fit the song's 8 bars: the last time they end with C cut short"),
        ("C:2 F:3", "they begin again within one"),
    ],
)
def test_how_chords_do_not_fit_is_told(text, words):
    remarks = " ".join(times(text, Outline(64, ((0, 4, 4),))).remarks)
    assert words in remarks


def test_what_a_key_takes_from_a_chord_is_told():
    found = read_constraints(SteerConfig(key="C", chords="C E7"), PLAIN)
    remarks = found.remarks(Outline(16, ((0, 4, 4),)), PLAIN)
    assert remarks == ["C major lacks notes of E7: they are left out"]
    allowed = found.allow(Outline(16, ((0, 4, 4),)), PLAIN)
    assert not allowed.sound[8:, 56 - 36].any() and allowed.sound[8:, 59 - 36].all()  # no G#


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"key": "H minor"}, "'H minor' is no key"),
        ({"scale": "dorian"}, "'dorian' is no scale"),
        ({"key": "C", "scale": "dorian:D"}, "both say which notes"),
        ({"chords": "C Hm"}, "'Hm' is no chord"),
        ({"chords": "C:0"}, "lasts no time"),
        ({"key": "C", "chords": "C F#5"}, None),
        ({"key": "C", "chords": "C Gb5"}, "C major has no note of the chord Gb5"),
        ({"range": ("84-48",)}, "is no range"),
        ({"range": ("tuba=1-2",)}, "the model has no 'tuba'; the parts are melody, chords, bass"),
        ({"range": ("drums=1-2",)}, "drums are left alone"),
        ({"range": ("1-2", "3-4")}, "two for all parts"),
        ({"at_most": ("9",)}, "at-most must be 0 to 8"),
    ],
)
def test_what_cannot_be_is_one_line(asked, words):
    if words is None:  # F sharp is not in C, but C sharp neither: one of two is enough
        words = "C major has no note of the chord F#5"
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        read_constraints(SteerConfig(**asked), BAND)


def test_a_range_that_a_part_does_not_reach_is_one_line():
    found = read_constraints(SteerConfig(range=("melody=20-30",)), BAND)
    with pytest.raises(ValueError, match="no note for the melody: the model has pitches 58 to 81"):
        found.allow(Outline(8, ((0, 4, 4),), shift=2), BAND)


def test_fewer_notes_than_lines_is_one_line():
    with pytest.raises(ValueError, match="less than the parts that sing one note each"):
        Constraints(at_most=(("", 1),)).most(BAND)
