"""How loud the notes of songs are, part by part: what is kept of it for new songs.

A velocity is taken apart: the level of its part (of drums, of each drum), an accent by its place in
the bar, a swell from bar to bar, what differs from one onset to the next, and within a chord.
"""

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.midi.roll import PartNotes
from midigen.outline import Outline

# places in a bar: its first frame, its middle, other beats, halves (of three eighths, thirds) of a
# beat, all else; without bars all are beats
PLACES = ("downbeat", "middle", "beat", "off-beat", "between")
DOWNBEAT, MIDDLE, BEAT, OFF_BEAT, BETWEEN = range(len(PLACES))
MOST = 1000.0  # that a level may be: one over 127 is out of range by the place of its drum alone
FEW = 8.0  # notes: what is told by as many counts half

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Dynamics:
    """How loud the notes of one part are, in velocities; 0 stands for what songs do not tell.

    Parameters
    ----------
    level : float
        Mean of all notes.
    accents : tuple of float
        By which notes at each of PLACES are louder than their song's mean (of drums, that drum's).
    spread : tuple of float
        Standard deviation at each of PLACES, from onset to onset within a bar.
    swell : float
        Standard deviation from bar to bar within a song.
    chord : float
        Standard deviation within notes that begin together.
    drums : tuple of (int, float)
        Of drums the pitch and the level of each: its mean is that and the accents of its places.

    Raises
    ------
    ValueError, TypeError
        For what no songs tell, as a header may hold any JSON.
    """

    level: float
    accents: tuple[float, ...] = (0.0,) * len(PLACES)
    spread: tuple[float, ...] = (0.0,) * len(PLACES)
    swell: float = 0.0
    chord: float = 0.0
    drums: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers."""
        numbers = [self.level, *self.accents, *self.spread, self.swell, self.chord]
        numbers += [level for _, level in self.drums]
        if not all(abs(number) <= MOST for number in numbers):
            raise ValueError("dynamics that no notes have")
        if {len(self.accents), len(self.spread)} != {len(PLACES)}:
            raise ValueError(f"dynamics of other places than {', '.join(PLACES)}")
        if not all(0 <= operator.index(pitch) <= 127 for pitch, _ in self.drums):
            raise ValueError("dynamics of drums that there are not")

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Dynamics":
        """Read what `to_json` gave; ValueError, TypeError or KeyError for something else."""
        return cls(
            data["level"],
            tuple(data["accents"]),
            tuple(data["spread"]),
            data["swell"],
            data["chord"],
            tuple((pitch, level) for pitch, level in data["drums"]),
        )


def dynamics_from_json(data: Mapping[str, Any]) -> dict[str, Dynamics]:
    """Read the dynamics of parts by their names; raises what `Dynamics.from_json` does."""
    return {name: Dynamics.from_json(own) for name, own in data.items()}


class Places(NamedTuple):
    """Where each frame of a song lies.

    Parameters
    ----------
    kind : ndarray of int64 (T,)
        Its number in PLACES.
    bar : ndarray of int64 (T,)
        The number of its bar; without bars they are four beats of 120 a minute.
    """

    kind: Int64
    bar: Int64


def places_of(outline: Outline, grid: Grid) -> Places:
    """Say where each frame of a song lies in its bars.

    >>> grid = Grid(steps_per_beat=2)
    >>> places_of(Outline(8, ((0, 4, 4),)), grid).kind.tolist()
    [0, 3, 2, 3, 1, 3, 2, 3]
    >>> places_of(Outline(7, ((0, 6, 8),), pickup=5), grid).kind.tolist()
    [3, 0, 3, 3, 2, 3, 3]
    """
    frames = np.arange(outline.frames)
    starts = outline.bar_starts(grid)
    if not len(starts):
        length = round(2 / grid.step) if grid.unit == "seconds" else 4 * grid.steps_per_beat
        return Places(np.full(len(frames), BEAT), frames // max(length, 1))
    bar = np.searchsorted(starts, frames, side="right") - 1
    within = frames - starts[bar]
    metre = np.searchsorted([frame for frame, _, _ in outline.metres], frames, side="right") - 1
    kind = np.full(len(frames), BETWEEN)
    for number, (_, numerator, denominator) in enumerate(outline.metres):
        thirds = denominator >= 8 and numerator > 3 and numerator % 3 == 0
        frames_a_beat = (3 if thirds else 1) * 4 * grid.steps_per_beat / denominator
        beats = numerator // 3 if thirds else numerator
        at = within[metre == number] / frames_a_beat
        on_beat, on_part = (
            np.abs(n * at - np.rint(n * at)) < 1e-6 for n in (1, 3 if thirds else 2)
        )
        is_middle = (beats >= 4) & (2 * np.rint(at) == beats)
        kind[metre == number] = np.select(
            [at == 0, on_beat & is_middle, on_beat, on_part],
            [DOWNBEAT, MIDDLE, BEAT, OFF_BEAT],
            BETWEEN,
        )
    return Places(kind, bar)


def means_of(group: Int64, values: NDArray[Any]) -> Float64:
    """Return the mean of each value's group, (N,); group (N,) numbers from 0."""
    counts = np.bincount(group)
    means: Float64 = np.bincount(group, values) / np.maximum(counts, 1)
    return means[group]


