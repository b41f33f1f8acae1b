"""What a model hears of songs before each frame, and what is hidden of it in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array
from midigen.config import TrainConfig
from midigen.kernels.codes import SHIFT_BITS
from midigen.model.songs import Songs

Places = NDArray[np.int64]


class Heard(NamedTuple):
    """N frames, and what the model hears before each of them.

    v and before (N, V) are the frames and those before them, x (N, X) what the network is given,
    sources (S, N, V) the frames that may be copied, last (L, N) the columns of the lines' last
    pitches.  They lie in memory that the next call may use.
    """

    v: Array
    before: Array
    x: Array
    sources: Array
    last: Array


@dataclass(frozen=True, eq=False)
class Hiding:
    """What of the past a model does not hear as it is, in an epoch of training.

    Parameters
    ----------
    own : ndarray of bool (F,)
        Frames that are heard as the model's own Markov chains have them.
    sources : ndarray of bool (songs, S)
        Sources of the gates that are silent in a song.
    lines : ndarray of bool (F,)
        Frames before which the lines' last pitches are unknown.
    forms : ndarray of bool (F,)
        Frames in bars of which it is not told that they repeat another.
    noise, dropout : float
        Shares of the notes of the frame before that are flipped, and dropped; of the lags, too.
    """

    own: NDArray[np.bool_]
    sources: NDArray[np.bool_]
    lines: NDArray[np.bool_]
    forms: NDArray[np.bool_]
    noise: float = 0.0
    dropout: float = 0.0

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        songs: Songs,
        names: tuple[str, ...],
        settings: TrainConfig,
    ) -> Hiding:
        """Draw for one epoch; names are those of the S sources."""
        frames, count = songs.frames, len(songs.begins) - 1
        lags = np.array([name.startswith("lag") for name in names], bool)
        # particles of Bernoulli units lie behind the songs, and can be read in their place
        both = songs.kept.shape[0] == 2 * frames
        bars = rng.random(int(songs.bar.max(initial=0)) + 1) < settings.form_dropout
        return cls(
            rng.random(frames) < (settings.self_fed if both else 0),
            (rng.random((count, len(names))) < settings.lag_dropout) & lags,
            rng.random(frames) < settings.interval_dropout,
            bars[songs.bar],
            settings.noise,
            settings.dropout,
        )

    def as_heard(self, place: Places, songs: Songs) -> Places:
        """Return the places (N,) at which the frames of places are heard."""
        rows = place >> SHIFT_BITS
        own = (place >= 0) & self.own[np.maximum(rows, 0)]
        return np.where(own, place + (songs.frames << SHIFT_BITS), place)

    def is_silent(self, source: int, name: str, place: Places, songs: Songs) -> NDArray[np.bool_]:
        """Say for which frames, at places (N,), a source of that name is silent."""
        rows = np.maximum(place >> SHIFT_BITS, 0)
        if name.startswith("line"):
            return self.lines[rows]
        if name.startswith("form"):
            return self.forms[rows]
        song = np.searchsorted(songs.begins, rows, side="right") - 1
        return self.sources[song, source]


def behind(place: Places, back: NDArray[np.int32]) -> Places:
    """Return the places so many frames before places (N,), -1 for none."""
    there = place - (back.astype(np.int64) << SHIFT_BITS)
    return np.where((place >= 0) & (back > 0), there, -1)


def backs(table: NDArray[np.int32], place: Places) -> Any:
    """Return the rows of a table (F, n) for frames at places (N,)."""
    return table[np.maximum(place >> SHIFT_BITS, 0)]
