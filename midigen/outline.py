"""What is known of a song ahead of its notes: metre, mode, form, length.  Eq. (26)."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid

Metre = tuple[int, int, int]  # frame from which it holds, numerator, denominator


def bar_frames(grid: Grid, numerator: int, denominator: int) -> int:
    """Return the frames in a bar of a metre on a grid of beats, rounded, at least 1.

    >>> bar_frames(Grid(steps_per_beat=2), 6, 8)
    6
    """
    return max(1, round(4 * grid.steps_per_beat * numerator / denominator))


@dataclass(frozen=True, eq=False)
class Outline:
    """What a model may be told of a song ahead.

    Parameters
    ----------
    frames : int
        T, the song's length.
    metres : tuple of (frame, numerator, denominator)
        From which frame each metre holds, the first from 0.  None on a grid of seconds.
    pickup : int
        Frames that the first bar lacks at its start.
    minor : bool
        The mode.
    style : str
        Folder that the song came from, "" where there is none.
    density : float
        Times a quarter note at which notes begin.
    form : ndarray of int64 (bars, P)
        For every bar and part, how many bars back the bar is that this one nearly repeats; 0 where
        it repeats none.
    shift : int
        Semitones that the song was moved up by when it was read.
    """

    frames: int
    metres: tuple[Metre, ...] = ()
    pickup: int = 0
    minor: bool = False
    style: str = ""
    density: float = 0.0
    form: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    shift: int = 0

    def bar_starts(self, grid: Grid) -> NDArray[np.int64]:
        """Return where bars begin, and where the last one would end: (bars + 1,).

        The first start is negative where there is a pickup; a metre that changes within a bar cuts
        it short.  There are none on a grid of seconds.
        """
        if grid.unit != "beat" or not self.metres:
            return np.zeros(0, np.int64)
        starts: list[int] = []
        ends = [metre[0] for metre in self.metres[1:]] + [self.frames]
        end = 0
        for (first, numerator, denominator), stop in zip(self.metres, ends, strict=True):
            bar = bar_frames(grid, numerator, denominator)
            at = first - (self.pickup if not starts else 0)
            while at < stop:
                starts.append(at)
                at += bar
            end = at if stop == self.frames else stop
        return np.array([*starts, end], np.int64)
