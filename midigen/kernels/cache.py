"""The folder in which Numba keeps compiled kernels: one that nobody else can write to.

Numba's index files are pickles, which run as they are read: whoever can write to the folder can run
code as this user.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


def find_folder(checked: bool = False) -> Path | None:
    """Make, or find, the folder for this version of the sources.

    Parameters
    ----------
    checked : bool
        Whether it is for kernels that are compiled with checks of every index.

    Returns
    -------
    Path or None
        The user's own; None where there is no place for one, or somebody else's lies there.
    """
    name = f"kernels-{_digest()}" + ("-checked" if checked else "")
    for root in _roots():
        folder = root / name
        try:
            _make_private(root)
            _make_private(folder)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def _digest() -> str:
    """Digest the sources of all kernels."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _roots() -> Iterator[Path]:
    """Name the places for folders, the best first; that for temporary files is shared by users."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    yield Path(home, "midigen")
    user = f"-{os.geteuid()}" if hasattr(os, "geteuid") else ""
    yield Path(tempfile.gettempdir(), f"midigen{user}")


def _make_private(folder: Path) -> None:
    """Make a folder for this user alone; OSError where one is there that others can write to.

    On Windows, where folders have no such owners and modes, the user's own are private.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    found, around = folder.lstat(), folder.parent.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder} is a link or a file")
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"others can write to {folder}")
    # where anybody can move it away, and something else into its place
    if around.st_mode & stat.S_IWOTH and not around.st_mode & stat.S_ISVTX:
        raise PermissionError(f"others can move {folder}")
