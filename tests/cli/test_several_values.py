"""Options that take several words, or none, as a shell writes them."""

import click
import pytest

from midigen.cli.command import Command, Paths


def read(*args):
    """What a command gets of its arguments."""

    @click.command(cls=Command)
    @click.argument("names", nargs=-1)
    @click.option("--songs", type=Paths(), multiple=True)
    @click.option("--one", type=Paths())
    @click.option("--audio", is_flag=False, flag_value="wav", type=click.Choice(["wav", "ogg"]))
    @click.option("--seed", type=int)
    @click.option("-q", "quiet", is_flag=True)
    def command(**given):
        return {name: value for name, value in given.items() if value not in (None, (), False)}

    return command.main(args=args, standalone_mode=False)


@pytest.mark.parametrize(
    "args, given",
    [
        (["--songs", "a", "b", "--songs", "c"], {"songs": (("a", "b"), ("c",))}),
        (["--songs", "a b", "--seed", "1"], {"songs": (("a b",),), "seed": 1}),
        (["--songs=a", "b"], {"songs": (("a",),), "names": ("b",)}),
        (["--one", "a", "b", "-q"], {"one": ("a", "b"), "quiet": True}),
        (["--one", "a", "--", "b", "--one"], {"one": ("a",), "names": ("b", "--one")}),
        (["--audio", "model"], {"audio": "wav", "names": ("model",)}),
        (["--audio", "ogg", "model"], {"audio": "ogg", "names": ("model",)}),
        (["--audio=ogg", "model"], {"audio": "ogg", "names": ("model",)}),
        (["model", "--audio"], {"audio": "wav", "names": ("model",)}),
        (["--audio", "--seed", "1"], {"audio": "wav", "seed": 1}),
        (["--", "--audio"], {"names": ("--audio",)}),
    ],
)
def test_words_are_read_as_meant(args, given):
    assert read(*args) == given


@pytest.mark.parametrize("args", [["--songs"], ["--one"], ["--songs", "--seed", "1"]])
def test_an_option_of_paths_needs_one(args):
    with pytest.raises(click.BadParameter, match="name a file behind it"):
        read(*args)
