"""Fuzz what reads files, led by coverage: python fuzz/fuzz.py midi -max_total_time=3600.

Needs atheris (`pip install atheris`; Linux and macOS).  What stands behind the target goes to
libFuzzer.  Inputs that it finds are put into fuzz/found/TARGET, its seeds are in fuzz/seeds/TARGET.
An exception other than those for users ends it.
"""

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["midigen", "mido", "tomllib"]):
    import click

    from midigen.cli import group
    from midigen.cli.command import load_settings_file
    from midigen.corpus import Corpus
    from midigen.errors import MidigenError
    from midigen.midi.read import parse
    from midigen.model.rnn_rbm import RnnRbm

HERE = Path(__file__).parent
PATH = Path(tempfile.mkdtemp(), "input")


def midi(data: bytes) -> None:
    """Read a MIDI file."""
    with contextlib.suppress(MidigenError):
        parse(data, "fuzzed")


def corpus(data: bytes) -> None:
    """Read a corpus file."""
    PATH.write_bytes(data)
    with contextlib.suppress(MidigenError):
        Corpus.load(PATH)


def model(data: bytes) -> None:
    """Read a model file."""
    PATH.write_bytes(data)
    with contextlib.suppress(MidigenError):
        RnnRbm.load(PATH)


def settings(data: bytes) -> None:
    """Read a settings file."""
    PATH.write_bytes(data)
    context = click.Context(group)
    with contextlib.suppress(click.UsageError), contextlib.redirect_stderr(io.StringIO()):
        load_settings_file(context, group.params[0], str(PATH))


TARGETS = {"midi": midi, "corpus": corpus, "model": model, "settings": settings}


def main() -> None:
    """Fuzz the target that is named first."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz.py {'|'.join(TARGETS)} [options of libFuzzer]")
    name = sys.argv[1]
    found = HERE / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    folders = [os.fspath(found), os.fspath(HERE / "seeds" / name)]
    atheris.Setup([sys.argv[0], *sys.argv[2:], *folders], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
