"""What comes from files and names reaches no terminal as an escape."""

import json
import os

import numpy as np
import pytest
from rich.table import Table
from rich.text import Text

from midigen.cli import main
from midigen.config import Grid, ModelConfig
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.output.console import (
    PlainConsole,
    make_console,
    make_table_console,
    progress,
    say,
    warn,
)
from tests.terminal import on_terminal

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"  # title, clear, a colour, text from right to left
SHOWN = "\\x1b]0;owned"  # of it; rich drops some characters itself


def clean(text):
    return not any(character in text for character in "\x1b\x07\x9b\u202e")


def show(console, name):
    table = Table(title=EVIL, caption=EVIL)
    table.add_column(EVIL)
    table.add_row(EVIL)
    things = {
        "a line": lambda: say(console, f"a {EVIL}"),
        "a warning": lambda: warn(console, EVIL),
        "a table": lambda: console.print(table, width=120),
        "a text": lambda: console.print(Text(EVIL, "bold")),
        "two lines": lambda: console.print(f"{EVIL}\nnext"),
    }
    things[name]()


@pytest.mark.parametrize("make", [make_console, make_table_console])
@pytest.mark.parametrize("name", ["a line", "a warning", "a table", "a text", "two lines"])
def test_no_escape_comes_through(make, name, capsys):
    show(make(), name)
    out = "".join(capsys.readouterr())
    assert clean(out) and SHOWN in out.replace("\n", "") and "[/" not in out
    if name == "two lines":
        assert out.endswith("\nnext\n")


def test_a_bar_has_no_escape_of_a_name(capsys):
    """rich's own escapes move the cursor; that of the name would set the title."""
    console = PlainConsole(stderr=True, force_terminal=True, width=200)
    with progress(console, f"reading {EVIL}", 2) as bar:
        bar()
    err = capsys.readouterr().err
    assert SHOWN in err and "\x1b]0" not in err and "\x07" not in err and "\u202e" not in err


def test_markup_is_text(capsys):
    say(make_console(), "[red]a[/red] [link=http://b]c[/link] :smile:")
    assert capsys.readouterr().err == "[red]a[/red] [link=http://b]c[/link] :smile:\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model with escapes in its header, a settings file and a song with them in their names."""
    monkeypatch.chdir(tmp_path)
    card = ModelCard(name=EVIL, midigen=EVIL, settings={EVIL: EVIL}, corpus_digest=EVIL)
    config, grid = ModelConfig(visible=11, context=(), gates=()), Grid(low=60, high=70)
    RnnRbm.initial(config, grid, np.full(11, 0.1), card=card).save("run/model.safetensors")
    with open("run/log.jsonl", "w") as f:
        f.write(json.dumps({"event": EVIL, "steps": 1, "time": EVIL, "seconds": EVIL}))
    (tmp_path / "settings.toml").write_text('["\\u001b[2J"]\n')
    (tmp_path / "more.toml").write_text('[train]\n"\\u001b[2J" = 3\n')
    (tmp_path / "value.toml").write_text('[train]\nhidden = "\\u001b[2J"\n')
    return tmp_path


@pytest.mark.parametrize(
    "args",
    [
        ["show", "run"],
        ["show", "run/model.safetensors"],
        ["runs", "run"],
        ["evaluate", "run"],
        ["generate", f"run{EVIL}"],
        ["generate", "run", "--style", EVIL],
        ["train", f"corpus{EVIL}"],
        ["train", "--resume", f"run{EVIL}"],
        ["train", "corpus", f"--hidden={EVIL}"],
        ["prepare", f"nothing{EVIL}"],
        ["render", f"song{EVIL}.mid"],
        ["--config", "settings.toml", "train", "corpus"],
        ["--config", "more.toml", "train", "corpus"],
        ["--config", "value.toml", "train", "corpus"],
        ["--config", f"no{EVIL}.toml", "train", "corpus"],
        [f"command{EVIL}"],
    ],
    ids=lambda args: " ".join(args).replace(EVIL, "-evil").replace("\x1b", "-"),
)
def test_no_command_shows_one(folder, args, capsys):
    main(args)
    shown = "".join(capsys.readouterr())
    assert shown and clean(shown)


def test_a_path_on_a_terminal_is_shown_with_escapes_and_in_a_pipe_as_it_is(folder):
    name = "out\x1b[31m"
    command = ["generate", "run", "--length", "1 bar", "-o", f"{name}.mid", "-q"]
    code, lines, seen = on_terminal(command, 80, folder)
    assert code == 0 and lines[-1] == "out\\x1b[31m.mid"
    assert os.path.exists(f"{name}.mid")
