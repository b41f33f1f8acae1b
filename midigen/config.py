"""Every setting once: its default, range, choices and help text; the command line is made of them.

The settings of a command or a file are a frozen dataclass, checked when it is made. Each field's
metadata holds a `Setting`; `midigen.cli.options` turns it into an option.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, TypeVar

MOST_UNITS = 65_536  # in a layer
MOST_LAYERS = 16
MOST_PARTS = 16
MOST_COUNT = 1 << 30  # of what is only counted
LARGEST_SEED = (1 << 63) - 1
DEFAULT_MINUTES = 2.0
MAX_METRE = 64  # of numerator and denominator
DENOMINATORS = 1, 2, 4, 8, 16, 32, MAX_METRE
SPLITS = ("train", "valid", "test")
# where what is made goes unless -o says so
CORPORA, RUNS, SONGS = "output/corpora", "output/runs", "output/songs"
BEST_OF, ENDINGS, GIBBS_STEPS = 4, 32, 200  # of new songs
GIBBS_STEPS_GIVEN, PARTICLES = 50, 64  # where something of a song is given
PARTS = ("melody", "chords", "bass", "drums")  # that notes are sorted into, in this order

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What a field of settings may be, and what the command line says of it.

    Parameters
    ----------
    help : str
        Its text in `midigen COMMAND --help`.
    low, high : int or float, optional
        Range of a number, or of every number in a tuple; None where it has no end.
    low_open, high_open : bool
        Whether that end is itself out of range.
    choices : tuple of str
        The words to choose from.
    auto : bool
        Whether the command line also takes "auto", which is its default there.
    flag_help : tuple of str
        For a choice that is made by flags: the help text of each.
    unit : str
        What a number counts.
    expected : str
        What the value has to be, for errors, where range or choices do not say it all.
    shown : str
        What the help gives as the default, where None stands for it.
    option : str
        Name of the option, where it is not the field's.
    from_data : bool
        Whether the value is taken from the songs, and no option asks for it.
    repeated : bool
        Whether the option may be given several times, each with a text of its own.
    """

    help: str
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()
    auto: bool = False
    flag_help: tuple[str, ...] = ()
    unit: str = ""
    expected: str = ""
    shown: str = ""
    option: str = ""
    from_data: bool = False
    repeated: bool = False

    def allows(self, value: Any) -> bool:
        """Say whether a value is among the choices, or in range; NaN is in no range."""
        if self.choices:
            return value in self.choices
        above = self.low is None or (self.low < value if self.low_open else self.low <= value)
        below = self.high is None or (value < self.high if self.high_open else value <= self.high)
        return bool(above and below)

    def describe(self) -> str:
        """Say what is allowed, as it goes on after "must be".

        >>> Setting("", low=0, high=1, high_open=True).describe()
        'at least 0 and under 1'
        """
        if self.expected:
            return self.expected
        if self.choices:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        if self.high is None:
            text = f"{'over' if self.low_open else 'at least'} {self.low}"
        elif self.low_open:
            text = f"over {self.low}, at most {self.high}"
        elif self.high_open:
            text = f"at least {self.low} and under {self.high}"
        else:
            text = f"{self.low} to {self.high}"
        return f"{text} {self.unit}".rstrip()


def setting(default: T, help: str, **properties: Any) -> T:
    """Make the field of a setting: its default, and what else a `Setting` takes."""
    return field(default=default, metadata=_metadata(help, **properties))


def _metadata(help: str, **properties: Any) -> dict[str, Setting]:
    return {"setting": Setting(help, **properties)}


