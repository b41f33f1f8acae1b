"""The songs that a command is given: files, folders and globs, or paths from the pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from midigen.cli.streams import names_on_stdin
from midigen.errors import MidigenError, UsageError
from midigen.midi.inputs import expand, is_benchmark, is_rendered


def named_songs(paths: Sequence[str]) -> list[str]:
    """Find the MIDI files of a command line, or those that the pipe names where it has none.

    What `midigen` renders of songs may be among the pipe's names; it is passed over.

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
