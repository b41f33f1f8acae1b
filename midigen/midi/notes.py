"""The table of notes: what a MIDI file says, before any grid."""

import hashlib
from dataclasses import dataclass

import numpy as np

from midigen.files import whole

METRE = 64  # the most of either number that is read


def check_tempo(bpm, metre):
    """ValueError or TypeError for a tempo and a metre that no song can have; for headers of files, as `whole`."""
    if not 0 < bpm < 1e9:
        raise ValueError(f"a tempo of {bpm} bpm")
    numerator, denominator = metre
    whole(numerator, denominator)
    if not 1 <= numerator <= METRE or denominator not in (1, 2, 4, 8, 16, 32, METRE):
        raise ValueError(f"a metre of {numerator}/{denominator}")


@dataclass(frozen=True, eq=False)
class NoteTable:
    """The notes of one song, N of them, drums left out.

    notes: int64 (N, 4), columns start tick, end tick, pitch, velocity; sorted by start, then pitch.
    seconds: float64 (N, 2), start and end of the same notes under the song's tempo changes.
    bpm: quarter notes a minute, of the tempo that holds longest.  metre: (numerator, denominator), the first given.
    drums: how many notes of channel 10 were left out.  warnings: remarks on the file, for people.
    """

    notes: np.ndarray
    ticks_per_beat: int
    bpm: float
    metre: tuple[int, int]
    seconds: np.ndarray
    drums: int
    name: str
    warnings: tuple[str, ...] = ()

    def digest(self, unit="beat"):
        """Hex SHA-256 of the music, not of the file: a song saved again at another resolution keeps it.

        unit "beat" takes note times in beats; "seconds" in milliseconds, so that there the tempo counts too.
        """
        times = (
            self.notes[:, :2] / self.ticks_per_beat
            if unit == "beat"
            else np.rint(self.seconds * 1000)
        )
        rows = np.column_stack([times, self.notes[:, 2:]]).astype("<f8")
        return hashlib.sha256(rows[np.lexsort(rows.T[[3, 1, 2, 0]])].tobytes()).hexdigest()
