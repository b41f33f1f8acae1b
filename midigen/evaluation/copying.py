"""Was it copied?  Runs of frames that a song shares with a collection of songs, in any transposition.

A song is cut where its frames change; each piece in between is a frame and its length.  A run is copied where SEED or
more of them in a row are the same, length by length, and DISTINCT frames are among each SEED of them, so that neither
silence nor a held, repeated or trilled note counts, however long.
"""

from dataclasses import dataclass

import numpy as np

from midigen.randomness import generator

SEED, DISTINCT = 8, 4
SHIFTS = 11  # semitones up and down
LONG_RUN = 8  # beats: frames in copied runs at least as long count as copied


@dataclass(frozen=True)
class Copied:
    """What of one song is also in the collection; frames 0 where there is no run, and then the rest is None.

    frames, beats: length of the longest run.  share: of the song's frames in runs of LONG_RUN beats or more, 0..1.
    bar: where the run begins, counted from 1.  source, source_bar: the song that has it, and where.
    transposed: semitones from there to here.
    """

    frames: int
    beats: float
    share: float
    bar: int | None = None
    source: str | None = None
    source_bar: int | None = None
    transposed: int | None = None


class Collection:
    """The songs that others are held against, a list of music.Piece on one grid."""

    def __init__(self, pieces):
        self.pieces = pieces
        pitches = pieces[0].sounding.shape[1] if pieces else 0
        rng = generator(0, "copying")
        self._pitch = rng.integers(0, 2**64, pitches + 2 * SHIFTS, np.uint64)
        self._length, self._place = rng.integers(0, 2**63, 2, np.uint64) * np.uint64(2) + np.uint64(
            1
        )
        cut = [_cut(piece.sounding) for piece in pieces]
        windows = [self._windows(rows, starts, 0) for rows, starts in cut]
        # a window's number in `_place_of`, and the song and frame that it stands for; songs lie SEED apart
        self._song = np.repeat(np.arange(len(pieces)), [len(w) for w in windows])
        self._frame = np.concatenate(
            [np.zeros(0, np.int64), *(s[: len(w)] for (_, s), w in zip(cut, windows))]
        )
        self._number = np.arange(len(self._song)) + SEED * self._song
        hashes = np.concatenate([np.zeros(0, np.uint64), *windows])
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def search(self, piece):
        """The Copied of one Piece on the same grid."""
        rows, starts = _cut(piece.sounding)
        varied = _varied(rows)
        covered, best = np.zeros(len(piece.sounding) + 1, np.int64), (0, 0, 0, 0, 0)
        for shift in range(-SHIFTS, SHIFTS + 1):
            first, last, place = self._runs(self._windows(rows, starts, shift), varied)
            begin, end = starts[first], starts[last + SEED]
            long = end - begin >= LONG_RUN * piece.beat
            np.add.at(covered, begin[long], 1)
            np.add.at(covered, end[long], -1)
            if len(first):
                longest = int(np.argmax(end - begin))
                best = max(
                    best,
                    (
                        int(end[longest] - begin[longest]),
                        -abs(shift),
                        shift,
                        int(begin[longest]),
                        int(place[longest]),
                    ),
                )
        share = float((np.cumsum(covered)[:-1] > 0).mean()) if len(piece.sounding) else 0.0
        frames, _, shift, begin, place = best
        if not frames:
            return Copied(0, 0.0, share)
        source = self.pieces[self._song[place]]
        return Copied(
            frames,
            frames / piece.beat,
            share,
            begin // piece.bar + 1,
            source.name,
            int(self._frame[place]) // source.bar + 1,
            -shift,
        )

    def _runs(self, windows, varied):
        """Longest rows of matches: their first and last window here, and the place of the first in the collection."""
        left = np.searchsorted(self._sorted, windows, "left")
        matches = np.where(varied, np.searchsorted(self._sorted, windows, "right") - left, 0)
        here = np.repeat(np.arange(len(windows)), matches)
        rank = np.arange(len(here)) - np.repeat(np.cumsum(matches) - matches, matches)
        place = self._order[np.repeat(left, matches) + rank]
        diagonal = self._number[place] - here
        order = np.lexsort((here, diagonal))
        here, place, diagonal = here[order], place[order], diagonal[order]
        breaks = (np.diff(diagonal) != 0) | (np.diff(here) != 1)
        begins = np.flatnonzero(np.concatenate([[True] * (len(here) > 0), breaks]))
        ends = np.flatnonzero(np.concatenate([breaks, [True] * (len(here) > 0)]))
        return here[begins], here[ends], place[begins]

    def _windows(self, rows, starts, shift):
        """A 64-bit hash of every SEED frames with their lengths, the frames moved up by `shift` semitones."""
        pitch = self._pitch[SHIFTS + shift :][: rows.shape[1]]
        items = rows.astype(np.uint64) @ pitch + np.diff(starts).astype(np.uint64) * self._length
        windows = np.zeros(max(len(items) - SEED + 1, 0), np.uint64)
        for i in range(SEED):
            windows = windows * self._place + items[i : i + len(windows)]
        return windows


def _cut(sounding):
    """Frames (T, P) without repeats (S, P), and where each begins, and the end: int64 (S + 1,)."""
    changes = np.flatnonzero((sounding[1:] != sounding[:-1]).any(axis=1)) + 1
    starts = np.concatenate([[0] * (len(sounding) > 0), changes, [len(sounding)]]).astype(np.int64)
    return sounding[starts[:-1]], starts


def _varied(rows):
    """Whether each window of SEED rows (S, P) holds at least DISTINCT different ones: bool (S - SEED + 1,)."""
    if len(rows) < SEED:
        return np.zeros(0, bool)
    _, kind = np.unique(rows, axis=0, return_inverse=True)
    kinds = np.sort(np.lib.stride_tricks.sliding_window_view(kind.ravel(), SEED), axis=1)
    return (np.diff(kinds, axis=1) != 0).sum(axis=1) + 1 >= DISTINCT
