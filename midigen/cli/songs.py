"""The songs that a command is given, and how it goes through them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from midigen.cli.streams import names_on_stdin, print_error
from midigen.errors import MidigenError, UsageError
from midigen.midi.inputs import expand, is_benchmark, is_rendered, printable


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
        raise MidigenError("no MIDI files (.mid, .midi, .kar) among the songs")
    return songs


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
        At the end, where any has failed; what it was is printed before, or is the message where
        there is one song.
    """
    from midigen.midi.performance import MAX_BYTES
    from midigen.midi.read import read_file

    failures = []
    for song in songs:
        try:
            act(song, read_file(song, MAX_BYTES, "at most"))
        except MidigenError as e:
            failures.append(f"{printable(song)}: {e}")
            if len(songs) > 1:
                print_error(failures[-1])
    if failures:
        many = f"{len(failures)} of {len(songs)} songs could not be {done}"
        raise MidigenError(many if len(songs) > 1 else failures[0])
