"""What an epoch of training draws: batches, transpositions, a key; and how often a run looks up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid, TrainConfig
from midigen.randomness import derive_key, generator

# Between validations, where the setting leaves it open, a run trains on at least so many frames;
# and takes so many steps, which the running mean of the weights needs to show an improvement, but
# on no more than so many frames.
VALIDATED_FRAMES, VALIDATED_STEPS, MOST_FRAMES = 20_000, 200, 200_000

# Where so many songs are in one key, and there are so many frames that they need not be multiplied,
# this share of the songs is transposed.
ONE_KEY, ONE_KEY_FRAMES, ONE_KEY_SHARE = 0.75, 10_000, 0.5

Rolls = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch draws.

    Attributes
    ----------
    number : int
        From 0.
    batches : list of ndarray
        Of song numbers.
    shifts : ndarray of int
        Semitones, for each song.
    key : int
        Of the Markov chains.
    """

    number: int
    batches: list[NDArray[np.int64]]
    shifts: NDArray[np.int64]
    key: int


class Plan:
    """The epochs of a run: `epoch(number)` is the same whenever it is asked for.

    Parameters
    ----------
    rolls : sequence of uint8 (T, V)
    grid : Grid
    settings : TrainConfig

    Attributes
    ----------
    transpose_share : float
        Of the songs, in an epoch: that of the settings, or what its None stands for.
    validate_every : int
        Epochs between validations.
    """

    def __init__(self, rolls: Rolls, grid: Grid, settings: TrainConfig) -> None:
        self._settings = settings
        self._lengths = np.array([len(roll) for roll in rolls], np.int64)
        self._drawn: Epoch | None = None
        share = settings.transpose_share
        self.transpose_share = share_to_transpose(rolls, grid) if share is None else share
        self._reach = [transposition_range(roll, grid, settings.transpose) for roll in rolls]
        frames, batches = int(self._lengths.sum()), len(self.epoch(0).batches)
        self.validate_every = settings.validate_every or validation_interval(frames, batches)

    def epoch(self, number: int) -> Epoch:
        """Return the Epoch of that number, from 0."""
        if self._drawn is None or self._drawn.number != number:
            self._drawn = self._draw(number)
        return self._drawn

    def _draw(self, number: int) -> Epoch:
        """Put songs of like length together, the batches in random order."""
        settings, count = self._settings, len(self._lengths)
        rng = generator(settings.seed, "order", number)
        size = count if settings.update == "epoch" else settings.batch
        if settings.concatenate:
            order = rng.permutation(count)
        else:
            order = np.argsort(self._lengths * rng.uniform(0.8, 1.25, count), kind="stable")
        batches = [order[i : i + size] for i in range(0, count, size)]
        batches = [batches[i] for i in rng.permutation(len(batches))]
        lows, highs = np.array(self._reach, np.int64).reshape(-1, 2).T
        shifts = rng.integers(lows, np.add(highs, 1)) * (rng.random(count) < self.transpose_share)
        return Epoch(number, batches, shifts, int(derive_key(settings.seed, "train", number)))


def validation_interval(frames: int, batches: int) -> int:
    """Return the epochs between validations, of an epoch with so many frames and batches."""

    def epochs(wanted: int, had: int) -> int:
        return -(-wanted // max(had, 1))

    return max(
        epochs(VALIDATED_FRAMES, frames),
        min(epochs(VALIDATED_STEPS, batches), epochs(MOST_FRAMES, frames)),
    )


def share_to_transpose(rolls: Rolls, grid: Grid) -> float:
    """Return the share of the songs that an epoch should transpose.

    It is all, or fewer where they have a key in common.  A song's key is taken from the others:
    that transposition in which its pitch classes fit their mean best.  Where most songs fit best as
    they are, most new ones will; a few are transposed for the sake of those that do not.
    """
    if sum(map(len, rolls)) < ONE_KEY_FRAMES:
        return 1.0
    columns = columns_of(grid)
    pitched = np.concatenate([np.arange(first, stop) for first, stop in columns.ranges])
    notes = np.array([(roll[:, pitched] > 0).sum(axis=0) for roll in rolls], float)
    pitch_class = columns.pitch[pitched] % 12
    classes = np.stack([notes[:, pitch_class == i].sum(axis=1) for i in range(12)], axis=1)
    classes /= np.maximum(classes.sum(axis=1, keepdims=True), 1)
    others = classes.sum(axis=0) - classes
    fit = np.stack([(np.roll(classes, shift, axis=1) * others).sum(axis=1) for shift in range(12)])
    return ONE_KEY_SHARE if (fit.argmax(axis=0) == 0).mean() >= ONE_KEY else 1.0


def transposition_range(roll: NDArray[Any], grid: Grid, limits: tuple[int, int]) -> tuple[int, int]:
    """Return the shifts within limits (low, high) that keep every note of a roll in range."""
    low, high = limits
    for first, stop in columns_of(grid).ranges:
        sounding = np.flatnonzero(roll[:, first:stop].any(axis=0))
        if len(sounding):
            low = max(low, -int(sounding[0]))
            high = min(high, int(stop - first) - 1 - int(sounding[-1]))
    return (low, high) if roll.any() else (0, 0)
