"""The starter songs: public-domain tunes that come with midigen."""

from importlib.resources import files
from pathlib import Path

from midigen.errors import MidigenError


def starter_songs() -> list[Path]:
    """List the starter songs that were installed with midigen.

    A wheel holds them inside the package; a checkout, and so an editable install, beside it.

    Returns
    -------
    list of Path
        The MIDI files, in the order of their names.

    Raises
    ------
    MidigenError
        Where this installation has none.
    """
    package = Path(str(files("midigen")))
    for folder in (package / "songs", package.parent / "songs"):
        songs = sorted(folder.glob("*.mid"))
        if songs:
            return songs
    raise MidigenError("this installation of midigen has no starter songs: install it again")
