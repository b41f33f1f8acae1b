"""The songs that a command is given, and how it goes through them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from midigen.cli.streams import names_on_stdin, print_error
from midigen.errors import MidigenError, UsageError
from midigen.midi.inputs import ENDINGS, expand, is_benchmark, is_rendered, printable


def named_songs(paths: Sequence[str]) -> list[str]:
    """Find the MIDI files of a command line, or those that the pipe names where it has none.

    What midigen renders of songs may be among the pipe's names; it is passed over.

    Raises
    ------
    UsageError
        Where nothing is named.
    MidigenError
        Where a name is missing, or no MIDI file is found.
    """
    if not paths and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("no songs given: name MIDI files or folders, or pipe their paths in")
    listed = [] if paths else [name for name in names_on_stdin() if not is_rendered(name)]
    songs = [found.path for found in expand(paths, listed) if not is_benchmark(found.path)]
    if not songs:
        raise MidigenError(f"no MIDI files ({ENDINGS}) among the songs")
    return songs


def read_song(song: str) -> bytes:
    """Return the bytes of a song; MidigenError, with the reason alone, where it cannot be read."""
    from midigen.midi.performance import MAX_BYTES
    from midigen.midi.read import read_file

    return read_file(song, MAX_BYTES, "at most")


class Failures:
    """What goes wrong with some of the songs: the others are done all the same.

    Parameters
    ----------
    songs : int
        How many there are.
    """

    def __init__(self, songs: int) -> None:
        self._songs = songs
        self._errors: list[MidigenError] = []

    @contextmanager
    def kept(self, song: str) -> Iterator[None]:
        """Keep the MidigenError that ends the block, with the song's name."""
        try:
            yield
        except MidigenError as e:
            self.add(MidigenError(f"{printable(song)}: {e}"))

    def add(self, error: MidigenError) -> None:
        """Keep an error, and print it where there are several songs."""
        self._errors.append(error)
        if self._songs > 1:
            print_error(error)

    def report(self, done: str) -> None:
        """Raise MidigenError if there was any: the error of a single song, else how many.

        Parameters
        ----------
        done : str
            What could not be done with them, as in "rendered".
        """
        if self._errors and self._songs == 1:
            raise self._errors[0]
        if self._errors:
            raise MidigenError(f"{len(self._errors)} of {self._songs} songs could not be {done}")


def for_each(songs: Sequence[str], act: Callable[[str, bytes], None], done: str) -> None:
    """Read each song and do something with it; go on behind one where that fails.

    Parameters
    ----------
    songs : sequence of str
        The files.
    act : callable
        act(path, bytes of the file).
    done : str
        What is done with them, as in "rendered".

    Raises
    ------
    MidigenError
        At the end, where any has failed.
    """
    failures = Failures(len(songs))
    for song in songs:
        with failures.kept(song):
            act(song, read_song(song))
    failures.report(done)
