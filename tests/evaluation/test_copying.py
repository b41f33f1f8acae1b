"""Copied runs against a search without shortcuts, and what must not count as a copy."""

import numpy as np
import pytest

from midigen.config import Grid
from midigen.evaluation.copying import MAX_SHIFT, MIN_DISTINCT, SEED_EVENTS, Collection
from midigen.evaluation.music import Piece

GRID = Grid(low=60, high=83)


def piece(roll, name="song"):
    return Piece.of(name, np.asarray(roll, np.uint8), GRID, 120.0, (4, 4))


def random_song(rng, frames, kinds=24):
    """Frames of one of the lowest `kinds` notes, each held for 1 to 3 frames."""
    pitch = np.repeat(rng.integers(0, kinds, frames), rng.integers(1, 4, frames))[:frames]
    return np.eye(24, dtype=np.uint8)[pitch]


def cut(roll):
    """A song as a list of (frame, length)."""
    parts = []
    for frame in map(tuple, roll):
        parts.append((frame, parts.pop()[1] + 1 if parts and parts[-1][0] == frame else 1))
    return parts


def longest_by_hand(songs, roll):
    """Frames of the longest run of equal parts in any transposition, by trying all."""
    best, ours = 0, cut(roll)
    for shift in range(-MAX_SHIFT, MAX_SHIFT + 1):
        here = [(tuple(np.flatnonzero(frame) + shift), length) for frame, length in ours]
        for song in songs:
            there = [(tuple(np.flatnonzero(frame)), length) for frame, length in cut(song)]
            for i in range(len(here)):
                for j in range(len(there)):
                    n = 0
                    while i + n < len(here) and j + n < len(there) and here[i + n] == there[j + n]:
                        n += 1
                        run = here[i : i + n]
                        windows = [run[k : k + SEED_EVENTS] for k in range(n - SEED_EVENTS + 1)]
                        if windows and all(
                            len({frame for frame, _ in w}) >= MIN_DISTINCT for w in windows
                        ):
                            best = max(best, sum(length for _, length in run))
    return best


def test_the_longest_run_is_that_of_a_search_without_shortcuts(rng):
    songs = [random_song(rng, 60, kinds=12) for _ in range(3)]
    for start, length, shift in ((5, 30, 0), (20, 25, 7), (0, 60, 11), (30, 8, 2)):
        mine = random_song(rng, 80, kinds=12)
        mine[10 : 10 + length] = np.roll(songs[1][start : start + length], shift, axis=1)
        found = Collection([piece(song) for song in songs]).search(piece(mine))
        assert found.frames == longest_by_hand(songs, mine)


def test_a_transposed_copy_is_found_and_named(rng):
    source, mine = random_song(rng, 200, kinds=12), random_song(rng, 120)
    mine[32:96] = np.roll(source[80:144], 5, axis=1)
    found = Collection([piece(random_song(rng, 100), "other"), piece(source, "the source")]).search(
        piece(mine)
    )
    assert 58 <= found.frames <= 64  # a part at either end may be longer on one side
    assert found.beats == found.frames / 4
    assert (found.bar, found.source, found.source_bar, found.transposed) == (3, "the source", 6, 5)
    assert found.share == pytest.approx(found.frames / 120)


def test_a_whole_song_is_a_whole_copy(rng):
    song = random_song(rng, 150)
    found = Collection([piece(song)]).search(piece(song))
    assert (found.frames, found.share, found.transposed, found.bar, found.source_bar) == (
        150,
        1.0,
        0,
        1,
        1,
    )


def test_other_music_is_no_copy(rng):
    found = Collection([piece(random_song(rng, 3000)) for _ in range(5)]).search(
        piece(random_song(rng, 300))
    )
    assert (found.frames, found.beats, found.share, found.source) == (0, 0, 0, None)


@pytest.mark.parametrize(
    "roll",
    [
        pytest.param(np.zeros((400, 24)), id="silence"),
        pytest.param(np.eye(24)[[3] * 400], id="held"),
        pytest.param(np.eye(25)[[3, 24] * 200][:, :24], id="repeated"),
        pytest.param(np.eye(24)[[3, 5] * 200], id="trill"),
        pytest.param(np.zeros((0, 24)), id="nothing"),
    ],
)
def test_sameness_is_no_copy(roll):
    assert Collection([piece(roll)]).search(piece(roll)).frames == 0


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
    """The second song begins with the last 7 events of the first: their windows are in a row."""
    song = np.eye(24, dtype=np.uint8)[
        np.concatenate([rng.permutation(24), rng.permutation(24), rng.permutation(24)])
    ]
    found = Collection([piece(song[:30], "first"), piece(song[23:], "second")]).search(piece(song))
    assert (found.frames, found.source) == (49, "second")


def test_rhythm_counts(rng):
    song = random_song(rng, 100)
    assert Collection([piece(song)]).search(piece(np.repeat(song, 2, axis=0))).frames == 0
