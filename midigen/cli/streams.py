"""Paths from stdin and to stdout, and lines to stderr."""

import codecs
import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import click

from midigen.errors import MidigenError, UsageError
from midigen.midi.inputs import printable

READABLE = "midigen.readable"  # name of an error handler
LIKE = {"±": "+-", "…": "...", "–": "-"}  # what stands for a character that cannot be written

Path = str | bytes | os.PathLike[str]


def teller(quiet: bool) -> Callable[[str], None]:
    """Return say(line), which writes to stderr, or nothing."""

    def say(line: str) -> None:
        from midigen.output import console

        console.say(console.make_console(quiet), line)

    return say


def path_from_stdin(what: str) -> str:
    """Read the one path that the command before this one printed.

    Parameters
    ----------
    what : str
        What it is the path of, for messages: "corpus" or "model".

    Raises
    ------
    UsageError, MidigenError
        Where there is no pipe, or not one path in it.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"no {what} given: name a {what}, or pipe its path in")
    lines = names_on_stdin()
    if not lines:
        raise MidigenError(
            f"no {what} path came through the pipe: the command before this one made none"
        )
    if len(lines) > 1:
        raise UsageError(f"the pipe brought {len(lines)} paths, but one {what} is wanted")
    return lines[0]


def names_on_stdin(end: bytes = b"\n") -> list[str]:
    """Read names from stdin, in the bytes of the file system and not in stdin's encoding."""
    names = (
        name if end == b"\0" else name.rstrip(b"\r") for name in sys.stdin.buffer.read().split(end)
    )
    return [os.fsdecode(name) for name in names if name.strip()]


def print_path(path: Path) -> None:
    """Print a path as names_on_stdin reads it; on a terminal, where nothing does, with escapes."""
    is_shown = sys.stdout is not None and sys.stdout.isatty()
    click.echo(printable(os.fsdecode(path)) if is_shown else os.fsencode(path))


def print_json(**report: Any) -> None:
    """Print one JSON object on stdout; a number that is not finite, which JSON lacks, is null."""
    click.echo(json.dumps(_finite(report), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what a stream's encoding lacks in ASCII, as an error handler of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    if error.object[error.start] in LIKE:
        return LIKE[error.object[error.start]], error.start + 1
    return codecs.backslashreplace_errors(error)


def print_error(message: object) -> None:
    """Print a message in one line on stderr, with control characters as escapes."""
    click.echo(f"midigen: {printable(' '.join(str(message).split()))}", err=True)


class _Heedless:
    """Writes to a stream until that fails, and then to nothing: the work goes on."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text as a text stream does."""
        with self._falling_silent():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what is buffered."""
        with self._falling_silent():
            self._stream.flush()

    @contextlib.contextmanager
    def _falling_silent(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self._stream.fileno())
            os.close(nothing)


@contextlib.contextmanager
def ready_streams() -> Iterator[None]:
    """Make stdout, stderr and the width of the terminal such that nothing fails on them.

    What cannot be written to stderr, be it closed or its disk full, ends nothing in the block.
    """
    codecs.register_error(READABLE, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # no name of a song ends a table, whatever the encoding
            stream.reconfigure(errors=READABLE)
    if not os.environ.get("COLUMNS", "").strip("0"):
        os.environ.pop("COLUMNS", None)  # rich takes 0 for a width in which nothing can be shown
    before = sys.stderr
    if isinstance(before, io.TextIOWrapper):
        sys.stderr = cast(io.TextIOWrapper, _Heedless(before))
    try:
        yield
    finally:
        sys.stderr = before
