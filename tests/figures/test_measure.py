"""Every figure on songs small enough to count by hand, and the distance of songs from a corpus."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.config import Grid
from midigen.figures.measure import FIGURES, Spread, distance, mean, measure, spread
from midigen.figures.piece import Piece

# two bars of 4/4 at 4 frames a beat: start, end, pitch
TWO_BARS = [
    *[(0, 16, 48), (0, 4, 64), (4, 6, 65), (6, 8, 67), (8, 16, 64), (8, 16, 67), (8, 16, 72)],
    *[(16, 32, 43), (16, 20, 62), (20, 21, 59), (21, 22, 59), (26, 32, 63), (26, 32, 65)],
]
CLASSES = {"C": 24, "D": 4, "Eb": 6, "E": 12, "F": 8, "G": 26, "B": 2}  # frames in two bars
SHARES = np.array(list(CLASSES.values())) / 82
BY_HAND = {
    "in key, 8 bars": 76 / 82,  # C major, all but Eb
    "in key, whole song": 76 / 82,
    "pitch-class entropy": -(SHARES * np.log2(SHARES)).sum(),
    "clashing pairs": 6 / 80,  # Eb and F, for 6 frames; 80 pairs of notes and frames
    "chordal frames": 8 / 14,  # C E G, but not G Eb F
    "pitches in 8 bars": 9,
    "onsets on the beat": 5 / 8,  # 0 4 8 16 20, of which 6 21 26 are not
    "onsets off beat, half": 1 / 8,  # 21
    "onset times a beat": 1,
    "note length, beats": 20.5 / 13,
    "sixteenths": 2 / 13,
    "stutter": 1 / 13,
    "notes a frame": 82 / 32,
    "silence": 0,
    "one note over held": 4 / 8,  # 4 6 20 21
    "gap below the top": 296 / 28,
    "top line: steps": 5 / 13,  # 64 65 67 72 62 59 59 65, twice: 13 moves and 2 repeats
    "top line: leaps": 2 / 13,
    "bar's rhythm returns": 1,
    "1 bar returns": 1,
    "2 bars return": 2 / 3,  # not the second and third bar
    "4 bars return": 0,
    "top line: repeats": 2 / 15,
    "span, semitones": 29,
    "onsets on half beats": 2 / 8,  # 6 26
    "grooving similarity": 1 - 4 / 6 * 4 / 16,  # 4 of 6 pairs differ, at 6 8 and 5 10 of 16
    "phrase ends, 4 bars": 1,  # 8 to 16
    "ends on the tonic": 0,
    "top ends on the tonic": 0,
    "ends in its triad": 0,
    "ends long": 1,
}


def song(notes, frames=None, beat=4.0, bar=16, **more):
    table = np.array(sorted(notes, key=lambda note: (note[0], note[2])), np.int64).reshape(-1, 3)
    return Piece("song", table, frames or int(table[:, 1].max()), beat, bar, **more)


def repeated(notes, times, length):
    return [(s + i * length, e + i * length, p) for i in range(times) for s, e, p in notes]


def random_notes(rng, bars=12):
    """Chords on the beat, and single notes, some bars of which come again."""
    kinds = [
        [(t, t + int(rng.integers(1, 6)), int(p)) for t in times for p in rng.integers(40, 80, 2)]
        for times in (rng.choice(16, 4, replace=False) for _ in range(4))
    ]
    chosen = rng.integers(0, len(kinds), bars)
    notes = {
        (i * 16 + s, p): (i * 16 + s, i * 16 + e, p)
        for i, kind in enumerate(chosen)
        for s, e, p in kinds[kind]
    }
    return list(notes.values())


TUNE = song(repeated(TWO_BARS, 2, 32))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_figure_is_what_is_counted_by_hand(name):
    assert measure(TUNE)[name] == pytest.approx(BY_HAND[name])


def test_every_figure_is_in_one_place():
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names) == len(BY_HAND) + 1
    assert set(names) - set(BY_HAND) == {"pulse"}
    assert sum(figure.scored for figure in FIGURES) == 23


def test_the_pulse_is_the_best_correlation_of_onsets_2_3_or_4_beats_apart():
    strong = song(repeated([(0, 2, 60), (0, 2, 64), (4, 6, 67)], 16, 8))
    assert measure(strong)["pulse"] == pytest.approx(1)
    offbeat = measure(TUNE)["pulse"]
    count = np.bincount(TUNE.notes[:, 0], minlength=64).astype(float)
    expected = []
    for lag in (8, 12, 16):
        x, y = count[:-lag] - count[:-lag].mean(), count[lag:] - count[lag:].mean()
        expected.append((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))
    assert offbeat == pytest.approx(max(expected)) and offbeat < 0.5


def test_the_grid_a_song_is_on_does_not_matter(rng):
    notes = random_notes(rng)
    coarse, figures = song(notes), measure(song(notes))
    for times in (2, 3):
        scale = [times, times, 1]
        finer = replace(
            coarse,
            notes=coarse.notes * scale,
            frames=coarse.frames * times,
            beat=4.0 * times,
            bar=16 * times,
        )
        for name, value in measure(finer).items():
            if name not in ("pulse", "grooving similarity"):  # these count frames without onsets
                assert value == pytest.approx(figures[name]), name


def test_the_key_does_not_matter(rng):
    notes = random_notes(rng)
    figures = measure(song(notes))
    for name, value in measure(song([(s, e, p + 5) for s, e, p in notes])).items():
        assert value == pytest.approx(figures[name]), name


def test_frames_of_coarse_grids_are_divided():
    two = song([(0, 1, 60), (1, 2, 62), (2, 4, 64)], beat=2.0, bar=8)
    assert (two.fine().beat, two.fine().bar, two.fine().frames) == (4, 16, 8)
    assert (song([(0, 1, 60)], beat=6.0, bar=24).fine().beat) == 12
    figures = measure(two)
    assert (figures["onsets on half beats"], figures["sixteenths"]) == (1 / 3, 0)


def test_one_frame_a_beat_and_the_clock_show_nothing_within_a_beat():
    inside = {
        "onsets on the beat",
        "onsets on half beats",
        "onsets off beat, half",
        "sixteenths",
        "stutter",
    }
    for piece in (song([(0, 1, 60), (1, 2, 62)], beat=1.0, bar=4), replace(TUNE, by_beats=False)):
        figures = measure(piece)
        assert inside <= {name for name, value in figures.items() if value is None}
        assert figures["notes a frame"] is not None and figures["ends long"] is not None


def test_silence_and_half_beats_behind_a_pickup():
    """3/4 at 2 frames a beat, an upbeat, and two bars that are alike but for the pickup's phase."""
    notes = [
        (0, 2, 60),
        (2, 4, 62),
        (4, 5, 64),
        (5, 6, 65),
        (8, 10, 62),
        (10, 11, 64),
        (11, 14, 65),
    ]
    figures = measure(song(notes, beat=2.0, bar=6, pickup=4))
    assert figures["silence"] == 2 / 14
    assert figures["onsets on half beats"] == 2 / 7
    assert figures["1 bar returns"] == 1 and figures["phrase ends, 4 bars"] is None
    # bars from the first note on: 60 62 64 65, and 62 64 65 in the same places
    assert measure(song(notes[:-1], beat=2.0, bar=6))["1 bar returns"] == 0


