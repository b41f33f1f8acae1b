"""Write docs/commands/NAME.md, one page a command, from what the program says of itself.

    python scripts/command_pages.py

`tests/test_command_pages.py` compares the pages with the program.
"""

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from midigen.cli import COMMANDS, group
from midigen.cli.command import Command

FOLDER = Path(__file__).parents[1] / "docs" / "commands"
WIDTH = 200  # of the usage, which stays on one line


def escape(text: str) -> str:
    """Keep Markdown from reading emphasis or HTML into a line of help."""
    return re.sub(r"([\\*_])", r"\\\1", text).replace("<", "&lt;")


def prose(help_text: str) -> Iterator[str]:
    """Yield the paragraphs of a command's help; indented ones are examples and stay as they are."""
    for paragraph in cleandoc(help_text).replace("\b\n", "").split("\n\n"):
        if paragraph.startswith("    "):
            yield paragraph
        elif paragraph.startswith("- "):
            yield escape(paragraph)
        else:
            yield escape(" ".join(paragraph.split("\n")))


def table(options: Iterable[click.Parameter], ctx: click.Context) -> Iterator[str]:
    """Yield the rows of a table of options."""
    yield "| option | what it does |"
    yield "|---|---|"
    for option in options:
        names, text = option.get_help_record(ctx) or ("", "")
        cells = f"`{names}`", escape(text)
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def page(name: str) -> str:
    """Return the page of a command, Markdown."""
    command = group.get_command(None, name)
    assert isinstance(command, Command) and command.help
    ctx = click.Context(command, info_name=f"midigen {name}", terminal_width=WIDTH)
    ctx.help_option_names = ["-h", "--help"]
    usage = command.get_usage(ctx).removeprefix("Usage: ")
    lines = [f"# midigen {name}", "", f"`{usage}`", ""]
    for paragraph in prose(command.help):
        lines += [paragraph, ""]
    options = [param for param in command.params if isinstance(param, click.Option)]
    shown = [option for word in command.shown for option in options if option.name == word]
    rest = [option for option in options if option not in shown]
    if shown:
        lines += ["## Options that matter most", "", *table(shown, ctx), ""]
    if rest:
        lines += ["## All other options" if shown else "## Options", "", *table(rest, ctx), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in COMMANDS:
        (FOLDER / f"{name}.md").write_text(page(name), encoding="utf-8")
