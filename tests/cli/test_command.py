"""Help in two sizes, and suggestions for slips."""

import re

import click
import pytest

from midigen.cli import COMMANDS, group, main
from midigen.cli.command import long_names, nearest

LONG = ["prepare", "train", "generate"]


def shown(capsys, *args):
    assert main(list(args)) == 0
    return capsys.readouterr().out


def test_no_command_shows_the_help(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (shown(capsys, "--help"), "")


@pytest.mark.parametrize("name", LONG)
def test_help_is_short_and_points_to_all_of_it(name, capsys):
    short, whole = shown(capsys, name, "-h"), shown(capsys, name, "--help-all")
    few, more = (
        set(re.findall(r"^  (?:-\w, )?--([\w-]+)", text, re.MULTILINE)) for text in (short, whole)
    )
    options = group.get_command(None, name).params
    firsts = {p.opts[-1][2:] for p in options if isinstance(p, click.Option)}
    assert more == firsts | {"help", "help-all"} and few < more and 10 <= len(few) <= 18
    assert f"Show these and {len(more - few)} more options" in short


@pytest.mark.parametrize("name", LONG)
def test_every_option_that_is_to_be_shown_exists(name):
    command = group.get_command(None, name)
    names = {param.name for param in command.params}
    assert set(command.shown) <= names and len(set(command.shown)) == len(command.shown)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in LONG])
def test_a_short_command_shows_all(name, capsys):
    out = shown(capsys, name, "-h")
    assert "--help-all" not in out
    assert all(f"--{option}" in out for option in long_names(group.get_command(None, name)))


@pytest.mark.parametrize(
    "args, words",
    [
        (["tarin"], "there is no command tarin: did you mean train?"),
        (["generat", "x"], "there is no command generat: did you mean generate?"),
        (["xylophone"], "there is no command xylophone (`midigen --help` shows how)"),
        (["train", "--minuts", "3"], "Did you mean '--minutes'?"),
        (["train", "-minutes", "3"], "No such option '-minutes'. Did you mean '--minutes'?"),
        (["generate", "m", "-seed=7"], "No such option '-seed'. Did you mean '--seed'?"),
    ],
)
def test_a_slip_gets_a_suggestion(args, words, capsys):
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err.replace(": -", " '-") and err.count("\n") == 1


def test_what_is_like_nothing_has_no_nearest():
    assert nearest("xyz", COMMANDS) is None and nearest("xyz", COMMANDS, 0) is not None
