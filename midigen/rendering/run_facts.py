"""What is known of a run, or of a model alone, as JSON can hold it: what `midigen show` shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from midigen.config import ModelConfig, TrainConfig
from midigen.errors import MidigenError
from midigen.files import StrPath, format_of
from midigen.model.rnn_rbm import FILE_NAME, RnnRbm
from midigen.rendering.contents import Facts
from midigen.training.checkpoint import CHECKPOINT_NAME, Checkpoint
from midigen.training.defaults import SIZES, defaults_of
from midigen.training.log import Line, on_the_way, read_log


def run_facts(path: StrPath) -> Facts:
    """Return what is known of a run, by its folder or a file in it, or of a model alone.

    Returns
    -------
    dict
        kind "run"; name, midigen (version), seed; corpus (path, None where no checkpoint tells),
        corpus_digest, songs, frames, notes_per_frame; sizes, parameters, visible_model; context and
        gates; settings, and changed (those that are not what a run has by default); validation (of
        the model, nats a frame), temperature; trained (epochs, steps, frames, seconds, and last,
        the time of the last line; each None where the log does not tell); curves, as `curves_of`
        returns them; remarks.

    Raises
    ------
    MidigenError
        In one line, where there is no model or it cannot be read.
    """
    is_model = os.path.isfile(path) and format_of(path) == "midigen-model"
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    model = RnnRbm.load(Path(path) if is_model else folder)
    # a model that has been copied out of its run has nothing to do with what lies beside it
    in_its_run = not is_model or Path(path).name == FILE_NAME
    lines = on_the_way(read_log(folder)) if in_its_run else []
    corpus, remarks = _corpus_of(folder) if in_its_run else (None, [])
    card, config = model.card, model.config
    return {
        "kind": "run",
        "name": card.name,
        "midigen": card.midigen,
        "seed": card.seed,
        "corpus": corpus,
        "corpus_digest": card.corpus_digest,
        "songs": card.songs,
        "frames": card.frames,
        "notes_per_frame": card.notes_per_frame,
        "sizes": {name: getattr(config, name) for name in ("visible", *SIZES)},
        "parameters": int(model.theta.size),
        "visible_model": config.visible_model,
        "context": list(config.context),
        "gates": list(config.gates),
        "settings": card.settings,
        "changed": _changed(config, card.settings),
        "validation": card.validation,
        "temperature": card.temperature,
        "trained": _trained(lines),
        "curves": curves_of(lines),
        "remarks": remarks,
    }


def _corpus_of(folder: Path) -> tuple[str | None, list[str]]:
    """Return the corpus that a run's checkpoint names, and what is wrong with that."""
    if not (folder / CHECKPOINT_NAME).exists():
        return None, []
    try:
        return Checkpoint(folder).corpus, []
    except MidigenError as e:
        return None, [str(e)]


def _changed(config: ModelConfig, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that no run has where nothing is asked for."""
    found: dict[str, Any] = {}
    for kind, values in ((ModelConfig, config.to_json()), (TrainConfig, settings)):
        for name, value in values.items():
            known = kind.__dataclass_fields__.get(name)
            shown_elsewhere = name in (*SIZES, "visible", "seed")
            if known is None or shown_elsewhere or kind.setting_of(name).from_data:
                continue
            if _plain(value) not in [_plain(default) for default in defaults_of(kind, name)]:
                found[name] = value
    return found


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _trained(lines: Sequence[Line]) -> Facts:
    last = lines[-1] if lines else {}
    validated = next((line for line in reversed(lines) if "epoch" in line), {})
    return {
        "epochs": validated.get("epoch"),
        "steps": last.get("steps"),
        "frames": validated.get("frames"),
        "seconds": last.get("seconds"),
        "last": last.get("time"),
    }


def curves_of(lines: Sequence[Line]) -> dict[str, list[Any]]:
    """Return how a run went, validation by validation.

    Parameters
    ----------
    lines : sequence of dict
        Of its log, as `on_the_way` returns them.

    Returns
    -------
    dict
        epochs, seconds (None where the log does not tell), loss and validation (nats a frame),
        notes_per_frame: lists of one length; None for what was not finite.
    """
    validated = [line for line in lines if line.get("event") == "Validated"]
    names = {"epochs": "epoch", "seconds": "seconds"} | {name: name for name in CURVES}
    return {name: [_number(line.get(key)) for line in validated] for name, key in names.items()}


CURVES = ("loss", "validation", "notes_per_frame")


def _number(value: Any) -> float | None:
    """Return a number of a log, which holds any JSON."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) < 1e300 else None
