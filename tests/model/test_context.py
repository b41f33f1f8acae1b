"""What a model is told of every frame, and the frames of the past that it may copy."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, Part
from midigen.model.context import INTERVALS, LAGS, context_of
from midigen.outline import Outline

GRID = Grid(
    steps_per_beat=2,
    parts=(
        Part(name="melody", low=60, high=62, kind="line"),
        Part(name="chords", low=48, high=49, kind="block"),
        Part(name="drums", low=36, high=37, kind="drums"),
    ),
)
ALL = {name: ModelConfig.setting_of(name).choices for name in ("context", "gates")}
FORM = np.array([[0, 0, 0], [1, 0, 0], [2, 1, 0], [0, 2, 3]])


def context(grid=GRID, **changes):
    return context_of(ModelConfig(grid.channels, **changes), grid)


def told(kind, outline, grid=GRID, **changes):
    """The columns that are on in each frame, of one kind of context."""
    rows = context(grid, context=(kind,), **changes).rows(outline)
    assert rows.dtype == np.uint8 and rows.shape[0] == outline.frames
    assert set(np.unique(rows)) <= {0, 1}
    return [np.flatnonzero(row).tolist() for row in rows]


def test_a_model_without_context_and_gates_hears_what_it_always_did():
    found = context()
    assert (found.width, found.inputs, found.gates.count) == (0, GRID.channels, 0)
    assert found.rows(Outline(3, ((0, 4, 4),))).shape == (3, 0)


def test_the_position_by_hand():
    """Step of two, beat of eight, metre of five, bar of four, half of eight bars."""
    outline = Outline(18, ((0, 3, 4), (12, 2, 4)))
    found = told("position", outline)
    assert found[0] == [0, 2, 11, 15, 19]
    assert found[1] == [1, 2, 11, 15, 19]  # an eighth later
    assert found[5] == [1, 4, 11, 15, 19]  # on "three and"
    assert found[6] == [0, 2, 11, 16, 19]  # the second bar
    assert found[12] == [0, 2, 12, 17, 19]  # in two quarters
    assert found[16] == [0, 2, 12, 18, 19]
    assert context(context=("position",)).width == 2 + 8 + 5 + 4 + 2


def test_behind_a_pickup_phrases_begin_with_the_first_whole_bar():
    outline = Outline(2 + 8 * 5, ((0, 4, 4),), pickup=6)
    found = told("position", outline)
    assert found[0] == [0, 2 + 3, 10, 18, 20]  # the last beat of a phrase
    assert found[2] == [0, 2, 10, 15, 19]
    assert [found[2 + 8 * bar][3] for bar in range(5)] == [15, 16, 17, 18, 15]
    assert [found[2 + 8 * bar][4] for bar in range(5)] == [19, 19, 19, 19, 20]


@pytest.mark.parametrize(
    "metre, column",
    [((4, 4), 0), ((3, 4), 1), ((2, 2), 2), ((6, 8), 3), ((12, 8), 3), ((6, 4), 4), ((5, 4), 4)],
)
def test_metres_that_are_told_apart(metre, column):
    assert told("position", Outline(1, ((0, *metre),)))[0][2] == 10 + column


def test_on_a_grid_of_seconds_there_is_no_position():
    grid = Grid(unit="seconds", low=60, high=62)
    assert context(grid, context=("position",)).width == 0
    assert told("position", Outline(3), grid) == [[]] * 3


def test_whether_a_bar_and_the_next_one_repeat():
    outline = Outline(32, ((0, 4, 4),), form=FORM)
    found = told("form", outline)
    assert found[0] == found[7] == [3]  # the next one does, in the melody
    assert found[8] == [0, 3, 4]
    assert found[16] == [0, 1, 4, 5]
    assert found[24] == [1, 2]  # nothing comes behind
    assert told("form", Outline(8, ((0, 4, 4),))) == [[]] * 8


def test_how_far_it_is_to_the_end():
    found = [row for [row] in told("end", Outline(48, ((0, 4, 4),)))]
    # half a beat, one, two, a bar, two, four bars, and earlier
    assert found == [6] * 16 + [5] * 16 + [4] * 8 + [3] * 4 + [2] * 2 + [1, 0]


def test_mode_style_and_density_are_the_song_s():
    outline = Outline(2, ((0, 4, 4),), minor=True, style="reels", density=1.5)
    assert told("mode", outline) == [[1]] * 2
    assert told("style", outline, styles=("jigs", "reels")) == [[1]] * 2
    assert told("style", outline, styles=("jigs",)) == [[]] * 2  # one that it does not know
    assert told("density", outline, densities=(1.0, 2.0)) == [[1]] * 2
    assert told("density", outline) == [[]] * 2  # a collection of one density


def test_kinds_lie_one_behind_the_other_and_the_form_is_where_it_says():
    outline = Outline(32, ((0, 4, 4),), form=FORM, minor=True)
    each = {kind: context(context=(kind,)).rows(outline) for kind in ALL["context"]}
    found = context(context=ALL["context"])
    assert np.array_equal(found.rows(outline), np.concatenate(list(each.values()), axis=1))
    assert np.array_equal(found.rows(outline)[:, found.form_columns], each["form"])
    assert context(context=("position",)).form_columns == slice(0, 0)


def test_the_network_hears_notes_the_lines_latest_and_the_context():
    found = context(**ALL)
    assert found.lines.tolist() == [[0, 3], [4, 6]]
    assert found.heard_lines == 2 and found.inputs == GRID.channels + 3 + 2 + found.width
    plain = context(Grid(low=60, high=70), **ALL)  # without parts every frame shows what sounds
    assert (plain.lines.tolist(), plain.heard_lines) == ([[0, 11]], 0)


def test_gates_by_hand():
    gates = context(gates=ALL["gates"]).gates
    lags = [f"lag {n}" for n in LAGS]
    assert gates.sources == ("line 0", "line 1", "hold", *lags, "form 0", "form 1", "form 2")
    # what holds notes by a column copies its latest ones, all else the frame before
    assert gates.table[:3].tolist() == [[0, -1, -1], [-1, 1, -1], [-1, -1, 2]]
    assert gates.table[3:7].tolist() == np.arange(3, 15).reshape(4, 3).tolist()
    assert gates.table[7:].tolist() == [[15, -1, -1], [-1, 16, -1], [-1, -1, 17]]
    assert gates.interval_gates.tolist() == [18, -1]  # of one voice alone
    assert gates.intervals.tolist() == list(INTERVALS)
    assert gates.count == 18 + len(INTERVALS)


@pytest.mark.parametrize("some", [("hold",), ("lag",), ("form",), ("interval",), ALL["gates"]])
@pytest.mark.parametrize("grid", [GRID, Grid(low=60, high=70)])
def test_every_gate_has_a_number_of_its_own(some, grid):
    gates = context(grid, gates=some).gates
    used = gates.table[gates.table >= 0].tolist()
    for first in gates.interval_gates[gates.interval_gates >= 0]:
        used += range(first, first + len(gates.intervals))
    assert sorted(used) == list(range(gates.count)) and gates.count > 0


@pytest.mark.parametrize("pickup", [0, 3])
def test_sources_lie_where_a_search_finds_them(pickup):
    """Bars of four, then of three quarters, the first of these cut short."""
    outline = Outline(60, ((0, 4, 4), (37, 3, 4)), pickup, form=np.repeat(FORM, 2, axis=0))
    found, gates = context(gates=ALL["gates"]), context(gates=ALL["gates"]).gates
    back = found.back(outline)
    names = gates.sources[len(found.lines) :]
    assert back.shape == (60, len(names))
    starts = outline.bar_starts(GRID).tolist()
    bars = [max(b for b, start in enumerate(starts[:-1]) if start <= t) for t in range(60)]
    for i, name in enumerate(names):
        for t in range(60):
            kind, _, number = name.partition(" ")
            if kind == "hold":
                expected = min(t, 1)
            else:
                form = outline.form[bars[t]] if bars[t] < len(outline.form) else [0] * 3
                distance = int(number) if kind == "lag" else int(form[int(number)])
                source = bars[t] - distance
                frame = starts[source] + t - starts[bars[t]] if distance and source >= 0 else -1
                there = 0 <= frame < t and starts[source] <= frame < starts[source + 1]
                expected = t - frame if there else 0
            assert back[t, i] == expected, (name, t)


def test_the_latest_notes_of_lines_by_hand():
    roll = np.zeros((6, GRID.channels), np.uint8)
    roll[1, 0] = roll[2, 3] = roll[4, 2] = 1  # the melody begins notes in frames 1 and 4
    roll[0, 4] = 1
    found = context(gates=("hold",)).line_back(roll)
    assert found[:, 0].tolist() == [0, 0, 1, 2, 3, 1]
    assert found[:, 1].tolist() == [0, 1, 2, 3, 4, 5]


def test_frames_are_numbered_by_bars():
    found = context(context=("position",))
    assert found.bars(Outline(6, ((0, 2, 4),), pickup=2)).tolist() == [0, 0, 1, 1, 1, 1]
    assert found.bars(Outline(3)).tolist() == [0, 0, 0]
