"""Whatever a call does to its worker, the next ones go on."""

import os
import signal
import sys
import threading
import time

import pytest

from midigen.errors import MidigenError
from midigen.midi.guard import WINDOW, Verdict, guarded

LINUX = sys.platform.startswith("linux")


def act(item):
    """What the tests ask of a worker."""
    name, argument = item
    if name == "return":
        return argument
    if name == "raise":
        raise argument
    if name == "sleep":
        time.sleep(argument)
    if name == "exit":
        os._exit(argument)
    if name == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "die later":
        threading.Timer(argument, os._exit, [1]).start()
    if name == "allocate":
        return len(b"\1" * (argument * 2**20))
    return name


def outcomes(*items, **options):
    results = list(
        guarded(act, items, **{"workers": 2, "preload": ["tests.midi.test_guard"], **options})
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
    assert [verdict.reason.split(" (")[0] for verdict in got[1:6]] == [
        "why\\x07",
        "crashed its reader",
        "failed",
        "crashed its reader",
        "needs too much memory",
    ]


def test_time_limit():
    began = time.monotonic()
    assert outcomes(("sleep", 60), ("return", 1), seconds=0.5) == [
        Verdict("took too long (over 0.5 s)"),
        1,
    ]
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not LINUX, reason="only Linux enforces the memory limit")
def test_memory_limit_is_lifted_again():
    assert outcomes(
        ("allocate", 20), ("allocate", 200), ("allocate", 20), megabytes=100, workers=1
    ) == [20 * 2**20, Verdict("needs too much memory (over 100 MB)"), 20 * 2**20]


def test_more_items_than_the_window():
    assert outcomes(*[("return", i) for i in range(60)]) == list(range(60))


def test_nothing_to_do():
    assert outcomes() == []


def test_an_abandoned_run_ends_its_workers():
    run = guarded(act, [("return", 1), ("sleep", 60), ("sleep", 60)], workers=2)
    assert next(run)[1] == 1
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 20


def test_a_worker_that_dies_between_two_calls():
    items = [("return", i) for i in range(WINDOW - 1)] + [
        ("die later", 0.05),
        ("return", 99),
        ("return", 100),
    ]
    run = guarded(act, items, workers=1)
    got = [next(run)[1]]
    time.sleep(1)  # the window is done, its last worker dies without a call
    got += [outcome for _, outcome in run]
    assert got == [*range(WINDOW - 1), "die later", 99, 100]
