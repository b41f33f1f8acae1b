"""Was it copied?  Runs of frames that a song shares with a collection of songs, in any key.

A song is cut where its frames change; each piece in between, called an event here, is a frame and
its length. A run is copied where SEED_EVENTS or more events in a row are the same, lengths
included, and among each SEED_EVENTS of them are MIN_DISTINCT different frames, so that neither
silence nor a held, repeated or trilled note counts, however long.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.evaluation.music import Piece
from midigen.randomness import generator

SEED_EVENTS = 8
MIN_DISTINCT = 4
MAX_SHIFT = 11  # semitones up and down
LONG_RUN = 8  # beats: frames in copied runs at least as long count as copied


@dataclass(frozen=True)
class Copied:
    """What of one song is also in a collection.

    Parameters
    ----------
    frames, beats : int, float
        Length of the longest run; 0 where there is none, and then what follows `share` is None.
    share : float
        Of the song's frames, those in runs of LONG_RUN beats or more, 0..1.
    bar : int or None
        Where the longest run begins, counted from 1.
    source, source_bar : str or None, int or None
        The song of the collection that has it, and where.
    transposed : int or None
        Semitones from there to here.
    """

    frames: int
    beats: float
    share: float
    bar: int | None = None
    source: str | None = None
    source_bar: int | None = None
    transposed: int | None = None


class _Run(NamedTuple):
    """A run, here and in the collection; of several the longest one, little transposed, is most."""

    frames: int = 0
    untransposed: int = 0  # minus the number of semitones
    shift: int = 0
    begin: int = 0  # frame
    window: int = 0  # number of the window in the collection with which it begins


class Collection:
    """The songs that others are compared with.

    Runs are found by their seeds: windows of SEED_EVENTS events, of which hashes are looked up in
    the sorted hashes of all windows of the collection.

    Parameters
    ----------
    pieces : sequence of Piece
        The songs, all on one grid.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        pitches = pieces[0].sounding.shape[1] if pieces else 0
        rng = generator(0, "copying")
        self._pitch = rng.integers(0, 2**64, pitches + 2 * MAX_SHIFT, np.uint64)
        odd = rng.integers(0, 2**63, 2, np.uint64) * np.uint64(2) + np.uint64(1)
        self._length, self._place = odd
        cut = [_cut(piece.sounding) for piece in pieces]
        windows = [self._windows(frames, starts, 0) for frames, starts in cut]
        # the song and the frame at which each window begins
        self._song = np.repeat(np.arange(len(pieces)), [len(w) for w in windows])
        firsts = [starts[: len(w)] for (_, starts), w in zip(cut, windows, strict=True)]
        self._frame = np.concatenate([np.zeros(0, np.int64), *firsts])
        # numbers in a row are windows of one song in a row: between songs there is a gap
        self._number = np.arange(len(self._song)) + SEED_EVENTS * self._song
        hashes = np.concatenate([np.zeros(0, np.uint64), *windows])
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def search(self, piece: Piece) -> Copied:
        """Find what of a song on the same grid is also in the collection."""
        frames, starts = _cut(piece.sounding)
        varied = _varied(frames)
        best = _Run()
        change = np.zeros(len(piece.sounding) + 1, np.int64)  # of the number of long runs
        for shift in range(-MAX_SHIFT, MAX_SHIFT + 1):
            first, last, window = self._runs(self._windows(frames, starts, shift), varied)
            if not len(first):
                continue
            begin, end = starts[first], starts[last + SEED_EVENTS]
            long = end - begin >= LONG_RUN * piece.beat
            np.add.at(change, begin[long], 1)
            np.add.at(change, end[long], -1)
            i = int(np.argmax(end - begin))
            length = int(end[i] - begin[i])
            best = max(best, _Run(length, -abs(shift), shift, int(begin[i]), int(window[i])))
        in_long_run = np.cumsum(change)[:-1] > 0
        share = float(in_long_run.mean()) if len(in_long_run) else 0.0
        if not best.frames:
            return Copied(0, 0.0, share)
        source = self.pieces[self._song[best.window]]
        return Copied(
            frames=best.frames,
            beats=best.frames / piece.beat,
            share=share,
            bar=best.begin // piece.bar + 1,
            source=source.name,
            source_bar=int(self._frame[best.window]) // source.bar + 1,
            transposed=-best.shift,
        )

    def _runs(
        self, windows: NDArray[np.uint64], varied: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Find the longest rows of windows that match windows of the collection in a row.

        Parameters
        ----------
        windows : NDArray[np.uint64], shape (W,)
            Hashes of a song's windows.
        varied : NDArray[np.bool_], shape (W,)
            Which of them may match.

        Returns
        -------
        tuple of NDArray[np.int64], each of shape (runs,)
            The first and the last window of each run, and the collection's window that matches
            the first.
        """
        left = np.searchsorted(self._sorted, windows, "left")
        matches = np.where(varied, np.searchsorted(self._sorted, windows, "right") - left, 0)
        here = np.repeat(np.arange(len(windows)), matches)
        rank = np.arange(len(here)) - np.repeat(np.cumsum(matches) - matches, matches)
        there = self._order[np.repeat(left, matches) + rank]
        # matches of windows in a row with windows in a row lie on one diagonal
        diagonal = self._number[there] - here
        order = np.lexsort((here, diagonal))
        here, there, diagonal = here[order], there[order], diagonal[order]
        breaks = (np.diff(diagonal) != 0) | (np.diff(here) != 1)
        begins = np.flatnonzero(np.concatenate([[True] * (len(here) > 0), breaks]))
        ends = np.flatnonzero(np.concatenate([breaks, [True] * (len(here) > 0)]))
        return here[begins], here[ends], there[begins]

    def _windows(
        self, frames: NDArray[np.bool_], starts: NDArray[np.int64], shift: int
    ) -> NDArray[np.uint64]:
        """Hash every SEED_EVENTS events, their frames moved up by `shift` semitones."""
        pitch = self._pitch[MAX_SHIFT + shift :][: frames.shape[1]]
        lengths = np.diff(starts).astype(np.uint64)
        events = frames.astype(np.uint64) @ pitch + lengths * self._length
        windows = np.zeros(max(len(events) - SEED_EVENTS + 1, 0), np.uint64)
        for i in range(SEED_EVENTS):
            windows = windows * self._place + events[i : i + len(windows)]
        return windows


def _cut(sounding: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Cut a song (T, P) into events: their frames (S, P), and where each begins, and the end."""
    changes = np.flatnonzero((sounding[1:] != sounding[:-1]).any(axis=1)) + 1
    starts = np.concatenate([[0] * (len(sounding) > 0), changes, [len(sounding)]]).astype(np.int64)
    return sounding[starts[:-1]], starts


def _varied(frames: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which windows of events hold at least MIN_DISTINCT frames: (S - SEED_EVENTS + 1,)."""
    if len(frames) < SEED_EVENTS:
        return np.zeros(0, bool)
    _, kind = np.unique(frames, axis=0, return_inverse=True)
    windows = np.lib.stride_tricks.sliding_window_view(kind.ravel(), SEED_EVENTS)
    kinds = np.sort(windows, axis=1)
    return (np.diff(kinds, axis=1) != 0).sum(axis=1) + 1 >= MIN_DISTINCT
