"""Whatever a call does to its worker, the next ones go on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from midigen.errors import MidigenError
from midigen.midi import guard
from midigen.midi.guard import WINDOW, map_guarded
from midigen.midi.worker import Failure

ROOT = Path(__file__).parents[2]
LINUX = sys.platform.startswith("linux")


class Unreadable:
    """What can be pickled, but not read again."""

    def __reduce__(self):
        return int, ("no number",)


def spin(seconds):
    """Use processor time."""
    while time.process_time() < seconds:
        pass


ACTS = {
    "return": lambda argument: argument,
    "sleep": time.sleep,
    "spin": spin,
    "exit": os._exit,
    "kill": lambda argument: os.kill(os.getpid(), signal.SIGKILL),
    "die later": lambda argument: threading.Timer(argument, os._exit, [1]).start(),
    "print": lambda argument: print(argument, flush=True),
    "unreadable": lambda argument: Unreadable(),
    "lambda": lambda argument: lambda: None,
    "process": lambda argument: os.getpid(),
    "allocate": lambda argument: len(b"\1" * (argument * 2**20)),
}


def act(item):
    """What the tests ask of a worker: what it returns, or its name where that is nothing."""
    name, argument = item
    if name == "raise":
        raise argument
    result = ACTS[name](argument)
    return name if result is None else result


def outcomes(*items, **options):
    results = list(
        map_guarded(act, items, **{"workers": 2, "preload": ["tests.midi.test_guard"], **options})
    )
    assert [item for item, _ in results] == list(items)
    return [outcome for _, outcome in results]


def test_results_errors_and_crashes():
    got = outcomes(
        ("return", 1),
        ("raise", MidigenError("why\x07")),
        ("exit", 3),
        ("raise", KeyError("k")),
        ("kill", 0),
        ("raise", MemoryError()),
        ("return", 2),
    )
    assert got[0] == 1 and got[6] == 2
    assert [failure.reason.split(" (")[0] for failure in got[1:6]] == [
        "why\\x07",
        "crashed its reader",
        "failed",
        "crashed its reader",
        "needs too much memory",
    ]


def test_results_that_cannot_be_sent():
    got = outcomes(("unreadable", 0), ("lambda", 0), ("return", 1), workers=1)
    assert [failure.reason.split(" (")[0] for failure in got[:2]] == ["failed", "failed"]
    assert "no number" in got[0].reason and got[2] == 1


def test_what_a_call_prints_goes_to_stderr(capfd):
    assert outcomes(("print", "hello"), ("return", 1)) == ["print", 1]
    out, err = capfd.readouterr()
    assert out == "" and "hello" in err


def test_a_worker_that_cannot_start(monkeypatch):
    monkeypatch.setattr(guard, "PROGRAM", "raise SystemExit(3)")
    with pytest.raises(MidigenError, match=r"cannot start a process .*\(exit code 3\)"):
        outcomes(("return", 1))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(MidigenError, match="cannot start a process .*No such file"):
        outcomes(("return", 1))


def test_time_limit():
    began = time.monotonic()
    assert outcomes(("spin", 60), ("return", 1), seconds=0.5) == [
        Failure("took too long (over 0.5 s of processor time)"),
        1,
    ]
    assert time.monotonic() - began < 20


def test_a_call_that_waits_uses_no_time():
    """As on a machine that does much else: the verdict is the same."""
    assert outcomes(("sleep", 1.5), ("return", 1), seconds=0.5) == ["sleep", 1]


def test_a_call_that_hangs_ends(monkeypatch):
    monkeypatch.setattr(guard, "HANG", 2)
    began = time.monotonic()
    assert outcomes(("sleep", 60), ("return", 1), seconds=0.5) == [Failure("hung (for 1 s)"), 1]
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not LINUX, reason="only Linux enforces the memory limit")
def test_memory_limit_is_lifted_again():
    assert outcomes(
        ("allocate", 20), ("allocate", 200), ("allocate", 20), megabytes=100, workers=1
    ) == [20 * 2**20, Failure("needs too much memory (over 100 MB)"), 20 * 2**20]


def test_more_items_than_the_window():
    assert outcomes(*[("return", i) for i in range(60)]) == list(range(60))


def test_nothing_to_do():
    assert outcomes() == []


def test_an_abandoned_run_ends_its_workers():
    run = map_guarded(act, [("process", 0), ("sleep", 60), ("sleep", 60)], workers=2)
    process = next(run)[1]
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 20
    with pytest.raises(OSError):
        os.kill(process, 0)


@pytest.mark.skipif(os.name == "nt", reason="processes are killed in another way there")
def test_workers_end_with_their_caller():
    """They hold its stderr, which ends when the last of them has ended."""
    code = (
        "from midigen.midi.guard import map_guarded; from tests.midi.test_guard import act;"
        "run = map_guarded(act, [('return', 1), ('sleep', 60)], seconds=60, workers=2);"
        "print(next(run)[1], flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout.readline() == b"1\n"
    process.kill()
    assert process.communicate(timeout=20) == (b"", b"")


def test_a_worker_that_dies_between_two_calls():
    items = [("return", i) for i in range(WINDOW - 1)] + [
        ("die later", 0.05),
        ("return", 99),
        ("return", 100),
    ]
    run = map_guarded(act, items, workers=1)
    got = [next(run)[1]]
    time.sleep(1)  # the window is done, its last worker dies without a call
    got += [outcome for _, outcome in run]
    assert got == [*range(WINDOW - 1), "die later", 99, 100]
