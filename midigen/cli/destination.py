"""Where `midigen generate` puts new songs: in a folder, in one file, or on stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol

from midigen.errors import MidigenError, UsageError

SUFFIXES = (".mid", ".midi")


class Destination(Protocol):
    """Takes songs, one after the other; nothing is ever overwritten."""

    def make_ready(self) -> None:
        """Make what is missing; MidigenError where no song can go there."""

    def deliver(self, data: bytes, stem: str) -> Path | None:
        """Write a MIDI file's bytes; return the path, if it has one.

        The stem is a name without its ending, for a destination that has none.
        """


class _Stdout:
    def make_ready(self) -> None:
        pass

    def deliver(self, data: bytes, stem: str) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


class _Folder:
    def __init__(self, name: str) -> None:
        self._path = Path(name)

    def make_ready(self) -> None:
        make_folder(self._path)

    def deliver(self, data: bytes, stem: str) -> Path:
        from midigen.midi.write import write_new

        return write_new(self._path, stem, data)


class _File:
    def __init__(self, name: str) -> None:
        self._path = Path(name)

    def make_ready(self) -> None:
        if os.path.lexists(self._path):
            raise self._taken()
        make_folder(self._path.parent)

    def deliver(self, data: bytes, stem: str) -> Path:
        from midigen.files import create

        try:
            create(self._path, data)
        except FileExistsError:
            raise self._taken() from None
        return self._path

    def _taken(self) -> MidigenError:
        return MidigenError(f"{self._path} exists, and no song is overwritten: name another file")


def destination_of(output: str, count: int) -> Destination:
    """Return what -o means.

    Parameters
    ----------
    output : str
        "-", a name that ends in .mid or .midi, or a folder, which may be missing.
    count : int
        How many songs there are to be.

    Raises
    ------
    UsageError
        Where so many songs cannot go there.
    """
    if output == "-":
        _check_stdout(count)
        return _Stdout()
    if os.path.isdir(output) or not output.lower().endswith(SUFFIXES):
        return _Folder(output)
    if count > 1:
        raise UsageError(
            f"-o {output} is one song, and --count {count} asks for more: name a folder"
        )
    return _File(output)


def _check_stdout(count: int) -> None:
    """UsageError where the song cannot go to stdout."""
    if count > 1:
        raise UsageError("-o - writes one song: leave out --count, or name a folder")
    if sys.stdout is None:
        raise UsageError("-o - writes to stdout, which is closed: name a folder")
    if sys.stdout.isatty():
        raise UsageError(
            "-o - writes the bytes of a MIDI file: send them to a file or a pipe, not to the "
            "terminal"
        )


def make_folder(path: Path) -> Path:
    """Make a folder where it is missing, and return it; MidigenError where that cannot be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise MidigenError(
            f"{path} is a file: name a folder, or a file whose name ends in .mid"
        ) from None
    except OSError as e:
        raise MidigenError(f"cannot make the folder {path}: {e.strerror}") from None
    return path
