"""Was it copied?  Runs of onsets that a song shares with a collection of songs, in any key.

An onset is a time at which notes begin: these notes, and the time since the onset before.  A run is
copied where RUN onsets or more in a row are the same but for transposition, and among each RUN of
them are MIN_DISTINCT different ones, so that neither a repeated note nor a trill counts, however
long.  A near-copy joins copied stretches of SEED onsets or more that lie equally far apart in both
songs, as long as at most one onset in CHANGED of the whole is changed, added or left out.  Both are
looked for in the texture, all notes together, and in the top line alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.figures.piece import PITCHES, Piece
from midigen.randomness import generator

RUN = 8
MIN_DISTINCT = 4
CHANGED = 8
# of RUN onsets or more, at most one in CHANGED of them changed, some 4 in a row are unchanged
SEED = 4
LONG_RUN = 8  # beats: frames in copied runs at least as long count as copied

Int64 = NDArray[np.int64]

_HASHES = generator(0, "copying").integers(0, 2**63, PITCHES + 3, np.uint64) * np.uint64(2)
_HASHES += np.uint64(1)
_PITCH, (_STEP, _TIME, _PLACE) = _HASHES[:PITCHES], _HASHES[PITCHES:]


@dataclass(frozen=True)
class Copied:
    """What of one song is also in a collection; a run goes from its first onset to its last.

    Parameters
    ----------
    frames, beats : int, float
        Length of the longest run of the texture; 0 where there is none, and then what follows
        `share` is None.
    near_beats : float
        The same of its longest near-copy, which is no shorter.
    line_beats, line_near_beats : float
        The same two of the top line.
    share : float
        Of the song's frames, those in runs of the texture of LONG_RUN beats or more, 0..1.
    bar : int or None
        Where the longest run begins, counted from 1.
    source, source_bar : str or None, int or None
        The song of the collection that has it, and where.
    transposed : int or None
        Semitones from there to here.
    """

    frames: int
    beats: float
    near_beats: float
    line_beats: float
    line_near_beats: float
    share: float
    bar: int | None = None
    source: str | None = None
    source_bar: int | None = None
    transposed: int | None = None


class _Onsets(NamedTuple):
    """Onsets in a row: their frames, the lowest pitch of each, and a hash of those above: (S,)."""

    times: Int64
    low: Int64
    chord: NDArray[np.uint64]

    def windows(self, size: int) -> NDArray[np.uint64]:
        """Hash every `size` onsets, whatever their key and their place: (S - size + 1,)."""
        steps = np.diff(self.low, prepend=0).astype(np.uint64) * _STEP
        waits = np.diff(self.times, prepend=0).astype(np.uint64) * _TIME
        onsets = self.chord + steps + waits
        count = max(len(onsets) - size + 1, 0)
        hashes = self.chord[:count]
        for i in range(1, size):
            hashes = hashes * _PLACE + onsets[i : i + count]
        return hashes

    def varied(self) -> NDArray[np.bool_]:
        """Tell which onsets begin RUN onsets of at least MIN_DISTINCT kinds: (S,).

        The last RUN - 1 are like the one before.
        """
        if len(self.times) < RUN:
            return np.zeros(len(self.times), bool)
        kind = np.unique(self.chord * _PLACE + self.low.astype(np.uint64), return_inverse=True)[1]
        kinds = np.sort(np.lib.stride_tricks.sliding_window_view(kind.ravel(), RUN), axis=1)
        distinct = (np.diff(kinds, axis=1) != 0).sum(axis=1) + 1
        return np.pad(distinct >= MIN_DISTINCT, (0, RUN - 1), "edge")


class _Runs(NamedTuple):
    """Runs: number of the first and last onset here, and of the same there, (runs,)."""

    first: Int64
    last: Int64
    source_first: Int64
    source_last: Int64


class _Index:
    """Where each window of onsets is in a collection of songs.

    Windows are looked up by their hashes, in the sorted hashes of the collection.
    """

    def __init__(self, songs: Sequence[_Onsets]) -> None:
        self.times = np.concatenate([np.zeros(0, np.int64), *(song.times for song in songs)])
        self.low = np.concatenate([np.zeros(0, np.int64), *(song.low for song in songs)])
        lengths = np.array([len(song.times) for song in songs], np.int64)
        self.song = np.repeat(np.arange(len(songs)), lengths)
        starts = np.cumsum(lengths) - lengths
        self._windows = {}
        for size in (RUN, SEED):
            hashes = [song.windows(size) for song in songs]
            place = [start + np.arange(len(h)) for start, h in zip(starts, hashes, strict=True)]
            together = np.concatenate([np.zeros(0, np.uint64), *hashes])
            order = np.argsort(together, kind="stable")
            places = np.concatenate([np.zeros(0, np.int64), *place])
            self._windows[size] = together[order], places[order]

    def runs(self, song: _Onsets, size: int) -> _Runs:
        """Find the longest runs of windows of `size` onsets that the collection has, too."""
        hashes, places = self._windows[size]
        windows = song.windows(size)
        left = np.searchsorted(hashes, windows, "left")
        matches = np.searchsorted(hashes, windows, "right") - left
        matches *= song.varied()[: len(windows)]
        here = np.repeat(np.arange(len(windows)), matches)
        rank = np.arange(len(here)) - np.repeat(np.cumsum(matches) - matches, matches)
        there = places[np.repeat(left, matches) + rank]
        # windows in a row here, and in a row there, lie on one diagonal; those of two songs there
        # are never in a row, as the last onsets of a song begin no window
        diagonal = there - here
        order = np.lexsort((here, diagonal))
        here, there, diagonal = here[order], there[order], diagonal[order]
        breaks = (np.diff(diagonal) != 0) | (np.diff(here) != 1)
        some = [True] * (len(here) > 0)
        begins = np.flatnonzero(np.concatenate([some, breaks]))
        ends = np.flatnonzero(np.concatenate([breaks, some]))
        behind = size - 1
        return _Runs(here[begins], here[ends] + behind, there[begins], there[ends] + behind)

    def longest_near(self, song: _Onsets) -> int:
        """Return the frames of the longest near-copy that joins runs of SEED onsets or more."""
        runs = self.runs(song, SEED)
        if not len(runs.first):
            return 0
        apart = self.times[runs.source_first] - song.times[runs.first]
        shift = self.low[runs.source_first] - song.low[runs.first]
        key = np.column_stack([self.song[runs.source_first], apart, shift])
        order = np.lexsort((runs.first, *key.T))
        runs, key = _Runs(*(numbers[order] for numbers in runs)), key[order]
        group = np.cumsum(np.concatenate([[False], (key[1:] != key[:-1]).any(axis=1)]))
        # onsets between a run and the one before: those here, or there where it has more
        here = runs.first[1:] - runs.last[:-1] - 1
        there = runs.source_first[1:] - runs.source_last[:-1] - 1
        changed = np.cumsum(np.concatenate([[0], np.maximum(np.maximum(here, there), 0)]))
        best, number = 0, np.arange(len(group))
        # joined with the run `step` behind, for all runs at once, as long as any has one
        for step in range(len(group)):
            number = number[: len(group) - step]
            first = number[group[number + step] == group[number]]
            if not len(first):
                break
            last = first + step
            onsets = runs.last[last] - runs.first[first] + 1
            allowed = CHANGED * (changed[last] - changed[first]) <= onsets
            frames = song.times[runs.last[last]] - song.times[runs.first[first]]
            best = max(best, int(frames[allowed & (onsets >= RUN)].max(initial=0)))
        return best


class Collection:
    """The songs that others are compared with.

    Parameters
    ----------
    pieces : sequence of Piece
        The songs, all on one grid.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._texture = _Index([_texture(piece) for piece in pieces])
        self._line = _Index([_top_line(piece) for piece in pieces])

    def search(self, piece: Piece) -> Copied:
        """Find what of a song on the same grid is also in the collection."""
        texture, line = _texture(piece), _top_line(piece)
        runs = self._texture.runs(texture, RUN)
        begin, end = texture.times[runs.first], texture.times[runs.last]
        frames, line_frames = _longest(texture, runs), _longest(line, self._line.runs(line, RUN))
        # a seed is refused where what follows is not varied, so a near-copy may end sooner
        near = max(frames, self._texture.longest_near(texture))
        line_near = max(line_frames, self._line.longest_near(line))
        found = Copied(
            frames=frames,
            beats=frames / piece.beat,
            near_beats=near / piece.beat,
            line_beats=line_frames / piece.beat,
            line_near_beats=line_near / piece.beat,
            share=_covered(piece, begin, end),
        )
        if not frames:
            return found
        shift = texture.low[runs.first] - self._texture.low[runs.source_first]
        i = np.lexsort((np.abs(shift), begin - end))[
            0
        ]  # the longest, of these the least transposed
        source = self.pieces[self._texture.song[runs.source_first[i]]]
        found_at = self._texture.times[runs.source_first[i]]
        return replace(
            found,
            bar=_bar(piece, begin[i]),
            source=source.name,
            source_bar=_bar(source, found_at),
            transposed=int(shift[i]),
        )


