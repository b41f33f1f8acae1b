"""What a model was made from, and what is known of it: the card that is kept beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from midigen import files
from midigen.midi.dynamics import Dynamics, dynamics_from_json
from midigen.midi.notes import check_tempo
from midigen.outline import Outline


@dataclass(frozen=True)
class Levels:
    """How a Gaussian value v becomes a note: over the threshold, and as loud as gain v + offset.

    The loudest note is 1.  `midigen.generation.choose_levels` chooses them.
    """

    threshold: float = 0.3
    gain: float = 1.0
    offset: float = 0.0


@dataclass
class ModelCard:
    """What a model was made from; fields that are None, or empty, are not known.

    Attributes
    ----------
    name : str
        That of the run's folder.
    midigen : str
        The version that trained it.
    corpus_digest : str
    seed : int or None
    settings : dict
        A TrainConfig as JSON.
    songs, frames : int or None
        Of the corpus, as the figures below (`midigen.corpus.Corpus.statistics`).
    bpm : float
        The median tempo, quarter notes a minute.
    metre : tuple of int
        The most common, numerator and denominator.
    notes_per_frame, empty_share : float or None
        Mean number of notes that sound, share of silent frames.
    longest_hold : int or None
        Most frames in a row that are alike.
    velocity_mean, velocity_deviation : float or None
    validation : float or None
        Minus the pseudo-log-likelihood of held-out songs, nats a frame.
    temperature : float or None
        What suits new songs.
    levels : Levels or None
        Of a Gaussian model, once training has chosen them.
    outlines : list of Outline
        Of training songs, from which those of new songs are drawn.
    figures : dict of str to (float or None, float or None)
        Means and deviations of musical figures over training songs (midigen.figures.measure), by
        which new songs are chosen.
    dynamics : dict of str to Dynamics
        How loud the notes of each part of the corpus are.

    Raises
    ------
    ValueError, TypeError
        For what no model of midigen's has.
    """

    name: str = ""
    midigen: str = ""
    corpus_digest: str = ""
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    songs: int | None = None
    frames: int | None = None
    bpm: float = 120.0
    metre: tuple[int, int] = (4, 4)
    notes_per_frame: float | None = None
    empty_share: float | None = None
    longest_hold: int | None = None
    velocity_mean: float | None = None
    velocity_deviation: float | None = None
    validation: float | None = None
    temperature: float | None = None
    levels: Levels | None = None
    outlines: list[Outline] = field(default_factory=list)
    figures: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    dynamics: dict[str, Dynamics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what is computed with, as a header may hold any JSON."""
        numerator, denominator = self.metre
        self.metre = numerator, denominator
        check_tempo(self.bpm, self.metre)
        files.whole(self.longest_hold or 0)
        numbers = [
            self.temperature,
            self.notes_per_frame,
            self.velocity_mean,
            self.velocity_deviation,
        ]
        numbers += [self.validation, *asdict(self.levels or Levels()).values()]
        self.figures = {name: (mean, spread) for name, (mean, spread) in self.figures.items()}
        numbers += [number for both in self.figures.values() for number in both]
        if not np.isfinite([number or 0.0 for number in numbers]).all():
            raise ValueError("figures that are not finite")
        if not all(spread is None or spread > 0 for _, spread in self.figures.values()):
            raise ValueError("figures without a deviation")

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are known, by name."""
        values = asdict(replace(self, outlines=[]))
        values["outlines"] = [outline.to_json() for outline in self.outlines]
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelCard:
        """Read what `to_json` gave; other names, of another version, are left out."""
        data = dict(data)
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        if "levels" in known:
            known["levels"] = Levels(**known["levels"])
        known["outlines"] = [Outline.from_json(outline) for outline in known.get("outlines", ())]
        known["dynamics"] = dynamics_from_json(known.get("dynamics", {}))
        return cls(**known)
