"""Of several songs, the one that ends most as the songs do that a model learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.evaluation.score import distance_of, piece_of
from midigen.figures.measure import measure_ending
from midigen.figures.piece import Piece
from midigen.model.card import ModelCard
from midigen.outline import Outline


def choose_ending(
    rolls: Sequence[NDArray[np.uint8]], outline: Outline, grid: Grid, bpm: float, card: ModelCard
) -> NDArray[np.uint8]:
    """Choose the song that ends most as those do that a model learned from.

    Those are taken whose figures of their endings, each 0 or 1, lie nearest in their mean to the
    shares of songs that end so: on the tonic where most do.  Of several it is the one whose other
    figures are nearest, and of equals the first.

    Parameters
    ----------
    rolls : sequence of NDArray[np.uint8], shape (T, V)
        The songs.
    outline : Outline
        What all of them were told.
    grid : Grid
        What their frames and columns stand for.
    bpm : float
        Quarter notes a minute.
    card : ModelCard
        Of the model.
    """
    pieces = [piece_of(roll, outline, grid, bpm, card) for roll in rolls]

    def ends(piece: Piece) -> float:
        ending = measure_ending(piece)
        shares = {name: card.figures.get(name, (None, None))[0] for name in ending}
        apart = [
            abs(value - share)
            for name, share in shares.items()
            if share is not None and (value := ending[name]) is not None
        ]
        return float(np.mean(apart)) if apart else np.inf

    def far(number: int) -> float:
        found = distance_of(pieces[number], card)
        return np.inf if found is None else found

    found = np.array([ends(piece) for piece in pieces])
    nearest = np.flatnonzero(found <= found.min() + 1e-9)
    return rolls[min(nearest.tolist(), key=far)]
