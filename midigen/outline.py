"""What is known of a song ahead of its notes: metre, mode, form, length.  Eq. (26)."""

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.files import whole

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

    def __post_init__(self) -> None:
        """Check what is computed with, as a file may hold any numbers."""
        whole(self.frames, self.pickup, self.shift)
        for number, (frame, numerator, denominator) in enumerate(self.metres):
            whole(frame, numerator, denominator)
            if (frame != 0) != bool(number) or not 1 <= numerator or denominator < 1:
                raise ValueError(f"a metre {numerator}/{denominator} from frame {frame}")
        first = [metre[0] for metre in self.metres]
        if self.frames < 0 or self.pickup < 0 or sorted(set(first)) != first:
            raise ValueError("an outline with lengths that no song has")
        if self.form.ndim != 2 or (self.form < 0).any():
            raise ValueError("a form that no song has")
        if (self.form > np.arange(len(self.form))[:, None]).any():
            raise ValueError("a form that repeats bars before the first")
        if not (math.isfinite(self.density) and self.density >= 0 and abs(self.shift) <= 127):
            raise ValueError("a density or a shift that no song has")

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

    def after(self, first: int, grid: Grid) -> "Outline":
        """Return the outline of what is left from frame `first` on, without its form."""
        held = [metre for metre in self.metres if metre[0] <= first]
        metres: list[Metre] = [(0, *held[-1][1:])] if held else []
        metres += [(at - first, n, d) for at, n, d in self.metres if at > first]
        starts = self.bar_starts(grid)
        pickup = first - int(starts[starts <= first].max()) if len(starts) else 0
        none = np.zeros((0, 0), np.int64)
        return replace(
            self, frames=self.frames - first, metres=tuple(metres), pickup=pickup, form=none
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, the form as lists."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"metres": [list(m) for m in self.metres], "form": self.form.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Outline":
        """Read what `to_json` gave.

        Raises
        ------
        ValueError, TypeError, KeyError
            For what no outline has.
        """
        metres = tuple((int(at), int(n), int(d)) for at, n, d in data["metres"])
        rows = data["form"]
        form = np.array(rows, np.int64).reshape(len(rows), len(rows[0]) if rows else 0)
        return cls(**{**data, "metres": metres, "form": form})
