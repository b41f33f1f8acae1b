"""Where a song's bars go in a picture: rows of bars, as in sheet music, one below the other.

A row is called a system.  Within a bar time runs evenly, and bars of one length in beats are of
one width, so that they stand below each other whatever the tempo does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.midi.view import SongView

NARROWEST, WIDEST = 0.125, 8.0  # bars, in usual ones


def bar_edges(view: SongView) -> NDArray[np.float64]:
    """Return where bars begin and where the last one ends, in seconds, (B + 1,), growing.

    The last one lasts as long as the one before it, or as its notes.
    """
    bars = view.bars
    usual = bars[-1] - bars[-2] if len(bars) > 1 else 240 / view.bpm * view.metre[0] / view.metre[1]
    return np.append(bars, max(bars[-1] + usual, view.end))


def bar_widths(view: SongView) -> NDArray[np.float64]:
    """Return how wide each bar is to be, (B,), in usual ones: by its beats, not by its seconds."""
    if not view.quarters:
        return np.ones(len(view.bars))
    widths = np.array(view.quarters) / np.median(view.quarters)
    return np.clip(widths, NARROWEST, WIDEST)


def split_bars(widths: Sequence[float] | NDArray[np.float64], room: float) -> list[range]:
    """Put bars on systems.

    >>> split_bars([1, 1, 1, 1, 1], 3)
    [range(0, 2), range(2, 4), range(4, 5)]

    Parameters
    ----------
    widths : sequence of float
        Those of the bars.
    room : float
        How wide a system may be; a bar that is wider has one alone.

    Returns
    -------
    list of range
        The bars of each system: as many as have room, but a multiple of four of them or, where
        there is room for less, two; a pickup at the song's start comes on top.
    """
    most = next((int(room // few * few) for few in (4, 2) if room >= few), 1)
    systems, first, used = [], 0, 0.0
    for bar, width in enumerate(widths):
        count = bar - first - (first == 0 and widths[0] < 1)
        if bar > first and (count >= most or used + width > room + 1e-9):
            systems.append(range(first, bar))
            first, used = bar, 0.0
        used += width
    return [*systems, range(first, len(widths))]