@dataclass(frozen=True)
class Settings:
    """Base of the dataclasses below: checks every field, and gives and takes JSON.

    Raises
    ------
    ValueError
        Where a value is not what its `Setting` allows.
    """

    def __post_init__(self) -> None:
        """Check every field, and that they fit together."""
        self._check()
        for f in fields(self):
            value, allows = getattr(self, f.name), self.setting_of(f.name).allows
            if value is None and f.default is None:
                continue
            if value is None:
                raise self._error(f.name)
            if not all(map(allows, value if isinstance(f.default, tuple) else (value,))):
                raise self._error(f.name)

    def _check(self) -> None:
        """Check what no range says."""

    @classmethod
    def setting_of(cls, name: str) -> Setting:
        """Return the Setting of a field.

        >>> TrainConfig.setting_of("optimizer").choices
        ('adam', 'sgd')
        """
        found: Setting = cls.__dataclass_fields__[name].metadata["setting"]
        return found

    def _error(self, name: str) -> ValueError:
        return _refusal(name, self.setting_of(name).describe(), getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make settings of what `to_json` gave, with defaults for what it lacks.

        Raises
        ------
        ValueError
            Where a name is unknown, so that a newer file is never half-read, or a value is wrong.
        """
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"unknown {cls.__name__} setting: {', '.join(unknown)}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def _refusal(name: str, expected: str, value: object) -> ValueError:
    return ValueError(f"{name} must be {expected}, not {value!r}")


@dataclass(frozen=True)
class Part(Settings):
    """One part of the music, which has columns of its own in a roll: `midigen.columns`."""

    name: str = field(metadata=_metadata("What its track is called."))
    low: int = field(metadata=_metadata("Lowest MIDI pitch.", low=0, high=127))
    high: int = field(metadata=_metadata("Highest MIDI pitch.", low=0, high=127))
    kind: str = setting(
        "voices",
        "One voice, so that at most one note begins or sounds at once; chords whose notes begin "
        "together; any number of voices; or drums, whose notes only begin.",
        choices=("line", "block", "voices", "drums"),
    )
    program: int = setting(0, "General MIDI instrument.", low=0, high=127)

    def _check(self) -> None:
        if not 0 <= self.low <= self.high <= 127:
            raise _refusal("low..high", "a range within 0..127", (self.low, self.high))

    @property
    def pitches(self) -> int:
        """Number of MIDI pitches, high - low + 1."""
        return self.high - self.low + 1

    @property
    def channels(self) -> int:
        """Columns: the pitches, and one that holds notes or strikes voices anew."""
        return self.pitches + (self.kind != "drums")


@dataclass(frozen=True)
class Grid(Settings):
    """How notes become the rows (frames) and columns (channels) of a roll.

    Columns are MIDI pitches low..high; with articulation "onset" as many more mark where notes
    begin. With values "velocity" a note is its MIDI velocity, 1..127, else it is 1. With `parts`
    the columns are those of one part after the other instead.
    """

    unit: str = setting(
        "beat",
        "Frames follow the beat, as scores do, or the clock, for free performances.",
        choices=("beat", "seconds"),
        option="grid",
    )
    steps_per_beat: int = setting(
        4,
        "Frames a quarter note, with --grid beat; auto is the coarsest of 1, 2, 3, 4, 6, 8 and 12 "
        "that keeps 97% of the onsets (of 4, 90%), else 4; .mat files have 4 unless it is given "
        "(JSB Chorales has 1, Nottingham 2).",
        low=1,
        high=96,
        auto=True,
    )
    step: float = setting(
        0.1, "Seconds a frame, with --grid seconds.", low=0.001, high=10, unit="seconds"
    )
    low: int = setting(21, "Lowest MIDI pitch.", low=0, high=127)
    high: int = setting(108, "Highest MIDI pitch.", low=0, high=127)
    articulation: str = setting(
        "gap",
        "How a repeated note shows in a roll without parts: the frame before it is cleared (gap), "
        "not at all (sustain), or by a second set of columns (onset).",
        choices=("gap", "sustain", "onset"),
    )
    outside: str = setting(
        "octave",
        "Notes out of that range: move them by octaves, drop them, or refuse the file.",
        choices=("octave", "drop", "refuse"),
    )
    values: str = setting(
        "binary",
        "What a roll keeps of a note: that it sounds, or how loud it is, for "
        "--visible-model gaussian.",
        choices=("binary", "velocity"),
    )
    tonic: str = setting(
        "kept",
        "The songs' keys: as they are, or every song in C major or A minor, so that a small "
        "collection teaches one key well; auto is one for under 100,000 frames.",
        choices=("kept", "one"),
        auto=True,
    )
    parts: tuple[Part, ...] = field(default=(), metadata=_metadata("Parts of the music."))

    def _check(self) -> None:
        if not 0 <= self.low <= self.high <= 127:
            raise _refusal("low..high", "a range within 0..127", (self.low, self.high))
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names) or len(names) > MOST_PARTS:
            raise _refusal("parts", f"of different names, at most {MOST_PARTS}", names)
        if self.parts and self.values != "binary":
            raise _refusal("values", "binary where there are parts", self.values)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Make a grid of what `to_json` gave; ValueError as in `Settings.from_json`."""
        parts = tuple(Part.from_json(part) for part in data.get("parts", ()))
        return super().from_json({**data, "parts": parts})

    @property
    def pitches(self) -> int:
        """Number of MIDI pitches, high - low + 1."""
        return self.high - self.low + 1

    @property
    def channels(self) -> int:
        """Columns of a roll, the V of the model: `pitches`, or twice that with onsets, or parts."""
        if self.parts:
            return sum(part.channels for part in self.parts)
        return self.pitches * (2 if self.articulation == "onset" else 1)

    def frame_seconds(self, bpm: float) -> float:
        """Return a frame's length in seconds; `bpm`, quarter notes a minute, counts on a beat grid.

        >>> Grid(steps_per_beat=4).frame_seconds(120)
        0.125
        """
        return self.step if self.unit == "seconds" else 60.0 / bpm / self.steps_per_beat


@dataclass(frozen=True)
class PrepareConfig(Settings):
    """How `midigen prepare` reads files and divides them, besides the Grid."""

    parts: str = setting(
        "auto",
        "Parts with columns of their own: none, or some of melody,chords,bass,drums; auto takes "
        "those that half of the songs have.",
        expected="none, auto, or some of melody,chords,bass,drums",
    )

    split: tuple[float, float, float] = setting(
        (80, 10, 10),
        "Shares of the songs; each song's content decides where it falls, so new songs move no "
        "other.",
        low=0,
        high=1e9,
        high_open=True,
        expected="three shares such as 80/10/10",
    )
    time_limit: float = setting(
        10.0,
        "Skip a file that takes more processor time to read.",
        low=0.1,
        high=86_400,
        unit="seconds",
    )
    memory_limit: int = setting(
        256,
        "Skip a file that takes more memory to read (on Linux).",
        low=32,
        high=1 << 20,
        unit="MB",
    )
    max_bytes: int = setting(500_000, "Skip a MIDI file larger than this.", low=1)
    own_songs: bool = setting(
        False,
        "Take songs that midigen made as well; a model that learns from its own songs learns its "
        "own mistakes.",
    )
    workers: int | None = setting(None, "Processes that read.", low=1, high=256, shown="one a core")

    def _check(self) -> None:
        if len(self.split) != 3 or not sum(self.split):
            raise self._error("split")
        named = self.parts.split(",")
        if self.parts not in ("none", "auto") and (
            set(named) - set(PARTS) or len(set(named)) < len(named)
        ):
            raise self._error("parts")


@dataclass(frozen=True)
class ModelConfig(Settings):
    """Sizes of the RNN-RBM, Eq. (14).

    Without hidden units of the RBM notes are independent given the past.
    """

    visible: int = field(
        metadata=_metadata("Visible units, V: columns of a roll.", low=1, high=MOST_UNITS)
    )
    hidden: tuple[int, ...] = setting(
        (150,),
        "Widths of the network's hidden layers, or none; auto: by the size of the collection.",
        low=1,
        high=MOST_UNITS,
        auto=True,
        expected=f"at most {MOST_LAYERS} layers of 1 to {MOST_UNITS} units",
    )
    recurrent: int = setting(100, "Recurrent units, R.", low=1, high=MOST_UNITS, auto=True)
    rbm_hidden: int = setting(150, "Hidden units of the RBM, H.", low=0, high=MOST_UNITS, auto=True)
    visible_model: str = setting(
        "bernoulli",
        "Notes that are on or off, or have a loudness; auto is what the corpus holds.",
        choices=("bernoulli", "gaussian"),
        auto=True,
    )
    deviation: tuple[float, float] = setting(
        (0.05, 1.0),
        "Lowest and highest standard deviation that a gaussian model predicts; the loudest note "
        "is 1.",
        low=1e-6,
        high=1e6,
        expected="two growing numbers over 0, such as 0.05,1",
    )
    dtype: str = setting("float32", "Precision of all arithmetic.", choices=("float32", "float64"))
    context: tuple[str, ...] = setting(
        (),
        "What the model is told of every frame, Eq. (26), some of position,form,end,mode,style,"
        "density, or none; auto is all of it.",
        choices=("position", "form", "end", "mode", "style", "density"),
        auto=True,
    )
    gates: tuple[str, ...] = setting(
        (),
        "What of the past the model may copy, Eq. (27), or none: the last notes (hold), the frames "
        "1, 2, 4 and 8 bars ago (lag), the bar that the form names (form), pitches at an interval "
        "from a melody's last note (interval); auto is all of it.",
        choices=("hold", "lag", "form", "interval"),
        auto=True,
    )
    styles: tuple[str, ...] = setting(
        (), "Names of styles that it tells apart.", expected="words", from_data=True
    )
    densities: tuple[float, ...] = setting(
        (), "Onset times a beat between classes of density.", low=0, from_data=True
    )

    def _check(self) -> None:
        if len(self.hidden) > MOST_LAYERS:
            raise self._error("hidden")
        if len(self.deviation) != 2 or not self.deviation[0] < self.deviation[1]:
            raise self._error("deviation")


@dataclass(frozen=True)
class TrainConfig(Settings):
    """How a model is trained.

    What may change when a run is resumed is not here: BudgetConfig.  Eq. (11)-(13) are `block`,
    (12a) `rank_tolerance`, (9) `gradient` "textbook", (23)-(24) what begins with `negative`, and
    (25) `centre`, which Bernoulli units have.  `transpose_share` None is that of
    training.plan.share_to_transpose.  `validate_every` 0 is the fewest epochs with 20,000 frames
    and 200 steps, or with 200,000 frames.
    """

    block: int = setting(
        1024,
        "Frames in a block of real-time recurrent learning: every length gives the same gradient, "
        "1 is the textbook's, longer is faster and takes more memory.",
        low=1,
        high=1 << 20,
    )
    rank_tolerance: float = setting(
        1e-6,
        "Singular values that RTRL may drop on its way back, Eq. (12a); 0: strictly exact "
        "arithmetic, slower where songs are longer than a block.",
        low=0,
        high=0.1,
    )
    update: str = setting(
        "batch",
        "Move the weights after every batch of songs, after every block (online), or once an "
        "epoch.",
        choices=("batch", "block", "epoch"),
    )
    batch: int = setting(2, "Songs side by side.", low=1, high=65_536)
    gradient: str = setting(
        "blocks",
        "How the influence matrix J is carried: in blocks or, for study, whole and frame by frame "
        "as in the textbooks, which gives the same gradient much later.",
        choices=("blocks", "textbook"),
    )
    concatenate: bool = setting(False, "All songs as one series: carry the state over song starts.")
    sampler: str = setting(
        "persistent",
        "Where the model's side of the gradient comes from.",
        choices=("persistent", "cd", "exact"),
        flag_help=(
            "Gibbs chains that go on, one for each training frame.",
            "Gibbs chains that start at the data each time (CD-k).",
            "No sampling: sums over all states, for RBMs with at most 16 hidden or visible units.",
        ),
    )
    gibbs_steps: int = setting(
        5,
        "Gibbs steps for each frame and step, the k of CD-k; auto: more for a small collection.",
        low=1,
        high=10_000,
        auto=True,
    )
    centre: bool = setting(
        True,
        "Count notes and hidden units from their means, Eq. (25): the same model in fewer steps.",
    )
    optimizer: str = setting(
        "adam", "Adam, or gradient descent with momentum.", choices=("adam", "sgd")
    )
    learning_rate: float = setting(
        1.5e-3, "Step size. It runs down to 0 in the last part of a run.", low=1e-12, high=1e3
    )
    variance_rate: float = setting(
        0.1,
        "What the steps of a gaussian model's log-variances are multiplied by.",
        low=0,
        high=1e3,
    )
    momentum: float = setting(0.9, "For sgd.", low=0, high=1, high_open=True)
    clip: float = setting(
        5.0,
        "Longest gradient; longer ones are shortened to it, 0 for no limit.",
        low=0,
        high=1e12,
    )
    weight_decay: float = setting(
        2e-4, "Weight of the squared weights in the loss.", low=0, high=10, auto=True
    )
    rbm_weight_decay: float | None = setting(
        None,
        "The same for the weights W of the RBM alone, which say what sounds together.",
        low=0,
        high=10,
        shown="that of --weight-decay, or less for a small collection",
    )
    average: float = setting(
        0.998,
        "Decay a step of the running mean of the weights, which is what is kept; 0 for none.",
        low=0,
        high=1,
        high_open=True,
    )
    dropout: float = setting(
        0.4,
        "Share of the fed-back notes that the network does not see in training.",
        low=0,
        high=1,
        high_open=True,
        auto=True,
    )
    noise: float = setting(
        0.0,
        "Share of the fed-back notes that are flipped in training; in a gaussian model the "
        "standard deviation of what is added to them.",
        low=0,
        high=0.5,
    )
    lag_dropout: float = setting(
        0.3,
        "Share of the songs for which a lag of the gates is silent in training; of what is left, "
        "notes are dropped as --dropout says.",
        low=0,
        high=1,
    )
    interval_dropout: float = setting(
        0.3,
        "Share of the frames in which the last pitches of lines are unknown in training.",
        low=0,
        high=1,
    )
    form_dropout: float = setting(
        0.3,
        "Share of the bars of which the model is not told, in training, that they repeat another.",
        low=0,
        high=1,
    )
    self_fed: float = setting(
        0.0,
        "Share of the frames that the model hears, in training, as it would play them itself: its "
        "own Gibbs chains of those frames (with --persistent, of Bernoulli units); auto: a quarter "
        "where it has gates.",
        low=0,
        high=1,
        auto=True,
    )
    transpose: tuple[int, int] = setting(
        (-5, 6),
        "Random transposition of every song, lowest and highest shift in semitones, as far as its "
        "notes stay in range; auto: none of songs in one key, else -5,6.",
        low=-127,
        high=127,
        auto=True,
        expected="two numbers of semitones around 0, such as -5,6",
    )
    transpose_share: float | None = setting(
        None,
        "Share of the songs that an epoch transposes.",
        low=0,
        high=1,
        shown="1, or less in a large collection in one key",
    )
    negative: str = setting(
        "off",
        "Push random songs away: not, as far as the model still finds them likely, or by all of "
        "their gradient (which has no bound).",
        choices=("off", "bounded", "literal"),
    )
    negative_source: str = setting(
        "noise",
        "What is pushed away: random songs, or those of the model's own, played as it stands, that "
        "have half as many notes again as the corpus.",
        choices=("noise", "own"),
    )
    negative_weight: float = setting(0.1, "Weight of the random songs' gradient.", low=0, high=1e6)
    negative_density: float = setting(
        0.7,
        "Share of notes that are on in a random song, over 0.5.",
        low=0.5,
        high=1,
        low_open=True,
    )
    negative_margin: float = setting(
        0.0,
        "How early noise is pushed: 0 where it is as likely as the model's samples.",
        low=-1e6,
        high=1e6,
    )
    negative_songs: int = setting(1, "Random songs for each batch.", low=1, high=65_536)
    validate_every: int = setting(
        0,
        "Epochs between validations on held-out songs; 0: a few hundred steps.",
        low=0,
        high=MOST_COUNT,
    )
    patience: int = setting(
        20, "Validations without a new best before the end is begun.", low=1, high=MOST_COUNT
    )
    seed: int = setting(
        0,
        "The same seed and settings give the same model, on any number of threads.",
        low=0,
        high=LARGEST_SEED,
    )

    def _check(self) -> None:
        if len(self.transpose) != 2 or not self.transpose[0] <= 0 <= self.transpose[1]:
            raise self._error("transpose")


@dataclass(frozen=True)
class BudgetConfig(Settings):
    """How long `midigen train` trains, a resumed run as well; None is no limit."""

    minutes: float | None = setting(
        None,
        "Time to train, from the first step on.",
        low=0,
        high=1_000_000,
        low_open=True,
        shown=f"{DEFAULT_MINUTES:g} where --epochs is not given",
    )
    epochs: int | None = setting(
        None, "Passes over the training songs, earlier ones included.", low=1, high=MOST_COUNT
    )


@dataclass(frozen=True)
class GenerateConfig(Settings):
    """What `midigen generate` makes of a model.

    length is an amount and its unit, "beats", "bars" or "seconds"; metre None, style None and form
    None are drawn like those of the training songs.
    """

    count: int = setting(1, "How many songs to make.", low=1)
    length: tuple[float, str] = setting(
        (32.0, "bars"),
        'New music in each song: "32 bars", "64 beats", "90 seconds" (90s), "3 minutes" (3m) or '
        "1:30; a bare number is beats.",
    )
    form: str | None = setting(
        None,
        "Sections of the song, such as AABA: a letter that comes again repeats what it was.",
        shown="drawn, like those of the songs learned from",
    )
    style: str | None = setting(
        None,
        "Style to play in: the name of a folder of the songs learned from.",
        shown="that of one of the songs",
    )
    metre: tuple[int, int] | None = setting(
        None,
        "Metre, such as 3/4.",
        expected="a metre such as 3/4",
        shown="that of one of the songs",
    )
    best_of: int | None = setting(
        None,
        "Songs to draw for each one that is kept, the nearest to the songs learned from; with "
        "--fill, particles of which the likeliest is kept.",
        low=1,
        high=10_000,
        shown=f"{BEST_OF}; 1 of songs of which something is given, but for --fill",
    )
    endings: int = setting(
        ENDINGS,
        "Endings to draw for each song, its last bar, of which the one is kept that closes "
        "most as the songs learned from do; 1 leaves it as it was drawn, and so do songs of which "
        "something is given.",
        low=1,
        high=10_000,
    )
    keep_primer: bool = setting(True, "Put the primer in front of the new music, or leave it out.")
    temperature: float | None = setting(
        None,
        "Below 1 the music is tamer, above 1 wilder.",
        low=0,
        high=100,
        low_open=True,
        shown="what suits the model, 0.8 to 1",
    )
    gibbs_steps: int | None = setting(
        None,
        "Gibbs sampling steps for each frame: more is slower and closer to the model.",
        low=1,
        high=100_000,
        shown=f"{GIBBS_STEPS}; {GIBBS_STEPS_GIVEN} of songs of which something is given",
    )
    bpm: float | None = setting(
        None, "Quarter notes a minute.", low=4, high=1000, shown="the corpus's median"
    )
    program: tuple[tuple[str, int], ...] | None = setting(
        None,
        "General MIDI instrument of all parts, by name or number (from 0: 40 is the violin), or "
        "part by part: melody=flute,chords=harp; list shows all names.",
        shown="each part's own, as in the songs learned from",
    )
    velocity: int | None = setting(
        None,
        "Mean loudness of the notes; of a model that has velocities, that of every note.",
        low=1,
        high=127,
        shown="as in the songs learned from",
    )
    seed: int | None = setting(
        None,
        "The same seed, model and settings give the same songs. It stands in each file and its "
        "name.",
        low=0,
        high=LARGEST_SEED,
        shown="a new one",
    )

    def _check(self) -> None:
        if self.metre is not None:
            numerator, denominator = self.metre
            if not 1 <= numerator <= MAX_METRE or denominator not in DENOMINATORS:
                raise self._error("metre")


@dataclass(frozen=True)
class SteerConfig(Settings):
    """What is given of new songs: parts of a song to start from, and what new notes are bound to.

    The texts are read where the song and the model are known: `midigen.steering`.
    """

    keep: tuple[str, ...] = setting(
        (),
        "Of the song of --from: a part (melody, chords, ..), a track by its name or number, top, "
        "bass (the highest or lowest notes), or pitches such as 60-84. Commas between several.",
        repeated=True,
    )
    fill: tuple[str, ...] = setting(
        (),
        'Write the song of --from anew in some bars, or beats: "bars 9-12", "beats 33-48", '
        '"bars 9-12 of melody". May be given several times.',
        repeated=True,
    )
    vary: float | None = setting(
        None,
        "Share of the song of --from to write anew, here and there.",
        low=0,
        high=1,
        low_open=True,
    )
    key: str | None = setting(
        None, 'Only notes of a key: "D minor", Bb. A minor key has its leading note, too.'
    )
    scale: str | None = setting(None, "Only notes of a scale: dorian:D, pentatonic:F, blues:A.")
    chords: str | None = setting(
        None,
        'Chords to play, a bar each, again and again: "C Am F G7"; C:2 lasts two beats. The '
        "melody has notes between them, of --key or of all the chords.",
    )
    range: tuple[str, ...] = setting(
        (), "Lowest and highest MIDI pitch: 48-84, or by part melody=60-84.", repeated=True
    )
    at_most: tuple[str, ...] = setting(
        (), "Most notes at once: 4, or by part chords=3; 0 is silence.", repeated=True
    )
    particles: int | None = setting(
        None,
        "Songs drawn side by side, of which those go on that fit what is given.",
        low=1,
        high=65_536,
        shown=f"{PARTICLES}",
    )

    @property
    def of_song(self) -> bool:
        """Whether something is asked that needs a song to start from."""
        return bool(self.keep or self.fill or self.vary is not None)

    @property
    def is_bound(self) -> bool:
        """Whether new notes are bound to anything."""
        return bool(self.key or self.scale or self.chords or self.range or self.at_most)


@dataclass(frozen=True)
class EvaluateConfig(Settings):
    """How `midigen evaluate` measures a model."""

    split: str = setting(
        "test", "Which songs of the corpus the model has to predict.", choices=SPLITS
    )
    temperatures: int = setting(
        2000,
        "Moves of each chain of annealed importance sampling, to begin with.",
        low=100,
        high=10_000_000,
    )
    chains: int = setting(
        4, "Chains for each frame; their spread gives the standard error.", low=2, high=10_000
    )
    tolerance: float = setting(
        0.02,
        "Nats a frame that the likelihood from above and from below may be apart: until they are "
        "not, frames that disagree get twice the temperatures, and twice again.",
        low=0,
        high=1000,
        low_open=True,
    )
    rnn_frames: int = setting(
        1_000_000,
        "Frames that a recurrent network with independent notes is trained on, to stand beside; "
        "0: none.",
        low=0,
        high=10**9,
    )
    max_frames: int | None = setting(
        None,
        "Measure the model on a fixed random choice of songs of at most that many frames together, "
        "or of one.",
        low=1,
    )
    seed: int = setting(
        0,
        "The same seed gives the same figures, on any number of cores.",
        low=0,
        high=LARGEST_SEED,
    )


@dataclass(frozen=True)
class CompareConfig(Settings):
    """How `midigen compare` makes a page for blind listening."""

    excerpts: int = setting(
        6,
        "Excerpts of each source, each of another song; fewer where a source has no more songs.",
        low=1,
        high=20,
    )
    seconds: float = setting(
        16.0, "How long an excerpt is, and a last chord to ring out.", low=2, high=60
    )
    seed: int = setting(
        0, "Of the choice of excerpts, their order and the chain.", low=0, high=LARGEST_SEED
    )
