"""Copied runs against a search without shortcuts, and what must not count as a copy."""

import numpy as np
import pytest

from midigen.config import Grid
from midigen.evaluation.copying import CHANGED, MIN_DISTINCT, RUN, SEED, Collection, longest_run
from midigen.figures.piece import Piece

GRID = Grid(low=60, high=83)


def piece(roll, name="song"):
    return Piece.of(name, np.asarray(roll, np.uint8), GRID, 120.0, (4, 4))


def random_song(rng, frames, kinds=24):
    """Frames of one of the lowest `kinds` notes, each held for 1 to 3 frames."""
    pitch = np.repeat(rng.integers(0, kinds, frames), rng.integers(1, 4, frames))[:frames]
    return np.eye(24, dtype=np.uint8)[pitch]


def song_of(onsets, name="song"):
    """A Piece of (frame, pitch) pairs, each note a frame long."""
    notes = np.array([(time, time + 1, pitch) for time, pitch in sorted(onsets)], np.int64)
    return Piece(name, notes, int(notes[-1, 1]), 4.0, 16)


def chords(song):
    """A song as a list of (frame, set of pitches that begin)."""
    found = {}
    for start, _, pitch in song.notes.tolist():
        found.setdefault(start, set()).add(pitch)
    return sorted(found.items())


def varied(run):
    windows = [run[i : i + RUN] for i in range(len(run) - RUN + 1)]
    return windows and all(len({frozenset(c) for _, c in w}) >= MIN_DISTINCT for w in windows)


def longest_by_hand(songs, mine):
    """Frames of the longest copied run, first onset to last, by trying all places."""
    best, here = 0, chords(mine)
    for there in map(chords, songs):
        for i in range(len(here)):
            for j in range(len(there)):
                shift, apart = min(here[i][1]) - min(there[j][1]), here[i][0] - there[j][0]
                n = 0
                while i + n < len(here) and j + n < len(there):
                    moved = {p + shift for p in there[j + n][1]}
                    if here[i + n] != (there[j + n][0] + apart, moved):
                        break
                    n += 1
                    if varied(here[i : i + n]):
                        best = max(best, here[i + n - 1][0] - here[i][0])
    return best


def test_the_longest_run_is_that_of_a_search_without_shortcuts(rng):
    songs = [random_song(rng, 60, kinds=12) for _ in range(3)]
    songs[0] |= random_song(rng, 60, kinds=12)  # chords
    pieces = [piece(song) for song in songs]
    for source, start, length, shift in (
        (1, 5, 30, 0),
        (0, 20, 25, 7),
        (2, 0, 60, 11),
        (0, 9, 8, 2),
    ):
        roll = random_song(rng, 80, kinds=12)
        roll[10 : 10 + length] = np.roll(songs[source][start : start + length], shift, axis=1)
        mine, expected = piece(roll), longest_by_hand(pieces, piece(roll))
        assert Collection(pieces).search(mine).frames == expected
        assert longest_run(pieces)(mine) == expected / 4
    assert expected == 0


def test_a_transposed_copy_is_found_and_named(rng):
    source, mine = random_song(rng, 200, kinds=12), random_song(rng, 120)
    mine[32:96] = np.roll(source[80:144], 5, axis=1)
    found = Collection([piece(random_song(rng, 100), "other"), piece(source, "the source")]).search(
        piece(mine)
    )
    assert 57 <= found.frames <= 64  # from the first onset to the last
    assert found.beats == found.near_beats == found.frames / 4
    assert found.line_beats == found.beats  # one voice is its own top line
    assert (found.bar, found.source, found.source_bar, found.transposed) == (3, "the source", 6, 5)
    assert found.share == pytest.approx(found.frames / 120)


def test_a_whole_song_is_a_whole_copy(rng):
    song = piece(random_song(rng, 150))
    found = Collection([song]).search(song)
    assert found.frames == song.times[-1] - song.times[0]
    assert (found.transposed, found.bar, found.source_bar) == (0, 1, 1)
    assert found.share == found.frames / 150


def test_other_music_is_no_copy(rng):
    found = Collection([piece(random_song(rng, 3000)) for _ in range(5)]).search(
        piece(random_song(rng, 300))
    )
    assert (found.frames, found.beats, found.near_beats, found.share) == (0, 0, 0, 0)
    assert (found.line_beats, found.line_near_beats, found.source) == (0, 0, None)


