"""Songs read and written at places, transposed, against np.packbits and np.roll."""

import numpy as np
import pytest
from scipy.special import expit

from midigen.columns import SHIFTS as ALL_SHIFTS
from midigen.columns import columns_of
from midigen.config import Grid, Part
from midigen.kernels.codes import SHIFT_BITS

PITCHES, F = 5, 7
DTYPES = [np.float32, np.float64]
ROWS, SHIFTS = np.array([3, 0, 6, 3, 1]), np.array([0, 4, 1, 2, 0])
SILENT = 2  # the frame that is no frame of a song
PLACE = np.where(np.arange(5) == SILENT, -1, ROWS << SHIFT_BITS | SHIFTS)
on_ranges = pytest.mark.parametrize("ranges", [1, 2])


def roll(ranges, values=2):
    """uint8 (F, V)."""
    return np.random.default_rng(0).integers(0, values, (F, ranges * PITCHES)).astype(np.uint8)


def moved(frame, shift):
    """A frame (V,) with its ranges of pitches moved up by `shift`."""
    return np.roll(frame.reshape(-1, PITCHES), shift, axis=1).ravel()


def moves(ranges):
    """int64 (PITCHES, V): where a frame's channels come from, for every shift."""
    columns = np.arange(ranges * PITCHES)
    return np.array([moved(columns, shift) for shift in range(PITCHES)])


def at_places(kept):
    """(N, V): what is read of kept (F, V)."""
    frames = np.array([moved(kept[r], s) for r, s in zip(ROWS, SHIFTS, strict=True)])
    frames[SILENT] = 0
    return frames


def written(kept, v):
    """kept (F, V) after v (3, V) has been written; no two frames go to one row."""
    kept = kept.copy()
    for n in range(2):  # the third is SILENT
        kept[ROWS[n]] = moved(v[n], -SHIFTS[n])
    return kept


@on_ranges
@pytest.mark.parametrize("dtype", DTYPES)
def test_notes_are_read_from_bits(kernels, dtype, ranges):
    kept, out = roll(ranges), np.full((len(PLACE), ranges * PITCHES), np.nan, dtype)
    kernels("rolls").unpack(np.packbits(kept, axis=1), PLACE, moves(ranges), out)
    np.testing.assert_array_equal(out, at_places(kept))


@on_ranges
@pytest.mark.parametrize("dtype", DTYPES)
def test_notes_are_written_as_bits(kernels, dtype, ranges):
    v = np.random.default_rng(1).integers(0, 2, (3, ranges * PITCHES)).astype(dtype)
    kept = roll(ranges)
    packed = np.packbits(kept, axis=1)
    kernels("rolls").pack(v, PLACE[:3], moves(ranges), packed)
    np.testing.assert_array_equal(packed, np.packbits(written(kept, v).astype(np.uint8), axis=1))


@on_ranges
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind, loudest", [(np.uint8, 127), (np.uint8, 1), (np.float32, 1)])
def test_numbers_are_read(kernels, dtype, ranges, kind, loudest):
    kept = roll(ranges, 128).astype(kind)
    out = np.full((len(PLACE), ranges * PITCHES), np.nan, dtype)
    kernels("rolls").take(kept, loudest, PLACE, moves(ranges), out)
    np.testing.assert_array_equal(out, at_places(kept).astype(dtype) / dtype(loudest))


@on_ranges
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_written(kernels, dtype, ranges):
    v = np.random.default_rng(1).normal(size=(3, ranges * PITCHES)).astype(dtype)
    kept = roll(ranges).astype(np.float32)
    expected = written(kept, v)
    kernels("rolls").put(v, PLACE[:3], moves(ranges), kept)
    np.testing.assert_array_equal(kept, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [3, -4])
def test_parts_move_by_themselves_and_drums_stay(kernels, dtype, shift):
    """A line of 6 pitches and its hold, 4 voices and their strike, 2 drums."""
    grid = Grid(
        parts=(
            Part(name="lead", low=60, high=65, kind="line"),
            Part(name="chords", low=40, high=43, kind="voices"),
            Part(name="drums", low=36, high=37, kind="drums"),
        )
    )
    rolls, table, place = kernels("rolls"), columns_of(grid).moves, np.arange(F) << SHIFT_BITS
    place |= shift % ALL_SHIFTS
    values = np.random.default_rng(2).normal(size=(F, grid.channels)).astype(np.float32)
    expected = np.concatenate(
        [
            np.roll(values[:, :6], shift, axis=1),
            values[:, 6:7],
            np.roll(values[:, 7:11], shift, axis=1),
            values[:, 11:],
        ],
        axis=1,
    )
    out = np.empty((F, grid.channels), dtype)
    rolls.take(values, 1, place, table, out)
    np.testing.assert_array_equal(out, expected.astype(dtype))
    rolls.unpack(np.packbits(values > 0, axis=1), place, table, out)
    np.testing.assert_array_equal(out, expected > 0)
    back, packed = np.zeros_like(values), np.zeros((F, 2), np.uint8)
    rolls.put(expected, place, table, back)
    np.testing.assert_array_equal(back, values)
    rolls.pack(out, place, table, packed)
    np.testing.assert_array_equal(packed, np.packbits(values > 0, axis=1))


@on_ranges
@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_may_be_read_into_columns_of_a_wider_array(kernels, dtype, ranges):
    kept, rolls = roll(ranges), kernels("rolls")
    wide = np.full((len(PLACE), ranges * PITCHES + 3), 9, dtype)
    for read, *source in ((rolls.unpack, np.packbits(kept, axis=1)), (rolls.take, kept, 1)):
        wide[:, 1:-2] = np.nan
        read(*source, PLACE, moves(ranges), wide[:, 1:-2])
        np.testing.assert_array_equal(wide[:, 1:-2], at_places(kept))
        assert (wide[:, [0, -2, -1]] == 9).all()


@pytest.mark.parametrize("shift", range(PITCHES))
def test_what_is_written_is_read_again(kernels, shift):
    rolls, v = kernels("rolls"), roll(2).astype(np.float32)
    packed, values = np.zeros((F, 2), np.uint8), np.zeros_like(v)
    place, out = np.arange(F) << SHIFT_BITS | shift, np.empty_like(v)
    rolls.pack(v, place, moves(2), packed)
    rolls.unpack(packed, place, moves(2), out)
    np.testing.assert_array_equal(out, v)
    rolls.put(v, place, moves(2), values)
    rolls.take(values, 1, place, moves(2), out)
    np.testing.assert_array_equal(out, v)


@pytest.mark.parametrize("dtype", DTYPES)
def test_frames_of_songs_are_weighed(kernels, dtype):
    out = np.full(len(PLACE), np.nan, dtype)
    kernels("rolls").weigh(PLACE, -0.1, out)
    np.testing.assert_array_equal(out, np.where(PLACE < 0, 0, dtype(-0.1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_that_the_model_finds_unlikely_is_pushed_less(kernels, dtype):
    """Eq. (24), also where the energies are far apart."""
    noise, sample = np.array([1.0, 3.0, 2e4, -2e4]), np.array([1.0, -2.0, 0.0, 0.0])
    out = np.array([-0.1, -0.1, -0.1, -0.1], dtype)
    expected = out * expit(0.5 - (noise - sample))
    kernels("rolls").lessen(0.5, noise, sample, out)
    np.testing.assert_allclose(out, expected, rtol=1e-6 if dtype is np.float32 else 1e-12)
