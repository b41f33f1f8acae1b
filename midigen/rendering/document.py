"""One HTML file that needs no other: style, scripts and data in it, and a policy that says so.

The parts are in `web/`.  A page gets all that it shows as JSON and makes its elements from it, with
`textContent`, so that no text of a song, however hostile, is ever read as HTML.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import unicodedata
from collections.abc import Sequence
from importlib import resources
from string import Template

LONGEST_TEXT = 200  # characters of one name: more is no name


def document(
    title: str, body: str, styles: Sequence[str], scripts: Sequence[str], data: object
) -> str:
    """Put a page together.

    Parameters
    ----------
    title : str
        The title of the window.
    body : str
        A file of `web/`, the page's elements; $theme_button and $play_button stand for those
        buttons, whose files lie beside it.
    styles, scripts : sequence of str
        CSS and JavaScript, in order, behind `base.css`, and behind `player.js`, which every page
        has.  `web_file` reads them from `web/`.
    data : object
        What JSON can hold; scripts find it with `pageData()` of `player.js`.

    Returns
    -------
    str
        HTML, to be written as UTF-8.  Its Content-Security-Policy lets nothing be loaded, and
        nothing run but these scripts.
    """
    style = "\n".join([web_file("base.css"), *styles])
    theme = web_file("theme.js")
    elements = Template(web_file(body)).substitute(
        theme_button=web_file("theme.html"), play_button=web_file("play.html")
    )
    script = "\n".join([web_file("player.js"), *scripts])
    return Template(web_file("document.html")).substitute(
        title=html.escape(clean(title)),
        policy=html.escape(_policy([theme, script], style), quote=True),
        style=style,
        theme=theme,
        body=elements,
        data=_embed(data),
        script=script,
    )


def web_file(name: str) -> str:
    """Read a file of `web/`."""
    return (resources.files("midigen.rendering") / "web" / name).read_text(encoding="utf-8")


def clean(text: str) -> str:
    r"""Return text from a file as one line without control, format and half characters.

    >>> clean("a\n\x00  b\u202ec")
    'a bc'
    """
    seen = "".join(c for c in text if c.isspace() or _is_shown(c))
    line = " ".join(seen.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def _is_shown(c: str) -> bool:
    """Tell whether a character is one of a name; joiners are, as some scripts need them."""
    return c in "\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")


def base64_text(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode("ascii")


def _policy(scripts: Sequence[str], style: str) -> str:
    """Allow these scripts, this style and sound from the page itself, and nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(map(_hash, scripts)),
            f"style-src {_hash(style)}",
            "media-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64_text(hashlib.sha256(text.encode()).digest())}'"


def _embed(data: object) -> str:
    """Write JSON that ends no script element, and is ASCII."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
