"""The commands with --device cuda, one after the other, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest

from midigen.cli import main
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.model.rnn_rbm import RnnRbm

GRID = Grid(low=60, high=65)
pytestmark = pytest.mark.cuda


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus file of three short songs; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    songs = [
        Song(
            f"song {i}",
            split,
            f"{i:064x}",
            100.0,
            (4, 4),
            (rng.random((8 - i, 6)) < 0.3).astype(np.uint8),
        )
        for i, split in enumerate(("train", "train", "valid"))
    ]
    Corpus(GRID, songs).save(tmp_path / "corpus.safetensors")
    return "corpus.safetensors"


def test_train_resume_generate_and_evaluate(corpus, capsys):
    small = [
        "--rbm-hidden",
        "3",
        "--recurrent",
        "3",
        "--hidden",
        "4",
        "--gibbs-steps",
        "1",
        "--dtype",
        "float64",
    ]
    assert main(["train", corpus, "--device", "cuda", "--epochs", "1", "-o", "run", *small]) == 0
    said = capsys.readouterr()
    assert "on the GPU" in said.err and said.out.startswith("run")
    first = RnnRbm.load("run").theta
    assert main(["train", "--resume", "run", "--device", "cpu", "--epochs", "2"]) == 0
    assert not np.array_equal(RnnRbm.load("run").theta, first)
    made = []
    for device in ("cuda", "cpu"):
        assert (
            main(
                [
                    "generate",
                    "run",
                    "--device",
                    device,
                    "--count",
                    "2",
                    "--length",
                    "0.5",
                    "--seed",
                    "1",
                    "--gibbs-steps",
                    "2",
                    "-o",
                    device,
                ]
            )
            == 0
        )
        made.append([song.read_bytes() for song in sorted(Path(device).iterdir())])
    assert made[0] == made[1] and len(made[0]) == 2
    capsys.readouterr()
    measured = []
    for device in ("cuda", "cpu"):
        assert (
            main(
                [
                    "evaluate",
                    "run",
                    corpus,
                    "--device",
                    device,
                    "--split",
                    "valid",
                    "--temperatures",
                    "100",
                    "--chains",
                    "2",
                    "--rnn-frames",
                    "0",
                    "--json",
                ]
            )
            == 0
        )
        measured.append(json.loads(capsys.readouterr().out))
    on_gpu, on_cpu = (report["rows"][-1]["log_likelihood"] for report in measured)
    assert on_gpu == pytest.approx(on_cpu, abs=1e-9)
