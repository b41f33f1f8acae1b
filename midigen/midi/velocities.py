"""Velocities for notes that have none: by the dynamics of the songs that a model learned from.

What songs do not tell, as their velocities are all alike, has a default, so that no song is flat.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid, Part
from midigen.midi.dynamics import PLACES, Dynamics, means_of, places_of
from midigen.midi.parts import CHORDS, LONE, MELODY
from midigen.outline import Outline

FLAT = 0.5  # velocities that differ by less tell nothing
LOUDEST = 127
MOST = 2.5  # standard deviations that anything is off
SWELL_BARS = 4  # from one turning point to the next

# the defaults
LEVEL = 80.0
ABOVE = {MELODY: 6.0, CHORDS: -6.0}  # that level
KICKS, SNARES, CRASHES = (35, 36), (37, 38, 39, 40), (49, 52, 55, 57)
HATS, RIDES, SHAKERS = (42, 44, 46), (51, 53, 59), (54, 69, 70, 82)
DRUMS_ABOVE = {KICKS: 8, SNARES: 6, CRASHES: 6, RIDES: -6, HATS: -10, SHAKERS: -12}
ACCENTS = (9.0, 4.0, 0.0, -6.0, -9.0)  # at each of PLACES
SPREAD, SWELL, CHORD = 3.0, 3.0, 1.5
CHORD_MOST = 4.0  # voices of songs differ by more, but each for a reason

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


def give_velocities(
    notes: Sequence[Int64],
    grid: Grid,
    outline: Outline,
    dynamics: Mapping[str, Dynamics] | None = None,
    mean: float | None = None,
    rng: np.random.Generator | None = None,
) -> list[Int64]:
    """Say how loud each note of a song is.

    Parameters
    ----------
    notes : sequence of ndarray of int64 (N, 3)
        For every part start frame, end frame and pitch: `midigen.midi.roll.part_notes`.
    grid : Grid
    outline : Outline
        Of the song.
    dynamics : mapping of str to Dynamics
        Of parts, by their names; the defaults for those that it lacks.
    mean : float, optional
        Mean velocity of all notes, 1..127; what the dynamics say if left out.  Where some would
        leave 1..127, all are drawn to the mean, by half at most; what is still out moves the mean.
    rng : np.random.Generator, optional
        For what varies; nothing does without.

    Returns
    -------
    list of ndarray of int64 (N,)
        For every part, 1..127 each.
    """
    parts = grid.parts or (Part(LONE, grid.low, grid.high),)
    played = with_defaults(parts, dynamics or {})
    places = places_of(outline, grid)
    swell = _swell(places.bar, rng)
    found = []
    for own, (start, _, pitch) in zip(played, (part.T for part in notes), strict=True):
        kind = places.kind[start]
        accents, spread = np.array(own.accents)[kind], np.array(own.spread)[kind]
        begins, onset = np.unique(start, return_inverse=True)
        together, alone = _noise(rng, len(begins))[onset], _noise(rng, len(onset))
        levels = np.full(128, own.level, np.float64)
        for drum, level in own.drums:
            levels[drum] = level
        found.append(
            levels[pitch]
            + accents
            - (accents.mean() if len(accents) else 0.0)
            + own.swell * swell[start]
            + spread * together
            + own.chord * (alone - means_of(onset, alone))
        )
    return _within_range(found, mean)


def with_defaults(parts: Sequence[Part], dynamics: Mapping[str, Dynamics]) -> list[Dynamics]:
    """Return the dynamics of parts, with defaults for what songs do not tell.

    That is what differs by less than FLAT; accents and spread go together.  Where all parts are
    equally loud, the melody becomes louder than the chords.
    """
    levels = [dynamics[part.name].level for part in parts if part.name in dynamics] or [LEVEL]
    equal = np.ptp(levels) < FLAT
    played = []
    for part in parts:
        own = dynamics.get(part.name, Dynamics(float(np.mean(levels))))
        level, drums = own.level, own.drums
        if part.kind == "drums" and np.ptp([level for _, level in drums] or [0.0]) < FLAT:
            drums = tuple(
                (drum, level + above) for group, above in DRUMS_ABOVE.items() for drum in group
            )
        is_told = max(*map(abs, own.accents), *own.spread) >= FLAT
        played.append(
            Dynamics(
                level + (ABOVE.get(part.name, 0.0) if equal else 0.0),
                own.accents if is_told else ACCENTS,
                own.spread if is_told else (SPREAD,) * len(PLACES),
                own.swell if own.swell >= FLAT else SWELL,
                min(own.chord, CHORD_MOST) if own.chord >= FLAT else CHORD,
                drums,
            )
        )
    return played


def _noise(rng: np.random.Generator | None, size: int) -> Float64:
    """Draw normal numbers, none beyond MOST; zeros without a generator."""
    if rng is None:
        return np.zeros(size)
    return np.clip(rng.standard_normal(size), -MOST, MOST)


def _swell(bar: Int64, rng: np.random.Generator | None) -> Float64:
    """Draw a curve, one value a frame, with a turning point every SWELL_BARS bars; bar (T,)."""
    if not len(bar):
        return np.zeros(0)
    turns = np.searchsorted(bar, np.arange(0, bar[-1] + SWELL_BARS, SWELL_BARS))
    # between two turning points it varies less than at them: by two thirds in the mean
    return np.interp(np.arange(len(bar)), turns, np.sqrt(1.5) * _noise(rng, len(turns)))


def _within_range(velocities: list[Float64], mean: float | None) -> list[Int64]:
    """Round velocities to 1..127, as near to a mean as they can be: see `give_velocities`."""
    everything = np.concatenate([np.zeros(0), *velocities])
    if not len(everything):
        return [np.zeros(0, np.int64) for _ in velocities]
    middle, least, most = everything.mean(), everything.min(), everything.max()
    mean = middle if mean is None else mean
    room = min((mean - 1) / max(middle - least, 1e-9), (LOUDEST - mean) / max(most - middle, 1e-9))
    share = min(max(room, 0.5), 1.0)
    least, most = mean - share * (middle - least), mean + share * (most - middle)
    mean += max(1 - least, 0) - max(most - LOUDEST, 0)
    return [
        np.clip(np.rint(mean + share * (own - middle)), 1, LOUDEST).astype(np.int64)
        for own in velocities
    ]
