"""Settings as frozen dataclasses: validated when made, stored as JSON in every file that depends on them."""

from dataclasses import asdict, dataclass, fields


def _require(ok, name, value, expected):
    if not ok:
        raise ValueError(f"{name} must be {expected}, not {value!r}")


class Settings:
    """to_json and from_json for the dataclasses below; an unknown name is an error: a newer file is never half-read."""

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
    values "binary": a note is 1; "velocity": it is its MIDI velocity, 1..127.
    """

    unit: str = "beat"
    steps_per_beat: int = 4
    step: float = 0.1
    low: int = 21
    high: int = 108
    articulation: str = "gap"
    outside: str = "octave"
    values: str = "binary"

    def __post_init__(self):
        _require(self.unit in ("beat", "seconds"), "unit", self.unit, "beat or seconds")
        _require(1 <= self.steps_per_beat <= 96, "steps_per_beat", self.steps_per_beat, "1 to 96")
        _require(0.001 <= self.step <= 10, "step", self.step, "0.001 to 10 seconds")
        _require(
            0 <= self.low <= self.high <= 127,
            "low..high",
            (self.low, self.high),
            "a range within 0..127",
        )
        _require(
            self.articulation in ("gap", "sustain", "onset"),
            "articulation",
            self.articulation,
            "gap, sustain or onset",
        )
        _require(
            self.outside in ("octave", "drop", "refuse"),
            "outside",
            self.outside,
            "octave, drop or refuse",
        )
        _require(self.values in ("binary", "velocity"), "values", self.values, "binary or velocity")

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


@dataclass(frozen=True)
class ModelConfig(Settings):
    """Sizes of the RNN-RBM, Eq. (14).

    visible V; rbm_hidden H, 0 for notes that are independent given the past; recurrent R; hidden: widths of the
    network's own hidden layers, () for none.
    deviation: bounds of the standard deviations that a Gaussian model predicts, where the loudest note is 1.
    """

    visible: int
    rbm_hidden: int = 150
    recurrent: int = 100
    hidden: tuple[int, ...] = (150,)
    visible_model: str = "bernoulli"
    deviation: tuple[float, float] = (0.05, 1.0)
    dtype: str = "float32"

    def __post_init__(self):
        for name, low in (("visible", 1), ("rbm_hidden", 0), ("recurrent", 1)):
            _require(
                low <= getattr(self, name) <= 65536, name, getattr(self, name), f"{low} to 65536"
            )
        _require(
            len(self.hidden) <= 16 and all(1 <= n <= 65536 for n in self.hidden),
            "hidden",
            self.hidden,
            "at most 16 layers of 1 to 65536 units",
        )
        _require(
            self.visible_model in ("bernoulli", "gaussian"),
            "visible_model",
            self.visible_model,
            "bernoulli or gaussian",
        )
        _require(
            len(self.deviation) == 2 and 1e-6 <= self.deviation[0] < self.deviation[1] <= 1e6,
            "deviation",
            self.deviation,
            "two growing numbers over 0, such as 0.05,1",
        )
        _require(self.dtype in ("float32", "float64"), "dtype", self.dtype, "float32 or float64")


@dataclass(frozen=True)
class TrainConfig(Settings):
    """How a model is trained.  What may change when a run is resumed is not here: epochs and minutes.

    block: frames a block of RTRL, Eq. (11)-(13).  rank_tolerance: singular values of the propagator that are dropped,
    Eq. (12a); 0 keeps all, 1e-6 is below the rounding of float32.
    update: weights move after every song "batch", after every "block" of a batch, or once an "epoch".
    gradient: "blocks", or the slow "textbook" recursion of Eq. (9).
    sampler: "persistent" particles, "cd" (chains from the data) or "exact" (small RBMs).
    centre: step in the coordinates of Eq. (25), which Bernoulli units have.
    learning_rate: of the most part of a run; at its end the step size runs down to 0, see training.run.COOLING.
    average: decay a step of the running mean of the weights, which is validated and kept; 0 for none.
    transpose, transpose_share: lowest and highest random shift of a song, in semitones, and the share of the songs that
    an epoch shifts; None for training.plan.share_to_transpose's.
    validate_every: epochs, 0 for the fewest with 20,000 frames and 200 steps, or with 200,000 frames.
    variance_rate: what the steps of the log-variances' own weights are multiplied by, in a Gaussian model.
    negative_*: the random songs of Eq. (23)-(24).
    """

    block: int = 4096
    rank_tolerance: float = 1e-6
    update: str = "batch"
    batch: int = 2
    concatenate: bool = False
    gradient: str = "blocks"
    sampler: str = "persistent"
    gibbs_steps: int = 5
    optimizer: str = "adam"
    centre: bool = True
    learning_rate: float = 1.5e-3
    momentum: float = 0.9
    variance_rate: float = 0.1
    clip: float = 5.0
    weight_decay: float = 2e-4
    average: float = 0.998
    dropout: float = 0.4
    noise: float = 0.0
    transpose: tuple[int, int] = (-5, 6)
    transpose_share: float | None = None
    negative: str = "off"
    negative_weight: float = 0.1
    negative_density: float = 0.7
    negative_margin: float = 0.0
    negative_songs: int = 1
    validate_every: int = 0
    patience: int = 20
    seed: int = 0

    def __post_init__(self):
        for name, low, high in (
            ("block", 1, 1 << 20),
            ("batch", 1, 65536),
            ("rank_tolerance", 0, 0.1),
            ("gibbs_steps", 1, 10_000),
            ("learning_rate", 1e-12, 1e3),
            ("variance_rate", 0, 1e3),
            ("clip", 0, 1e12),
            ("weight_decay", 0, 10),
            ("negative_weight", 0, 1e6),
            ("negative_margin", -1e6, 1e6),
            ("negative_songs", 1, 65536),
            ("validate_every", 0, 1 << 30),
            ("patience", 1, 1 << 30),
            ("seed", 0, (1 << 63) - 1),
        ):
            value = getattr(self, name)
            _require(low <= value <= high, name, value, f"{low} to {high}")
        for name in ("momentum", "dropout", "average"):
            _require(
                0 <= getattr(self, name) < 1, name, getattr(self, name), "at least 0 and under 1"
            )
        _require(0 <= self.noise <= 0.5, "noise", self.noise, "0 to 0.5")
        _require(
            0.5 < self.negative_density <= 1,
            "negative_density",
            self.negative_density,
            "over 0.5, at most 1",
        )
        share = self.transpose_share
        _require(share is None or 0 <= share <= 1, "transpose_share", share, "0 to 1")
        _require(
            len(self.transpose) == 2 and -127 <= self.transpose[0] <= 0 <= self.transpose[1] <= 127,
            "transpose",
            self.transpose,
            "two numbers of semitones around 0, such as -5,6",
        )
        for name, choices in (
            ("update", ("batch", "block", "epoch")),
            ("gradient", ("blocks", "textbook")),
            ("sampler", ("persistent", "cd", "exact")),
            ("optimizer", ("adam", "sgd")),
            ("negative", ("off", "bounded", "literal")),
        ):
            _require(
                getattr(self, name) in choices, name, getattr(self, name), " or ".join(choices)
            )
