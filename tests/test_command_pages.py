"""docs/commands/ has a page for each command, which says what the program says of itself."""

import re

import click
import pytest

from midigen.cli import COMMANDS, group
from scripts.command_pages import FOLDER, page


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_is_what_the_program_says(name):
    text = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text == page(name), "run `python scripts/command_pages.py`"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_once(name):
    command = group.get_command(None, name)
    options = [param for param in command.params if isinstance(param, click.Option)]
    rows = re.findall(r"^\| `(-[^`]*)`", page(name), re.MULTILINE)
    assert len(rows) == len(options)
    for option in options:
        assert sum(option.opts[-1] in re.findall(r"-[\w-]+", row) for row in rows) == 1


def test_there_is_no_page_of_a_command_that_is_gone():
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"index"}
    assert pages == set(COMMANDS)
