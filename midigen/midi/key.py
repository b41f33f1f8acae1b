"""The key of a song: how well its pitch classes fit the profiles of Krumhansl and Kessler."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.midi.notes import NoteTable

# how well pitch classes fit a major and a minor key (Krumhansl and Kessler, Psychological Review,
# 1982)
MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


class Key(NamedTuple):
    """A key.

    Parameters
    ----------
    tonic : int
        Pitch class, 0 is C.
    minor : bool
        The mode.
    """

    tonic: int
    minor: bool

    def __str__(self) -> str:
        """Name it.

        >>> str(Key(9, True))
        'A minor'
        """
        return f"{NAMES[self.tonic]} {'minor' if self.minor else 'major'}"

    def shift(self) -> int:
        """Return the semitones, -5..6, that move it to C major or A minor.

        >>> Key(7, False).shift(), Key(4, True).shift()
        (5, 5)
        """
        return ((9 if self.minor else 0) - self.tonic + 5) % 12 - 5

    @classmethod
    def of_shift(cls, shift: int, minor: bool) -> "Key":
        """Return the key that `shift` moves to C major or A minor.

        >>> str(Key.of_shift(5, False)), str(Key.of_shift(-2, True))
        ('G major', 'B minor')
        """
        return cls(((9 if minor else 0) - shift) % 12, minor)


def fit_keys(classes: NDArray) -> NDArray[np.float64]:
    """Correlate pitch classes with every key.

    Parameters
    ----------
    classes : NDArray, shape (12,)
        How long each pitch class sounds, C first; not all alike.

    Returns
    -------
    NDArray[np.float64], shape (12, 2)
        Correlation with the profile of each tonic, C first, in major and in minor.
    """
    deviations = classes - np.mean(classes)
    profiles = np.array(
        [[np.roll(p, tonic) for p in (MAJOR_PROFILE, MINOR_PROFILE)] for tonic in range(12)]
    )
    profiles -= profiles.mean(axis=2, keepdims=True)
    norms = np.sqrt((profiles**2).sum(axis=2) * (deviations**2).sum())
    fit: NDArray[np.float64] = profiles @ deviations / norms
    return fit


def find_key(classes: NDArray) -> Key:
    """Find the key that fits best; C major where nothing says which.

    Parameters
    ----------
    classes : NDArray, shape (12,)
        How long each pitch class sounds, C first.
    """
    if np.ptp(classes) == 0:
        return Key(0, False)
    tonic, minor = divmod(int(np.argmax(fit_keys(classes))), 2)
    return Key(tonic, bool(minor))


def key_of(table: NoteTable) -> Key:
    """Find the key of a song by the lengths of its pitched notes, in ticks."""
    lengths = table.notes[:, 1] - table.notes[:, 0]
    return find_key(np.bincount(table.notes[:, 2] % 12, lengths, minlength=12))
