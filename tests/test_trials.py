"""What docs/reliability.md promises, in reduced number; scripts/trials.py does all of it."""

import errno
import os

import pytest

from midigen.cli import main
from scripts import trials

posix = pytest.mark.skipif(os.name == "nt", reason="no such signals there")


@posix
def test_killed_runs_lose_little_and_make_the_same_model():
    found = trials.kills(1, threads=2, epochs=60)
    assert found["kills"] == 1 and found["other models"] == 0
    assert found["most lost"] <= 30 + 0.5 * trials.SCALE  # a busy machine


def test_a_run_that_has_ended_is_not_trained_for_longer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, new = tmp_path / "run", ["train", "corpus", "--epochs", "2", *trials.SMALL]
    assert trials._next(run, new) == [*new, "-o", str(run)]
    assert main(["prepare", str(trials.SONGS), "-o", "corpus", "-q"]) == 0
    assert main([*new, "-o", "run"]) == 0
    assert trials._next(run, new) is None
    (run / "cooling.safetensors").touch()
    assert trials._next(run, new)[:2] == ["train", "--resume"]


@posix
def test_a_disk_that_fails_leaves_valid_files():
    found = trials.faults(stride=16)
    assert found["faults"] > 4 and found["broken"] == []


def test_a_disk_that_fails_does_fail(tmp_path):
    disk = trials.Disk(tmp_path, 1, errno.ENOSPC)
    with disk.failing():
        (tmp_path / "a").open("wb").close()
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "b").open("wb").close()
    assert disk.calls == 2 and (tmp_path / "a").exists()


def test_mutants_of_songs_get_verdicts_within_limits():
    found = trials.mutants(100)
    assert found["broken"] == [] and found["read"] + found["refused"] == 100
    assert found["refused"] > 0
    assert trials.mutant(3) == trials.mutant(3) != trials.mutant(4)


def test_flipped_bits_and_cuts_are_refused():
    found = trials.damage(stride=1501)
    assert found["tried"] > 100 and found["broken"] == []


@posix
def test_signals_end_commands_at_once():
    found = trials.signals(1, compiling=False)
    assert found["broken"] == [] and found["longest"] < 2 + 1  # a busy machine
