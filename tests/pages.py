"""The commands that stand in the documents, and how to run one."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner

from midigen.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]
NAMES = "|".join(COMMANDS)
STARTS = re.compile(rf"\bmidigen (?:--config \S+ )?(?:{NAMES})\b")
BLOCK = re.compile(r"(?:^(?: {4}|\t).*\n)+", re.MULTILINE)
FENCED = re.compile(r"^(?:```|~~~)\w*\n(.*?)^(?:```|~~~)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`(midigen [^`]*)`")


class Line(NamedTuple):
    """A command line of a document."""

    page: str
    text: str


def pages():
    """The documents, by their paths in the project."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {path.relative_to(ROOT).as_posix(): path for path in sorted(found)}


def command_lines(text):
    """The lines of a document's code that run midigen, in their order.

    Code is an indented or fenced block, or `midigen ...` within a sentence or table with anything
    behind the name of the command.
    """
    blocks = [(m.start(), m[0]) for m in BLOCK.finditer(text)]
    blocks += [(m.start(), m[1]) for m in FENCED.finditer(text)]
    prose = BLOCK.sub(lambda m: " " * len(m[0]), text)
    prose = FENCED.sub(lambda m: " " * len(m[0]), prose)
    spans = [(m.start(), m[1].replace(r"\|", "|")) for m in CODE.finditer(prose)]
    found = [
        (start, number, line.strip())
        for start, block in blocks
        for number, line in enumerate(re.sub(r" *\\\n *", " ", block).splitlines())
        if STARTS.search(line) and not re.match(r"midigen:|[\w~]+ +add to", line.strip())
    ]
    found += [(start, 0, span) for start, span in spans if re.match(rf"{STARTS.pattern} \S", span)]
    return [line for _, _, line in sorted(found)]


def all_lines():
    """Every command line of every document."""
    return [
        Line(page, text)
        for page, path in pages().items()
        for text in command_lines(path.read_text(encoding="utf-8"))
    ]


def pipeline(text):
    """Split a command line at its pipes: a list of lists of words."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found = [[]]
    for word in lexer:
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    return found


def run_stage(words, data, folder):
    """Run one program of a pipeline in a folder: its exit code, stdout and stderr, in bytes."""
    if words[0] != "midigen":
        done = subprocess.run(words, input=data, cwd=folder, capture_output=True)
        return done.returncode, done.stdout, done.stderr
    arguments = [match for word in words[1:] for match in expanded(word, folder)]
    with CliRunner().isolation(input=data) as (out, err, _):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def expanded(word, folder):
    """What a shell makes of a word: the files that a glob names, or the word."""
    if not re.search(r"[*?]", word):
        return [word]
    return sorted(str(path.relative_to(folder)) for path in folder.glob(word)) or [word]
