"""Where the first bar begins, in files that begin within a bar and do not tell so.

Bars are where accents are: more notes begin there, longer and lower ones, and the harmony changes.
Each of these is averaged over all bars, by the place in the bar; where their sum is much larger at
another place than at the file's start, the music begins with a pickup.
"""

import numpy as np
from numpy.typing import NDArray

from midigen.midi.notes import NoteTable

UNITS = 4  # places a quarter note
BARS = 8  # that show it, or more
EVIDENCE = 1.25  # times the accent at the file's start, or more
LONGEST = 100_000  # units that are looked at

Profile = NDArray[np.float64]


def estimate_pickup(table: NoteTable) -> float:
    """Estimate the quarter notes ahead of the first whole bar, 0 where little speaks for any.

    Only a file of one metre that begins with a note is asked: rests at its start, or a short first
    bar, would tell.  A pickup is at most half a bar.

    Parameters
    ----------
    table : NoteTable
        The song.

    Returns
    -------
    float
        The length of the pickup.
    """
    numerator, denominator = table.metre
    bar, rest = divmod(4 * UNITS * numerator, denominator)
    if not len(table.notes):
        return 0.0
    times = table.notes[:, :2] * np.float64(UNITS / table.ticks_per_beat)
    units = np.rint(times).astype(np.int64)
    if rest or bar < 2 or units[0, 0] or len({metre[1:] for metre in table.metres}) > 1:
        return 0.0
    chosen = (np.abs(times[:, 0] - units[:, 0]) <= 0.1) & (units[:, 1] <= LONGEST)
    start, end, pitch = *units[chosen].T, table.notes[chosen, 2]
    end = np.maximum(end, start + 1)
    if not len(start) or end.max() < BARS * bar:
        return 0.0
    changes = _profile(_changes(start, end, pitch, bar), bar)
    accents = 2 * changes + sum(_profile(x, bar) for x in _beginnings(start, end, pitch, bar))
    place = int(np.argmax(accents))
    sure = accents[place] >= EVIDENCE * accents[0] and place == np.argmax(changes)
    return place / UNITS if sure and 2 * place <= bar else 0.0


def _profile(values: Profile, bar: int) -> Profile:
    """Average values of all units by their place in the bar; the mean place has 1."""
    place = np.arange(len(values)) % bar
    means = np.bincount(place, values, minlength=bar) / np.bincount(place, minlength=bar)
    return means / (means.mean() or 1.0)


def _beginnings(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64], bar: int
) -> tuple[Profile, Profile, Profile]:
    """Return of every unit how many notes begin, how long the longest is, and how low the lowest.

    Lengths count to a bar, lowness in semitones under the mean of all units' lowest notes.
    """
    count = int(end.max())
    notes = np.bincount(start, minlength=count).astype(np.float64)
    longest = np.zeros(count)
    np.maximum.at(longest, start, np.minimum(end - start, bar))
    lowest = np.full(count, 128.0)
    np.minimum.at(lowest, start, pitch)
    low = np.maximum(lowest[notes > 0].mean() - lowest, 0)
    return notes, longest, low


def _changes(
    start: NDArray[np.int64], end: NDArray[np.int64], pitch: NDArray[np.int64], bar: int
) -> Profile:
    """Return of every unit how much the harmony changes: 1 - the cosine of half a bar each side."""
    count, half = int(end.max()), bar // 2
    sounding = np.zeros((count + 1, 12))
    np.add.at(sounding, (start, pitch % 12), 1)
    np.add.at(sounding, (end, pitch % 12), -1)
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(np.cumsum(sounding, axis=0), axis=0)])
    spans = sums[half:] - sums[:-half]
    before, after = spans[:-half], spans[half:]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    alike = (before * after).sum(axis=1) / np.where(norms, norms, 1)
    change = np.zeros(count)
    inside = slice(half, min(count, half + len(alike)))
    change[inside] = np.where(norms > 0, 1 - alike, 0)[: inside.stop - inside.start]
    return change
