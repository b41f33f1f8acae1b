"""The table of a model: every figure whole, on any terminal, and what nats a frame are."""

import io

import pytest
from rich.console import Console

from midigen.output.evaluation import _number, show_model

ROWS = [
    ("random", -1036.161),
    ("recurrent network, independent notes", -17.539),
    ("the model", -1.1),
]
REPORT = {
    "split": "test",
    "songs": 3,
    "frames": 704,
    "all_frames": 704,
    "temperatures": 2000,
    "chains": 4,
    "seed": 0,
    "exact": False,
    "mean_temperatures": 2000.0,
    "tolerance": 0.02,
    "trained_on_this_corpus": True,
    "rows": [
        {
            "name": name,
            "log_likelihood": value,
            "log_likelihood_at_most": value + 0.015,
            "error_songs": 12.621,
            "frame_accuracy": 1.0,
            "pooled_accuracy": 0.766,
            "conditional_on": ["form"] if name == "the model" else [],
        }
        for name, value in ROWS
    ],
}


@pytest.mark.parametrize("columns", [50, 60, 80, 120])
def test_no_figure_is_cut(columns):
    out = io.StringIO()
    show_model(REPORT, Console(file=out, width=columns, force_terminal=True, no_color=True))
    lines = out.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    text = "\n".join(lines)
    assert max(map(len, lines)) <= columns and "…" not in text
    for figure in ("-1036.161", "-17.539", "-1.100", "-1.085", "12.621", "100.0%", "76.6%"):
        assert figure in text
    assert "nearer to 0 is better" in " ".join(text.split())


def test_what_rounds_to_nothing_has_no_sign():
    assert [_number(value, "z.2f") for value in (-0.001, 0.001, -0.01)] == ["0.00", "0.00", "-0.01"]
