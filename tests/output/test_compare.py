"""What is shown of a tally, at several widths."""

import pytest

from midigen.output.compare import remarks, show_tally


def report(p_values, sources=("new songs", "held-out songs", "Markov chain")):
    pairs = [(a, b) for i, a in enumerate(sources) for b in sources[i + 1 :]]
    return {
        "listeners": 1,
        "excerpts": 18,
        "sources": [
            {"name": name, "mean": 4.5 - i, "excerpts": 6, "ratings": 6}
            for i, name in enumerate(sources)
        ],
        "pairs": [
            {"first": a, "second": b, "difference": 1.25, "p": p / 2, "p_holm": p}
            for (a, b), p in zip(pairs, p_values, strict=True)
        ],
    }


@pytest.mark.parametrize(
    "p_values, line",
    [
        ([0.01, 0.01, 0.5], "liked best: new songs"),
        (
            [0.01, 0.3, 0.01],
            "highest mean: new songs, but not shown to be liked better than Markov chain",
        ),
        (
            [0.2, 0.05, 0.01],
            "highest mean: new songs, but not shown to be liked better than held-out songs, "
            "Markov chain",
        ),
    ],
)
def test_the_winner_is_named_where_there_is_one(p_values, line):
    assert remarks(report(p_values))[0] == line


def test_one_source_wins_nothing():
    assert remarks(report([], ("new songs",)))[0] == "only new songs is rated"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    show_tally(report([0.0123, 0.00004, 1.0]))
    out = capsys.readouterr().out
    for shown in ("4.50", "0.006", "0.012", "2e-05", "1.000", "1.25", "yes", "no"):
        assert shown in out
    assert "1 listener, 18 excerpts" in out
