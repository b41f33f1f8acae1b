"""A run that is stopped or killed anywhere goes on as if it had not been, the last part as well."""

import json

import numpy as np
import pytest

from midigen.cli import main
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.training import checkpoint, run
from midigen.training.checkpoint import COOLING_NAME, Checkpoint
from midigen.training.log import on_the_way, read_log
from midigen.training.resume import resume
from midigen.training.schedule import Budget, CoolDown, Schedule

GRID = Grid(low=60, high=70)
OPTIONS = [
    *("--rbm-hidden", "4", "--recurrent", "4", "--hidden", "4", "--gibbs-steps", "2"),
    *("--context", "none", "--gates", "none", "--seed", "5", "--validate-every", "1"),
    *("--batch", "4", "-q"),
]
EPOCHS = 10
EVENTS = 3 * EPOCHS  # two steps and a validation an epoch


class Killed(BaseException):
    """No part of midigen catches it."""


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A corpus file; the test runs in its folder, and every event is followed by a checkpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "SAVE_SECONDS", 0)
    rng = np.random.default_rng(3)
    rolls = [(rng.random((40, 11)) < 0.3).astype(np.uint8) for _ in range(9)]
    songs = [
        Song(f"{i}", "valid" if i == 8 else "train", f"{i:064x}", 100.0, (4, 4), roll)
        for i, roll in enumerate(rolls)
    ]
    Corpus(GRID, songs).save("corpus")
    return "corpus"


@pytest.fixture
def killed(monkeypatch):
    """killed(EVENTS, ARGS) runs `midigen train ARGS`, which dies behind so many events."""
    events = run.Run.events

    def begin(count, *args):
        def some(self, budget, interrupted):
            for number, event in enumerate(events(self, budget, interrupted), 1):
                yield event
                if number == count:
                    raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(run.Run, "events", some)
            with pytest.raises(Killed):
                train(*args)

    return begin


def train(*args):
    return main(["train", *args])


def model(folder, tmp_path):
    """The bytes of a run's model, without the name of the run."""
    return (tmp_path / folder / "model.safetensors").read_bytes()


def told(folder):
    """The log of a run, without its times and what was set aside."""
    return [
        {key: value for key, value in line.items() if key not in ("time", "seconds")}
        for line in on_the_way(read_log(folder))
    ]


