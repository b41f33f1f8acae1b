import json
from dataclasses import replace

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.errors import MidigenError
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.rendering.run_facts import curves_of, run_facts
from midigen.training.defaults import FITTING, SELF_FED

CONFIG = ModelConfig(
    visible=2,
    hidden=(3,),
    recurrent=4,
    rbm_hidden=5,
    context=ModelConfig.setting_of("context").choices,
    gates=ModelConfig.setting_of("gates").choices,
)
LOG = [
    {"event": "Validated", "epoch": 1, "steps": 5, "frames": 50, "loss": 3.0, "validation": None,
     "best": False, "notes_per_frame": 1.0, "rate": 0.1, "time": "2024-01-01T00:00:00Z",
     "seconds": 10.0},
    {"event": "RolledBack", "what": "W", "rate": 0.05, "steps": 7, "seconds": 12.0},
    {"event": "Validated", "epoch": 9, "steps": 90, "frames": 900, "loss": 2.0, "validation": 1.5,
     "best": True, "notes_per_frame": 2.0, "rate": 0.1, "aside": True},
    {"event": "Validated", "epoch": 2, "steps": 10, "frames": 100, "loss": 2.0, "validation": 2.5,
     "best": False, "notes_per_frame": 1.5, "rate": 0.1, "time": "2024-01-01T00:01:00Z",
     "seconds": 20.0},
]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A function that makes the folder of a run with these settings."""

    def make(config=CONFIG, **settings):
        card = ModelCard(
            name="mine",
            midigen="1.0",
            seed=3,
            songs=2,
            validation=1.5,
            settings=TrainConfig(**settings).to_json(),
        )
        model = RnnRbm.initial(config, Grid(low=60, high=61), np.full(2, 0.1), 0, card)
        model.save(tmp_path / "model.safetensors")
        lines = "".join(json.dumps(line) + "\n" for line in LOG)
        (tmp_path / "log.jsonl").write_text(lines)
        return tmp_path

    return make


def test_what_is_known_of_a_run(run):
    facts = run_facts(run())
    assert (facts["kind"], facts["name"], facts["midigen"], facts["seed"]) == (
        "run",
        "mine",
        "1.0",
        3,
    )
    assert facts["sizes"] == {"visible": 2, "hidden": (3,), "recurrent": 4, "rbm_hidden": 5}
    assert facts["parameters"] == len(RnnRbm.load(run()).theta)
    assert facts["context"] == list(CONFIG.context) and facts["validation"] == 1.5
    assert facts["trained"] == {
        "epochs": 2,
        "steps": 10,
        "frames": 100,
        "seconds": 20.0,
        "last": "2024-01-01T00:01:00Z",
    }
    assert facts["curves"] == {
        "epochs": [1, 2],
        "seconds": [10.0, 20.0],
        "loss": [3.0, 2.0],
        "validation": [None, 2.5],
        "notes_per_frame": [1.0, 1.5],
    }
    json.dumps(facts)


def test_settings_that_nobody_asked_for_are_not_changed(run):
    for fitting in FITTING:
        assert run_facts(run(**fitting.settings, self_fed=SELF_FED))["changed"] == {}


def test_settings_that_were_asked_for_are(run):
    config = replace(CONFIG, gates=("lag",), dtype="float64")
    facts = run_facts(run(config, batch=3, seed=3, transpose=(-1, 1)))
    assert facts["changed"] == {
        "gates": ("lag",),
        "dtype": "float64",
        "batch": 3,
        "transpose": [-1, 1],
    }


def test_a_model_that_was_moved_has_no_log(run, tmp_path):
    (run() / "model.safetensors").rename(tmp_path / "other.safetensors")
    facts = run_facts(tmp_path / "other.safetensors")
    assert facts["validation"] == 1.5 and facts["curves"]["epochs"] == []
    assert facts["trained"]["epochs"] is None


def test_a_damaged_checkpoint_is_a_remark(run):
    (run() / "checkpoint.safetensors").write_text("nothing")
    facts = run_facts(run())
    assert facts["corpus"] is None and "checkpoint" in facts["remarks"][0]


def test_a_run_without_a_model_is_said(run):
    folder = run()
    (folder / "model.safetensors").unlink()
    with pytest.raises(MidigenError, match=r"holds no model\.safetensors"):
        run_facts(folder)


@pytest.mark.parametrize("value", ["2", True, None, [], 1e400])
def test_a_log_may_hold_anything(value):
    lines = [{"event": "Validated", "epoch": 1, "steps": 1, "loss": value}]
    assert curves_of(lines)["loss"] == [None]
