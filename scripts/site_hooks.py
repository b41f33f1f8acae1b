"""Hooks of mkdocs.yml: pages of the site that lie elsewhere, and players for what is heard."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# file of the project -> page of the site; the readers of the checkout find these at its top
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
LINK = re.compile(r"(!?\[)([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
ELSEWHERE = re.compile(r"\[([^\]]*)\]\((?:\.\./)+(?:midigen|songs|benchmarks|tests)\b[^)]*\)")
SOUND = re.compile(r"\[[^\]]*\]\(([^)\s]+\.mp3)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that do not lie in docs/."""
    for source, target in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, target, content=moved(text)))
    return files


def moved(text: str) -> str:
    """Make links of a page at the top of the project those of a page in docs/."""

    def link(match: re.Match[str]) -> str:
        mark, words, target, anchor = match.groups()
        if ":" in target:
            return match[0]
        if target in PAGES:
            return f"{mark}{words}]({PAGES[target]}{anchor or ''})"
        if target.startswith("docs/"):
            return f"{mark}{words}]({target.removeprefix('docs/')}{anchor or ''})"
        return words  # a file that is no part of the site

    return LINK.sub(link, text)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put a player under a link to a sound, and leave out links to what the site has not."""
    for source, target in PAGES.items():
        markdown = markdown.replace(f"../{source}", target)
    return SOUND.sub(player, ELSEWHERE.sub(r"\1", markdown))


def player(link: re.Match[str]) -> str:
    """Return a link to a sound, and a player of it."""
    return f'{link[0]}\n<audio controls preload="none" src="{link[1]}"></audio>\n'
