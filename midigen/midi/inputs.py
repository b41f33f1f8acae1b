"""From what a user names (files, folders, globs, a list on stdin) to the files to read."""

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass

from midigen.errors import MidigenError

MIDI = (".mid", ".midi", ".kar", ".rmi")
ENDINGS = ", ".join(MIDI)
BENCHMARK = (".mat",)
RENDERED = (".wav", ".flac", ".ogg", ".mp3", ".svg", ".png", ".html")  # what is made of songs
AUDIO = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma")


@dataclass(frozen=True)
class Input:
    """A file to read.

    Parameters
    ----------
    path : str
        Where it is, relative to the working folder or not.
    problem : str, optional
        Why it cannot be read, where that is known already.
    style : str
        The first folder on the way to it from a folder that was named, "" where there is none.
    """

    path: str
    problem: str | None = None
    style: str = ""


def printable(text: object) -> str:
    r"""Return `text` on one line, with control characters and undecodable bytes as escapes.

    >>> printable("song\n2.mid")
    'song\\n2.mid'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def is_benchmark(path: str | os.PathLike[str]) -> bool:
    """Tell by a file's name whether it is a MATLAB file with piano rolls."""
    return os.path.splitext(path)[1].lower() in BENCHMARK


def is_rendered(path: str | os.PathLike[str]) -> bool:
    """Tell by a file's name whether it is sound, a picture or a page, and no song to read."""
    return os.path.splitext(path)[1].lower() in RENDERED


def is_audio(path: str | os.PathLike[str]) -> bool:
    """Tell by a file's name whether it is a recording."""
    return os.path.splitext(path)[1].lower() in AUDIO


def expand(
    names: Iterable[str], listed: Iterable[str] = (), ignored: list[str] | None = None
) -> list[Input]:
    """Find every file that is meant, each once.

    Folders are searched for MIDI and benchmark files, links included, in the order of names; a
    named file may have any ending.

    Parameters
    ----------
    names : iterable of str
        Files, folders and globs, which may hold `**`, as on the command line.
    listed : iterable of str
        Files and folders from a list, in which nothing is taken for a glob.
    ignored : list of str, optional
        Gets the recordings that are in the folders, which are no inputs.

    Returns
    -------
    list of Input
        The files; one that is missing from `listed` has a problem.

    Raises
    ------
    MidigenError
        Where one of `names` is missing.
    """
    found = []
    ignored = [] if ignored is None else ignored
    for name in names:
        matches = _matches(name)
        if not matches:
            raise MidigenError(f"no such file or folder: {printable(name)}")
        for match in matches:
            found += _files(match, ignored)
    for name in listed:
        found += _files(name, ignored)
    unique: dict[str, Input] = {}
    for item in found:
        unique.setdefault(os.path.realpath(item.path), item)
    return list(unique.values())


def _matches(name: str) -> list[str]:
    if os.path.lexists(name):
        return [name]
    return sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []


def _files(path: str, ignored: list[str]) -> list[Input]:
    if os.path.isdir(path):
        return _walk(path, ignored)
    if not os.path.exists(path):
        return [Input(path, "no such file")]
    return [Input(path, "audio (a recording; midigen reads MIDI)" if is_audio(path) else None)]


def _walk(folder: str, ignored: list[str]) -> list[Input]:
    """Find the MIDI and benchmark files under a folder; enter one that links lead back to once.

    Recordings are added to `ignored`.
    """
    found: list[Input] = []
    seen: set[str] = set()

    def report(error: OSError) -> None:
        found.append(Input(error.filename, f"cannot be listed ({error.strerror})"))

    for where, folders, names in os.walk(folder, followlinks=True, onerror=report):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        style = printable(os.path.relpath(where, folder).split(os.sep)[0])
        style = "" if style == os.curdir else style
        found += [
            Input(os.path.join(where, name), style=style)
            for name in sorted(names)
            if os.path.splitext(name)[1].lower() in MIDI + BENCHMARK
        ]
        ignored += [os.path.join(where, name) for name in names if is_audio(name)]
    return found
