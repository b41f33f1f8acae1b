"""Every statistic on a song small enough to count by hand, and the distances of histograms."""

import numpy as np
import pytest

from midigen.config import Grid
from midigen.figures.music import STATISTICS, compare, divergence, overlap
from midigen.figures.piece import Piece

GRID = Grid(low=60, high=71, steps_per_beat=1)  # four frames a bar, one octave from middle C
MEASURES = {name: (measure, width, show) for name, measure, width, show in STATISTICS}


def piece(*bars, metre=(4, 4)):
    """Frames as strings of pitch classes, "0 4 7" or "" -> a Piece of one frame a beat."""
    frames = [frame.split() for bar in bars for frame in bar]
    roll = np.zeros((len(frames), 12), np.uint8)
    for t, frame in enumerate(frames):
        roll[t, [int(p) for p in frame]] = 1
    return Piece.of("song", roll, GRID, 120.0, metre)


def samples(name, song):
    return list(MEASURES[name][0](song))


def shown(name, *songs):
    """The mean that the table shows."""
    rows = {row.name: row for row in compare(list(songs), [], [])}
    return rows[name].corpus


SONG = piece(["0 4 7", "0 4 7", "", "5"], ["0 4 7", "0 4", "", "9"])


def test_polyphony():
    assert samples("notes a frame", SONG) == [3, 3, 0, 1, 3, 2, 0, 1]
    assert shown("notes a frame", SONG) == 13 / 8


def test_drift_is_the_first_tenth_against_the_last():
    song = piece(*[["0"] * 4] * 5, *[["0 4 7"] * 4] * 5)
    assert samples("notes a frame, first tenth", song) == [1] * 4
    assert samples("notes a frame, last tenth", song) == [3] * 4


def test_pitches_and_scales_are_counted_in_sections_half_a_section_apart():
    song = piece(*[["0", "2", "4", "5"]] * 8, *[["1", "3", "6", "8"]] * 8, ["0"] * 4)
    assert samples("pitches in 8 bars", song) == [4, 8, 4]
    assert samples("in key, 8 bars", song) == [1, best_share([0, 2, 4, 5, 1, 3, 6, 8]), 1]
    assert samples("in key, 8 bars", piece([str(p) for p in range(12)])) == [pytest.approx(7 / 12)]
    assert samples("in key, 8 bars", piece(["0", "2", "3", "5", "7", "8", "11"])) == [1]  # C minor
    assert samples("in key, 8 bars", piece(["", ""])) == []


def best_share(classes):
    """The largest share of pitch classes in one scale, by trying all."""
    scales = [(0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)]
    return max(
        sum((c - tonic) % 12 in scale for c in classes) / len(classes)
        for scale in scales
        for tonic in range(12)
    )


def test_pitch_classes_count_from_the_tonic():
    melody = [
        ["0", "4", "7", "0"],
        ["5", "9", "0", "5"],
        ["7", "11", "2", "7"],
        ["0", "4", "7", "0"],
    ]
    moved = [[str((int(p) + 3) % 12) for p in bar] for bar in melody]
    degrees = sorted(samples("pitch classes above the tonic", piece(*melody)))
    assert degrees == sorted(int(p) for bar in melody for p in bar)  # C major as it stands
    assert degrees == sorted(samples("pitch classes above the tonic", piece(*moved)))


def test_note_lengths_intervals_and_onsets():
    song = piece(["0 4", "0 7", "0", "0 2"], ["5", "5", "", "0 11"])
    assert sorted(samples("note length, beats", song)) == [1, 1, 1, 1, 1, 2, 4]
    assert samples("interval of the top line, semitones", song) == [3, -5, 3, 6]  # 4, 7, 2, 5, 11
    assert shown("interval of the top line, semitones", song) == 17 / 4
    assert samples("notes begun a beat, by bar", song) == [1, 3 / 4]


def test_a_bar_is_held_against_those_before_it():
    song = piece(["0", "4", "7", "4"], ["0", "4", "2", "2"], ["", "", "", ""], ["0", "4", "7", "4"])
    assert samples("bar self-similarity", song) == [0.5, 1]


def test_bars_follow_the_metre():
    song = piece(["0"] * 6, metre=(3, 4))
    assert song.bars(song.onsets).shape == (2, 3 * 128)
    slow = Piece.of(
        "",
        np.ones((5, 12), np.uint8),
        Grid(low=60, high=71, unit="seconds", step=0.25),
        60.0,
        (6, 8),
    )
    assert (slow.beat, slow.bar) == (4, 12)


@pytest.mark.parametrize("name", MEASURES)
def test_silence_and_a_single_frame_are_no_error(name):
    for song in (piece([""]), piece(["0"]), piece([""] * 40)):
        assert np.isfinite(samples(name, song)).all()


def test_overlap_and_divergence():
    p, q = np.array([0.5, 0.5, 0]), np.array([0, 0.5, 0.5])
    assert (overlap(p, p), overlap(p, q), overlap(p, q[[1, 0, 2]])) == (1, 0.5, 0.5)
    assert divergence(p, p) == 0
    assert divergence(np.array([1, 0]), np.array([0, 1])) == 1
    assert divergence(p, q) == pytest.approx(0.5)


def test_compare_tells_like_from_unlike():
    other = piece(["1 3 6 7 8 9 10 11"] * 4, ["2 5"] * 4)
    for alike, unlike in zip(
        compare([SONG], [SONG], []), compare([SONG], [other], [SONG]), strict=True
    ):
        assert (alike.overlap, alike.divergence, alike.held_out_overlap) == (1, 0, None)
        assert unlike.overlap < 1 and unlike.divergence > 0 and unlike.held_out_overlap == 1
