"""The standard piano-roll benchmarks: MATLAB files with the splits that published results use."""

import hashlib
import os
from pathlib import Path

import numpy as np

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.inputs import printable
from midigen.midi.roll import MAX_FRAMES

VARIABLES = {"train": "traindata", "valid": "validdata", "test": "testdata"}
LOW, HIGH = 21, 108  # column 0 is MIDI pitch 21
MAX_BYTES = 20_000_000


def fits(grid):
    """Whether rolls of a benchmark file can lie beside songs on this grid."""
    return (grid.low, grid.high, grid.unit, grid.values) == (
        LOW,
        HIGH,
        Grid.unit,
        Grid.values,
    ) and grid.articulation != "onset"


def read_benchmark(path, max_bytes=MAX_BYTES):
    """Read a .mat file: a list of (split, index in the split, roll uint8 (T, 88)), songs without frames left out.

    Raises MidigenError with the reason alone.
    """
    if not os.path.isfile(path):
        raise MidigenError("no such file")
    if os.path.getsize(path) > max_bytes:
        raise MidigenError(
            f"too large ({os.path.getsize(path):,} bytes; at most {max_bytes:,} are read)"
        )
    tables = _load(path)
    songs = []
    for split, variable in VARIABLES.items():
        if variable not in tables:
            raise MidigenError(f"not a benchmark file (it has no {variable})")
        for index, cell in enumerate(np.ravel(tables[variable])):
            roll = _check(cell, f"{variable} {index}")
            if len(roll):
                songs.append((split, index, roll))
    if not songs:
        raise MidigenError("no notes")
    return songs


def song_name(path, split, index):
    """The name of one song of a benchmark file, e.g. "JSB_Chorales.mat#train[12]"."""
    return f"{printable(Path(path).name)}#{split}[{index}]"


def roll_digest(roll):
    """Hex SHA-256 of a roll: the digest of a song that was never notes."""
    return hashlib.sha256(
        f"roll {roll.shape}".encode() + np.packbits(roll, axis=1).tobytes()
    ).hexdigest()


def file_digest(songs):
    """Hex SHA-256 of all that `read_benchmark` found."""
    parts = [f"{split} {index} {roll_digest(roll)}" for split, index, roll in songs]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _load(path):
    from scipy.io import loadmat

    try:
        return loadmat(path, variable_names=list(VARIABLES.values()))
    except (MemoryError, MidigenError):
        raise
    except Exception as e:  # noqa: BLE001  SciPy raises almost anything on a damaged file
        raise MidigenError(
            f"not a readable .mat file ({type(e).__name__}: {printable(e)})"
        ) from None


def _check(cell, where):
    """One cell -> a roll uint8 (T, 88), or MidigenError where it is none."""
    cell = np.asarray(cell)
    if cell.size == 0:
        return np.zeros((0, HIGH - LOW + 1), np.uint8)
    if cell.ndim != 2 or cell.shape[1] != HIGH - LOW + 1 or cell.dtype.kind not in "buif":
        raise MidigenError(f"not a benchmark file ({where} is no roll of {HIGH - LOW + 1} columns)")
    if len(cell) > MAX_FRAMES:
        raise MidigenError(
            f"too long ({where} has {len(cell):,} frames; at most {MAX_FRAMES:,} are read)"
        )
    if not ((cell == 0) | (cell == 1)).all():
        raise MidigenError(f"not a benchmark file ({where} holds other values than 0 and 1)")
    return cell.astype(np.uint8)
