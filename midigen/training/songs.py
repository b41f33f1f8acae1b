"""Frames of songs that stay on a backend, and are read and written at places, transposed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend
from midigen.columns import SHIFTS, columns_of
from midigen.kernels.codes import SHIFT_BITS
from midigen.model.rnn_rbm import RnnRbm


class Songs:
    """Songs one behind the other on a backend, notes as bits or, of Gaussian units, numbers.

    Parameters
    ----------
    backend : Backend
    model : RnnRbm
        Says what a frame is.
    kept : ndarray (F, W) or (F, V)
        Notes of 0 and 1 as bits, or numbers.
    lengths : sequence of int
        Frames of each song.
    divisor : float
        What numbers are divided by where they are read.

    Attributes
    ----------
    kept : Array
    begins : ndarray of int64
        Where each song begins, and the last one ends.
    """

    def __init__(
        self,
        backend: Backend,
        model: RnnRbm,
        kept: NDArray[Any],
        lengths: Sequence[int],
        divisor: float = 1,
    ) -> None:
        self._backend, self._model, self._divisor = backend, model, divisor
        self.kept = backend.to_device(kept)
        self._moves = backend.to_device(columns_of(model.grid).moves)
        self.begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    @classmethod
    def of_rolls(cls, backend: Backend, model: RnnRbm, rolls: Sequence[NDArray[Any]]) -> Songs:
        """Keep rolls, uint8 (T, V) each."""
        lengths = [len(roll) for roll in rolls]
        if model.gaussian:
            return cls(backend, model, np.concatenate(rolls), lengths, model.loudest)
        bits = np.concatenate([np.packbits(roll > 0, axis=1) for roll in rolls])
        return cls(backend, model, bits, lengths)

    @classmethod
    def particles_of(cls, backend: Backend, model: RnnRbm, rolls: Sequence[NDArray[Any]]) -> Songs:
        """Make a Markov chain for every frame of the rolls, each at its frame."""
        if not model.gaussian:
            return cls.of_rolls(backend, model, rolls)
        values = np.concatenate([model.frames(roll).astype(np.float32) for roll in rolls])
        return cls(backend, model, values, [len(roll) for roll in rolls])

    def places(self, song: int, shift: int = 0) -> NDArray[np.int64]:
        """Say where the frames of a song are, (T,), transposed up by `shift` semitones."""
        rows = np.arange(self.begins[song], self.begins[song + 1])
        return rows << SHIFT_BITS | (int(shift) % SHIFTS)

    def read(self, place: Array, out: Array) -> None:
        """Write the frames at places (N,) to out (N, V); a place of -1 is silent."""
        rolls, moves = self._backend.rolls, self._moves
        if self._model.gaussian:
            rolls.take(self.kept, self._divisor, place, moves, out)
        else:
            rolls.unpack(self.kept, place, moves, out)

    def write(self, v: Array, place: Array) -> None:
        """Put frames v (N, V) at their places."""
        write = self._backend.rolls.put if self._model.gaussian else self._backend.rolls.pack
        write(v, place, self._moves, self.kept)
