"""The site that `poe site` makes: whole, strict about links, with nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="needs mkdocs, of the extra docs")

ROOT = Path(__file__).parents[1]
# what a browser fetches by itself, unlike the target of a link
FETCHED = re.compile(
    r"<(?:script|img|audio|video|source|iframe|embed|object)\b[^>]*?\b(?:src|data)=\"?([^\s\">]+)"
    r"|<link\b[^>]*?\bhref=\"?([^\s\">]+)"
    r"|url\(['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)"
)


def fetched(text):
    """The addresses that a page or a style sheet makes a browser fetch."""
    return [next(filter(None, match)) for match in FETCHED.findall(text)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, made anew."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_every_document_is_a_page(site):
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    made = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert sources <= made and Path("index.md") in made
    assert "pip install ." in (site / "index.html").read_text(encoding="utf-8")  # the README


def test_nothing_is_fetched_from_elsewhere(site):
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 20
    addresses = [address for path in files for address in fetched(path.read_text(encoding="utf-8"))]
    assert len(addresses) > 100
    assert [a for a in addresses if re.match(r"(?:[a-z+]+:)?//", a)] == []


def test_what_is_fetched_is_found():
    page = (
        '<script src="https://cdn/x.js"></script><link rel=stylesheet href=//fonts/y.css>'
        '<a href="https://link/">no</a><style>a{background:url(https://cdn/z.png)}</style>'
    )
    assert fetched(page) == ["https://cdn/x.js", "//fonts/y.css", "https://cdn/z.png"]


def test_pictures_and_sounds_of_the_pages_are_there(site):
    for path in site.rglob("*.html"):
        for address in fetched(path.read_text(encoding="utf-8")):
            if ":" not in address and not address.startswith("/"):
                assert (path.parent / address.partition("#")[0].partition("?")[0]).exists(), address
