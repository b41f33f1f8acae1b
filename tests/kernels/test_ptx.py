"""Every CUDA kernel compiles and links for a real GPU, with its accumulators in registers.

In a process of its own, in which numba.cuda does all but ask a driver.
"""

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.mark.skipif(
    find_spec("numba_cuda") is None,
    reason="needs numba-cuda and nvrtc: pip install '.[cuda]'",
)
def test_every_kernel_compiles_and_keeps_its_numbers_in_registers():
    pytest.importorskip("midigen.kernels.cuda", reason="kernels.cuda is not installed")
    environment = {
        name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.ptx"],
        cwd=Path(__file__).parents[2],
        text=True,
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kernels = [json.loads(line) for line in done.stdout.splitlines()]
    assert {k["kernel"] for k in kernels if k["local"]} == set()
    sources = Path(__file__).parents[2].glob("midigen/kernels/cuda/*.py")
    defined = {
        f"midigen.kernels.cuda.{path.stem}.{name}" for path in sources for name in factories(path)
    }
    assert defined - {k["kernel"].split(".<locals>")[0] for k in kernels} == set()


def factories(path):
    """Names of the functions in a file that hold a kernel."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
            marks = [d for n in inner for d in n.decorator_list]
            if any(isinstance(d, ast.Call) and getattr(d.func, "id", "") == "jit" for d in marks):
                yield node.name
