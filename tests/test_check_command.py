"""midigen check: its table, its JSON, and that it finds what is wrong."""

import json

import numpy as np
import pytest

from midigen import checks
from midigen.backends.choose import available
from midigen.cli import main
from midigen.model import recurrent

BACKENDS = [f"{device} {dtype}" for device in available() for dtype in checks.DTYPES]
ON_CPU = [name for name in BACKENDS if name.startswith("cpu")]
COUNT = len(checks.CHECKS) * len(BACKENDS) - len(checks.ON_THE_HOST) * len(
    set(BACKENDS) - set(ON_CPU)
)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", checks.DTYPES)
def test_every_check_passes_on_the_gpu(dtype):
    results = checks.run_backend(f"cuda {dtype}")
    assert len(results) == len(checks.CHECKS) - len(checks.ON_THE_HOST)
    assert [result for result in results if not result.passed] == []


def test_all_is_well_here(capsys):
    assert main(["check"]) == 0
    out = capsys.readouterr().out
    assert "FAILED" not in out
    assert all(name in out for name in (*checks.CHECKS, *BACKENDS, *checks.LIBRARIES))


def test_json(capsys):
    assert main(["check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] and len(report["checks"]) == COUNT
    assert set(report["checks"][0]) == {
        "check",
        "equation",
        "backend",
        "error",
        "tolerance",
        "passed",
    }


@pytest.fixture
def in_process(monkeypatch):
    """Run the checks of the CPU in this process, where they can be broken."""
    monkeypatch.setattr(
        checks,
        "run",
        lambda progress: [r for backend in ON_CPU for r in checks.run_backend(backend)],
    )


def test_a_wrong_gradient_is_found(in_process, monkeypatch, capsys):
    """J forgotten between blocks: the rows of RTRL in more than one block fail, and no other."""
    for module in (recurrent, checks):
        monkeypatch.setattr(module, "influence_gradient", lambda *_: None)
    assert main(["check", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    failed = {row["check"] for row in report["checks"] if not row["passed"]}
    assert failed == {"RTRL, blocks of 1", "RTRL, blocks of 7", "RTRL, rank followed"}
    assert main(["check"]) == 1
    assert capsys.readouterr().out.count("FAILED") == 3 * len(ON_CPU)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_fail(in_process, monkeypatch, capsys, value):
    monkeypatch.setattr(checks, "CHECKS", {"broken": ("", lambda backend, dtype: value)})
    assert main(["check", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [row["error"] for row in report["checks"]] == [None] * len(ON_CPU)
    assert not report["passed"]
