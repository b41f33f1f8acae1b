"""midigen evaluate as a user runs it: the two tables, JSON, pipes, what does not fit together."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from midigen.cli import main
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus, Song
from midigen.evaluation import likelihood
from midigen.evaluation.songs import evaluate_songs
from midigen.midi.write import midi_bytes, roll_to_midi
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.output.evaluation import model_remarks, show_songs, song_remarks
from midigen.training.checkpoint import save_checkpoint
from midigen.training.trainer import Trainer

GRID = Grid(low=60, high=70, outside="drop")
SPLITS = ["train"] * 6 + ["valid", "test", "test"]
FAST = ["--temperatures", "100", "--chains", "2", "--rnn-frames", "2000", "-q"]


def melody(rng, frames=64):
    """One note after the other, uint8 (frames, 11)."""
    return np.repeat(np.eye(11, dtype=np.uint8)[rng.integers(0, 11, frames // 2)], 2, axis=0)


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A Corpus of nine melodies, saved as corpus.safetensors; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    corpus = Corpus(
        GRID,
        [
            Song(f"tune {i}", split, f"{i:064x}", 120.0, (4, 4), melody(rng))
            for i, split in enumerate(SPLITS)
        ],
    )
    corpus.save("corpus.safetensors")
    return corpus


@pytest.fixture
def model(corpus):
    """The path of a run folder with an untrained model of the corpus."""
    return make_model(corpus)


def make_model(corpus, grid=GRID, **config):
    card = ModelCard(corpus_digest=corpus.digest)
    model = RnnRbm.initial(
        ModelConfig(visible=grid.channels, rbm_hidden=6, recurrent=4, hidden=(), **config),
        grid,
        np.concatenate(corpus.rolls("train")).mean(axis=0),
        card=card,
    )
    model.save("run/model.safetensors")
    return "run"


def save_song(path, roll):
    Path(path).write_bytes(midi_bytes(roll_to_midi(roll, GRID, 120.0)))


def evaluate(*args):
    return main(["evaluate", *map(str, args)])


def test_a_table_of_the_model_beside_what_it_has_to_beat(model, capsys):
    assert evaluate(model, "corpus.safetensors", *FAST) == 0
    out, err = capsys.readouterr()
    names = [
        "random",
        "note 1-gram",
        "repeat last frame",
        "recurrent network, independent notes",
        "the model",
    ]
    assert [
        name
        for name, line in zip(names, out.splitlines()[2:], strict=False)
        if line.startswith(name)
    ] == names
    assert "2 test songs, 128 frames" in out and "exact" in out and err == "" and "\x1b" not in out
    assert "-7.625" in out  # 11 log 2


def test_json_holds_what_the_table_says(model, corpus, capsys, monkeypatch):
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    assert evaluate(model, "--corpus", "corpus.safetensors", "--json", *FAST) == 0
    report = json.loads(capsys.readouterr().out)
    ours = report["rows"][-1]
    assert (report["frames"], report["exact"], report["temperatures"], report["chains"]) == (
        128,
        False,
        100,
        2,
    )
    expected = np.concatenate(
        [RnnRbm.load(model).exact_log_likelihood(roll) for roll in corpus.rolls("test")]
    ).mean()
    assert ours["log_likelihood"] == pytest.approx(expected, abs=0.02) and ours["error_chains"] > 0
    assert report["rows"][2]["frame_accuracy"] == pytest.approx(
        0.5, abs=0.05
    )  # each note is held for two frames
    assert report["rows"][2]["error_songs"] > 0


@pytest.mark.parametrize(
    "told, tonic, expected",
    [
        ({}, "kept", []),
        ({"context": ("position",), "gates": ("hold", "lag", "interval")}, "kept", []),
        ({"context": ("position", "form", "end"), "gates": ("form",)}, "kept", ["form", "end"]),
        ({"gates": ("form",)}, "one", ["form", "key"]),
    ],
)
def test_a_model_that_is_told_of_a_song_ahead_is_marked(corpus, capsys, told, tonic, expected):
    """A figure that is conditional on more than the past is none to put beside others."""
    grid = replace(GRID, tonic=tonic)
    model = make_model(corpus, grid, **told)
    Corpus(grid, corpus.songs).save("of-grid.safetensors")
    quick = ["--temperatures", 100, "--rnn-frames", 0, "-q"]
    assert evaluate(model, "of-grid.safetensors", "--json", *quick) == 0
    *rivals, own = json.loads(capsys.readouterr().out)["rows"]
    assert own["conditional_on"] == expected
    assert rivals and not any(row["conditional_on"] for row in rivals)
    assert evaluate(model, "of-grid.safetensors", *quick) == 0
    out = capsys.readouterr().out
    marked = [line.split("  ")[0] for line in out.splitlines() if "*" in line]
    assert marked[:1] == (["the model *"] if expected else [])
    remark = f"* conditional: the model is told each song's {', '.join(expected)} ahead"
    assert (remark in out) == bool(expected)


def test_the_same_seed_gives_the_same_figures(model, capsys, monkeypatch):
    monkeypatch.setattr(likelihood, "LARGEST", 0)
    for seed in (1, 1, 2):
        assert evaluate(model, "corpus.safetensors", "--seed", seed, "--json", *FAST) == 0
    first, again, other = (
        json.loads(line)["rows"][-1] for line in capsys.readouterr().out.splitlines()
    )
    assert first == again != other


def test_a_part_of_the_songs_is_said_to_be_one(model, capsys):
    assert evaluate(model, "corpus.safetensors", "--max-frames", 100, *FAST) == 0
    assert "1 test songs, 64 frames of 128, a fixed random choice" in capsys.readouterr().out


def test_the_run_knows_its_corpus(model, corpus, capsys):
    settings = TrainConfig()
    trainer = Trainer(RnnRbm.load(model), corpus.rolls("train"), [], settings)
    save_checkpoint(model, trainer, "corpus.safetensors", corpus.digest)
    assert evaluate(model, "--split", "valid", *FAST) == 0
    assert "1 valid songs" in capsys.readouterr().out
    Path("corpus.safetensors").rename("elsewhere")
    assert evaluate(model + "/model.safetensors") == 2
    assert "corpus.safetensors, is not there: name a corpus" in capsys.readouterr().err


def test_the_model_s_path_comes_through_the_pipe(model):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "midigen",
            "evaluate",
            "--corpus",
            "corpus.safetensors",
            "--json",
            *FAST,
        ],
        input=f"{model}\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and json.loads(done.stdout)["model"] == model


@pytest.mark.parametrize(
    "change, words",
    [
        ({"low": 61, "high": 71}, ["low 61 (the model's is 60)"]),
        ({"steps_per_beat": 8}, ["steps_per_beat 8"]),
        ({"articulation": "sustain"}, ["articulation sustain"]),
    ],
)
def test_another_grid_is_one_line(model, corpus, capsys, change, words):
    Corpus(replace(GRID, **change), corpus.songs).save("other.safetensors")
    assert evaluate(model, "other.safetensors") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and all(word in err for word in [*words, "another grid"])


def test_what_the_grid_does_with_other_notes_does_not_matter(model, corpus, capsys):
    Corpus(replace(GRID, outside="octave"), corpus.songs).save("other.safetensors")
    assert evaluate(model, "other.safetensors", *FAST) == 0
    assert "not trained on this corpus" in capsys.readouterr().out


def test_a_gaussian_model_is_one_line(corpus, capsys):
    assert evaluate(make_model(corpus, visible_model="gaussian"), "corpus.safetensors") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Gaussian" in err


def test_a_split_without_songs_is_one_line(model, corpus, capsys):
    Corpus(GRID, [song for song in corpus.songs if song.split != "test"]).save("few.safetensors")
    assert evaluate(model, "few.safetensors") == 1
    assert "no songs to test" in capsys.readouterr().err


@pytest.mark.parametrize(
    "args, code",
    [
        (["run", "a", "b"], 2),
        (["run", "a", "--corpus", "b"], 2),
        (["run"], 2),
        (["--songs", "run"], 2),
        (["run", "--temperatures", "99"], 2),
        (["nowhere", "corpus.safetensors"], 1),
        (["--songs", "nowhere", "--corpus", "corpus.safetensors"], 1),
        (["--songs", "run", "--corpus", "nowhere"], 1),
    ],
)
def test_what_cannot_be_is_one_line(model, capsys, args, code):
    assert evaluate(*args) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "unexpectedly" not in err


def test_songs_beside_the_corpus_copies_first(corpus, capsys):
    copy = np.concatenate([melody(np.random.default_rng(8), 16), corpus.rolls("train")[2]])
    save_song("copy.mid", copy)
    save_song("new.mid", melody(np.random.default_rng(9)))
    Path("broken.mid").write_bytes(b"MThd")
    assert (
        evaluate(
            "--songs", "copy.mid", "new.mid", "broken.mid", "--corpus", "corpus.safetensors", "-q"
        )
        == 0
    )
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert (
        err == "" and lines[0].startswith("copied beats") and lines[1].startswith("(median; most")
    )
    assert lines[2].startswith("texture ") and lines[6].startswith("copied frames")
    assert "frames) of copy.mid from bar 2, as in tune " in out and "from bar 1" in out
    assert "1 of 2 have a longer copied run" in out and "these may be copies" in out
    assert "skipped broken.mid: cut short" in out
    assert "none of this measures how good a song sounds" in lines[-1]


def test_songs_as_json_from_the_pipe(corpus):
    for i in range(2):
        save_song(f"new-{i}.mid", melody(np.random.default_rng(20 + i)))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "midigen",
            "evaluate",
            "--songs",
            "--corpus",
            "corpus.safetensors",
            "--json",
        ],
        input="new-0.mid\nnew-1.mid\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["songs"], report["train_songs"], report["held_out_songs"]) == (2, 6, 3)
    assert [song["song"] for song in report["copying"]["songs"]] == ["new-0.mid", "new-1.mid"]
    rows = {row["name"]: row for row in report["rows"]}
    assert rows["notes a frame"]["generated"] == pytest.approx(1, abs=0.1)
    assert rows["notes a frame"]["overlap"] > 0.9
    figures = {row["name"]: row for row in report["figures"]}
    assert figures["silence"]["corpus"] == 0 and figures["silence"]["scored"]
    for group, count in (("generated", 2), ("held_out", 3), ("chain", 10)):
        songs = report["values"][group]
        assert len(songs) == count and report["distance"][group] >= 0
        mean = np.mean([song["note length, beats"] for song in songs])
        assert figures["note length, beats"][group] == pytest.approx(mean)
    assert report["values"]["planned"] == [] and report["distance"]["planned"] is None
    assert [row["order"] for row in report["orders"]["chain"]["orders"]] == [0, 1, 2, 3, 4]


def test_only_unreadable_songs_is_one_line(corpus, capsys):
    Path("broken.mid").write_bytes(b"MThd")
    assert evaluate("--songs", "broken.mid", "--corpus", "corpus.safetensors") == 1
    assert "broken.mid: cut short" in capsys.readouterr().err


def test_sides_that_stay_apart_are_told():
    own = {"log_likelihood": -2.5, "log_likelihood_at_most": -2.49, "conditional_on": []}
    report = {
        "split": "test",
        "songs": 2,
        "frames": 9,
        "all_frames": 9,
        "temperatures": 400,
        "mean_temperatures": 150.0,
        "chains": 4,
        "tolerance": 0.02,
        "seed": 0,
        "exact": False,
        "trained_on_this_corpus": True,
        "rows": [own],
    }
    assert not any("apart" in line for line in model_remarks(report))
    assert any(
        "150 temperatures in the mean, 400 at most" in line for line in model_remarks(report)
    )
    own["log_likelihood_at_most"] = -2.25
    assert any("they are 0.250 apart" in line for line in model_remarks(report))


def test_songs_without_copies_and_without_held_out_songs():
    report = {
        "songs": 1,
        "train_songs": 1,
        "held_out_songs": 0,
        "skipped": [],
        "copying": {"songs": [{"frames": 0}], "longer_than_held_out": None},
        "orders": {
            "chain": {"order": 0, "orders": [{"order": 0, "distance": None, "copied_beats": 0.0}]}
        },
    }
    lines = song_remarks(report)
    assert lines[0].startswith("1 new song against 1 training song;") and len(lines) == 5
    assert "0 is the corpus itself" in lines[2] and "order 0" in lines[3]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("planned", [False, True])
def test_the_tables_fit_the_terminal(corpus, width, planned):
    save_song("new.mid", melody(np.random.default_rng(9)))
    report = evaluate_songs(["new.mid"], corpus)
    if planned:  # as from a corpus that has form plans
        report["copying"]["planned"] = report["copying"]["chain"]
        for row in report["figures"]:
            row["planned"] = row["chain"]
    out = io.StringIO()
    show_songs(report, Console(file=out, width=width, force_terminal=True, color_system=None))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width and "…" not in out.getvalue()
    assert ("plans" in lines[1]) == planned
    for row in report["figures"]:  # each in a line of its own
        (line,) = [line for line in lines if line.startswith(f" {row['name']} ")]
        shown = [row["corpus"]] + [row["deviation"]] * (width >= 80) + [row["held_out"]]
        assert line.removeprefix(f" {row['name']}").split()[: len(shown)] == [
            "-" if value is None else f"{value:z.2f}" for value in shown
        ]
    assert any(line.startswith("distance") and "0.00" in line for line in lines)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_enough_is_no_failure(model, more):
    process = subprocess.Popen(
        [sys.executable, "-m", "midigen", "evaluate", model, "corpus.safetensors", *FAST, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()
