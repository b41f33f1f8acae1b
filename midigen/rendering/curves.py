"""How a run was trained, as a picture: loss, held-out figure and notes a frame, against epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from midigen.errors import MidigenError
from midigen.rendering.colours import COLOURS
from midigen.rendering.drawing import Box, Drawing, Line, Words, to_svg
from midigen.rendering.run_facts import curves_of
from midigen.training.log import Line as LogLine
from midigen.training.log import on_the_way

WIDTH = 960.0
LEFT, RIGHT = 72.0, 200.0  # margins; curves are named in the right one
TOP, BOTTOM = 116.0, 64.0
UPPER, LOWER, BETWEEN = 300.0, 130.0, 44.0  # heights of the panels, and what lies between
INK, GREY, RULE, PANEL = "#1b1f24", "#57606a", "#e3e6ea", "#fbfbfa"
APART = 18.0  # between the names of curves
INSET = 10.0  # between a panel's edge and its curves

Point = tuple[float, float]


class _Curve(NamedTuple):
    """A curve, its name and its colour."""

    values: list[float | None]
    name: str
    colour: str
    best: float | None = None  # is marked


def curves_svg(log: Sequence[LogLine], name: str = "") -> str:
    """Draw the curves of a run as SVG.

    Parameters
    ----------
    log : sequence of dict
        The lines of its log, as `midigen.training.log.read_log` returns them.
    name : str
        What the run is called.

    Returns
    -------
    str
        The picture.  Epochs are below it and, where the log tells them, minutes above.

    Raises
    ------
    MidigenError
        Where the log has no validation with a finite figure.
    """
    curves = curves_of(on_the_way(log))
    kept = [n for n, epoch in enumerate(curves["epochs"]) if epoch is not None]
    curves = {key: [values[n] for n in kept] for key, values in curves.items()}
    if not any(value is not None for value in curves["loss"] + curves["validation"]):
        raise MidigenError(f"{name or 'the run'} has no validation in its log to draw")
    epochs = curves["epochs"]
    best = min((v for v in curves["validation"] if v is not None), default=None)
    title = f"Training of {name}" if name else "Training"
    said = "" if best is None else f"; the best held-out figure is {best:.3f} nats a frame"
    description = f"Curves over {epochs[-1]:,} epochs{said}."
    drawing = Drawing(WIDTH, TOP + UPPER + BETWEEN + LOWER + BOTTOM, title, description)
    drawing.add(Words(LEFT, 40, title, 22, INK, bold=True))
    across = _Scale([0, *epochs], LEFT, WIDTH - RIGHT)
    losses = [
        _Curve(curves["loss"], "loss", COLOURS["chords"]),
        _Curve(curves["validation"], "held out", COLOURS["melody"], best),
    ]
    notes = [_Curve(curves["notes_per_frame"], "notes", COLOURS["bass"])]
    lower = TOP + UPPER + BETWEEN
    _panel(drawing, epochs, across, losses, (TOP, TOP + UPPER), "nats a frame (lower is better)")
    _panel(drawing, epochs, across, notes, (lower, lower + LOWER), "notes a frame, of a sample")
    _name_times(drawing, epochs, across, curves["seconds"])
    return to_svg(drawing)


class _Scale:
    """Where values lie on an axis, from `begin` to `end`, and which round ones are named there."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        if high <= low:
            low, high = low - 0.5, high + 0.5
        self.ticks = round_values(low, high)
        self._values, self._places = (low, high), (begin, end)

    def __call__(self, value: float) -> float:
        return float(np.interp(value, self._values, self._places))


def round_values(low: float, high: float) -> list[float]:
    """Return some round values in a range.

    >>> round_values(0.63, 1.77)
    [0.8, 1.0, 1.2, 1.4, 1.6]
    """
    least = (high - low) / 6
    size = 10.0 ** math.floor(math.log10(least))
    step = next(step for step in (size, 2 * size, 2.5 * size, 5 * size, 10 * size) if step >= least)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(number * step, 9) for number in numbers]


def _panel(
    drawing: Drawing,
    epochs: list[float],
    across: _Scale,
    curves: list[_Curve],
    span: tuple[float, float],
    caption: str,
) -> None:
    """Draw curves over epochs between two heights, with their axis."""
    (top, bottom), right = span, WIDTH - RIGHT
    drawing.add(Box(LEFT, top, right - LEFT, bottom - top, PANEL))
    drawing.add(Words(LEFT, top - (32 if top == TOP else 10), caption, 14, GREY))
    known = [value for curve in curves for value in curve.values if value is not None]
    if not known:
        return
    up = _Scale(known, bottom - INSET, top + INSET)
    for tick in up.ticks:
        drawing.add(Line([(LEFT, up(tick)), (right, up(tick))], RULE))
        drawing.add(Words(LEFT - 8, up(tick) + 4.5, f"{tick:g}", 13, GREY, "end"))
    ends: list[tuple[float, str, str]] = []
    for curve in curves:
        points = [
            None if value is None else (across(epoch), up(value))
            for epoch, value in zip(epochs, curve.values, strict=True)
        ]
        for piece in _pieces(points):
            drawing.add(Line(piece, curve.colour, 2.2))
        if curve.best is not None:
            at = points[curve.values.index(curve.best)]
            assert at is not None
            drawing.add(Box(at[0] - 4.5, at[1] - 4.5, 9, 9, curve.colour, radius=4.5))
        last = [value for value in curve.values if value is not None][-1:]
        best = "" if curve.best in (None, *last) else f" (best {curve.best:.2f})"
        ends += [(up(value), f"{curve.name} {value:.2f}{best}", curve.colour) for value in last]
    free = -math.inf
    for y, text, colour in sorted(ends):
        free = max(y, free)
        drawing.add(Words(right + 10, free + 4.5, text, 14, colour))
        free += APART


def _pieces(points: Sequence[Point | None]) -> Iterator[list[Point]]:
    """Yield a curve without its gaps, piece by piece; a point alone is a short line."""
    for is_known, piece in groupby(points, key=lambda point: point is not None):
        if is_known:
            known = [point for point in piece if point is not None]
            yield known if len(known) > 1 else [known[0], (known[0][0] + 1, known[0][1])]


def _name_times(
    drawing: Drawing, epochs: list[float], across: _Scale, seconds: list[float | None]
) -> None:
    """Name epochs below the panels and, where they are known and grow, minutes above."""
    bottom = drawing.height - BOTTOM
    for tick in across.ticks:
        if tick == round(tick):
            drawing.add(Words(across(tick), bottom + 20, f"{tick:,.0f}", 13, GREY, "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    drawing.add(Words(middle, bottom + 44, "epochs", 14, GREY, "middle"))
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds) or sorted(known) != known or not known[-1]:
        return
    for tick in round_values(0, known[-1] / 60):
        x = across(float(np.interp(60 * tick, [0, *known], [0, *epochs])))
        drawing.add(Line([(x, TOP - 1), (x, TOP + 4)], GREY))
        drawing.add(Words(x, TOP - 8, f"{tick:g} min", 13, GREY, "middle"))
