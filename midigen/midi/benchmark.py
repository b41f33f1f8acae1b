"""The standard piano-roll benchmarks: MATLAB files with the splits that published results use."""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.inputs import printable
from midigen.midi.metres import likely_metre
from midigen.midi.notes import NoteTable
from midigen.midi.roll import MAX_FRAMES, roll_to_notes

VARIABLES = {"train": "traindata", "valid": "validdata", "test": "testdata"}
LOW, HIGH = 21, 108  # column 0 is MIDI pitch 21
COLUMNS = HIGH - LOW + 1
MAX_BYTES = 20_000_000
BPM = 120.0  # such files tell no tempo
VELOCITY = 80  # .. and no loudness


class BenchmarkSong(NamedTuple):
    """One song of a benchmark file.

    Parameters
    ----------
    split : str
        "train", "valid" or "test".
    number : int
        Its place in the split, from 0.
    roll : NDArray[np.uint8], shape (T, 88)
        The roll, 0 and 1.
    """

    split: str
    number: int
    roll: NDArray[np.uint8]


def fits(grid: Grid) -> bool:
    """Tell whether rolls of a benchmark file can stand beside songs on this grid."""
    settings = (grid.low, grid.high, grid.unit, grid.values)
    return settings == (LOW, HIGH, Grid.unit, Grid.values) and grid.articulation != "onset"


def read_benchmark(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> list[BenchmarkSong]:
    """Read a .mat file; songs without frames are left out.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int
        The largest size that is read.

    Returns
    -------
    list of BenchmarkSong
        The songs of all splits.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is the reason alone, without the file's name.
    """
    if not os.path.isfile(path):
        raise MidigenError("no such file")
    size = os.path.getsize(path)
    if size > max_bytes:
        raise MidigenError(f"too large ({size:,} bytes; at most {max_bytes:,} are read)")
    tables = _load(path)
    songs = []
    for split, variable in VARIABLES.items():
        if variable not in tables:
            raise MidigenError(f"not a benchmark file (it has no {variable})")
        for number, cell in enumerate(np.ravel(tables[variable])):
            roll = _check(cell, f"{variable} {number}")
            if len(roll):
                songs.append(BenchmarkSong(split, number, roll))
    if not songs:
        raise MidigenError("no notes")
    return songs


def table_of(roll: NDArray[np.uint8], steps_per_beat: int, name: str = "") -> NoteTable:
    """Return the notes of a roll as a MIDI file would have them, in one track.

    What sounds in frames in a row is one note, as such a roll tells nothing else.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, 88)
        The roll of a BenchmarkSong.
    steps_per_beat : int
        Frames in a quarter note.
    name : str
        Of the table.
    """
    grid = Grid(low=LOW, high=HIGH, steps_per_beat=steps_per_beat)
    found = roll_to_notes(roll, grid)
    notes = np.column_stack([found, np.full(len(found), VELOCITY)])
    seconds = (found[:, :2] * grid.frame_seconds(BPM)).astype(np.float64)
    metre = likely_metre(roll, grid)
    return NoteTable(notes, steps_per_beat, BPM, metre, seconds, name, metres=((0, *metre),))


def song_name(path: str | os.PathLike[str], split: str, number: int) -> str:
    """Name one song of a benchmark file.

    >>> song_name("data/JSB_Chorales.mat", "train", 12)
    'JSB_Chorales.mat#train[12]'
    """
    return f"{printable(Path(path).name)}#{split}[{number}]"


def roll_digest(roll: NDArray[np.uint8]) -> str:
    """Compute the hexadecimal SHA-256 of a roll, the digest of a song without a table of notes."""
    return hashlib.sha256(
        f"roll {roll.shape}".encode() + np.packbits(roll, axis=1).tobytes()
    ).hexdigest()


def file_digest(songs: list[BenchmarkSong]) -> str:
    """Compute the hexadecimal SHA-256 of all that `read_benchmark` found."""
    parts = [f"{song.split} {song.number} {roll_digest(song.roll)}" for song in songs]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _load(path: str | os.PathLike[str]) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        return loadmat(path, variable_names=list(VARIABLES.values()))
    except (MemoryError, MidigenError):
        raise
    except Exception as e:  # SciPy raises almost anything on a damaged file
        raise MidigenError(
            f"not a readable .mat file ({type(e).__name__}: {printable(e)})"
        ) from None


def _check(cell: ArrayLike, where: str) -> NDArray[np.uint8]:
    """Return one cell as a roll (T, 88), or raise MidigenError where it is none."""
    cell = np.asarray(cell)
    if cell.size == 0:
        return np.zeros((0, COLUMNS), np.uint8)
    if cell.ndim != 2 or cell.shape[1] != COLUMNS or cell.dtype.kind not in "buif":
        raise MidigenError(f"not a benchmark file ({where} is no roll of {COLUMNS} columns)")
    if len(cell) > MAX_FRAMES:
        raise MidigenError(
            f"too long ({where} has {len(cell):,} frames; at most {MAX_FRAMES:,} are read)"
        )
    if not ((cell == 0) | (cell == 1)).all():
        raise MidigenError(f"not a benchmark file ({where} holds other values than 0 and 1)")
    return cell.astype(np.uint8)
