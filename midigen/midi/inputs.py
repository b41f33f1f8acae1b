"""From what a user names (files, folders, globs, a list on stdin) to the files to read."""

import glob
import os
from dataclasses import dataclass

from midigen.errors import MidigenError

MIDI = (".mid", ".midi", ".kar")
BENCHMARK = (".mat",)


@dataclass(frozen=True)
class Input:
    """A file to read, or, with a problem, why there is none."""

    path: str
    problem: str | None = None


def printable(text):
    """`text` on one line, with control characters, and bytes that are no text, shown as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def is_benchmark(path):
    """Whether a file is a MATLAB file with piano rolls, by its name."""
    return os.path.splitext(path)[1].lower() in BENCHMARK


def expand(names, listed=()):
    """Every file that `names` and `listed` mean, each once: a list of Input.

    Folders are searched for MIDI and benchmark files, links included, in the order of names; a glob may hold `**`.
    A missing path in `names`, from the command line, raises MidigenError; one in `listed`, from a list on stdin, is an
    Input with a problem.
    """
    found = []
    for name in names:
        matches = _matches(name)
        if not matches:
            raise MidigenError(f"no such file or folder: {printable(name)}")
        for match in matches:
            found += _files(match)
    for name in listed:
        found += _files(name)
    once = {}
    for item in found:
        once.setdefault(os.path.realpath(item.path), item)
    return list(once.values())


def _matches(name):
    if os.path.lexists(name):
        return [name]
    return sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []


def _files(path):
    if os.path.isdir(path):
        return _walk(path)
    return [Input(path, None if os.path.exists(path) else "no such file")]


def _walk(folder):
    """MIDI and benchmark files under a folder; a folder that links lead to again is entered once."""
    found, seen = [], set()

    def report(error):
        found.append(Input(error.filename, f"cannot be listed ({error.strerror})"))

    for where, folders, names in os.walk(folder, followlinks=True, onerror=report):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [
            Input(os.path.join(where, name))
            for name in sorted(names)
            if os.path.splitext(name)[1].lower() in MIDI + BENCHMARK
        ]
    return found
