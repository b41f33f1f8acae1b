"""Paths in the commands that messages tell a user to type."""

import os
import shlex
import subprocess


def quoted(*paths: str | os.PathLike[str]) -> str:
    """Return paths as the shell of this system takes them.

    >>> quoted("my songs", "x.mid") in ("'my songs' x.mid", '"my songs" x.mid')
    True
    """
    words = [os.fspath(path) for path in paths]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
