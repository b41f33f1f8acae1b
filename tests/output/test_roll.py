import numpy as np
import pytest

from midigen.output.roll import Look, Roll, lighter, track_marks
from midigen.rendering.colours import COLOURS
from tests.rendering.views import song, track, tune


def drawn(view, width=80, look=Look.BLOCKS, bars=1000):
    return [line.plain for line in Roll(view, width, look).lines(bars)]


def test_a_scale_in_ascii():
    """Quarter notes C D E and a half note F, over a bass that holds a bar and rests for one."""
    upper = track([(0, 0.5, 60), (0.5, 1, 62), (1, 1.5, 64), (1.5, 2.5, 65)], "melody")
    lower = track([(0, 2, 59)], "bass")
    assert drawn(song(upper, lower, bars=2), look=Look.ASCII) == [
        "    1                2",
        "    |            M========            |",
        "    |        M===    |                |",
        "    |                |                |",
        "    |    M===        |                |",
        "    |                |                |",
        " C4 |M===            |                |",
        "    |B~~~~~~~~~~~~~~~|                |",
        "    |                |                |",
    ]


def row_of(lines, label):
    return next(line for line in lines if line.startswith(label))


def test_a_note_goes_on_over_a_bar_line_and_one_that_begins_there_does_not():
    view = song(track([(0, 3, 60), (4, 6, 60), (6, 7, 60)]))
    assert row_of(drawn(view, look=Look.ASCII), " C4") == (
        " C4 |C------------------------        |C---------------|C-------        |"
    )


def test_a_repeated_note_shows():
    assert row_of(drawn(song(tune(1), bars=1)), " C5") == " C5 │█▬▬▬█▬▬▬█▬▬▬█▬▬▬│"


def test_with_colours_a_line_has_two_pitches():
    view = song(track([(0, 1, 61), (0, 1, 60), (1, 2, 63)], "melody"), bars=1)
    roll = Roll(view, 80, Look.COLOURS)
    ruler, upper, lower = roll.lines(9)
    assert upper.plain == "    │        ▀▀▀▀▀▀▀▀│"
    assert lower.plain == " C4 │████████        │"
    colours = [str(span.style) for span in lower.spans]
    assert COLOURS["melody"] in colours and lighter(COLOURS["melody"]) in colours


def test_two_parts_share_a_character():
    view = song(track([(0, 1, 61)], "melody"), track([(0, 1, 60)], "bass"), bars=1)
    *_, line = Roll(view, 80, Look.COLOURS).lines(9)
    assert line.plain.startswith(" C4 │▀▀▀▀")
    styles = [str(span.style) for span in line.spans]
    assert f"{COLOURS['melody']} on {COLOURS['bass']}" in styles


def test_the_melody_is_over_the_chords():
    view = song(track([(0, 2, 60)], "melody"), track([(0, 2, 60)], "chords"), bars=1)
    assert "M===" in row_of(drawn(view, look=Look.ASCII), " C4")


@pytest.mark.parametrize("look", list(Look))
@pytest.mark.parametrize("width", [40, 41, 60, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(width, look):
    drums = track([(beat / 4, beat / 4 + 0.1, 35 + beat % 9) for beat in range(32)], "drums")
    view = song(tune(20), track([(0, 40, 48)], "bass"), drums, bars=20)
    lines = drawn(view, width, look)
    assert max(map(len, lines)) <= width
    # every bar is there once, with its number
    assert " ".join(lines).split().count("20") == 1


def test_as_many_systems_as_the_width_asks_for():
    lines = {width: drawn(song(tune(20), bars=20), width) for width in (40, 80, 200)}
    assert [text.count("") + 1 for text in lines.values()] == [10, 3, 3]


def test_fast_notes_have_finer_columns():
    """Sixteenths between two columns of a coarse roll."""
    slow = song(tune(40), bars=40)
    rows = [(beat / 8, beat / 8 + 0.125, 72) for beat in range(640)]
    fast = song(track(rows), bars=40)
    assert len(drawn(fast)) > 1.5 * len(drawn(slow))


def test_bars_behind_the_most_are_left_out():
    roll = Roll(song(tune(20), bars=20), 80, Look.BLOCKS)
    assert roll.bars == roll.drawn(20) == 20
    assert roll.drawn(8) == 8 and roll.drawn(9) == 16
    lines = [line.plain for line in roll.lines(8)]
    assert lines[0].split()[-1] == "8"


def test_drums_have_rows_with_names():
    hits = [(0, 0.1, 36), (0.5, 0.6, 38), (1, 1.1, 36), (1.5, 1.6, 38)]
    lines = drawn(song(track(hits, "drums"), bars=1), 120)
    assert lines[1:] == [
        "Acoustic Sn │    x       x   │",
        "Bass Drum 1 │x       x       │",
    ]


def test_where_no_c_is_the_lowest_and_the_highest_are_named():
    lines = drawn(song(track([(0, 1, 62), (1, 2, 66)]), bars=1))
    assert [line[:4].strip() for line in lines[1:]] == ["G4", "", "", "", "", "D4"]


def test_a_pickup_is_narrower():
    beats = track([(beat / 2, beat / 2 + 0.5, 72) for beat in range(9)], "melody")
    view = song(beats, bars=3)._replace(bars=np.array([0, 0.5, 2.5]), quarters=(1.0, 4.0, 4.0))
    bar = "█▬▬▬█▬▬▬█▬▬▬█▬▬▬"
    assert row_of(drawn(view), " C5") == f" C5 │█▬▬▬│{bar}│{bar}│"


def test_many_tracks_have_marks_of_their_own():
    tracks = [tune(1, "chords") for _ in range(12)]
    for look in (Look.ASCII, Look.BLOCKS):
        assert len(set(track_marks(tracks, look))) == 12
    assert all(mark.isascii() for mark in track_marks(tracks, Look.ASCII))