def test_the_top_line_is_what_no_higher_note_covers():
    piece = song([(0, 8, 72), (2, 4, 60), (8, 12, 64), (10, 12, 71), (11, 12, 62)])
    assert piece.top.tolist() == [[0, 72], [8, 64], [10, 71]]


def by_sets(piece, bars, rhythm=False):
    """The share of stretches that come again, with sets of onsets."""
    count = (piece.frames + piece.pickup) // piece.bar
    sets = []
    for i in range(count - bars + 1):
        first = i * piece.bar - piece.pickup
        inside = [n for n in piece.notes.tolist() if first <= n[0] < first + bars * piece.bar]
        sets.append({(n[0] - first, 0 if rhythm else n[2]) for n in inside})
    full = [i for i, found in enumerate(sets) if len(found) >= 2 * bars]
    again = [
        any(
            abs(i - j) >= bars and len(sets[i] & sets[j]) >= 0.75 * len(sets[i] | sets[j])
            for j in full
        )
        for i in full
    ]
    return np.mean(again) if again else None


@pytest.mark.parametrize("pickup", [0, 5])
def test_what_returns_is_what_sets_of_onsets_say(rng, pickup):
    for _ in range(5):
        piece = song(random_notes(rng, bars=20), pickup=pickup)
        figures = measure(piece)
        for bars, name in ((1, "1 bar returns"), (2, "2 bars return"), (4, "4 bars return")):
            assert figures[name] == pytest.approx(by_sets(piece, bars))
        assert figures["bar's rhythm returns"] == pytest.approx(by_sets(piece, 1, rhythm=True))


