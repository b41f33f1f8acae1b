import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from midigen.errors import MidigenError
from midigen.rendering import drawing
from midigen.rendering.drawing import Box, Drawing, Line, Words, to_png, to_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert(1)</script> & \" ' \x1b[31m\x00\ud800 ]]> ‮"


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_svg_is_well_formed_whatever_the_words():
    made = Drawing(100, 50, HOSTILE, HOSTILE)
    made.add(Words(1, 20, HOSTILE, 12, "#000000"))
    root = ElementTree.fromstring(to_svg(made).encode())
    assert root.tag == f"{SVG}svg" and not root.findall(f".//{SVG}script")
    texts = [root.find(f".//{SVG}{name}").text for name in ("title", "desc", "text")]
    assert texts == [HOSTILE.replace("\x1b", "�").replace("\0", "�").replace("\ud800", "�")] * 3


def test_shapes_of_svg():
    made = Drawing(100, 50, "title", "words", "#fefefe")
    made.add(
        Box(1, 2, 3.14159, 4, "#ff0000", 0.5, 1),
        Box(5, 2, 3, 4, "#ff0000", 0.5),
        Line([(0, 0), (9.96, 9)], "#00ff00", 2),
        Words(50, 20, "hello", 12, "#0000ff", "middle", bold=True),
    )
    root = ElementTree.fromstring(to_svg(made))
    assert root.get("viewBox") == "0 0 100 50" and root.get("aria-labelledby") == "title desc"
    boxes, line, words = root.findall(f"{SVG}g")
    assert boxes.attrib == {"fill": "#ff0000", "fill-opacity": "0.5"}
    assert [box.attrib for box in boxes] == [
        {"x": "1", "y": "2", "width": "3.1", "height": "4", "rx": "1"},
        {"x": "5", "y": "2", "width": "3", "height": "4"},
    ]
    assert line[0].get("points") == "0,0 10,9" and line.get("stroke-width") == "2"
    assert words.attrib == {
        "fill": "#0000ff",
        "font-size": "12",
        "text-anchor": "middle",
        "font-weight": "600",
    }
    assert words[0].text == "hello"


def test_png_has_the_same_shapes():
    made = Drawing(40, 20, "", "")
    made.add(Box(0, 0, 10, 10, "#ff0000"), Box(5, 0, 10, 10, "#0000ff", 0.5))
    made.add(Line([(0, 15), (40, 15)], "#00ff00", 2))
    image = pixels(to_png(made))
    assert image.shape == (40, 80, 3)  # two pixels a unit
    assert image[5, 5].tolist() == [255, 0, 0]
    assert image[5, 25].tolist() == pytest.approx([127, 127, 255], abs=1)  # on white
    assert image[5, 15].tolist() == pytest.approx([127, 0, 127], abs=1)  # on red
    assert image[30, 40].tolist() == [0, 255, 0]
    assert image[39, 79].tolist() == [255, 255, 255]


def test_the_smallest_box_is_a_pixel():
    made = Drawing(10, 10, "", "")
    made.add(Box(5, 5, 0.01, 0.01, "#000000", radius=3))
    assert (pixels(to_png(made)) == 0).all(axis=2).sum() == 1


@pytest.mark.parametrize("text", ["Plain, 100%", "Bourrée", "Привет", "日本", HOSTILE, ""])
@pytest.mark.parametrize("fonts", [drawing.FONTS, ()])
def test_any_words_can_be_drawn(monkeypatch, text, fonts):
    """With the fonts of this system, and where there are none."""
    monkeypatch.setattr(drawing, "FONTS", fonts)
    drawing._font_with_more.cache_clear()
    made = Drawing(400, 30, text, "")
    made.add(Words(5, 20, text, 16, "#000000"))
    try:
        assert (pixels(to_png(made)) < 128).any() == bool(text)
    finally:
        drawing._font_with_more.cache_clear()


def test_words_stand_where_their_anchor_says():
    for anchor, columns in (("start", slice(100, 200)), ("end", slice(0, 100))):
        made = Drawing(100, 30, "", "")
        made.add(Words(50, 20, "Hello", 14, "#000000", anchor))
        dark = (pixels(to_png(made)) < 128).any(axis=(0, 2))
        assert dark[columns].any() and dark.sum() == dark[columns].sum()


def test_a_long_picture_is_less_sharp_and_one_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_PIXELS", 1000)
    assert pixels(to_png(Drawing(20, 20, "", ""))).shape[:2] == (32, 32)
    with pytest.raises(MidigenError, match="too long for a PNG"):
        to_png(Drawing(40, 40, "", ""))
