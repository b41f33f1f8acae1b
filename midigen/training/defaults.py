"""What "auto" stands for: sizes and settings that suit a collection of so many frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.corpus import Corpus

AUTO = "auto"
SMALL_FRAMES = 30_000  # of the training songs: under it a small network is trained
DENSITY_CLASSES = 3
SELF_FED = 0.25
MOST_STYLES = 64

# What suits a small collection, and a larger one: chosen on validation songs, docs/results.md.
SMALL_SIZES: dict[str, Any] = {"hidden": (64,), "recurrent": 40, "rbm_hidden": 100}
SMALL_SETTINGS: dict[str, Any] = {"weight_decay": 1e-3, "dropout": 0.3}
LARGE_SIZES = {name: ModelConfig.__dataclass_fields__[name].default for name in SMALL_SIZES}
LARGE_SETTINGS = {name: TrainConfig.__dataclass_fields__[name].default for name in SMALL_SETTINGS}


def sizes_for(corpus: Corpus, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of ModelConfig besides `visible`, with "auto" filled in.

    What is not asked for is "auto", as on the command line.
    """
    small = is_small(corpus)
    sizes = {"visible_model": AUTO, "context": AUTO, "gates": AUTO}
    sizes |= dict.fromkeys(SMALL_SIZES, AUTO) | dict(asked)
    kinds = {
        "visible_model": "gaussian" if corpus.grid.values == "velocity" else "bernoulli",
        "context": ModelConfig.setting_of("context").choices,
        "gates": ModelConfig.setting_of("gates").choices,
        **(SMALL_SIZES if small else LARGE_SIZES),
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

    What is not asked for is "auto", as on the command line.  ValueError for what is out of range.
    """
    fitting = SMALL_SETTINGS if is_small(corpus) else LARGE_SETTINGS
    fitting = fitting | {"transpose": transposition_for(corpus.grid)}
    fitting["self_fed"] = SELF_FED if config.gates else 0.0
    asked = {name: value for name, value in asked.items() if value != AUTO}
    return TrainConfig(**fitting | asked)


def transposition_for(grid: Grid) -> tuple[int, int]:
    """Return how far songs are transposed in training: not, where all are in one key."""
    limits: tuple[int, int] = TrainConfig.__dataclass_fields__["transpose"].default
    return (0, 0) if grid.tonic == "one" else limits


def is_small(corpus: Corpus) -> bool:
    """Say whether the training songs are so few that a small network suits them."""
    frames = sum(song.outline.frames for song in corpus.songs if song.split == "train")
    return frames < SMALL_FRAMES
