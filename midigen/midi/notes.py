"""The table of notes: what a MIDI file says, before any grid."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from midigen.config import DENOMINATORS, MAX_METRE
from midigen.files import whole


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
    if not 1 <= numerator <= MAX_METRE or denominator not in DENOMINATORS:
        raise ValueError(f"a metre of {numerator}/{denominator}")


@dataclass(frozen=True)
class Track:
    """The notes of one track of a file on one channel.

    Parameters
    ----------
    name : str
        What the file calls the track, "" where it does not.
    program : int
        General MIDI instrument of most of its notes.
    drums : bool
        Whether it is on channel 10, whose pitches are drums.
    """

    name: str = ""
    program: int = 0
    drums: bool = False


def _no_notes() -> NDArray[np.int64]:
    return np.zeros((0, 4), np.int64)


def _no_times() -> NDArray[np.float64]:
    return np.zeros((0, 2))


@dataclass(frozen=True, eq=False)
class NoteTable:
    """The notes of one song; those of drums are in a table of their own.

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
    name : str
        The file's name.
    warnings : tuple of str
        Remarks on the file.
    tracks : tuple of Track
        Where the notes are from.
    track : NDArray[np.int64], shape (N,)
        The number of each note's track, in `tracks`; all are of track 0 if left out.
    drum_notes : NDArray[np.int64], shape (M, 4)
        The notes of channel 10, as `notes` has the others.
    drum_seconds : NDArray[np.float64], shape (M, 2)
        Their start and end.
    metres : tuple of (int, int, int)
        Every time signature: its tick, numerator and denominator; sorted by tick.  Without one in
        the file there is none here.
    keys : tuple of (int, str)
        Every key signature: its tick and name, such as "Bbm"; sorted by tick.
    text : str
        What `midigen generate` has written of how it made the song, "" in other files.
    """

    notes: NDArray[np.int64]
    ticks_per_beat: int
    bpm: float
    metre: tuple[int, int]
    seconds: NDArray[np.float64]
    name: str
    warnings: tuple[str, ...] = ()
    tracks: tuple[Track, ...] = (Track(),)
    track: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    drum_notes: NDArray[np.int64] = field(default_factory=_no_notes)
    drum_seconds: NDArray[np.float64] = field(default_factory=_no_times)
    metres: tuple[tuple[int, int, int], ...] = ()
    keys: tuple[tuple[int, str], ...] = ()
    text: str = ""

    def __post_init__(self) -> None:
        """Give all notes to track 0 where nothing is said of tracks."""
        if len(self.track) != len(self.notes):
            object.__setattr__(self, "track", np.zeros(len(self.notes), np.int64))

    @property
    def drums(self) -> int:
        """How many notes are on channel 10."""
        return len(self.drum_notes)

    def digest(self, unit: str = "beat") -> str:
        """Compute the hexadecimal SHA-256 of the music, whatever the file's resolution and tracks.

        Drums do not count.

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
