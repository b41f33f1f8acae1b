import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from midigen.errors import MidigenError
from midigen.rendering.colours import COLOURS
from midigen.rendering.contents import song_facts
from midigen.rendering.drawing import Box, Words
from midigen.rendering.picture import WIDTH, describe, draw_roll, roll_png, roll_svg, summary
from tests.rendering.views import song, track, tune

SVG = "{http://www.w3.org/2000/svg}"


def notes_of(view, part):
    """The boxes of a part's notes, without that of the legend."""
    boxes = [s for s in draw_roll(view).shapes if isinstance(s, Box) and s.colour == COLOURS[part]]
    return boxes[1:]


def words_of(view):
    return [shape.text for shape in draw_roll(view).shapes if isinstance(shape, Words)]


def test_notes_lie_where_they_sound():
    view = song(track([(0, 1, 60), (1, 2, 72), (2, 4, 61), (6, 7, 60)], "melody"))
    first, octave, long, late = notes_of(view, "melody")
    assert first.y - octave.y == pytest.approx(12 * (first.y - long.y))
    assert late.y == first.y and octave.y < first.y
    assert long.width == pytest.approx(2 * first.width, rel=0.02)
    second = octave.x - first.x
    assert late.x - first.x == pytest.approx(6 * second)


def test_the_melody_is_over_the_chords():
    view = song(track([(0, 1, 60)], "melody"), track([(0, 1, 60)], "chords"))
    colours = [shape.colour for shape in draw_roll(view).shapes if isinstance(shape, Box)]
    assert colours[-2:] == [COLOURS["chords"], COLOURS["melody"]]


def test_loud_notes_are_stronger():
    notes = notes_of(song(track([(0, 1, 60, 1), (1, 2, 60, 64), (2, 3, 60, 127)])), "chords")
    assert [note.opacity for note in sorted(notes, key=lambda note: note.x)] == [0.4, 0.7, 1.0]


def test_systems_lie_below_each_other():
    view = song(tune(32), bars=32)
    rows = {}
    for note in notes_of(view, "melody"):
        rows.setdefault(note.y, []).append(note)
    assert [len(row) for row in rows.values()] == [32] * 4
    assert all(0 < note.x and note.x + note.width < WIDTH for row in rows.values() for note in row)
    assert [text for text in words_of(view) if text.isdecimal()] == [str(n) for n in range(1, 33)]


def test_a_note_that_goes_on_in_the_next_system_is_cut_in_two():
    view = song(track([(0, 1, 62), (15, 17, 60)]), bars=16)
    first, second = sorted(notes_of(view, "chords"), key=lambda note: note.y)[1:]
    assert first.x > second.x and first.width == pytest.approx(second.width, abs=1)


def test_the_last_bar_has_no_system_alone():
    ys = {note.y for note in notes_of(song(tune(33), bars=33), "melody")}
    assert len(ys) == 4


def test_a_short_song_is_not_blown_up():
    [bar] = notes_of(song(track([(0, 2, 60)]), bars=1), "chords")
    assert bar.width < WIDTH / 3


def test_full_bars_have_more_room():
    fast = track([(n / 12, n / 12 + 1 / 12, 72) for n in range(24 * 16)], "melody")
    slow = song(tune(16), bars=16)
    assert len({note.y for note in notes_of(slow, "melody")}) == 2
    assert len({note.y for note in notes_of(song(fast, bars=16), "melody")}) == 4


def test_drums_have_a_lane_of_their_own_with_names():
    view = song(tune(), track([(0, 0.1, 36), (1, 1.1, 38), (2, 2.1, 36)], "drums"))
    melody, drums = notes_of(view, "melody"), notes_of(view, "drums")
    assert min(hit.y for hit in drums) > max(note.y for note in melody)
    assert len({hit.y for hit in drums}) == 2 and len({hit.width for hit in drums}) == 1
    assert {"Acoustic Snare", "Bass Drum 1"} <= set(words_of(view))
    assert draw_roll(song(track([(0, 0.1, 36)], "drums"), bars=1)).shapes


def test_pitches_are_named():
    assert {"C4", "C5"} <= set(words_of(song(track([(0, 1, 59), (1, 2, 73)]))))
    assert {"D4", "F4"} <= set(words_of(song(track([(0, 1, 62), (1, 2, 65)]))))


def test_title_legend_and_how_it_was_made():
    view = song(tune(part="melody"), track([(0, 8, 40)], "bass", "Bass", 33), title="Ode")
    words = words_of(view._replace(text="midigen 1; seed 7", key="D major"))
    assert words[:4] == [
        "Ode",
        "D major · 4/4 · 120 bpm · 4 bars · 0:08",
        "melody (Acoustic Grand Piano)",
        "Bass (Electric Bass (finger))",
    ]
    assert words[-1] == "midigen 1 · seed 7"
    assert words_of(song(tune(), name="a-song.mid"))[0] == "a-song"


def test_svg_is_well_formed_with_hostile_names():
    hostile = "]]></text><script>alert(1)</script>&\x1b\0"
    view = song(track([(0, 1, 60)], name=hostile), title=hostile, text=hostile, key="C major")
    root = ElementTree.fromstring(roll_svg(view).encode())
    assert not root.findall(f".//{SVG}script")
    assert "<script>" in root.find(f"{SVG}title").text
    assert "1 note)" in root.find(f"{SVG}desc").text


def test_png_shows_every_part():
    view = song(tune(), track([(0, 8, 40, 127)], "bass"))
    image = np.asarray(Image.open(io.BytesIO(roll_png(view))).convert("RGB"))
    assert image.shape[1] == 2 * WIDTH
    for part in ("melody", "bass"):
        colour = [int(COLOURS[part][i : i + 2], 16) for i in (1, 3, 5)]
        assert (image == colour).all(axis=2).sum() > 100


def test_what_is_said_to_those_who_do_not_see_it():
    facts = song_facts(song(tune(1), bars=1, key="C major"))
    assert summary(facts) == ["C major", "4/4", "120 bpm", "1 bar", "0:02"]
    assert describe(facts) == (
        "Piano roll: C major, 4/4, 120 bpm, 1 bar, 0:02. "
        "Tracks: melody (Acoustic Grand Piano, 4 notes)."
    )


def test_a_song_without_end_is_not_drawn():
    with pytest.raises(MidigenError, match=r"too long to draw \(1,001 bars"):
        roll_svg(song(tune(), bars=1001))


@pytest.mark.parametrize("bars", [1, 2, 3, 5, 9, 41])
def test_nothing_lies_outside_the_picture(bars):
    view = song(tune(bars), track([(0, 2 * bars, 20), (0, 1, 108)], "bass"), bars=bars)
    drawing = draw_roll(view)
    boxes = [shape for shape in drawing.shapes if isinstance(shape, Box)]
    assert all(0 <= box.x and box.x + box.width <= drawing.width for box in boxes)
    assert all(0 <= box.y and box.y + box.height <= drawing.height for box in boxes)
