"""What to say where a file is none of what a command takes: what it is, and what to type."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from midigen.errors import MidigenError, UsageError
from midigen.shell import quoted

MOST_NAMES = 10_000  # that are looked at in a folder
# what a command wants and what it was given -> what to type; {0} is the path, as a shell takes it
REMEDIES = {
    ("corpus", "songs"): "prepare them first: midigen prepare {0} | midigen train",
    ("corpus", "model"): "a corpus is wanted: to go on with a run: midigen train --resume {0}",
    ("model", "songs"): (
        "train on them first: midigen prepare {0} | midigen train, "
        "or go on from one: midigen generate MODEL --primer FILE.mid"
    ),
    ("model", "corpus"): "train on it first: midigen train {0}",
    ("songs", "corpus"): "it is prepared: midigen train {0}",
    ("songs", "model"): "MIDI files are wanted: new songs are made by midigen generate {0}",
}
WHAT = {"songs": "MIDI", "corpus": "a corpus", "model": "a model"}
NEXT = {"songs": "prepare", "corpus": "train", "model": "generate"}  # the command that takes it


def kind_of(path: str) -> str | None:
    """Say what a file or a folder holds.

    Returns
    -------
    str or None
        "songs" for MIDI, "corpus", "model", of which a run folder has one, or None.
    """
    from midigen.files import format_of
    from midigen.midi.inputs import MIDI
    from midigen.model.rnn_rbm import FILE_NAME

    if os.path.isdir(path):
        if Path(path, FILE_NAME).exists():
            return "model"
        inside = islice((name for _, _, names in os.walk(path) for name in names), MOST_NAMES)
        return "songs" if any(name.lower().endswith(MIDI) for name in inside) else None
    if path.lower().endswith(MIDI):
        return "songs" if os.path.exists(path) else None
    kinds = {"midigen-corpus": "corpus", "midigen-model": "model", "midigen-checkpoint": "model"}
    return kinds.get(format_of(path) or "")


@contextlib.contextmanager
def explained(path: str, wanted: str) -> Iterator[None]:
    """Turn the MidigenError of reading `path` into one that says what to type instead.

    Parameters
    ----------
    path : str
        What the user has named.
    wanted : str
        "corpus" or "model".

    Raises
    ------
    UsageError
        Where `path` is something else that is midigen's, or MIDI; any other error stays.
    """
    try:
        yield
    except MidigenError:
        kind = kind_of(path)
        remedy = REMEDIES.get((wanted, kind or ""))
        if kind is None or remedy is None:
            raise
        raise UsageError(f"{path} is {WHAT[kind]}: {remedy.format(quoted(path))}") from None
