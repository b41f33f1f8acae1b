"""What a person sees: bars vanish, paths stand alone, no figure is cut, at any width."""

import re
import sys

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from tests.midi.craft import melody
from tests.terminal import on_terminal

WIDTHS = [60, 80, 120]
ALONE = ["--context", "none", "--gates", "none", "--hidden", "4", "--recurrent", "4"]


@pytest.fixture
def songs(tmp_path):
    """A folder `my songs` with twenty songs, a broken one, and one of an endless name."""
    folder = tmp_path / "my songs"
    folder.mkdir()
    for i in range(20):
        (folder / f"{i:02}.mid").write_bytes(melody(*range(40 + i, 60 + 2 * i)))
    (folder / f"{'endless ' * 20}.mid").write_bytes(b"no music")
    return folder


@pytest.fixture
def model(tmp_path):
    """A run folder `run` with a small untrained model, and two of its songs' width in notes."""
    config = ModelConfig(visible=88, rbm_hidden=4, recurrent=4, hidden=())
    card = ModelCard(name="run")
    model = RnnRbm.initial(config, Grid(), np.full(88, 2 / 88), card=card)
    model.save(tmp_path / "run" / "model.safetensors")


def no_bar_left(lines):
    return not any(re.search(r"\d:\d\d (left|so far)|[━╸╺]", line) for line in lines)


@pytest.mark.parametrize("columns", WIDTHS)
def test_prepare(songs, tmp_path, columns):
    code, lines, seen = on_terminal(["prepare", "my songs", "-o", "corpus"], columns, tmp_path)
    assert code == 0 and lines[-1] == "corpus" and no_bar_left(lines)
    assert "reading" in seen and "making rolls" in seen
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("columns", WIDTHS)
def test_train(songs, tmp_path, columns):
    on_terminal(["prepare", "my songs", "-o", "corpus"], 80, tmp_path)
    command = ["train", "corpus", "--epochs", "30", "-o", "run", *ALONE]
    code, lines, seen = on_terminal(command, columns, tmp_path)
    assert code == 0 and lines[-1] == "run/model.safetensors" and no_bar_left(lines)
    assert re.search(r"(loading|compiling) kernels, \d:\d\d so far", seen) and "0 left" in seen
    assert any("lower is better" in " ".join(lines[i : i + 2]) for i in range(len(lines)))


def test_a_pipeline_on_one_terminal(songs, tmp_path):
    midigen = f'midigen() {{ "{sys.executable}" -m midigen "$@"; }}; '
    options = " ".join(ALONE)
    line = (
        f"{midigen} midigen prepare 'my songs' | midigen train --epochs 3 {options} | "
        "midigen generate --length '4 bars' --seed 7 --count 2"
    )
    code, lines, _ = on_terminal(line, 80, tmp_path)
    assert code == 0 and no_bar_left(lines)
    assert "output/songs/run-001-seed7-1.mid" in lines
    assert "output/songs/run-001-seed7-2.mid" in lines


def test_an_interrupted_run_leaves_its_path_on_a_line_of_its_own(songs, tmp_path):
    on_terminal(["prepare", "my songs", "-o", "corpus"], 80, tmp_path)
    command = ["train", "corpus", "--minutes", "5", "-o", "run", *ALONE]
    code, lines, _ = on_terminal(command, 80, tmp_path, keys=(" left", b"\x03"))
    assert code == 130 and lines[-1] == "run/model.safetensors"
    assert "midigen: stops when this step is done and saved; Ctrl-C again stops at once" in lines
    assert any(line.startswith("stopped: ") for line in lines)


@pytest.mark.parametrize("columns", WIDTHS)
def test_generate(model, tmp_path, columns):
    command = ["generate", "run", "--count", "2", "--seed", "7", "--length", "4 bars"]
    code, lines, seen = on_terminal(command, columns, tmp_path)
    assert code == 0 and no_bar_left(lines) and "generating" in seen
    assert lines[:2] == [f"output/songs/run-seed7-{i}.mid" for i in (1, 2)]


def test_nothing_is_drawn_quietly(model, tmp_path):
    command = ["generate", "run", "--seed", "7", "--length", "4 bars", "-q"]
    code, lines, seen = on_terminal(command, 60, tmp_path)
    assert (code, lines) == (0, ["output/songs/run-seed7-1.mid"]) and "\x1b" not in seen
