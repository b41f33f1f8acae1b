"""A corpus: songs as rolls, split into train, valid and test, with the story of every input, in one file."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from midigen import files
from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.notes import check_tempo

KIND, VERSION = "corpus", 1
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Song:
    """One song as a roll: uint8 (T, V) of 0 and 1 or of velocities 0..127, T frames and V = grid.channels.

    digest is the hex SHA-256 of the music itself (not of the file); bpm is quarter notes a minute.
    """

    name: str
    split: str
    digest: str
    bpm: float
    metre: tuple[int, int]
    roll: np.ndarray


@dataclass(frozen=True, eq=False)
class Corpus:
    """Songs on one grid, and a manifest: a dict for each input, with its verdict and reason.

    Songs are put in the order of their digests, so that the order of the inputs changes nothing.
    """

    grid: Grid
    songs: list[Song]
    manifest: list[dict] = field(default_factory=list)

    def __post_init__(self):
        object.__setattr__(
            self, "songs", sorted(self.songs, key=lambda s: (s.digest, s.split, s.name))
        )

    @cached_property
    def digest(self):
        """Hex SHA-256 over the grid and every song's digest and split: the same songs and settings, the same digest."""
        content = [self.grid.to_json(), [[s.digest, s.split] for s in self.songs]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def rolls(self, split):
        """The rolls of one split, "train", "valid" or "test": a list of uint8 (T, V)."""
        return [song.roll for song in self.songs if song.split == split]

    def statistics(self):
        """Figures over all splits, as a dict.

        songs, frames: counts.  notes_per_frame: mean number of pitches that sound.  empty_share: share of frames that
        are silent.  longest_hold: most frames in a row, in any song, that are alike.  bpm: median.
        metre: the most common.  velocity_mean, velocity_deviation: over all frames and sounding pitches of a corpus
        with velocities, and not there otherwise.
        """
        pitches = self.grid.pitches
        frames = sum(len(song.roll) for song in self.songs)
        sounding = [(song.roll[:, :pitches] > 0).sum(axis=1) for song in self.songs]
        return {
            **self._velocity_statistics(),
            "songs": len(self.songs),
            "frames": frames,
            "notes_per_frame": sum(int(s.sum()) for s in sounding) / max(frames, 1),
            "empty_share": sum(int((s == 0).sum()) for s in sounding) / max(frames, 1),
            "longest_hold": max((longest_hold(song.roll) for song in self.songs), default=0),
            "bpm": float(np.median([song.bpm for song in self.songs])) if self.songs else 120.0,
            "metre": Counter(song.metre for song in self.songs).most_common(1)[0][0]
            if self.songs
            else (4, 4),
        }

    def _velocity_statistics(self):
        if self.grid.values != "velocity":
            return {}
        counts = sum(
            (
                np.bincount(song.roll[:, : self.grid.pitches].ravel(), minlength=128)
                for song in self.songs
            ),
            np.zeros(128, np.int64),
        )
        mean, deviation = velocity_moments(counts)
        return {"velocity_mean": mean, "velocity_deviation": deviation}

    def save(self, path):
        """Write the corpus to one file, atomically (docs/file-formats.md)."""
        offsets = np.cumsum([0] + [len(song.roll) for song in self.songs], dtype=np.int64)
        rolls = np.concatenate(
            [np.zeros((0, self.grid.channels), np.uint8), *(song.roll for song in self.songs)]
        )
        tensor = (
            {"values": rolls}
            if self.grid.values == "velocity"
            else {"rolls": np.packbits(rolls, axis=1)}
        )
        songs = [
            {
                "name": s.name,
                "split": s.split,
                "digest": s.digest,
                "bpm": s.bpm,
                "metre": list(s.metre),
            }
            for s in self.songs
        ]
        files.save(
            path,
            KIND,
            VERSION,
            {**tensor, "offsets": offsets},
            {
                "grid": self.grid.to_json(),
                "songs": songs,
                "manifest": self.manifest,
                "digest": self.digest,
            },
        )

    @classmethod
    def load(cls, path):
        """Read a corpus file.  Raises MidigenError, in one line, where it is missing, damaged or something else."""
        tensors, header = files.load(path, KIND, VERSION)
        try:
            grid = Grid.from_json(header["grid"])
            files.whole(grid.steps_per_beat, grid.low, grid.high)
            songs = _unpack(tensors, header["songs"], grid)
            return cls(grid, songs, list(header["manifest"]))
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise MidigenError(
                f"{path} is damaged ({type(e).__name__}: {e}): make it again"
            ) from None


def _unpack(tensors, entries, grid):
    """Rows of velocities (sum T, V), or bit-packed ones (sum T, ceil(V/8)) -> a list of Song."""
    velocities, offsets = grid.values == "velocity", tensors["offsets"]
    rolls, width = (
        (tensors["values"], grid.channels)
        if velocities
        else (tensors["rolls"], -(-grid.channels // 8))
    )
    if (
        rolls.dtype != np.uint8
        or rolls.ndim != 2
        or rolls.shape[1] != width
        or (velocities and (rolls > 127).any())
    ):
        raise ValueError("the rolls do not fit the grid")
    if (
        offsets.dtype != np.int64
        or offsets.shape != (len(entries) + 1,)
        or offsets[0] != 0
        or offsets[-1] != len(rolls)
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError("the offsets do not fit the songs")
    songs = []
    for entry, start, end in zip(entries, offsets[:-1], offsets[1:], strict=True):
        if entry["split"] not in SPLITS:
            raise ValueError(f"no split is called {entry['split']!r}")
        roll = (
            rolls[start:end]
            if velocities
            else np.unpackbits(rolls[start:end], axis=1, count=grid.channels)
        )
        check_tempo(entry["bpm"], entry["metre"])
        songs.append(
            Song(
                entry["name"],
                entry["split"],
                entry["digest"],
                float(entry["bpm"]),
                tuple(entry["metre"]),
                roll,
            )
        )
    return songs


def longest_hold(roll):
    """Length, in frames, of the longest run of rows of a roll (T, V) with the same notes, whatever their velocities."""
    if not len(roll):
        return 0
    sounding = roll > 0
    changes = np.flatnonzero((sounding[1:] != sounding[:-1]).any(axis=1)) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(roll)]])).max())


def velocity_moments(counts):
    """Mean and standard deviation of the velocities over 0, from how often each of 0..127 occurs; 0 where none does."""
    sounding, velocity = counts[1:], np.arange(1, len(counts))
    total = max(int(sounding.sum()), 1)
    mean = float(sounding @ velocity) / total
    return mean, float(np.sqrt(sounding @ (velocity - mean) ** 2 / total))
