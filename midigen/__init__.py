"""midigen: train a small music model on your own folder of MIDI files and get new songs.

    import midigen

    corpus = midigen.prepare("songs/")
    model = midigen.train(corpus, minutes=2)
    for i, song in enumerate(midigen.generate(model, count=3, length="32 bars", seed=1)):
        song.write(f"song-{i}.mid")

Everything here is imported when it is first used: `import midigen` itself is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from midigen import model as model
    from midigen.api import evaluate as evaluate
    from midigen.api import generate as generate
    from midigen.api import load as load
    from midigen.api import prepare as prepare
    from midigen.api import train as train
    from midigen.corpus import Corpus as Corpus
    from midigen.errors import MidigenError as MidigenError
    from midigen.model.rnn_rbm import RnnRbm as RnnRbm

_HOMES = {
    "prepare": "midigen.api",
    "train": "midigen.api",
    "load": "midigen.api",
    "generate": "midigen.api",
    "evaluate": "midigen.api",
    "Corpus": "midigen.corpus",
    "MidigenError": "midigen.errors",
    "RnnRbm": "midigen.model.rnn_rbm",
}
__all__ = [
    "Corpus",
    "MidigenError",
    "RnnRbm",
    "evaluate",
    "generate",
    "load",
    "model",
    "prepare",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "model":
        return import_module("midigen.model")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
