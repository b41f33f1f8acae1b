"""Songs that stay on a backend: their frames, and what a model is told of each.  Eq. (26)-(27)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend
from midigen.columns import SHIFTS, columns_of
from midigen.kernels.codes import SHIFT_BITS
from midigen.model.context import context_of
from midigen.outline import Outline

if TYPE_CHECKING:
    from midigen.model.placed import Description


class SongLike(Protocol):
    """A song with its outline, such as `midigen.corpus.Song`."""

    @property
    def roll(self) -> NDArray[Any]:
        """Frames (T, V)."""

    @property
    def outline(self) -> Outline:
        """What is known of it ahead."""


class Told(NamedTuple):
    """A roll (T, V) and its outline."""

    roll: NDArray[Any]
    outline: Outline


AnySong = SongLike | NDArray[Any]


def told(song: AnySong) -> Told:
    """Return a song with its outline; a bare roll is in four quarters, and nothing else is known.

    ValueError where the two have not as many frames.
    """
    if isinstance(song, np.ndarray):
        return Told(song, Outline(len(song), ((0, 4, 4),)))
    if len(song.roll) != song.outline.frames:
        raise ValueError(f"an outline of {song.outline.frames} frames for {len(song.roll)}")
    return Told(song.roll, song.outline)


class Songs:
    """Songs one behind the other on a backend, notes as bits or, of Gaussian units, numbers.

    Parameters
    ----------
    backend : Backend
    model : Description
        Says what a frame is.
    songs : sequence of SongLike, or of ndarray (T, V)
    with_particles : bool
        Whether there is a Markov chain for every frame as well, which starts at the frame.

    Attributes
    ----------
    kept : Array
        (F, W) or (F, V), or twice as many rows where particles are behind the songs.
    begins : ndarray of int64
        Where each song begins, and the last one ends.
    particles : Particles or None
    context : Array or None
        Context inputs (2 F, C): as they are, and then without the form.
    bar : ndarray of int64 (F,)
        The number of every frame's bar, over all songs.
    back : ndarray of int32 (F, S)
        How far back the sources of the gates lie, 0 for none.
    line_back : ndarray of int32 (F, L)
        How far back the last note of each line began.
    """

    def __init__(
        self,
        backend: Backend,
        model: Description,
        songs: Sequence[AnySong],
        with_particles: bool = False,
    ) -> None:
        known = [told(song) for song in songs]
        self._backend, self._model = backend, model
        self._moves = backend.to_device(columns_of(model.grid).moves, np.int64)
        self._divisor = model.loudest if model.gaussian else 1
        lengths = [len(song.roll) for song in known]
        self.begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rolls = np.concatenate([song.roll for song in known])
        if not model.gaussian:
            rolls = np.packbits(rolls > 0, axis=1)
        twice = with_particles and not model.gaussian
        self.kept = backend.to_device(np.concatenate([rolls, rolls]) if twice else rolls)
        self.particles: Particles | None = None
        if twice:
            self.particles = Particles(self, self.kept[len(rolls) :])
        elif with_particles:
            values = np.concatenate([model.frames(song.roll) for song in known]).astype(np.float32)
            self.particles = Particles(self, backend.to_device(values))
        self._tell(known)

    def _tell(self, known: Sequence[Told]) -> None:
        context = context_of(self._model.config, self._model.grid)
        self.context = None
        if context.width:
            rows = np.concatenate([context.rows(song.outline) for song in known])
            untold = rows.copy()
            untold[:, context.form_columns] = 0
            self.context = self._backend.to_device(np.concatenate([rows, untold]))
            self._as_it_is = self._backend.to_device(
                np.arange(context.width, dtype=np.int64)[None], np.int64
            )
        self.back = np.concatenate([context.back(song.outline) for song in known])
        bars = [context.bars(song.outline) for song in known]
        firsts = np.cumsum([0] + [int(bar[-1]) + 1 if len(bar) else 0 for bar in bars])
        self.bar = np.concatenate([bar + first for bar, first in zip(bars, firsts, strict=False)])
        self.line_back = np.concatenate([context.line_back(song.roll) for song in known])

    @property
    def frames(self) -> int:
        """F, frames of all songs."""
        return int(self.begins[-1])

    def places(self, song: int, shift: int = 0) -> NDArray[np.int64]:
        """Say where the frames of a song are, (T,), transposed up by `shift` semitones."""
        rows = np.arange(self.begins[song], self.begins[song + 1])
        return rows << SHIFT_BITS | (int(shift) % SHIFTS)

    def read(self, place: Array, out: Array) -> None:
        """Write the frames at places (N,) to out (N, V); a place of -1 is silent."""
        rolls = self._backend.rolls
        if self._model.gaussian:
            rolls.take(self.kept, self._divisor, place, self._moves, out)
        else:
            rolls.unpack(self.kept, place, self._moves, out)

    def read_context(
        self, place: NDArray[np.int64], out: Any, untold: NDArray[np.bool_] | None = None
    ) -> None:
        """Write the context inputs of frames at places (N,), on the host, to out (N, C).

        untold (F,) says for which frames without the form.
        """
        row = place >> SHIFT_BITS
        if untold is not None:
            row = row + self.frames * untold[np.maximum(row, 0)]
        rows = self._backend.to_device(np.where(place < 0, -1, row << SHIFT_BITS))
        self._backend.rolls.take(self.context, 1, rows, self._as_it_is, out)


class Particles:
    """A persistent Markov chain for every frame of songs.

    Parameters
    ----------
    songs : Songs
    kept : Array
        (F, W) bits or (F, V) numbers.

    Attributes
    ----------
    songs, kept
        As above.
    """

    def __init__(self, songs: Songs, kept: Array) -> None:
        self.songs, self.kept = songs, kept

    @property
    def begins(self) -> NDArray[np.int64]:
        """Where the chains of each song begin, and the last ones end."""
        return self.songs.begins

    def read(self, place: Array, out: Array) -> None:
        """Write the states of the chains at places (N,) to out (N, V)."""
        songs = self.songs
        rolls = songs._backend.rolls
        if songs._model.gaussian:
            rolls.take(self.kept, 1, place, songs._moves, out)
        else:
            rolls.unpack(self.kept, place, songs._moves, out)

    def write(self, v: Array, place: Array) -> None:
        """Put states v (N, V) at their places."""
        songs = self.songs
        write = songs._backend.rolls.put if songs._model.gaussian else songs._backend.rolls.pack
        write(v, place, songs._moves, self.kept)