@pytest.mark.parametrize("threads, patience", [(1, 50), (2, 50), (1, 3)])
def test_a_run_killed_behind_any_event_makes_the_same_model(
    corpus, killed, tmp_path, monkeypatch, threads, patience
):
    """One of them stops early, in the fifth epoch."""
    options = [*OPTIONS, "--patience", f"{patience}"]
    monkeypatch.setattr("midigen.backends.cpu.usable_cores", lambda: threads)
    (tmp_path / "straight").mkdir()
    (tmp_path / "killed").mkdir()
    straight = tmp_path / "straight" / "run"
    assert train(corpus, "--epochs", f"{EPOCHS}", "-o", str(straight), *options) == 0
    lines = told(straight)
    last = lines[-1]["steps"] + len(lines)  # one event a step, and one a validation
    assert (last == EVENTS) == (patience == 50)
    for count in (2, *range(last // 2, last)):
        folder = tmp_path / "killed" / f"{count}" / "run"
        killed(count, corpus, "--epochs", f"{EPOCHS}", "-o", str(folder), *options)
        limits = ["--epochs", f"{EPOCHS}"] if count % 2 else []
        assert train("--resume", str(folder), *limits, "-q") == 0
        assert model(folder, tmp_path) == model(straight, tmp_path), count
        assert not (folder / COOLING_NAME).exists()
        assert told(folder) == told(straight), count


def test_ctrl_c_in_the_last_part_keeps_its_steps(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SAVE_SECONDS", 1000)
    count = [0]

    def stop(self):
        count[0] += 1
        self.stop = KeyboardInterrupt() if count[0] > 16 else None
        return (
            self.stop is not None
        )  # asked before every step, and a few times more: in the ninth epoch

    with monkeypatch.context() as patch:
        patch.setattr("midigen.cli.train._Interrupt.is_set", stop)
        assert train(corpus, "--epochs", f"{EPOCHS}", "-o", "run", *OPTIONS) == 130
    cooling = Checkpoint("run", COOLING_NAME)
    assert cooling.counters.epoch >= 7 > Checkpoint("run").counters.epoch == 6
    assert 0 < cooling.schedule.factor < 1
    assert train("--resume", "run", "-q") == 0
    assert not (tmp_path / "run" / COOLING_NAME).exists()
    straight = tmp_path / "straight" / "run"
    straight.parent.mkdir()
    assert train(corpus, "--epochs", f"{EPOCHS}", "-o", str(straight), *OPTIONS) == 0
    assert model("run", tmp_path) == model(straight, tmp_path)


def test_a_larger_budget_goes_back_and_says_so(corpus, killed, capsys):
    killed(EVENTS - 3, corpus, "--epochs", f"{EPOCHS}", "-o", "run", *OPTIONS)
    assert Checkpoint("run", COOLING_NAME).counters.epoch == 8
    assert train("--resume", "run", "--epochs", "30") == 0
    err = capsys.readouterr().err
    assert "going back to before the step size ran down" in " ".join(err.split())
    assert "from epoch 7" in err  # 60 % of 10 epochs
    assert Checkpoint("run").counters.epoch == 18
    assert train("--resume", "run", "--epochs", "2") == 0
    err = capsys.readouterr().err
    assert "going on from before the step size ran down, with which" in " ".join(err.split())


def test_a_smaller_budget_goes_on_where_it_was(corpus, killed):
    killed(EVENTS - 8, corpus, "--epochs", f"{EPOCHS}", "-o", "run", *OPTIONS)
    found, budget = resume("run", 9, None, 2.0, print)
    factor = found.schedule.factor
    assert found.counters.epoch == 7 and budget == Budget(9, None) and factor < 1
    run_of = run.Run.resumed("run", found, Corpus.load(corpus), corpus)
    factors = [run_of.trainer.pace.factor for _ in run_of.events(budget, lambda: False)]
    assert factors[0] <= factor and factors == sorted(factors, reverse=True) and factors[-1] < 0.3
    assert run_of.trainer.counters.epoch == 9


def test_a_checkpoint_of_an_earlier_attempt_is_left_alone(corpus, killed, tmp_path):
    killed(EVENTS - 3, corpus, "--epochs", f"{EPOCHS}", "-o", "run", *OPTIONS)
    stale = (tmp_path / "run" / COOLING_NAME).read_bytes()
    killed(3, "--resume", "run", "--epochs", "30", "-q")
    assert (tmp_path / "run" / COOLING_NAME).read_bytes() == stale
    found, budget = resume("run", None, None, 2.0, print)
    assert found.path.name == checkpoint.CHECKPOINT_NAME
    assert (budget.epochs, budget.minutes) == (30, None)


def test_a_run_that_has_ended_gets_more_time(corpus):
    assert train(corpus, "--epochs", "4", "-o", "run", *OPTIONS) == 0
    found, budget = resume("run", None, None, 2.0, print)
    assert found.path.name == checkpoint.CHECKPOINT_NAME and budget == Budget(None, 2.0)


@pytest.mark.parametrize(
    "limits, exceeded",
    [
        ((20, None), True),  # no longer bound to 3 minutes
        ((20, 2.0), False),
        ((20, 2.1), True),
        ((21, 1.0), True),
        ((None, 1.0), True),
    ],
)
def test_new_limits_are_compared_with_what_was_left(limits, exceeded):
    assert Schedule(20, 3.0, 60.0).is_exceeded(*limits) == exceeded


def test_a_schedule_is_read_as_it_was_written():
    schedule = Schedule(None, 3.0, 60.5, CoolDown(0.6, 100, False), 0.75)
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule
    assert schedule.budget == Budget(None, 3.0, used=60.5)
    for key, value in (("factor", float("nan")), ("seconds", -1), ("cooling", {"begun": 1})):
        with pytest.raises((ValueError, TypeError)):
            Schedule.from_json({**schedule.to_json(), key: value})
