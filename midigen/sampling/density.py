"""As many notes where some may not sound as where all may.  Eq. (35)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid
from midigen.midi.roll import sounding_in

MOST_TILT = 4.0  # nats a note
HALVINGS = 30

Floats = NDArray[np.float64]
Int64 = NDArray[np.int64]


class Density:
    """How many notes of each part frames make sound, and biases that give so many.

    Parameters
    ----------
    grid : Grid

    Attributes
    ----------
    parts : int
        P; drums count as well, but nothing of theirs is tilted.
    """

    def __init__(self, grid: Grid) -> None:
        columns = columns_of(grid)
        self.parts, self._part_of = columns.parts, columns.part_of
        self._notes = (columns.pitch >= 0).astype(np.float64)
        if not grid.parts:
            self._notes[grid.pitches :] = 0  # which begin among those that sound
        self._holds: list[tuple[int, slice]] = []
        at = 0
        for part in grid.parts:
            if part.kind == "drums":
                self._notes[at : at + part.channels] = 0
            elif part.kind in ("line", "block"):
                self._holds.append((at + part.pitches, slice(at, at + part.pitches)))
            at += part.channels

    def notes_of(self, before: NDArray[np.uint8], latest: list[NDArray[np.uint8]]) -> Floats:
        """Say how many notes each column makes sound, where it is on: float64 (N, V).

        Parameters
        ----------
        before : ndarray (N, V)
            The frames before.
        latest : list of ndarray (N, V)
            Of each line and block, the frames in which its latest notes began; of those of which
            they are not known, as to a model that is told nothing, a held note counts as one.
        """
        found = np.tile(self._notes, (len(before), 1))
        for number, (hold, pitches) in enumerate(self._holds):
            goes_on = before[:, pitches].any(axis=1) | (before[:, hold] > 0)
            held = latest[number][:, pitches].sum(axis=1) if number < len(latest) else 1
            found[:, hold] = goes_on * held
        return found

    def count(self, v: NDArray[np.uint8], notes: Floats) -> Floats:
        """Count the notes of each part that frames v (N, V) make sound: (N, P)."""
        sounding = v * notes
        parts = [sounding[:, self._part_of == part].sum(axis=1) for part in range(self.parts)]
        return np.stack(parts, axis=1)

    def biases(self, tilt: Floats, notes: Floats) -> Floats:
        """Return what a tilt (P,) adds to the visible biases of frames, (N, V)."""
        return tilt[self._part_of] * notes


def count_sounding(roll: NDArray[np.uint8], grid: Grid) -> Floats:
    """Count the notes of each part that sound in the frames of a roll (T, V): (T, P); no drums."""
    if not grid.parts:
        return np.count_nonzero(roll[:, : grid.pitches], axis=1)[:, None].astype(np.float64)
    found, at = np.zeros((len(roll), len(grid.parts))), 0
    for number, part in enumerate(grid.parts):
        if part.kind != "drums":
            own = roll[:, at : at + part.channels] > 0
            found[:, number] = sounding_in(own, part).sum(axis=1)
        at += part.channels
    return found


def find_tilt(counts: Floats, wanted: Floats, tilt: Floats) -> Floats:
    """Find the tilt at which counts have a mean.  Eq. (35).

    One sample more of no notes, and one of twice those that are wanted and one more, keep it from
    running away where all samples are alike.

    Parameters
    ----------
    counts : ndarray of float64 (S, P)
        Notes of each part in samples that were drawn at `tilt`.
    wanted : ndarray of float64 (P,)
        The mean.
    tilt : ndarray of float64 (P,)

    Returns
    -------
    ndarray of float64 (P,)
        Within MOST_TILT of 0; each part's by itself, the others' counts being as they are.
    """
    counts = np.concatenate([counts, 0 * wanted[None], 2 * wanted[None] + 1])
    low, high = np.full(len(tilt), -MOST_TILT), np.full(len(tilt), MOST_TILT)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        log_weight = (middle - tilt) * counts
        weight = np.exp(log_weight - log_weight.max(axis=0))
        is_low = (weight * counts).sum(axis=0) < wanted * weight.sum(axis=0)
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return (low + high) / 2