def longest_run(pieces: Sequence[Piece]) -> Callable[[Piece], float]:
    """Return a function that finds the longest run of a song's texture in a collection, in beats.

    It is quicker than a Collection, which looks for more.
    """
    index = _Index([_texture(piece) for piece in pieces])

    def search(piece: Piece) -> float:
        texture = _texture(piece)
        return _longest(texture, index.runs(texture, RUN)) / piece.beat

    return search


def _texture(piece: Piece) -> _Onsets:
    """Return all notes of a song by their onsets."""
    starts, pitch = np.unique(piece.notes[:, [0, 2]], axis=0).T
    first = np.flatnonzero(np.diff(starts, prepend=-1))
    low = pitch[first]
    above = pitch - np.repeat(low, np.diff(first, append=len(starts)))
    chord = np.add.reduceat(_PITCH[above], first) if len(first) else np.zeros(0, np.uint64)
    return _Onsets(starts[first], low, chord)


def _top_line(piece: Piece) -> _Onsets:
    times, pitch = piece.top.T
    return _Onsets(times, pitch, np.zeros(len(times), np.uint64))


def _longest(song: _Onsets, runs: _Runs) -> int:
    """Return the frames of the longest run, from its first onset to its last."""
    return int((song.times[runs.last] - song.times[runs.first]).max(initial=0))


def _covered(piece: Piece, begin: Int64, end: Int64) -> float:
    """Return the share of a song's frames that lie in runs of LONG_RUN beats or more."""
    long = end - begin >= LONG_RUN * piece.beat
    change = np.zeros(piece.frames + 1, np.int64)
    np.add.at(change, begin[long], 1)
    np.add.at(change, end[long], -1)
    return float((np.cumsum(change)[:-1] > 0).mean()) if piece.frames else 0.0


def _bar(piece: Piece, frame: np.int64) -> int:
    return int(frame + piece.pickup) // piece.bar + 1
