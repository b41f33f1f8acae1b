"""A picture of boxes, lines and words, written as SVG or as PNG."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from midigen.errors import MidigenError

FAMILY = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
# that have more letters than the one that comes with Pillow; each system has one of them
FONTS = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc", "NotoSans-Regular.ttf")
ENOUGH = re.compile("[ -~·…“”]*")  # what the font that comes with Pillow has
SHARPEST = 2.0  # pixels of a PNG to a unit
MOST_PIXELS = 60_000_000
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0


@dataclass(frozen=True)
class Box:
    """A filled rectangle with round corners, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    opacity: float = 1.0
    radius: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` says which end of it x is, y is its base line."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    anchor: str = "start"
    bold: bool = False


@dataclass
class Drawing:
    """A picture.

    Parameters
    ----------
    width, height : float
        In units; a PNG has up to SHARPEST pixels to a unit.
    title, description : str
        For those who do not see it.
    ground : str
        The colour of the background.
    shapes : list of Box, Line or Words
        What is drawn, one over the other.
    """

    width: float
    height: float
    title: str
    description: str
    ground: str = "#ffffff"
    shapes: list[Box | Line | Words] = field(default_factory=list)

    def add(self, *shapes: Box | Line | Words) -> None:
        """Draw shapes over what there is."""
        self.shapes += shapes


def to_svg(drawing: Drawing) -> str:
    """Write a picture as SVG."""
    width, height = _number(drawing.width), _number(drawing.height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title desc" '
        f"font-family={quoteattr(FAMILY)}>"
    )
    lines = [
        head,
        f'<title id="title">{_text(drawing.title)}</title>',
        f'<desc id="desc">{_text(drawing.description)}</desc>',
        f'<rect width="{width}" height="{height}" fill="{drawing.ground}"/>',
    ]
    for start, shapes in groupby(drawing.shapes, key=_group):
        lines += [start, *map(_svg_of, shapes), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _group(shape: Box | Line | Words) -> str:
    """Return the start of a group for what a shape has in common with the ones beside it."""
    if isinstance(shape, Box):
        opacity = f' fill-opacity="{_number(shape.opacity, 2)}"' if shape.opacity < 1 else ""
        return f'<g fill="{shape.colour}"{opacity}>'
    if isinstance(shape, Line):
        width = _number(shape.width)
        return f'<g fill="none" stroke="{shape.colour}" stroke-width="{width}">'
    weight = ' font-weight="600"' if shape.bold else ""
    return (
        f'<g fill="{shape.colour}" font-size="{_number(shape.size)}" '
        f'text-anchor="{shape.anchor}"{weight}>'
    )


def _svg_of(shape: Box | Line | Words) -> str:
    if isinstance(shape, Box):
        names = {"x": shape.x, "y": shape.y, "width": shape.width, "height": shape.height}
        if shape.radius:
            names["rx"] = shape.radius
        return f"<rect {' '.join(f'{name}={_quoted(value)}' for name, value in names.items())}/>"
    if isinstance(shape, Line):
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
        return f'<polyline points="{points}"/>'
    return f"<text x={_quoted(shape.x)} y={_quoted(shape.y)}>{_text(shape.text)}</text>"


def _number(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def _quoted(value: float) -> str:
    return f'"{_number(value)}"'


def _text(text: str) -> str:
    """Write any text such that it ends no element, and is XML."""
    return escape(ILLEGAL.sub("\ufffd", text))


def to_png(drawing: Drawing) -> bytes:
    """Draw a picture as PNG, as sharp as its size allows.

    Raises
    ------
    MidigenError
        Where it is too large, with the reason alone.
    """
    from PIL import Image, ImageDraw

    area = drawing.width * drawing.height
    scale = min(SHARPEST, (MOST_PIXELS / area) ** 0.5)
    if scale < 1:
        raise MidigenError("too long for a PNG: make it an SVG")
    size = round(drawing.width * scale), round(drawing.height * scale)
    image = Image.new("RGB", size, drawing.ground)
    pen = ImageDraw.Draw(image, "RGBA")  # blends what is translucent
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            _draw_box(pen, shape, scale)
        elif isinstance(shape, Line):
            _draw_line(pen, shape, scale)
        else:
            _draw_words(pen, shape, scale)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_box(pen: Any, box: Box, scale: float) -> None:
    left, top = round(box.x * scale), round(box.y * scale)
    right = max(left + 1, round((box.x + box.width) * scale)) - 1
    bottom = max(top + 1, round((box.y + box.height) * scale)) - 1
    fill = _rgb(box.colour) + (round(255 * box.opacity),)
    radius = min(box.radius * scale, (right - left) / 2, (bottom - top) / 2)
    if radius >= 1:
        pen.rounded_rectangle((left, top, right, bottom), radius, fill)
    else:
        pen.rectangle((left, top, right, bottom), fill)


def _draw_line(pen: Any, line: Line, scale: float) -> None:
    points = [(x * scale, y * scale) for x, y in line.points]
    pen.line(points, _rgb(line.colour), max(1, round(line.width * scale)), joint="curve")


def _draw_words(pen: Any, words: Words, scale: float) -> None:
    text, size = words.text, words.size * scale
    font = None if ENOUGH.fullmatch(text) else _font_with_more(size)
    if font is None:
        font, text = _font(size), _plain(text)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
    at = words.x * scale, words.y * scale
    pen.text(at, text, _rgb(words.colour), font, anchor, stroke_width=size / 40 * words.bold)


@cache
def _font(size: float) -> Any:
    """Return the font that comes with Pillow, with which pictures are alike everywhere."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


@cache
def _font_with_more(size: float) -> Any:
    """Return a font of this system that has more letters, None where none is found."""
    from PIL import ImageFont

    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


def _plain(text: str) -> str:
    """Return a text without accents, and without what Pillow's font lacks.

    >>> _plain("Bourrée in C\u266f")
    'Bourree in C?'
    """
    letters = unicodedata.normalize("NFKD", text)
    bare = (c for c in letters if not unicodedata.combining(c))
    return "".join(c if ENOUGH.fullmatch(c) else "?" for c in bare)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
