"""One file for a page: its policy, and text that stays text."""

import base64
import hashlib
import html
import json
import re

import pytest

from midigen.rendering.document import clean, document, web_file

HOSTILE = "</script><!--<script>&amp;\u2028'\"$title\x00"


@pytest.fixture(scope="module")
def page():
    return document(HOSTILE, "page.html", ["p {}"], ["f();"], {"name": HOSTILE})


def elements(page, name):
    """What is between the tags of every element of a name."""
    return re.findall(rf"<{name}(?: [^>]*)?>(.*?)</{name}>", page, re.S)


def policy(page):
    content = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    directives = (part.split() for part in html.unescape(content).split(";"))
    return {name: values for name, *values in directives}


def digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_only_what_is_in_the_page_runs(page):
    theme, data, script = elements(page, "script")
    [style] = elements(page, "style")
    assert policy(page) == {
        "default-src": ["'none'"],
        "script-src": [digest(theme), digest(script)],
        "style-src": [digest(style)],
        "media-src": ["blob:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert script.endswith("f();") and style.endswith("p {}")
    assert json.loads(data) == {"name": HOSTILE}


def test_nothing_comes_from_elsewhere(page):
    assert re.findall(r"https?:|//[a-z]|@import|url\(|\bsrc=|<link|<iframe", page) == []


def test_the_policy_stands_ahead_of_all_that_it_is_for(page):
    assert page.index("Content-Security-Policy") < min(page.index("<style"), page.index("<script"))


def test_no_text_is_markup(page):
    assert elements(page, "title") == [
        "&lt;/script&gt;&lt;!--&lt;script&gt;&amp;amp; &#x27;&quot;$title"
    ]
    [data] = re.findall(r'id="data">(.*?)</script>', page, re.S)
    assert not set(data) & set("<>&\u2028")


def test_files_of_pages_cannot_end_their_elements():
    for name in ("theme.js", "player.js", "roll.js", "page.js"):
        assert not re.search(r"</script|<!--", web_file(name), re.I)
    for name in ("base.css", "page.css"):
        assert "</" not in web_file(name)


@pytest.mark.parametrize(
    "text, seen",
    [
        ("Für Elise", "Für Elise"),
        ("a\r\n\tb", "a b"),
        ("\x1b[31mred\x07", "[31mred"),
        ("right\u202eleft\u2066", "rightleft"),
        ("lone \udc80 half", "lone half"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("x" * 500, "x" * 199 + "…"),
        ("\u2028", ""),
    ],
)
def test_names_are_made_one_line_that_can_be_shown(text, seen):
    assert clean(text) == seen
