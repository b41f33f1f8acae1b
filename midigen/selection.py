"""Of several songs, the one that is most like the songs that a model learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.evaluation.score import distance_of, piece_of
from midigen.figures.measure import measure_ending
from midigen.model.card import ModelCard
from midigen.outline import Outline


class Chosen(NamedTuple):
    """The song that was chosen.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
    distance : float or None
        How far it lies from the songs learned from, in deviations: the mean of |z| over the figures
        of docs/evaluation.md.  None where the model does not know their figures.
    """

    roll: NDArray[np.uint8]
    distance: float | None


def choose_song(
    rolls: Sequence[NDArray[np.uint8]], outline: Outline, grid: Grid, bpm: float, card: ModelCard
) -> Chosen:
    """Choose the song whose figures are nearest to those that a model's card has.

    Parameters
    ----------
    rolls : sequence of NDArray[np.uint8], shape (T, V)
        The songs; of equals, and where nothing can be measured, the first is taken.
    outline : Outline
        What all of them were told.
    grid : Grid
        What their frames and columns stand for.
    bpm : float
        Quarter notes a minute.
    card : ModelCard
        Of the model.
    """
    if not card.figures:
        return Chosen(rolls[0], None)

    def far(roll: NDArray[np.uint8]) -> float:
        found = distance_of(piece_of(roll, outline, grid, bpm, card), card)
        return np.inf if found is None else found

    found = [far(roll) for roll in rolls]
    best = int(np.argmin(found))
    return Chosen(rolls[best], found[best] if np.isfinite(found[best]) else None)


def choose_ending(
    rolls: Sequence[NDArray[np.uint8]], outline: Outline, grid: Grid, bpm: float, card: ModelCard
) -> Chosen:
    """Choose the song that ends most as those do that a model learned from.

    Those are taken whose figures of their endings, each 0 or 1, lie nearest in their mean to the
    shares of songs that end so: on the tonic where most do.  Of several `choose_song` chooses.
    Parameters are as there.
    """

    def far(roll: NDArray[np.uint8]) -> float:
        ending = measure_ending(piece_of(roll, outline, grid, bpm, card))
        shares = {name: card.figures.get(name, (None, None))[0] for name in ending}
        apart = [
            abs(value - share)
            for name, share in shares.items()
            if share is not None and (value := ending[name]) is not None
        ]
        return float(np.mean(apart)) if apart else np.inf

    found = np.array([far(roll) for roll in rolls])
    nearest = [rolls[int(i)] for i in np.flatnonzero(found <= found.min() + 1e-9)]
    return choose_song(nearest, outline, grid, bpm, card)
