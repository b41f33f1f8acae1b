"""Settings as frozen dataclasses: validated when made, stored as JSON in every file that depends on them."""

from dataclasses import asdict, dataclass, fields


def _require(ok, name, value, expected):
    if not ok:
        raise ValueError(f"{name} must be {expected}, not {value!r}")


class Settings:
    """to_json and from_json for the dataclasses below; unknown names are an error, so a newer file is never half-read."""

    def to_json(self):
        return asdict(self)

    @classmethod
    def from_json(cls, data):
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ValueError(f"unknown {cls.__name__} setting: {', '.join(unknown)}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


@dataclass(frozen=True)
class Grid(Settings):
    """How notes become the rows (frames) and columns (channels) of a roll.

    unit "beat": `steps_per_beat` frames a quarter note. unit "seconds": `step` seconds a frame.
    Columns are MIDI pitches low..high; articulation "onset" adds as many columns that mark where notes begin.
    """

    unit: str = "beat"
    steps_per_beat: int = 4
    step: float = 0.1
    low: int = 21
    high: int = 108
    articulation: str = "gap"
    outside: str = "octave"

    def __post_init__(self):
        _require(self.unit in ("beat", "seconds"), "unit", self.unit, "beat or seconds")
        _require(1 <= self.steps_per_beat <= 96, "steps_per_beat", self.steps_per_beat, "1 to 96")
        _require(0.001 <= self.step <= 10, "step", self.step, "0.001 to 10 seconds")
        _require(0 <= self.low <= self.high <= 127, "low..high", (self.low, self.high), "a range within 0..127")
        _require(self.articulation in ("gap", "sustain", "onset"), "articulation", self.articulation,
                 "gap, sustain or onset")
        _require(self.outside in ("octave", "drop", "refuse"), "outside", self.outside, "octave, drop or refuse")

    @property
    def pitches(self):
        """Number of MIDI pitches, high - low + 1."""
        return self.high - self.low + 1

    @property
    def channels(self):
        """Columns of a roll, the V of the model: `pitches`, or twice that with onsets."""
        return self.pitches * (2 if self.articulation == "onset" else 1)

    def frame_seconds(self, bpm):
        """Length of a frame in seconds; `bpm` (quarter notes a minute) counts on a beat grid only."""
        return self.step if self.unit == "seconds" else 60.0 / bpm / self.steps_per_beat
