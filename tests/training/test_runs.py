"""The list of runs: what it says of each, and that a broken one ends nothing."""

import json
import os
import re
import shutil

import numpy as np
import pytest

from midigen.cli import main
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.errors import MidigenError
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.checkpoint import save_checkpoint
from midigen.training.runs import list_runs
from midigen.training.trainer import Trainer

GRID = Grid(low=60, high=70)


def make_run(folder, day, validation=1.5, seconds=None):
    """A run folder with a small model, which was written on that day."""
    config = ModelConfig(visible=11, rbm_hidden=2, recurrent=2, hidden=())
    card = ModelCard(validation=validation)
    model = RnnRbm.initial(config, GRID, np.full(11, 0.1), card=card)
    model.save(folder / "model.safetensors")
    if seconds is not None:
        line = {"event": "Validated", "steps": 3, "seconds": seconds}
        (folder / "log.jsonl").write_text(json.dumps(line) + "\n")
    for path in folder.iterdir():
        os.utime(path, (86_400 * day, 86_400 * day))
    return model


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three runs in output/runs, the one first by name the newest, and three that are broken."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "output" / "runs"
    make_run(folder / "a", 30, 1.25, seconds=90)
    make_run(folder / "b", 10)
    make_run(folder / "c", 20, None)
    make_run(folder / "cut", 5)
    cut = folder / "cut" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:100])
    (folder / "log alone").mkdir()
    (folder / "log alone" / "log.jsonl").write_text("")
    (folder / "run-007").mkdir()
    (folder / "no run").mkdir()
    (folder / "no run" / "notes.txt").write_text("mine")
    (folder / "file").write_text("mine")
    return folder


def test_runs_are_listed_by_time_and_broken_ones_named(runs):
    found, broken = list_runs()
    assert [run.name for run in found] == ["b", "c", "a"]
    newest = found[-1]
    assert (newest.minutes, newest.validation, newest.time.day) == (1.5, 1.25, 31)
    assert newest.parameters == RnnRbm.load(runs / "a").theta.size
    assert (found[0].minutes, found[1].validation, found[0].corpus) == (None, None, "")
    assert [run.name for run in broken] == ["cut", "log alone", "run-007"]
    assert "is damaged" in broken[0].reason and "holds no model" in broken[1].reason


def test_a_run_names_its_corpus(runs):
    model = RnnRbm.load(runs / "b")
    trainer = Trainer(model, [np.eye(11, dtype=np.uint8)], [], TrainConfig())
    save_checkpoint(runs / "b", trainer, "my corpus.safetensors", "d1635")
    run = list_runs(runs)[0][-1]  # it has been written to last
    assert (run.name, run.corpus) == ("b", os.path.abspath("my corpus.safetensors"))


def test_one_run_alone(runs):
    [found], broken = list_runs(runs / "a")
    assert (found.name, broken) == ("a", [])


def test_no_folder(tmp_path):
    with pytest.raises(MidigenError, match="there is no folder"):
        list_runs(tmp_path / "none")


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_table_has_every_figure_on_any_terminal(runs, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    shutil.copytree(runs / "a", runs / ("a long name of a run, which breaks into lines" * 2))
    assert main(["runs"]) == 0
    out, err = capsys.readouterr()
    out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert err == "" and max(map(len, out.splitlines())) <= columns
    assert "…" not in out and out.count("1.25") == 2 and "1.5" in out
    assert "cut has no model that can be read" in out and "lower is" in out


def test_json(runs, capsys):
    assert main(["runs", "--json", "output/runs"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in report["runs"]] == ["b", "c", "a"]
    assert report["runs"][-1]["minutes"] == 1.5 and len(report["broken"]) == 3
    assert report["runs"][-1]["time"] == "1970-01-31T00:00:00+00:00"


def test_control_characters_in_a_name_do_nothing(runs, capsys):
    (runs / "b").rename(runs / "b\x1b[31m")
    assert main(["runs"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("folder, words", [("none", "no folder none"), (".", "no runs in .")])
def test_nothing_to_list_is_one_line(tmp_path, monkeypatch, capsys, folder, words):
    monkeypatch.chdir(tmp_path)
    assert main(["runs", folder]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and words in err
