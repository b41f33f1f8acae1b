"""The project without what knows a GPU: in a copy, backend and kernels deleted, the rest works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KEPT = ("midigen", "tests", "docs", "songs", "benchmarks", "scripts", "README.md", "pyproject.toml")
# the rooms that a device passes through; kernels compile anew in the copy, so only those
RUN = (
    "tests/kernels/test_network.py",
    "tests/kernels/test_twins.py",
    "tests/training/test_state.py",
    "tests/training/test_trainer.py",
    "tests/evaluation/test_accuracy.py",
    "tests/evaluation/test_likelihood.py",
    "tests/test_architecture.py",
    "tests/test_backends.py",
    "tests/test_generation.py",
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the checkout without backends/cuda.py and kernels/cuda/."""
    folder = tmp_path_factory.mktemp("without") / "midigen"
    folder.mkdir()
    for name in KEPT:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    shutil.rmtree(folder / "midigen" / "kernels" / "cuda")
    (folder / "midigen" / "backends" / "cuda.py").unlink()
    return folder


def pytest_in(folder, *arguments):
    """Run pytest there, on the copy and not on what is installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_every_other_test_can_be_collected(copy):
    run = pytest_in(copy, "--collect-only")
    assert run.returncode == 0, run.stdout[-3000:]


def test_what_a_device_passes_through_works(copy):
    run = pytest_in(copy, "-m", "not cuda", "-x", *RUN)
    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout


def test_a_device_that_is_not_there_is_said_in_one_line(copy, tmp_path):
    """As where there is no GPU."""
    program = (
        "from midigen.backends.choose import available, choose\n"
        "print(available(), choose('auto', say=print))\n"
        "choose('cuda')"
    )
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "takes the CPU: this installation was made without kernels for a GPU" in run.stdout
    assert "['cpu'] cpu" in run.stdout
    assert run.stderr.splitlines()[-1].startswith("midigen.errors.MidigenError: --device cuda:")
