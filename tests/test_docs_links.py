"""Every link between the documents leads to a file of the project and a heading in it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def prose(path):
    """A page's text without its code, which may hold brackets that are no links."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "``", text)


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ +(.+?)\s*$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken(path, root=ROOT):
    """The links of a page that lead nowhere; those to other sites are not followed."""
    for link in LINK.findall(prose(path)):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.is_relative_to(root) or not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{link}: no such heading"


def test_there_are_pages():
    assert {"README.md", "CONTRIBUTING.md", "mathematics.md"} <= {path.name for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    assert list(broken(path)) == []


@pytest.mark.parametrize(
    "link, wrong",
    [
        ("here.md", []),
        ("here.md#a-heading-fx", []),
        ("#a-heading-fx", []),
        ("https://example.org/no", []),
        ("gone.md", ["gone.md: no such file"]),
        ("here.md#none", ["here.md#none: no such heading"]),
        ("../outside.md", ["../outside.md: no such file"]),
    ],
)
def test_a_broken_link_is_found(tmp_path, link, wrong):
    page = tmp_path / "here.md"
    page.write_text(f"# A heading, `f(x)`\n\nSee [it]({link}).\n\n    [code](no-link)\n")
    assert list(broken(page, tmp_path)) == wrong
