"""The table of notes: what a MIDI file says, before any grid."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midigen.files import whole

MAX_METRE = 64  # of numerator and denominator


def check_tempo(bpm: float, metre: tuple[int, int]) -> None:
    """Check a tempo and a metre from the header of a file.

    Parameters
    ----------
    bpm : float
        Quarter notes a minute.
    metre : tuple of int
        Numerator and denominator.

    Raises
    ------
    ValueError
        For a tempo or a metre that no song can have.
    TypeError
        For something else than numbers.
    """
    if not 0 < bpm < 1e9:
        raise ValueError(f"a tempo of {bpm} bpm")
    numerator, denominator = metre
    whole(numerator, denominator)
    if not 1 <= numerator <= MAX_METRE or denominator not in (1, 2, 4, 8, 16, 32, MAX_METRE):
        raise ValueError(f"a metre of {numerator}/{denominator}")


@dataclass(frozen=True, eq=False)
class NoteTable:
    """The notes of one song, drums left out.

    Parameters
    ----------
    notes : NDArray[np.int64], shape (N, 4)
        Start tick, end tick, pitch and velocity; sorted by start, then pitch.
    ticks_per_beat : int
        Ticks in a quarter note.
    bpm : float
        Quarter notes a minute, of the tempo that holds longest.
    metre : tuple of int
        Numerator and denominator, the first in the file.
    seconds : NDArray[np.float64], shape (N, 2)
        Start and end of the same notes, under the song's tempo changes.
    drums : int
        How many notes of channel 10 were left out.
    name : str
        The file's name.
    warnings : tuple of str
        Remarks on the file.
    """

    notes: NDArray[np.int64]
    ticks_per_beat: int
    bpm: float
    metre: tuple[int, int]
    seconds: NDArray[np.float64]
    drums: int
    name: str
    warnings: tuple[str, ...] = ()

    def digest(self, unit: str = "beat") -> str:
        """Compute the hexadecimal SHA-256 of the music, whatever the file's resolution and tracks.

        Parameters
        ----------
        unit : str
            "beat" for the times of notes in beats; "seconds" for milliseconds, where the tempo
            counts, too.
        """
        if unit == "beat":
            times = self.notes[:, :2] / self.ticks_per_beat
        else:
            times = np.rint(self.seconds * 1000)
        rows = np.column_stack([times, self.notes[:, 2:]]).astype("<f8")
        return hashlib.sha256(rows[np.lexsort(rows.T[[3, 1, 2, 0]])].tobytes()).hexdigest()
