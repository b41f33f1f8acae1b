"""midigen train as a user runs it: settings, run folder, resuming, a toy, what goes wrong."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import MISSING, asdict, fields
from types import SimpleNamespace

import numpy as np
import pytest

from midigen.cli import main
from midigen.config import BudgetConfig, Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus, Song
from midigen.files import load, save
from midigen.generation import generate
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.checkpoint import Checkpoint, alone_in
from midigen.training.defaults import FITTING
from midigen.training.log import on_the_way, read_log

GRID = Grid(low=60, high=70)
SMALL = ["--rbm-hidden", "10", "--recurrent", "10", "--hidden", "10", "--gibbs-steps", "5"]

# the network alone: in songs as short as these there is no frame many bars ago to copy
ALONE = ["--context", "none", "--gates", "none"]


def bounce(frames, note=0, step=1):
    """One note that runs up and down 11 pitches, uint8 (frames, 11)."""
    roll = np.zeros((frames, 11), np.uint8)
    for t in range(frames):
        roll[t, note] = 1
        if not 0 <= note + step < 11:
            step = -step
        note += step
    return roll


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus file of eight bouncing songs; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    starts = [(0, 1), (3, 1), (7, 1), (10, -1), (5, -1), (2, -1), (9, 1), (6, -1), (1, 1)]
    songs = [
        Song(
            f"bounce {i}",
            "valid" if i == 8 else "train",
            f"{i:064x}",
            100.0,
            (4, 4),
            bounce(60 + i, *start),
        )
        for i, start in enumerate(starts)
    ]
    Corpus(GRID, songs).save(tmp_path / "corpus.safetensors")
    return "corpus.safetensors"


def train(*args):
    return main(["train", *args])


def files(folder):
    return {
        name: (folder / name).read_bytes()
        for name in ("model.safetensors", "checkpoint.safetensors")
    }


# for every setting: an option that is not its default, and the value that it stands for
TYPED = {
    "hidden": ("--hidden 7,5", (7, 5)),
    "recurrent": ("--recurrent 7", 7),
    "rbm_hidden": ("--rbm-hidden 7", 7),
    "visible_model": ("--visible-model gaussian", "gaussian"),
    "deviation": ("--deviation 0.1,0.5", (0.1, 0.5)),
    "dtype": ("--dtype float64", "float64"),
    "context": ("--context end,position", ("position", "end")),
    "gates": ("--gates hold", ("hold",)),
    "block": ("--block 7", 7),
    "rank_tolerance": ("--rank-tolerance 0.01", 0.01),
    "update": ("--update epoch", "epoch"),
    "batch": ("--batch 7", 7),
    "gradient": ("--gradient textbook", "textbook"),
    "concatenate": ("--concatenate", True),
    "sampler": ("--cd", "cd"),
    "gibbs_steps": ("--gibbs-steps 7", 7),
    "centre": ("--no-centre", False),
    "optimizer": ("--optimizer sgd", "sgd"),
    "learning_rate": ("--learning-rate 0.5", 0.5),
    "variance_rate": ("--variance-rate 0.5", 0.5),
    "momentum": ("--momentum 0.5", 0.5),
    "clip": ("--clip 0.5", 0.5),
    "weight_decay": ("--weight-decay 0.5", 0.5),
    "rbm_weight_decay": ("--rbm-weight-decay 0.5", 0.5),
    "average": ("--average 0.5", 0.5),
    "dropout": ("--dropout 0.5", 0.5),
    "noise": ("--noise 0.5", 0.5),
    "lag_dropout": ("--lag-dropout 0.5", 0.5),
    "interval_dropout": ("--interval-dropout 0.5", 0.5),
    "form_dropout": ("--form-dropout 0.5", 0.5),
    "self_fed": ("--self-fed 0.5", 0.5),
    "transpose": ("--transpose -3,4", (-3, 4)),
    "transpose_share": ("--transpose-share 0.5", 0.5),
    "negative": ("--negative literal", "literal"),
    "negative_source": ("--negative-source own", "own"),
    "negative_weight": ("--negative-weight 0.5", 0.5),
    "negative_density": ("--negative-density 0.6", 0.6),
    "negative_margin": ("--negative-margin -0.5", -0.5),
    "negative_songs": ("--negative-songs 7", 7),
    "validate_every": ("--validate-every 7", 7),
    "patience": ("--patience 7", 7),
    "seed": ("--seed 7", 7),
    "minutes": ("--minutes 0.5", 0.5),
    "epochs": ("--epochs 7", 7),
}
ALSO_TYPED = [
    ("sampler", "--exact", "exact"),
    ("sampler", "--persistent", "persistent"),
    ("context", "--context none", ()),
    ("gates", "--gates all", ("hold", "lag", "form", "interval")),
    ("dropout", "--dropout AUTO", "auto"),
]
DEFAULTS = {
    f.name: "auto" if owner.setting_of(f.name).auto else f.default
    for owner in (ModelConfig, TrainConfig, BudgetConfig)
    for f in fields(owner)
    if f.default is not MISSING and not owner.setting_of(f.name).from_data
}


@pytest.fixture
def arrived(monkeypatch):
    """arrived(*ARGS) runs `midigen ARGS`, and returns the settings that reach a run, by name."""
    module = importlib.import_module("midigen.cli.train")
    given = {}

    def new(path, output, sizes, learning, device, say):
        given.update(sizes, **learning)
        return SimpleNamespace(model_path="model", useless=None)

    def limited(limits):
        given.update(asdict(limits))

    monkeypatch.setattr(module, "_new", new)
    monkeypatch.setattr(module, "_budget", limited)
    monkeypatch.setattr(module, "_train", lambda *args: {})

    def run(*args):
        given.clear()
        assert main(list(args)) == 0
        return dict(given)

    return run


def test_without_options_a_run_gets_the_defaults(arrived):
    assert set(TYPED) == set(DEFAULTS)
    assert arrived("train", "corpus") == DEFAULTS


@pytest.mark.parametrize("source", ["command line", "variable", "settings file"])
@pytest.mark.parametrize(
    "name, typed, value",
    [*((name, *pair) for name, pair in TYPED.items()), *ALSO_TYPED],
    ids=lambda value: str(value),
)
def test_every_setting_reaches_the_run(arrived, monkeypatch, tmp_path, name, typed, value, source):
    option, _, word = typed.partition(" ")
    before, behind = [], []
    if source == "command line":
        behind = typed.split()
    elif source == "variable":
        variable = option[2:].upper().replace("-", "_")
        monkeypatch.setenv(f"MIDIGEN_TRAIN_{variable}", word or "1")
    else:
        path = tmp_path / "settings.toml"
        path.write_text(f"[train]\n{option[2:]} = {json.dumps(word) if word else 'true'}\n")
        before = ["--config", str(path)]
    given = arrived(*before, "train", "corpus", *behind)
    assert type(given[name]) is type(value)
    assert given == {**DEFAULTS, name: value}


def test_the_command_line_outranks_the_other_sources(arrived, monkeypatch):
    monkeypatch.setenv("MIDIGEN_TRAIN_CD", "1")
    assert arrived("train", "corpus", "--exact")["sampler"] == "exact"
    assert arrived("train", "corpus", "--persistent")["sampler"] == "persistent"
    assert arrived("train", "corpus", "--cd", "--exact")["sampler"] == "exact"


def test_each_sampler_trains_in_its_own_way(corpus):
    """With one Gibbs step and large weights.

    The chains of both samplers draw the same random numbers, so where the weights are small they
    meet within a few steps, wherever they have begun, and give the same gradient to the bit.
    """
    weights = []
    quick = ["--gibbs-steps", "1", "--learning-rate", "0.05", "--epochs", "20"]
    for sampler in ("persistent", "cd", "exact"):
        assert train(corpus, f"--{sampler}", *SMALL, *quick, "-o", sampler, "-q") == 0
        tensors, header = load(f"{sampler}/checkpoint.safetensors", "checkpoint", 3)
        assert header["settings"]["sampler"] == sampler
        assert RnnRbm.load(sampler).card.settings["sampler"] == sampler
        assert ("particles" in tensors) == (sampler == "persistent")
        weights.append(tensors["theta"])
    persistent, cd, exact = weights
    assert not np.array_equal(persistent, cd)
    assert not np.array_equal(persistent, exact)
    assert not np.array_equal(cd, exact)


def test_a_run_folder_and_its_path_on_stdout(corpus, tmp_path, capsys):
    assert train(corpus, "--epochs", "2", "--validate-every", "1", *SMALL) == 0
    assert train(corpus, "--epochs", "1", *SMALL, "-q") == 0
    out, err = capsys.readouterr()
    assert out.split() == [
        "output/runs/run-001/model.safetensors",
        "output/runs/run-002/model.safetensors",
    ]
    assert "all epochs done" in err
    lines = [
        json.loads(line)
        for line in (tmp_path / "output/runs/run-001/log.jsonl").read_text().splitlines()
    ]
    assert [line["epoch"] for line in lines] == [1, 2] and all(
        line["event"] == "Validated" for line in lines
    )
    card = RnnRbm.load("output/runs/run-001").card
    assert card.bpm == 100.0 and card.notes_per_frame == 1.0 and card.longest_hold == 1


def test_the_bouncing_note_is_learned(corpus):
    """To under 0.05 nats a frame, exactly; the recurrent weights move; new songs go on bouncing."""
    assert (
        train(
            corpus,
            "--epochs",
            "300",
            *SMALL,
            "--learning-rate",
            "0.02",
            "--dropout",
            "0",
            "--weight-decay",
            "0",
            "--average",
            "0.98",
            "--batch",
            "2",
            "--patience",
            "1000",
            "--transpose",
            "0",
            *ALONE,
            "-o",
            "toy",
            "-q",
        )
        == 0
    )
    model = RnnRbm.load("toy")
    held_out = bounce(600, 4, -1)  # a start that no training song has, and ten times as long as any
    assert (
        -model.exact_log_likelihood(held_out)[2:].mean() < 0.05
    )  # nothing tells where it starts, and which way
    new = RnnRbm.initial(model.config, GRID, np.full(11, 1 / 11))
    assert -new.exact_log_likelihood(held_out).mean() > 2
    recurrent = slice(model.network.inputs, model.network.inputs + model.network.recurrent)
    assert (
        np.abs(
            model.tensors()["network.1"][:, recurrent] - new.tensors()["network.1"][:, recurrent]
        ).max()
        > 0.1
    )
    songs = generate(model, 60, count=5, primer=held_out[:20], seed=1)
    right = (songs == bounce(80, 4, -1)[20:]).all(axis=2).mean()
    assert right > 0.8  # by chance: 0.09


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--concatenate", "--block", "16"],
        ["--update", "block", "--block", "16"],
        ["--cd", "--optimizer", "sgd", "--negative", "bounded"],
    ],
)
def test_resuming_is_bit_for_bit(corpus, tmp_path, more):
    options = [*SMALL, "--seed", "5", "--patience", "2", "--learning-rate", "0.01", "-q", *more]
    assert train(corpus, "--epochs", "6", "-o", "straight", *options) == 0
    assert train(corpus, "--epochs", "3", "-o", "stopped", *options) == 0
    assert train("--resume", "stopped", "--epochs", "6", "-q") == 0
    straight, stopped = RnnRbm.load("straight"), RnnRbm.load("stopped")
    assert np.array_equal(straight.theta, stopped.theta)
    straight, stopped = files(tmp_path / "straight"), files(tmp_path / "stopped")
    assert _tensors(straight["checkpoint.safetensors"]) == _tensors(
        stopped["checkpoint.safetensors"]
    )
    assert _told(tmp_path / "straight") == _told(tmp_path / "stopped")


def _told(folder):
    """The log of a run, without its times and what was set aside when it was resumed."""
    times = {"time", "seconds"}
    return [
        {key: value for key, value in line.items() if key not in times}
        for line in on_the_way(read_log(folder))
    ]


def test_the_log_s_last_best_is_the_model_that_is_kept(corpus):
    """After a resume as well, from a checkpoint that does not know of the model."""
    options = [*SMALL, "--seed", "5", "--validate-every", "1", "--learning-rate", "0.3", "-q"]
    assert train(corpus, "--epochs", "10", "-o", "run", *options) == 0
    assert _last_best("run") == RnnRbm.load("run").card.validation
    # however it goes on: the model of the cool-down, of which the checkpoint knows nothing, is
    # better than what the resumed run finds
    better = 0.001
    lines = read_log("run")
    assert lines[-1]["steps"] > Checkpoint("run").header["steps"]
    lines[-1].update(validation=better, best=True)
    with open("run/log.jsonl", "w") as f:
        f.writelines(json.dumps(line) + "\n" for line in lines)
    model = RnnRbm.load("run")
    model.card.validation = better
    model.save("run/model.safetensors")
    assert train("--resume", "run", "--epochs", "12", "-q") == 0
    assert len(on_the_way(read_log("run"))) == 12
    assert _last_best("run") == RnnRbm.load("run").card.validation == better


def _last_best(folder):
    return [line["validation"] for line in read_log(folder) if line["best"]][-1]


def _tensors(data):
    """The bytes of a safetensors file behind its header, which holds the run's name."""
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_ctrl_c_saves_and_the_run_goes_on(corpus, tmp_path):
    command = [
        sys.executable,
        "-m",
        "midigen",
        "train",
        corpus,
        "--minutes",
        "5",
        "--validate-every",
        "1",
        "-o",
        "run",
    ]
    process = subprocess.Popen(
        command + SMALL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "run/log.jsonl").exists() or not (tmp_path / "run/log.jsonl").read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "run/model.safetensors\n" and "--resume run" in err and "Traceback" not in err
    assert err.count("stops when this step is done") == 1
    steps = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])["epoch"]
    assert train("--resume", "run", "--epochs", str(steps + 40), "-q") == 0


