"""The commands with --device cuda, one after the other, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest

from midigen.cli import main
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.training.checkpoint import Checkpoint

GRID = Grid(low=60, high=65)
pytestmark = pytest.mark.cuda


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus file of three short songs; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    songs = []
    for i, split in enumerate(("train", "train", "valid")):
        roll = (rng.random((8 - i, 6)) < 0.3).astype(np.uint8)
        songs.append(Song(f"song {i}", split, f"{i:064x}", 100.0, (4, 4), roll))
    Corpus(GRID, songs).save(tmp_path / "corpus.safetensors")
    return "corpus.safetensors"


SMALL = "--rbm-hidden 3 --recurrent 3 --hidden 4 --gibbs-steps 1 --dtype float64"
SONGS = "--count 2 --length 0.5 --seed 1 --gibbs-steps 2"
FIGURES = "--split valid --temperatures 100 --chains 2 --rnn-frames 0 --json"


def run(command):
    assert main(command.split()) == 0


def test_train_resume_generate_and_evaluate(corpus, capsys):
    run(f"train {corpus} --device cuda --epochs 1 -o run {SMALL}")
    said = capsys.readouterr()
    assert "on the GPU" in said.err and said.out.startswith("run")
    first = Checkpoint("run").path.read_bytes()
    run("train --resume run --device cpu --epochs 2")
    assert "2 epochs" in capsys.readouterr().err and Checkpoint("run").path.read_bytes() != first
    made, measured = [], []
    for device in ("cuda", "cpu"):
        run(f"generate run --device {device} {SONGS} -o {device}")
        made.append([song.read_bytes() for song in sorted(Path(device).iterdir())])
        capsys.readouterr()
        run(f"evaluate run {corpus} --device {device} {FIGURES}")
        measured.append(json.loads(capsys.readouterr().out))
    assert made[0] == made[1] and len(made[0]) == 2
    on_gpu, on_cpu = (report["rows"][-1]["log_likelihood"] for report in measured)
    assert on_gpu == pytest.approx(on_cpu, abs=1e-9)
