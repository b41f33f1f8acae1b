"""A song as everything that judges songs sees it: notes on frames, beats and bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import lcm

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.corpus import Song
from midigen.midi.roll import roll_to_notes

SECTION = 8  # bars in which pitches and scales are counted: a long song is not said to use more
PITCHES = 128


@dataclass(frozen=True, eq=False)
class Piece:
    """One song.

    Parameters
    ----------
    name : str
        The song's name.
    notes : NDArray[np.int64], shape (N, 3)
        Start frame, end frame and MIDI pitch; sorted by start, then pitch.
    frames : int
        T, its length.
    beat : float
        Frames in a quarter note.
    bar : int
        Frames in a bar, rounded.
    pickup : int
        Frames that the first bar lacks at its start.
    by_beats : bool
        Whether frames follow the beat; else they follow the clock, and notes fall on beats by
        chance.
    """

    name: str
    notes: NDArray[np.int64]
    frames: int
    beat: float
    bar: int
    pickup: int = 0
    by_beats: bool = True

    @classmethod
    def of(
        cls,
        name: str,
        roll: NDArray[np.uint8],
        grid: Grid,
        bpm: float,
        metre: tuple[int, int],
        pickup: int = 0,
    ) -> Piece:
        """Make a Piece of a roll.

        Parameters
        ----------
        name : str
            The song's name.
        roll : NDArray[np.uint8], shape (T, grid.channels)
            The song; drums of a roll with parts are left out.
        grid : Grid
            What its frames and columns stand for.
        bpm : float
            Quarter notes a minute.
        metre : tuple of int
            Numerator and denominator.
        pickup : int
            Frames that the first bar lacks at its start.
        """
        beat = 60 / bpm / grid.frame_seconds(bpm)
        bar = max(1, round(beat * 4 * metre[0] / metre[1]))
        notes = roll_to_notes(roll, grid)
        return cls(name, notes, len(roll), beat, bar, pickup, grid.unit == "beat")

    @classmethod
    def of_song(cls, song: Song, grid: Grid) -> Piece:
        """Make a Piece of a song of a corpus."""
        pickup = song.outline.pickup
        return cls.of(song.name, song.roll, grid, song.bpm, song.metre, pickup)

    @cached_property
    def sounding(self) -> NDArray[np.bool_]:
        """Which pitches sound in which frame: (T, 128)."""
        return self._sound()

    @cached_property
    def onsets(self) -> NDArray[np.bool_]:
        """Which pitches begin in which frame: (T, 128)."""
        onsets = np.zeros((self.frames, PITCHES), bool)
        onsets[self.notes[:, 0], self.notes[:, 2]] = True
        return onsets

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """Frames in which notes begin: (S,)."""
        return np.unique(self.notes[:, 0])

    @cached_property
    def top(self) -> NDArray[np.int64]:
        """The top line, notes that begin while no higher one sounds: frame and pitch, (M, 2)."""
        # not the cached array: a collection of songs keeps its top lines, and no frames
        highest = highest_pitch(self._sound())
        starts, pitches = self.notes[:, 0], self.notes[:, 2]
        return np.unique(self.notes[highest[starts] == pitches][:, [0, 2]], axis=0)

    def fine(self) -> Piece:
        """Return the song up to the end of its last note, on frames that show sixteenths.

        A beat has a multiple of 4 frames then.  On one frame a beat, and by the clock, frames stay
        as they are, as nothing is known of what happens within a beat.
        """
        steps = round(self.beat)
        times = lcm(steps, 4) // steps if self.by_beats and steps > 1 else 1
        notes = self.notes * np.array([times, times, 1])
        end = int(notes[:, 1].max(initial=0))
        sizes = self.beat * times, self.bar * times, self.pickup * times
        return Piece(self.name, notes, end, *sizes, self.by_beats)

    def sections(self) -> list[NDArray[np.bool_]]:
        """Return what sounds in stretches of SECTION bars, or in a shorter song.

        They begin half a stretch apart: (.., 128) each.
        """
        length, first = SECTION * self.bar, self.pickup
        starts = range(0, max(first + self.frames - length, 0) + 1, max(length // 2, 1))
        return [self.sounding[max(i - first, 0) : i - first + length] for i in starts]

    def bars(self, marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the frames of each whole bar, of marks (T, P), as a row: (bars, bar * P)."""
        count = (self.pickup + self.frames) // self.bar
        before = np.zeros((self.pickup, marks.shape[1]), bool)
        frames = np.concatenate([before, marks])[: count * self.bar]
        return frames.reshape(count, self.bar * marks.shape[1])

    def _sound(self) -> NDArray[np.bool_]:
        change = np.zeros((self.frames + 1, PITCHES), np.int16)
        np.add.at(change, (self.notes[:, 0], self.notes[:, 2]), 1)
        np.add.at(change, (self.notes[:, 1], self.notes[:, 2]), -1)
        return np.cumsum(change, axis=0, out=change)[:-1] > 0


def highest_pitch(sounding: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the highest pitch that sounds in each frame of (T, 128), -1 in silence: (T,)."""
    highest = PITCHES - 1 - sounding[:, ::-1].argmax(axis=1)
    return np.where(sounding.any(axis=1), highest, -1)


def pitch_classes(sounding: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return in how many frames of (T, 128) each pitch class sounds, C first: (12,)."""
    count = np.zeros(PITCHES + 4, np.int64)
    count[:PITCHES] = sounding.sum(axis=0)
    return count.reshape(-1, 12).sum(axis=0)
