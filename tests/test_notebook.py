"""The notebook of the documents runs from its first cell to its last."""

import ast
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[1] / "docs" / "notebook.ipynb"
SMALL = {"minutes=2": "epochs=2", "(model, corpus)": "(model, corpus, temperatures=100, chains=2)"}


@pytest.fixture
def notebook():
    return json.loads(PATH.read_text(encoding="utf-8"))


@pytest.fixture
def shown(monkeypatch):
    """What the cells show: a stand-in for IPython.display that keeps it."""
    found = []
    display = ModuleType("IPython.display")
    display.SVG = lambda text: found.append(text)
    display.Audio = lambda samples, rate: found.append((samples, rate))
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return found


def run(cell, names):
    """Run a cell as a notebook does: the value of its last expression."""
    *statements, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        statements, last = [*statements, last], None
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def test_its_outputs_are_stripped(notebook):
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and all(not cell["outputs"] and not cell["execution_count"] for cell in code)


def test_every_cell_runs(notebook, shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    text = "\n".join(cells)
    assert all(text.count(large) == 1 for large in SMALL)
    names = {"__name__": "__main__"}
    values = []
    for cell in cells:
        for large, small in SMALL.items():
            cell = cell.replace(large, small)
        values.append(run(cell, names))
    assert values[1] == {"kept": 32}
    assert [path.name for path in values[3]] == ["song-1.mid", "song-2.mid", "song-3.mid"]
    svg, (samples, rate) = shown
    assert svg.startswith("<svg") and samples.shape[0] == 2 and abs(samples).max() > 0.05
    assert samples.shape[1] > 10 * rate
    assert "longest_beats" in values[-1]
