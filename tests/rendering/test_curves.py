from xml.etree import ElementTree

import pytest

from midigen.errors import MidigenError
from midigen.rendering.curves import curves_svg, round_values

SVG = "{http://www.w3.org/2000/svg}"


def line(epoch, validation, seconds=None, **more):
    told = {"event": "Validated", "epoch": epoch, "steps": 10 * epoch, "loss": 2.0 + 1 / epoch}
    told |= {"validation": validation, "notes_per_frame": 1.5, **more}
    return told if seconds is None else told | {"seconds": seconds}


def drawn(log, name=""):
    root = ElementTree.fromstring(curves_svg(log, name).encode())
    lines = {}
    for group in root.findall(f"{SVG}g"):
        for one in group.findall(f"{SVG}polyline"):
            points = [tuple(map(float, p.split(","))) for p in one.get("points").split()]
            lines.setdefault(group.get("stroke"), []).append(points)
    words = [text.text for text in root.findall(f".//{SVG}text")]
    return root, lines, words


LOG = [line(1, 3.0, 30), line(2, 2.0, 60), line(4, 2.5, 120)]


def test_curves_against_epochs():
    _, lines, words = drawn(LOG)
    [held_out], [loss], [notes] = lines["#e2690a"], lines["#2a5cf0"], lines["#1f9d8f"]
    (x1, y1), (x2, y2), (x4, y4) = held_out
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=0.2)
    assert y1 < y4 < y2  # high values lie high up
    assert [x for x, _ in loss] == [x for x, _ in notes] == [x1, x2, x4]
    assert "held out 2.50 (best 2.00)" in words and "loss 2.25" in words and "notes 1.50" in words
    assert {"0", "1", "2", "3", "4", "epochs"} <= set(words)


def test_minutes_are_above_where_they_are_known():
    words = drawn(LOG)[2]
    assert "0.5 min" in words and "2 min" in words
    assert not any("min" in text for text in drawn([line(1, 3.0), line(2, 2.0, 60)])[2])


def test_a_gap_is_left_where_a_figure_was_not_finite():
    lines = drawn([line(1, 3.0), line(2, None), line(3, 2.0), line(4, 2.1)])[1]
    assert [len(piece) for piece in lines["#e2690a"]] == [2, 2]


def test_what_was_set_aside_is_not_drawn():
    lines = drawn([*LOG[:2], line(9, 1.0, aside=True), LOG[2]])[1]
    assert len(lines["#e2690a"][0]) == 3


def test_title_and_description():
    root, _, words = drawn(LOG, "run <1>")
    assert words[0] == root.find(f"{SVG}title").text == "Training of run <1>"
    assert root.find(f"{SVG}desc").text == (
        "Curves over 4 epochs; the best held-out figure is 2.000 nats a frame."
    )


@pytest.mark.parametrize(
    "log", [[], [line(1, None, loss=None)], [{"event": "RolledBack", "steps": 3}]]
)
def test_a_log_without_figures_is_said(log):
    with pytest.raises(MidigenError, match="run-001 has no validation"):
        curves_svg(log, "run-001")


def test_one_validation_is_enough():
    assert drawn([line(1, 3.0, 1)])[1]


@pytest.mark.parametrize("low, high", [(0, 1), (0.6312, 0.6313), (-3, 1e6), (0, 7)])
def test_round_values(low, high):
    values = round_values(low, high)
    assert 3 <= len(values) <= 7 and low <= values[0] + 1e-6 and values[-1] <= high + 1e-6