def test_grooving_similarity_is_the_mean_over_all_pairs_of_bars(rng):
    piece = song(random_notes(rng, bars=9))
    bars = np.zeros((piece.frames // 16, 16), bool)
    for start in piece.notes[:, 0]:
        if start // 16 < len(bars):
            bars[start // 16, start % 16] = True
    pairs = [1 - (a ^ b).mean() for i, a in enumerate(bars) for b in bars[:i]]
    assert measure(piece)["grooving similarity"] == pytest.approx(np.mean(pairs))


# 24 notes of a quarter each, and what MusPy 0.5.0 says of them: pip install muspy==0.5.0, a Track
# of Note(time=4 * i, pitch=p, duration=4) in Music(resolution=4), and pitch_class_entropy,
# scale_consistency, polyphony, pitch_range and n_pitches_used of muspy
QUARTERS = [60, 62, 64, 65, 67, 66, 64, 60, 72, 71, 69, 67, 65, 64, 61, 60, 55, 57, 59, 60, 64, 68]
QUARTERS += [72, 60]
MUSPY = [2.984697002530877, 0.875, 1.0, 17.0, 14.0]


def test_pitches_are_counted_as_muspy_counts_them():
    figures = measure(song([(4 * i, 4 * i + 4, p) for i, p in enumerate(QUARTERS)]))
    names = ["pitch-class entropy", "in key, whole song", "notes a frame", "span, semitones"]
    assert [figures[name] for name in [*names, "pitches in 8 bars"]] == pytest.approx(MUSPY)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(song([], frames=40), id="silence"),
        pytest.param(song([(0, 1, 60)]), id="one note"),
        pytest.param(song([(i, i + 1, 60) for i in range(12)], beat=1.0, bar=4), id="one pitch"),
        pytest.param(song([(0, 400, p) for p in range(48, 60)]), id="a held cluster"),
    ],
)
def test_songs_with_little_to_measure_are_no_error(piece):
    figures = measure(piece)
    assert all(value is None or np.isfinite(value) for value in figures.values())
    if not len(piece.notes):
        assert set(figures.values()) == {None}


def test_a_roll_and_its_notes_are_one_piece():
    grid = Grid(low=40, high=80, articulation="onset")
    roll = np.zeros((64, grid.channels), np.uint8)
    for start, end, pitch in TUNE.notes:
        roll[start:end, pitch - 40] = 1
        roll[start, grid.pitches + pitch - 40] = 1
    piece = Piece.of("", roll, grid, 100.0, (4, 4))
    assert (piece.beat, piece.bar, piece.frames) == (4, 16, 64)
    assert piece.notes.tolist() == TUNE.notes.tolist()
    assert measure(piece) == measure(TUNE)


def values(**given):
    return {figure.name: given.get(figure.name, 1.0) for figure in FIGURES}


def test_spread_has_a_floor():
    songs = [values(pulse=v) for v in (0.1, 0.3)]
    assert spread(songs, "pulse") == Spread(pytest.approx(0.2), pytest.approx(0.1))
    assert spread(songs, "silence").deviation == 0.03  # a figure of 1 that never differs
    assert spread([{**values(), "silence": 0.0}], "silence").deviation == 0.02
    assert spread([{**values(), "silence": None}], "silence") == Spread(None, None)


def test_the_distance_is_the_mean_of_z_up_to_3():
    corpus = {figure.name: Spread(1.0, 0.5) for figure in FIGURES}
    assert distance(corpus, [values()]) == 0
    # the mean over songs counts; figures that are not scored do not
    songs = [values(pulse=v, **{"span, semitones": 99.0}) for v in (1.0, 2.0)]
    assert mean(songs, "pulse") == 1.5
    assert distance(corpus, songs) == pytest.approx(1 / 23)
    assert distance(corpus, [values(pulse=1000.0)]) == pytest.approx(3 / 23)
    assert distance(corpus, [values(pulse=0.0)]) == pytest.approx(2 / 23)
    # what a song has not is left out
    assert distance(corpus, [{**values(pulse=0.5), "silence": None}]) == pytest.approx(1 / 22)
    assert distance(corpus, []) is None
