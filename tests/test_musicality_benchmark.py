"""The benchmark of musicality: what it runs, what it does not run again, and its table."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
GROUPS = ("generated", "held_out", "chain", "planned")


@pytest.fixture
def benchmark(monkeypatch):
    """The module; its runs of midigen are noted down in `ran`, and answered by a made-up report."""
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("musicality")
    module.ran = []

    def midigen(*words):
        words = list(map(str, words))
        module.ran.append(words)
        if "--broken" in words:
            raise subprocess.CalledProcessError(1, words, stderr="no such option")
        if words[0] == "prepare":
            Path(words[words.index("-o") + 1]).touch()
        if words[:2] == ["evaluate", "--songs"]:
            return json.dumps(report(module, seed=int(words[words.index("--seed") + 1])))
        return json.dumps({"rows": [{}, {"log_likelihood": -2.5}]})

    monkeypatch.setattr(module, "midigen", midigen)
    monkeypatch.setattr(module, "WAYS", {"the model": module.Way(), "no gates": module.Way()})
    module.WAYS["no gates"] = module.Way(("--parts", "none"), ("--gates", "none"), (), False, True)
    yield module
    sys.modules.pop("musicality", None)


def report(module, seed):
    beats = {
        f"{kind}{what}_beats": 4.0 + seed
        for kind in module.COPIES
        for what in ("median", "longest")
    }
    figures = [
        {
            "name": name,
            "corpus": 0.5,
            **{group: None if group == "planned" else 0.25 for group in GROUPS},
        }
        for name in module.FIGURES
    ]
    return {
        "distance": {"generated": 1.0 + seed, "held_out": 0.25, "chain": 0.75, "planned": None},
        "figures": figures,
        "copying": {group: None if group == "planned" else beats for group in GROUPS},
    }


def run(benchmark, tmp_path, *more):
    benchmark.ran.clear()
    benchmark.main([str(tmp_path), "tunes/folk --steps-per-beat 2", "--seeds", "2", *more])
    return [words for words in benchmark.ran if words[0] == "train"]


def test_every_way_is_trained_with_its_own_options_and_judged_by_one_corpus(benchmark, tmp_path):
    trained = run(benchmark, tmp_path, "--epochs", "7")
    assert [words[words.index("--seed") + 1] for words in trained] == ["0", "1", "0", "1"]
    assert all(words[words.index("--epochs") + 1] == "7" for words in trained)
    assert ["--gates" in words for words in trained] == [False, False, True, True]
    prepared = [words for words in benchmark.ran if words[0] == "prepare"]
    assert [words[1:-3] for words in prepared] == [
        ["tunes/folk", "--steps-per-beat", "2"],
        ["tunes/folk", "--steps-per-beat", "2", "--parts", "none"],
    ]
    judged = [words for words in benchmark.ran if words[:2] == ["evaluate", "--songs"]]
    corpora = {words[words.index("--corpus") + 1] for words in judged}
    assert corpora == {trained[0][1]} != {trained[2][1]}


def test_what_is_there_is_not_done_again(benchmark, tmp_path):
    assert len(run(benchmark, tmp_path)) == 4
    assert run(benchmark, tmp_path) == []
    (tmp_path / "folk" / "no-gates" / "1" / "result.json").unlink()
    (again,) = run(benchmark, tmp_path)
    assert "--gates" in again and again[again.index("--seed") + 1] == "1"
    assert len(run(benchmark, tmp_path, "--minutes", "3")) == 4  # other settings


def test_the_table_has_every_row(benchmark, tmp_path, capsys):
    run(benchmark, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines if " | " in line}
    assert [name for name in rows if name and name != "---"] == [
        "corpus",
        "held-out songs",
        "Markov chain",
        "the model",
        "no gates",
    ]
    assert rows["the model"][1] == "1.50 ± 0.50" and rows["Markov chain"][1] == "0.75 ± 0.00"
    assert rows["the model"][-5] == "4.5; 5" and rows["corpus"][-5] == ""
    assert rows["the model"][-1] == "-2.50 ± 0.00* |" and rows["no gates"][-1] == "-2.50 ± 0.00† |"
    kept = json.loads((tmp_path / "musicality.json").read_text())
    assert kept["folk"]["the model"]["distance"] == [1.0, 2.0]


def test_a_way_that_fails_is_left_out_and_named(benchmark, tmp_path, capsys):
    benchmark.WAYS["no gates"] = benchmark.Way(train=("--broken",))
    run(benchmark, tmp_path)
    out, err = capsys.readouterr()
    assert "left out: no such option" in err and "| no gates" not in out and "| the model" in out