class Listener:
    """Hears the notes of songs, one song after the other, and tells the dynamics of a part.

    Parameters
    ----------
    by_drum : bool
        Whether pitches are drums, each of which has a level of its own.

    Attributes
    ----------
    songs : int
        How many songs had notes of the part.
    """

    def __init__(self, by_drum: bool = False) -> None:
        self._by_drum = by_drum
        self.songs = self._varied = 0
        # number and sum of velocities, by drum, and of how much louder than their song's mean they
        # are, by drum and place; all but drums count as drum 0
        self._velocities = np.zeros((2, 128))
        self._louder = np.zeros((2, 128, len(PLACES)))
        self._spread = np.zeros((2, len(PLACES)))  # number and sum of squares
        self._swell = self._chord = 0.0  # sums of squares

    def hear(self, notes: PartNotes, places: Places) -> None:
        """Hear the part's notes in one song."""
        some = notes.start < len(places.kind)  # not what had no place in the roll
        start, velocity = notes.start[some], notes.velocity[some]
        if not len(start):
            return
        self.songs += 1
        drum = notes.pitch[some] if self._by_drum else np.zeros(len(start), np.int64)
        self._velocities += _number_and_sum(drum, velocity, 128)
        if (velocity == means_of(drum, velocity)).all():
            return
        self._varied += 1
        kind = places.kind[start]
        cell, louder = drum * len(PLACES) + kind, velocity - velocity.mean()
        self._louder += _number_and_sum(cell, louder, self._louder[0].size).reshape(2, 128, -1)
        rest = louder - means_of(cell, louder)
        of_bar, of_onset = means_of(places.bar[start], rest), means_of(start, rest)
        self._swell += float((of_bar**2).sum())
        self._chord += float(((rest - of_onset) ** 2).sum())
        self._spread += _number_and_sum(kind, (of_onset - of_bar) ** 2, len(PLACES))

    def tell(self) -> Dynamics:
        """Return the dynamics of the songs, of one or more that have notes of the part.

        Where in most of them all is equally loud (of drums, each drum), that is levels alone.
        """
        counts, sums = self._velocities
        level = sums.sum() / counts.sum()
        levels = sums / np.maximum(counts, 1)
        accents = spread = np.zeros(len(PLACES))
        swell = chord = 0.0
        if 2 * self._varied >= self.songs:
            above, accents = self._fit()
            heard = self._louder[0].any(axis=1)
            levels[heard] = level + above[heard]
            total = self._spread[0].sum()
            mean_square = self._spread[1].sum() / total
            spread = np.sqrt((self._spread[1] + FEW * mean_square) / (self._spread[0] + FEW))
            swell, chord = np.sqrt([self._swell / total, self._chord / total]).tolist()
        drums = np.flatnonzero(counts).tolist() if self._by_drum else []
        return Dynamics(
            round(level, 2),
            tuple(np.round(accents, 2).tolist()),
            tuple(np.round(spread, 2).tolist()),
            round(swell, 2),
            round(chord, 2),
            tuple((drum, round(float(levels[drum]), 2)) for drum in drums),
        )

    def _fit(self) -> tuple[Float64, Float64]:
        """Fit loudness by drum and accents by place together, by least squares: (128,) and (5,).

        A bass drum that is hit on downbeats alone has not both.  Accents are 0 in the mean of all
        notes, and drawn to 0 as by FEW notes.
        """
        number, total = self._louder
        of_drum, of_place = number.sum(axis=1), number.sum(axis=0)
        none = np.zeros((128, 1))
        normal = np.block(
            [
                [np.diag(np.maximum(of_drum, 1)), number, none],
                [number.T, np.diag(of_place + FEW), of_place[:, None]],
                [none.T, of_place, np.zeros((1, 1))],
            ]
        )
        right = np.concatenate([total.sum(axis=1), total.sum(axis=0), [0.0]])
        above, accents, _ = np.split(np.linalg.solve(normal, right), [128, 128 + len(PLACES)])
        return above, accents


def _number_and_sum(group: Int64, values: NDArray[Any], groups: int) -> Float64:
    """Return how many values each group has, and their sum: (2, groups)."""
    return np.stack(
        [np.bincount(group, minlength=groups), np.bincount(group, values, minlength=groups)]
    )
