"""What is asked of a song to start from, checked: what stays of it, and what is drawn anew."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid, SteerConfig
from midigen.outline import Outline
from midigen.randomness import generator
from midigen.sampling import count_frames
from midigen.steering.choice import (
    Kept,
    Stretch,
    choose_kept,
    read_fill,
    region_of,
    regions_to_vary,
    rows_in,
)
from midigen.steering.constraints import Constraints
from midigen.steering.redraw import outline_beside
from midigen.steering.source import Source, read_source

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Task:
    """A song, and what of it is drawn anew.

    Parameters
    ----------
    source : Source
    kept : Kept
    region : ndarray of bool (T, P)
        Frames and parts that may be drawn anew.
    stretches : tuple of Stretch
        Of --fill; none for all of it.
    vary : float or None
        The share of the region, drawn for each song; None for all.
    constraints : Constraints
    """

    source: Source
    kept: Kept
    region: Bools
    stretches: tuple[Stretch, ...]
    vary: float | None
    constraints: Constraints

    @property
    def is_partial(self) -> bool:
        """Whether what is drawn replaces notes among others of its part, rather than a part."""
        return bool(self.stretches) or self.vary is not None

    def regions(self, seed: int, number: int) -> list[Bools]:
        """Return what is drawn of song `number`, in order: ndarrays of bool (T, P)."""
        if self.vary is None:
            return [self.region]
        rng = generator(seed, "vary", number)
        return regions_to_vary(self.source, self.region, self.vary, rng)

    def frames(self, regions: list[Bools]) -> int:
        """Return how many frames drawing takes."""
        outline, grid = self.source.outline, self.source.grid
        return sum(
            count_frames(np.asarray(region.any(axis=1)), outline, grid) for region in regions
        )

    def outline(self) -> Outline:
        """Return what the model is told of the song.

        Of one that is varied that is its own form, which keeps what is new near what was.
        """
        source = self.source
        if self.vary is not None:
            return source.outline
        return outline_beside(source.notes.of(~self._drawn()), source.outline, source.grid)

    def stay(self, still: Bools, regions: list[Bools]) -> Bools:
        """Return which rows (R,) are left in the file.

        Parameters
        ----------
        still : ndarray of bool (R,)
            Those that are in the new roll.
        regions : list of ndarray of bool (T, P)
            What was drawn.
        """
        if not self.is_partial:
            return still | self.kept.rows
        gone = rows_in(self.source, np.any(regions, axis=0)) & ~self.kept.rows
        return still | ((self.source.parts < 0) & ~gone)

    def _drawn(self) -> Bools:
        """Return which of the placed notes (N,) are drawn anew."""
        notes, rows = self.source.notes, self.source.rows
        found: Bools = self.region[notes.start, notes.part] & ~self.kept.rows[rows]
        return found

    def check(self) -> None:
        """ValueError, in one line, where there is nothing to draw, or nothing fits the key."""
        if not self.region.any() or (self.vary is not None and not self._drawn().any()):
            raise ValueError("all of the song is kept: there is nothing to draw")
        self.constraints.allow(self.source.outline, self.source.grid)
        scale = self.constraints.scale
        if scale is None:
            return
        stays = np.ones(self.source.count, bool)
        stays[self.source.rows] = ~self._drawn()
        own = self.source.ticks[stays & (self.source.tracks >= 0), 2]
        if len(own) and not np.isin(own % 12, list(scale.classes)).any():
            raise ValueError(f"{scale.name} has none of the notes that are kept: give another key")


def plan_task(
    path: str | PathLike[str], asked: SteerConfig, constraints: Constraints, grid: Grid
) -> Task:
    """Read a song, and say what of it is drawn anew.

    Parameters
    ----------
    path : path
        The song.
    asked : SteerConfig
    constraints : Constraints
    grid : Grid
        The model's.

    Raises
    ------
    ValueError
        In one line, for what does not go together, or the song does not have.
    MidigenError
        In one line, where the file cannot be read or does not fit the model.
    """
    if not asked.of_song:
        raise ValueError("say what of the song is new: give keep, fill or vary")
    if asked.fill and asked.vary is not None:
        raise ValueError("fill and vary both say where the song is new: give one")
    source = read_source("song", path, grid, constraints.key)
    kept = choose_kept(source, asked.keep)
    stretches = tuple(read_fill(source, text) for text in asked.fill)
    if stretches:
        region = region_of(source, stretches)
    else:
        region = np.ones((source.outline.frames, columns_of(grid).parts), bool)
    for part in range(region.shape[1]):
        own = kept.rows[source.rows[source.notes.part == part]]
        if len(own) and own.all():
            region[:, part] = False  # nothing is added to what is kept as a whole
    task = Task(source, kept, region, stretches, asked.vary, constraints)
    task.check()
    return task