def test_a_killed_run_goes_on_from_its_last_checkpoint(corpus, tmp_path):
    """As if it had never been killed: the same weights as a run that was not."""
    options = [*SMALL, "--seed", "5", "--validate-every", "1"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "midigen",
            "train",
            corpus,
            "--minutes",
            "5",
            "-o",
            "killed",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "killed/model.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    # the checkpoint is that of the first step; the model may be one of steps that 7 epochs do not
    # reach, and would be kept if it were better
    (tmp_path / "killed/model.safetensors").unlink()
    assert train("--resume", "killed", "--epochs", "7", "-q") == 0
    assert train(corpus, "--epochs", "7", "-o", "straight", *options, "-q") == 0
    assert np.array_equal(RnnRbm.load("killed").theta, RnnRbm.load("straight").theta)


def test_a_stop_before_the_first_validation_still_leaves_a_model(corpus):
    assert train(corpus, "--minutes", "0.0001", *SMALL, "-q") == 0
    assert RnnRbm.load("output/runs/run-001")


@pytest.mark.parametrize(
    "args, code, words",
    [
        (["missing.safetensors"], 1, "missing.safetensors"),
        (["corpus.safetensors", "--dropout", "1.5"], 2, "dropout must be"),
        (["corpus.safetensors", "--hidden", "ten"], 2, "write none, or widths"),
        (["corpus.safetensors", "--transpose", "3,6"], 2, "transpose must be"),
        (["corpus.safetensors", "--transpose", "some"], 2, "or 0 for none"),
        (["corpus.safetensors", "--transpose-share", "2"], 2, "transpose_share must be"),
        (["corpus.safetensors", "--negative-density", "0.3"], 2, "negative_density must be"),
        (["--resume", "nowhere"], 1, "holds no checkpoint"),
        (["--resume", "nowhere", "--batch", "3"], 2, "leave out --batch"),
        (["--resume", "nowhere", "--cd"], 2, "leave out --cd"),
        (["--resume", "nowhere", "--no-centre"], 2, "leave out --no-centre"),
        (["--resume", "nowhere", "-o", "run"], 2, "leave out --output"),
        (["corpus.safetensors", "-o", "corpus.safetensors"], 1, "cannot make"),
    ],
)
def test_what_goes_wrong_is_one_line(corpus, capsys, args, code, words):
    assert train(*args) == code
    out, err = capsys.readouterr()
    assert not out and words in err and len(err.splitlines()) == 1


def test_a_model_that_memory_does_not_hold_leaves_nothing(corpus, tmp_path, monkeypatch, capsys):
    def initial(*_):
        raise MemoryError("Unable to allocate 64.0 GiB")

    monkeypatch.setattr(RnnRbm, "initial", initial)
    assert train(corpus, "-o", "huge") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "64.0 GiB" in err and "--recurrent" in err
    assert [path.name for path in tmp_path.iterdir()] == [corpus]


def test_a_used_folder_another_corpus_and_a_cut_checkpoint(corpus, tmp_path, capsys):
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 0
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 2
    assert "--resume run" in capsys.readouterr().err
    songs = [Song("other", "train", "ab" * 32, 90.0, (4, 4), bounce(40))]
    Corpus(GRID, songs).save("other.safetensors")
    assert train("other.safetensors", "--resume", "run", "--epochs", "2") == 2
    assert "is not the corpus" in capsys.readouterr().err
    path = tmp_path / "run/checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert train("--resume", "run", "--epochs", "2") == 1
    assert "damaged" in capsys.readouterr().err


def test_a_corpus_without_training_songs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Corpus(GRID, [Song("only", "valid", "ab" * 32, 90.0, (4, 4), bounce(40))]).save(
        "empty.safetensors"
    )
    assert train("empty.safetensors", "--epochs", "1") == 1
    assert "no songs to train on" in capsys.readouterr().err
    assert not os.path.exists("output")


def test_exact_sums_are_for_small_models(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    roll = np.eye(20, dtype=np.uint8)
    Corpus(Grid(low=60, high=79), [Song("a", "train", "ab" * 32, 90.0, (4, 4), roll)]).save(
        "wide.safetensors"
    )
    assert train("wide.safetensors", "--epochs", "1", "--exact", "--rbm-hidden", "17") == 2
    assert "lower --rbm-hidden" in capsys.readouterr().err and not os.path.exists("output")
    assert train("wide.safetensors", "--epochs", "1", "--exact", "--rbm-hidden", "4", "-q") == 0


def test_a_log_of_somebody_else_s_is_not_written_over(corpus, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/log.jsonl").write_text("precious")
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "mine") == 2
    assert "already holds a log.jsonl" in capsys.readouterr().err
    assert (tmp_path / "mine/log.jsonl").read_text() == "precious"


def test_a_run_without_any_model_fails(corpus, tmp_path, capsys):
    assert train(corpus, "--epochs", "3", *SMALL, "--learning-rate", "1000", "-o", "run", "-q") == 1
    out, err = capsys.readouterr()
    assert out == "" and "no validation is finite; try a lower --learning-rate" in err
    last = (tmp_path / "run/log.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["validation"] is None and "Infinity" not in last


def test_a_run_finds_its_corpus_from_anywhere(corpus, tmp_path, monkeypatch, capsys):
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 0
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert train("--resume", "../run", "--epochs", "2", "-q") == 0
    (tmp_path / corpus).rename(tmp_path / "moved.safetensors")
    assert train("--resume", "../run", "--epochs", "3", "-q") == 1
    assert "name it behind --resume ../run" in capsys.readouterr().err
    assert train("--resume", "../run", "../moved.safetensors", "--epochs", "3", "-q") == 0
    monkeypatch.chdir(tmp_path)
    assert train("--resume", "run", "--epochs", "4", "-q") == 0


def test_two_do_not_train_in_one_folder(corpus, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    with alone_in(tmp_path / "run"):
        assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 1
    assert "another midigen is training in run" in capsys.readouterr().err
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensors, header: tensors.update(average=tensors["average"][:-1]),
        lambda tensors, header: tensors.update({"moment.0": tensors["moment.0"][:3]}),
        lambda tensors, header: tensors.update(particles=tensors["particles"][1:]),
        lambda tensors, header: header.update(grid=[]),
        lambda tensors, header: header.update(steps="many"),
        lambda tensors, header: header["state"].update(cursor=0.5),
        lambda tensors, header: header["state"].update(rate_scale=float("nan")),
        lambda tensors, header: header["state"].update(best=float("nan")),
        lambda tensors, header: tensors["theta"].__setitem__(7, np.nan),
        lambda tensors, header: tensors["average"].__setitem__(7, np.inf),
        *(
            lambda tensors, header, name=name: tensors.update(
                {name: tensors[name][..., :-1].copy()}
            )
            for name in (
                "carry.0.state",
                "carry.0.history.0.inputs",
                "carry.0.history.0.u",
                "carry.0.first.params",
            )
        ),
    ],
)
def test_a_checkpoint_of_nonsense_is_refused(corpus, tmp_path, capsys, spoil):
    assert (
        train(corpus, "--epochs", "3", *SMALL, "-o", "run", "-q", "--concatenate", "--block", "16")
        == 0
    )
    path = tmp_path / "run/checkpoint.safetensors"
    tensors, header = load(path, "checkpoint", 3)
    spoil(tensors, header)
    save(path, "checkpoint", 3, tensors, header)
    assert train("--resume", "run", "--epochs", "2", "-q") == 1
    err = capsys.readouterr().err
    assert "is damaged" in err and err.count("\n") == 1


def test_the_last_part_of_a_run_cools_down_and_is_not_in_the_checkpoint(corpus, tmp_path):
    assert train(corpus, "--epochs", "20", *SMALL, "--validate-every", "1", "-o", "run", "-q") == 0
    rates = [
        json.loads(line)["rate"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()
    ]
    assert (
        len(rates) == 20
        and rates[:12] == [rates[0]] * 12
        and rates[12:] == sorted(rates[12:], reverse=True)
    )
    assert rates[12] > 0.8 * rates[0] and rates[-1] < 0.05 * rates[0]
    assert Checkpoint("run").header["state"]["epoch"] == 12
    kept = RnnRbm.load("run").card.validation
    assert train("--resume", "run", "--epochs", "24", "-q") == 0
    assert RnnRbm.load("run").card.validation <= kept


def test_a_model_that_is_worse_than_coins_is_said_to_be_so(corpus, capsys):
    """In songs that no model of so few units, with such steps, can follow."""
    wild = ["--epochs", "6", *SMALL, *ALONE, "--learning-rate", "30", "--patience", "100"]
    assert train(corpus, *wild, "-o", "run") == 1
    out, err = capsys.readouterr()
    last = " ".join(err.splitlines()[-1].split())
    assert out == "" and "run/model.safetensors predicts notes worse than coins" in last
    assert "coins 8" in last and "lower --learning-rate than 30" in last  # 11 ln 2
    assert RnnRbm.load("run").card.validation > 11 * np.log(2)
    assert train(corpus, *wild, "-o", "again", "--any-model", "-q") == 0
    assert capsys.readouterr().out == "again/model.safetensors\n"
    assert train("--resume", "again", "--epochs", "7", "--any-model", "-q") == 0
    assert train("--resume", "run", "--epochs", "7", "-q") == 1
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "good", "-q") == 0


def test_what_is_not_asked_for_suits_the_size_of_the_collection(corpus):
    assert train(corpus, "--epochs", "1", "-o", "run", "-q") == 0
    model, fitting = RnnRbm.load("run"), FITTING[0]
    assert model.card.settings | fitting.settings == model.card.settings
    assert {name: getattr(model.config, name) for name in fitting.sizes} == fitting.sizes


def test_json_is_alone_on_stdout(corpus, capsys):
    assert train(corpus, "--epochs", "2", *SMALL, "-o", "run", "--json") == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["run"], report["epochs"], report["outcome"]) == ("run", 2, "all epochs done")
    model = RnnRbm.load(report["model"])
    assert report["validation"] == model.card.validation
    assert report["parameters"] == model.theta.size
    assert report["settings"] == json.loads(json.dumps(model.card.settings))
    assert report["model_settings"]["hidden"] == [10] and "training run" in err
    assert train("--resume", "run", "--epochs", "3", "--json", "-q") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["epochs"] == 3 and err == ""


def test_settings_like_those_of_another_run(corpus, arrived):
    model = RnnRbm.initial(
        ModelConfig(visible=11, hidden=(7, 5), recurrent=3, rbm_hidden=2, gates=("hold",)),
        GRID,
        np.full(11, 0.1),
    )
    settings = TrainConfig(learning_rate=0.5, seed=9, transpose=(-1, 2), centre=False)
    model.card.settings = json.loads(json.dumps(settings.to_json()))
    model.save("old/model.safetensors")
    given = arrived("train", corpus, "--like", "old", "--seed", "4", "--recurrent", "8")
    assert (given["hidden"], given["gates"], given["rbm_hidden"]) == ((7, 5), ("hold",), 2)
    assert (given["learning_rate"], given["transpose"], given["centre"]) == (0.5, (-1, 2), False)
    assert (given["seed"], given["recurrent"]) == (4, 8)  # the command line comes first


def test_the_environment_does_not_outrank_like(corpus, arrived, monkeypatch):
    config = ModelConfig(visible=11, hidden=(), recurrent=3, rbm_hidden=2)
    RnnRbm.initial(config, GRID, np.full(11, 0.1)).save("old/model.safetensors")
    monkeypatch.setenv("MIDIGEN_TRAIN_RECURRENT", "9")
    assert arrived("train", corpus, "--like", "old")["recurrent"] == 3


@pytest.mark.parametrize(
    "args, code, words",
    [
        (["--like", "none"], 1, "there is no file none"),
        (["--like", "corpus.safetensors"], 2, "is a corpus: train on it first"),
        (["--resume", "run", "--like", "run"], 2, "leave out --like"),
    ],
)
def test_like_what_is_no_run_is_one_line(corpus, capsys, args, code, words):
    assert train(corpus, *args) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and words in err


def test_a_run_is_resumed_by_its_model_s_path_too(corpus, capsys):
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 0
    path = capsys.readouterr().out.strip()
    assert train("--resume", path, "--epochs", "2", "-q") == 0
    assert capsys.readouterr().out.strip() == path


def test_a_folder_left_by_a_kill_before_the_first_checkpoint_can_be_used(corpus, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.jsonl").touch()
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "run", "-q") == 0
    (tmp_path / "other").mkdir()
    (tmp_path / "other/log.jsonl").write_text("mine")
    assert train(corpus, "--epochs", "1", *SMALL, "-o", "other", "-q") == 2
    assert (tmp_path / "other/log.jsonl").read_text() == "mine"
