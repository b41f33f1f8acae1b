"""The .mat piano rolls."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi import benchmark

DATA = Path(__file__).parents[3] / "shared" / "data" / "pianoroll"


def cells(*rolls):
    table = np.empty((1, len(rolls)), object)
    table[0, :] = rolls
    return table


def write(path, **tables):
    full = {
        "traindata": cells(np.eye(3, 88), np.zeros((0, 0))),
        "validdata": cells(np.ones((2, 88))),
        "testdata": cells(np.eye(5, 88)),
    }
    savemat(path, {name: table for name, table in {**full, **tables}.items() if table is not None})
    return path


def test_own_splits_and_values(tmp_path):
    songs = benchmark.read_benchmark(write(tmp_path / "x.mat"))
    assert [(split, index, roll.shape) for split, index, roll in songs] == [
        ("train", 0, (3, 88)),
        ("valid", 0, (2, 88)),
        ("test", 0, (5, 88)),
    ]
    assert songs[0][2].dtype == np.uint8
    np.testing.assert_array_equal(songs[0][2], np.eye(3, 88))


@pytest.mark.parametrize(
    "tables, words",
    [
        ({"testdata": None}, "has no testdata"),
        ({"validdata": cells(np.ones((2, 87)))}, "validdata 0 is no roll of 88 columns"),
        ({"traindata": cells(np.full((2, 88), 0.5))}, "traindata 0 holds other values"),
        ({"traindata": cells("words")}, "traindata 0 is no roll"),
        ({"traindata": cells(np.ones((200_001, 88), np.uint8))}, "200,001 frames"),
    ],
)
def test_other_contents(tmp_path, tables, words):
    with pytest.raises(MidigenError, match=words):
        benchmark.read_benchmark(write(tmp_path / "x.mat", **tables))


def test_broken_files(tmp_path):
    path = write(tmp_path / "x.mat")
    data = path.read_bytes()
    for broken in [
        b"",
        b"MATLAB",
        data[:200],
        data[: len(data) // 2],
        data[:128] + b"\xff" * 500,
        data[:124] + b"\x00\x02" + data[126:],
    ]:
        path.write_bytes(broken)
        with pytest.raises(MidigenError):
            benchmark.read_benchmark(path)
    with pytest.raises(MidigenError, match="no such file"):
        benchmark.read_benchmark(tmp_path / "no.mat")
    with pytest.raises(MidigenError, match="too large"):
        benchmark.read_benchmark(write(path), max_bytes=100)


@pytest.mark.parametrize(
    "grid, fits",
    [
        (Grid(), True),
        (Grid(articulation="sustain"), True),
        (Grid(articulation="onset"), False),
        (Grid(low=48), False),
        (Grid(unit="seconds"), False),
    ],
)
def test_grids(grid, fits):
    assert benchmark.fits(grid) == fits


@pytest.mark.skipif(not DATA.exists(), reason="the benchmark files are not beside this checkout")
def test_jsb_chorales():
    songs = benchmark.read_benchmark(DATA / "JSB_Chorales.mat")
    assert [sum(split == s for split, _, _ in songs) for s in ("train", "valid", "test")] == [
        229,
        76,
        77,
    ]
