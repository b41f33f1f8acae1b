"""What "auto" stands for: sizes and settings that suit a collection of so many frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus

AUTO = "auto"
DENSITY_CLASSES = 3
SELF_FED = 0.25
MOST_STYLES = 64


class Fitting(NamedTuple):
    """What suits collections of up to so many training frames: chosen on validation songs."""

    frames: float
    sizes: dict[str, Any]
    settings: dict[str, Any]
    temperature: float  # of new songs


def _defaults(kind: type[Any], *names: str) -> dict[str, Any]:
    return {name: kind.__dataclass_fields__[name].default for name in names}


SIZES = "hidden", "recurrent", "rbm_hidden"
SETTINGS = "weight_decay", "dropout", "gibbs_steps"
FITTING = (
    Fitting(
        10_000,
        {"hidden": (32,), "recurrent": 16, "rbm_hidden": 100},
        {"weight_decay": 1e-3, "rbm_weight_decay": 3e-4, "dropout": 0.4, "gibbs_steps": 15},
        0.9,
    ),
    Fitting(
        50_000,
        {"hidden": (64,), "recurrent": 48, "rbm_hidden": 150},
        {"weight_decay": 5e-4, "rbm_weight_decay": 2e-4, "dropout": 0.4, "gibbs_steps": 10},
        0.9,
    ),
    Fitting(math.inf, _defaults(ModelConfig, *SIZES), _defaults(TrainConfig, *SETTINGS), 0.9),
)


def sizes_for(corpus: Corpus, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of ModelConfig besides `visible`, with "auto" filled in.

    What is not asked for is "auto", as on the command line.
    """
    sizes: dict[str, Any] = {"visible_model": AUTO, "context": AUTO, "gates": AUTO}
    sizes |= dict.fromkeys(SIZES, AUTO) | dict(asked)
    kinds = {
        "visible_model": "gaussian" if corpus.grid.values == "velocity" else "bernoulli",
        "context": ModelConfig.setting_of("context").choices,
        "gates": ModelConfig.setting_of("gates").choices,
        **fitting_for(corpus).sizes,
    }
    sizes = {name: kinds[name] if value == AUTO else value for name, value in sizes.items()}
    train = [song.outline for song in corpus.songs if song.split == "train"]
    if "style" in sizes["context"]:
        styles = sorted({outline.style for outline in train if outline.style})
        sizes["styles"] = tuple(styles[:MOST_STYLES]) if len(styles) > 1 else ()
    if "density" in sizes["context"]:
        shares = np.arange(1, DENSITY_CLASSES) / DENSITY_CLASSES
        edges = np.quantile([outline.density for outline in train], shares)
        sizes["densities"] = tuple(round(float(edge), 3) for edge in np.unique(edges))
    return sizes


def settings_for(corpus: Corpus, config: ModelConfig, asked: Mapping[str, Any]) -> TrainConfig:
    """Return settings of training, with "auto" filled in.

    What is not asked for is "auto" or None, as on the command line.  ValueError for what is out of
    range.
    """
    fitting = dict(fitting_for(corpus).settings)
    fitting["transpose"] = transposition_for(corpus.grid)
    fitting["self_fed"] = SELF_FED if config.gates else 0.0
    asked = {name: value for name, value in asked.items() if value not in (AUTO, None)}
    return TrainConfig(**fitting | asked)


def transposition_for(grid: Grid) -> tuple[int, int]:
    """Return how far songs are transposed in training: not, where all are in one key."""
    default: Any = TrainConfig.__dataclass_fields__["transpose"].default
    limits: tuple[int, int] = default
    return (0, 0) if grid.tonic == "one" else limits


def fitting_for(corpus: Corpus) -> Fitting:
    """Return what suits a corpus by the frames of its training songs."""
    frames = sum(song.outline.frames for song in corpus.songs if song.split == "train")
    return next(fitting for fitting in FITTING if frames <= fitting.frames)


def defaults_of(kind: type[ModelConfig | TrainConfig], name: str) -> list[Any]:
    """Return the values that a setting may have where nothing is asked for it."""
    setting, default = kind.setting_of(name), kind.__dataclass_fields__[name].default
    if name in ("context", "gates"):
        return [setting.choices]
    if name == "visible_model":
        return list(setting.choices)
    found = [fitting.settings.get(name, default) for fitting in FITTING]
    more: dict[str, list[Any]] = {"self_fed": [0.0, SELF_FED], "transpose": [(0, 0)]}
    return [default, *found, *more.get(name, [])]