@pytest.mark.parametrize(
    "roll",
    [
        pytest.param(np.zeros((400, 24)), id="silence"),
        pytest.param(np.eye(24)[[3] * 400], id="held"),
        pytest.param(np.eye(25)[[3, 24] * 200][:, :24], id="repeated"),
        pytest.param(np.eye(24)[[3, 5] * 200], id="trill"),
        pytest.param(np.eye(24)[[3, 10, 7, 10] * 100], id="broken chord"),
        pytest.param(np.zeros((0, 24)), id="nothing"),
    ],
)
def test_sameness_is_no_copy(roll):
    found = Collection([piece(roll)]).search(piece(roll))
    assert found.frames == found.near_beats == found.line_beats == found.line_near_beats == 0


def test_short_runs_are_found_but_not_counted(rng):
    source, mine = random_song(rng, 200), random_song(rng, 200)
    mine[40:66] = source[40:66]
    found = Collection([piece(source)]).search(piece(mine))
    assert 16 < found.frames < 32 and found.share == 0


def test_a_run_ends_where_the_song_that_has_it_ends(rng):
    song = random_song(rng, 90)
    found = Collection([piece(song[:45], "first"), piece(song[45:], "second")]).search(piece(song))
    assert found.frames <= 47 and found.source in ("first", "second")


def test_songs_that_lie_side_by_side_are_not_joined(rng):
    """The second song begins with the last 7 onsets of the first: their windows are in a row."""
    song = np.eye(24, dtype=np.uint8)[
        np.concatenate([rng.permutation(24), rng.permutation(24), rng.permutation(24)])
    ]
    found = Collection([piece(song[:30], "first"), piece(song[23:], "second")]).search(piece(song))
    assert (found.frames, found.source) == (48, "second")


def test_rhythm_counts(rng):
    song = random_song(rng, 100)
    found = Collection([piece(song)]).search(piece(np.repeat(song, 2, axis=0)))
    assert found.frames == 0


def scale(count, seed=0):
    """So many (frame, pitch) in eighths: a random walk that never repeats a pitch at once."""
    steps = np.random.default_rng(seed).choice([-4, -3, -1, 2, 3, 5], count)
    return [(2 * i, 60 + int(p) % 24) for i, p in enumerate(np.cumsum(steps))]


def moved(onsets, frames=0, semitones=0):
    return [(time + frames, pitch + semitones) for time, pitch in onsets]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tune: [*tune[:12], (24, 99), *tune[13:]], id="another pitch"),
        pytest.param(lambda tune: [*tune[:12], *tune[13:]], id="one left out"),
        pytest.param(lambda tune: sorted([*tune, (25, 90)]), id="one more"),
        pytest.param(lambda tune: [*tune[:12], (25, tune[12][1]), *tune[13:]], id="late"),
    ],
)
def test_a_changed_note_breaks_a_run_but_no_near_copy(change):
    tune = scale(24)
    mine = song_of(moved(change(tune), frames=32, semitones=3))
    found = Collection([song_of(tune)]).search(mine)
    assert found.beats < 12 / 2 + 1 and found.line_beats < 12 / 2 + 1
    assert found.near_beats == found.line_near_beats == 23 / 2


def test_one_onset_in_eight_may_change_and_no_more():
    tune = scale(48)
    for every, whole in ((8, True), (6, False)):
        places = range(5, 48, every)
        changed = [(t, 99 if i in places else p) for i, (t, p) in enumerate(tune)]
        found = Collection([song_of(tune)]).search(song_of(changed))
        if whole:
            assert found.near_beats > 20
        else:
            assert found.near_beats < 10
        assert found.beats < 8 / 2


def test_every_near_copy_of_a_run_has_a_seed():
    for onsets in range(RUN, 100):
        changed = onsets // CHANGED
        assert -(-(onsets - changed) // (changed + 1)) >= SEED


def test_a_tune_over_another_accompaniment_is_found_in_the_top_line(rng):
    tune = scale(32)
    below = [[(4 * i, int(p)) for i, p in enumerate(rng.integers(36, 50, 16))] for _ in range(2)]
    found = Collection([song_of(tune + below[0])]).search(song_of(moved(tune, 0, 2) + below[1]))
    assert found.beats == found.near_beats == 0
    assert found.line_beats == 31 / 2
