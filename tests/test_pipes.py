"""Pipes and devices in the place of files are refused at once, with one line."""

import os
import shutil
import time

import numpy as np
import pytest

import midigen.api  # noqa: F401  so that no test waits for imports
from midigen.cli import main
from midigen.config import Grid, ModelConfig
from midigen.model.rnn_rbm import RnnRbm
from tests.midi.craft import melody

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with pipes in the places of a corpus, a song, settings and the parts of a run."""
    monkeypatch.chdir(tmp_path)
    for name in ("ff", "ff.mid", "ff.sf2", "logged/log.jsonl", "run/model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    (tmp_path / "song.mid").write_bytes(melody(60))
    config, grid = ModelConfig(visible=11, context=(), gates=()), Grid(low=60, high=70)
    RnnRbm.initial(config, grid, np.full(11, 0.1)).save("model")
    shutil.copy("model", "logged/model.safetensors")


@pytest.mark.parametrize(
    "args",
    [
        ["train", "ff"],
        ["train", "--resume", "run"],
        ["train", "song.mid", "--like", "ff"],
        ["prepare", "ff"],
        ["prepare", "song.mid", "-o", "ff"],
        ["generate", "ff"],
        ["generate", "run"],
        ["generate", "model", "--primer", "ff.mid"],
        ["generate", "model", "-o", "ff.mid"],
        ["generate", "model", "-o", "ff"],
        ["evaluate", "ff", "ff"],
        ["evaluate", "--songs", "ff.mid", "--corpus", "ff"],
        ["show", "ff"],
        ["show", "logged"],
        ["render", "ff.mid"],
        ["render", "song.mid", "--soundfont", "ff.sf2"],
        ["compare", "--tally", "ff"],
        ["--config", "ff", "train", "corpus"],
        ["--config", "/dev/zero", "train", "corpus"],
        ["prepare", "/dev/zero"],
        ["train", "/dev/zero"],
        ["generate", "/dev/zero"],
        ["show", "/dev/zero"],
    ],
    ids=" ".join,
)
def test_pipes_and_devices_are_refused_at_once(args, capsys):
    began = time.monotonic()
    assert main(args) in (1, 2)
    assert time.monotonic() - began < 5  # in truth less than one, but for a busy machine
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err


def test_the_list_of_runs_names_one_that_cannot_be_read(capsys):
    assert main(["runs", "run"]) == 0
    assert "run/model.safetensors is a pipe or a device" in capsys.readouterr().out
