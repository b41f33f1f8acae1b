"""A corpus: songs as rolls, split into train, valid and test, in one file.

It also holds a manifest, which says what became of every input.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen import files
from midigen.columns import columns_of
from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.dynamics import Dynamics, dynamics_from_json
from midigen.midi.notes import check_tempo
from midigen.midi.roll import sounding
from midigen.outline import Metre, Outline

KIND, VERSION = "corpus", 2
SPLITS = ("train", "valid", "test")
_PLAIN = Outline(0)


@dataclass(frozen=True, eq=False)
class Song:
    """One song as a roll.

    Parameters
    ----------
    name : str
        The file's name.
    split : str
        "train", "valid" or "test".
    digest : str
        Hexadecimal SHA-256 of the music itself, not of the file.
    bpm : float
        Quarter notes a minute.
    metre : tuple of int
        Numerator and denominator.
    roll : NDArray[np.uint8], shape (T, V)
        T frames, V = grid.channels; 0 and 1, or velocities 0..127.
    outline : Outline
        What is known of the song ahead; if left out, its length and metre alone.
    """

    name: str
    split: str
    digest: str
    bpm: float
    metre: tuple[int, int]
    roll: NDArray[np.uint8]
    outline: Outline = _PLAIN

    def __post_init__(self) -> None:
        """Make the outline that is left out."""
        if self.outline is _PLAIN:
            plain = Outline(len(self.roll), ((0, *self.metre),))
            object.__setattr__(self, "outline", plain)


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """Songs on one grid.

    Songs are sorted by their digests, so that the order of the inputs changes nothing.

    Parameters
    ----------
    grid : Grid
        What the frames and columns of the rolls stand for.
    songs : list of Song
        The songs, in any order.
    manifest : list of dict
        An entry for each input, with its verdict and reason; docs/file-formats.md lists the keys.
    dynamics : dict of str to Dynamics
        How loud the notes of each part are in all songs, where that is known.
    """

    grid: Grid
    songs: list[Song]
    manifest: list[dict[str, Any]] = field(default_factory=list)
    dynamics: dict[str, Dynamics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the songs."""
        songs = sorted(self.songs, key=lambda song: (song.digest, song.split, song.name))
        object.__setattr__(self, "songs", songs)

    def __repr__(self) -> str:
        """Say in one line what this is."""
        unit = f"{self.grid.steps_per_beat} frames a beat"
        if self.grid.unit == "seconds":
            unit = f"{self.grid.step:g} s a frame"
        songs = f"{len(self.songs):,} song{'s'[: len(self.songs) != 1]}"
        columns = ", ".join(part.name for part in self.grid.parts)
        columns = columns or f"{self.grid.pitches} pitches"
        return (
            f"Corpus({songs}, {self.frames:,} frames, {columns}, {unit}, digest {self.digest[:8]})"
        )

    @property
    def frames(self) -> int:
        """Number of frames of all songs."""
        return sum(len(song.roll) for song in self.songs)

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 over the grid and every song's digest and split."""
        content = [self.grid.to_json(), [[song.digest, song.split] for song in self.songs]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def of_split(self, split: str) -> list[Song]:
        """Return the songs of one split, "train", "valid" or "test"."""
        return [song for song in self.songs if song.split == split]

    @property
    def _parts(self) -> int:
        return columns_of(self.grid).parts

    def rolls(self, split: str) -> list[NDArray[np.uint8]]:
        """Return the rolls (T, V) of one split, "train", "valid" or "test"."""
        return [song.roll for song in self.songs if song.split == split]

    def statistics(self) -> dict[str, Any]:
        """Compute figures over all splits.

        Returns
        -------
        dict
            songs, frames: counts.
            notes_per_frame: mean number of pitches that sound, in all parts but drums.
            empty_share: share of frames that are silent.
            longest_hold: most frames in a row, in any song, that are alike.
            bpm: median.
            metre: the most common.
            velocity_mean, velocity_deviation: over all frames and sounding pitches; only in a
            corpus with velocities.
        """
        frames = self.frames
        heard = [sounding(song.roll, self.grid) for song in self.songs]
        counts = [pitches.sum(axis=1) for pitches in heard]
        bpm, metre = 120.0, (4, 4)
        if self.songs:
            bpm = float(np.median([song.bpm for song in self.songs]))
            metre = Counter(song.metre for song in self.songs).most_common(1)[0][0]
        return {
            **self._velocity_statistics(),
            "songs": len(self.songs),
            "frames": frames,
            "notes_per_frame": sum(int(c.sum()) for c in counts) / max(frames, 1),
            "empty_share": sum(int((c == 0).sum()) for c in counts) / max(frames, 1),
            "longest_hold": max(
                # columns of a part tell where a note begins: what sounds is what is alike
                longest_hold(pitches if self.grid.parts else song.roll)
                for pitches, song in zip(heard, self.songs, strict=True)
            )
            if self.songs
            else 0,
            "bpm": bpm,
            "metre": metre,
        }

    def _velocity_statistics(self) -> dict[str, float]:
        if self.grid.values != "velocity":
            return {}
        counts = np.zeros(128, np.int64)
        for song in self.songs:
            counts += np.bincount(song.roll[:, : self.grid.pitches].ravel(), minlength=128)
        mean, deviation = velocity_moments(counts)
        return {"velocity_mean": mean, "velocity_deviation": deviation}

    def save(self, path: files.StrPath) -> None:
        """Write the corpus to one file, atomically; docs/file-formats.md describes it.

        Raises
        ------
        MidigenError
            Where the file cannot be written.
        """
        offsets = np.cumsum([0] + [len(song.roll) for song in self.songs], dtype=np.int64)
        none = np.zeros((0, self.grid.channels), np.uint8)
        rolls = np.concatenate([none, *(song.roll for song in self.songs)])
        tensors: dict[str, np.ndarray] = {"offsets": offsets}
        if self.grid.values == "velocity":
            tensors["values"] = rolls
        else:
            tensors["rolls"] = np.packbits(rolls, axis=1)
        forms = [song.outline.form.reshape(-1, self._parts) for song in self.songs]
        tensors["form"] = np.concatenate([np.zeros((0, self._parts), np.int64), *forms])
        tensors["form_offsets"] = np.cumsum([0] + [len(form) for form in forms], dtype=np.int64)
        songs = [
            {
                "name": song.name,
                "split": song.split,
                "digest": song.digest,
                "bpm": song.bpm,
                "metre": list(song.metre),
                "metres": [list(metre) for metre in song.outline.metres],
                "pickup": song.outline.pickup,
                "minor": song.outline.minor,
                "style": song.outline.style,
                "density": song.outline.density,
                "shift": song.outline.shift,
            }
            for song in self.songs
        ]
        header = {
            "grid": self.grid.to_json(),
            "songs": songs,
            "manifest": self.manifest,
            "dynamics": {name: own.to_json() for name, own in self.dynamics.items()},
            "digest": self.digest,
        }
        files.save(path, KIND, VERSION, tensors, header)

    @classmethod
    def load(cls, path: files.StrPath) -> "Corpus":
        """Read a corpus file.

        Raises
        ------
        MidigenError
            Where it is missing, damaged or something else.
        """
        try:
            tensors, header = files.load(path, KIND, VERSION, _check_shapes)
            grid = Grid.from_json(header["grid"])
            files.whole(grid.steps_per_beat, grid.low, grid.high)
            songs = _unpack(tensors, header["songs"], grid)
            dynamics = dynamics_from_json(header.get("dynamics", {}))
            return cls(grid, songs, list(header["manifest"]), dynamics)
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise MidigenError(
                f"{path} is damaged ({type(e).__name__}: {e}): make it again"
            ) from None


def _check_shapes(header: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """ValueError where the tensors of a file cannot be those of its header."""
    grid, songs = Grid.from_json(header["grid"]), len(header["songs"])
    files.whole(grid.steps_per_beat, grid.low, grid.high)
    velocities = grid.values == "velocity"
    width = grid.channels if velocities else -(-grid.channels // 8)
    rolls, offsets = shapes["values" if velocities else "rolls"], (songs + 1,)
    if len(rolls) != 2 or rolls[1] != width:
        raise ValueError("the rolls do not fit the grid")
    if len(shapes["form"]) != 2 or shapes["form"][1] != columns_of(grid).parts:
        raise ValueError("the form does not fit the grid")
    if shapes["offsets"] != offsets:
        raise ValueError("the offsets do not fit the songs")
    if shapes["form_offsets"] != offsets:
        raise ValueError("the offsets of the form do not fit the songs")
    if len(shapes) != 4:
        raise ValueError("it holds what no corpus has")


def _unpack(
    tensors: dict[str, np.ndarray], entries: list[dict[str, Any]], grid: Grid
) -> list[Song]:
    """Make the songs of a file's tensors and of the entries for songs in its header."""
    velocities, offsets = grid.values == "velocity", tensors["offsets"]
    rolls = tensors["values" if velocities else "rolls"]
    if rolls.dtype != np.uint8 or (velocities and (rolls > 127).any()):
        raise ValueError("the rolls do not fit the grid")
    _check_offsets(offsets, len(rolls), "offsets")
    form, form_offsets = tensors["form"], tensors["form_offsets"]
    if form.dtype != np.int64:
        raise ValueError("the form does not fit the grid")
    _check_offsets(form_offsets, len(form), "offsets of the form")
    songs = []
    for i, entry in enumerate(entries):
        roll = rolls[offsets[i] : offsets[i + 1]]
        if not velocities:
            roll = np.unpackbits(roll, axis=1, count=grid.channels)
        bars = form[form_offsets[i] : form_offsets[i + 1]]
        songs.append(_make_song(entry, roll, bars, grid))
    return songs


def _check_offsets(offsets: np.ndarray, end: int, what: str) -> None:
    """ValueError where offsets do not divide `end` rows among the songs."""
    if (
        offsets.dtype != np.int64
        or offsets[0] != 0
        or offsets[-1] != end
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError(f"the {what} do not fit the songs")


def _make_song(
    entry: dict[str, Any], roll: NDArray[np.uint8], form: NDArray[np.int64], grid: Grid
) -> Song:
    """Make a song of its entry in a header, checked, its roll and its form."""
    if entry["split"] not in SPLITS:
        raise ValueError(f"no split is called {entry['split']!r}")
    check_tempo(entry["bpm"], entry["metre"])
    numerator, denominator = entry["metre"]
    outline = Outline(
        frames=len(roll),
        metres=_metres(entry, len(roll)),
        pickup=entry["pickup"],
        minor=bool(entry["minor"]),
        style=str(entry["style"]),
        density=float(entry["density"]),
        form=form,
        shift=entry["shift"],
    )
    bars = max(len(outline.bar_starts(grid)) - 1, 0)
    if len(form) not in (0, bars):
        raise ValueError("the form does not fit the song")
    return Song(
        name=entry["name"],
        split=entry["split"],
        digest=entry["digest"],
        bpm=float(entry["bpm"]),
        metre=(numerator, denominator),
        roll=roll,
        outline=outline,
    )


def _metres(entry: dict[str, Any], frames: int) -> tuple[Metre, ...]:
    """Return the metres of a song's entry in a header, checked."""
    metres = tuple(
        (frame, numerator, denominator) for frame, numerator, denominator in entry["metres"]
    )
    for frame, numerator, denominator in metres:
        files.whole(frame)
        check_tempo(entry["bpm"], (numerator, denominator))
    begins = [frame for frame, _, _ in metres]
    if begins and (begins[0] != 0 or sorted(set(begins)) != begins or begins[-1] > frames):
        raise ValueError("metres that begin nowhere in the song")
    return metres


def longest_hold(roll: NDArray) -> int:
    """Return the most frames in a row of a roll (T, V) with the same notes, however loud."""
    if not len(roll):
        return 0
    sounding = roll > 0
    changes = np.flatnonzero((sounding[1:] != sounding[:-1]).any(axis=1)) + 1
    return int(np.diff(np.concatenate([[0], changes, [len(roll)]])).max())


def velocity_moments(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Compute the mean and the standard deviation of the velocities over 0.

    Parameters
    ----------
    counts : NDArray[np.int64], shape (128,)
        How often each velocity from 0 on occurs.

    Returns
    -------
    tuple of float
        Both are 0 where no velocity over 0 occurs.
    """
    sounding, velocity = counts[1:], np.arange(1, len(counts))
    total = max(int(sounding.sum()), 1)
    mean = float(sounding @ velocity) / total
    return mean, float(np.sqrt(sounding @ (velocity - mean) ** 2 / total))
