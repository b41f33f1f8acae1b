"""What `import midigen` offers: the commands of the command line as functions.

They work in notebooks, in scripts without an `if __name__ == "__main__"`, and from stdin.
"""

from __future__ import annotations

import difflib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import midigen.kernels  # noqa: F401  ahead of NumPy, whose BLAS then keeps to one thread as well

# isort: split
import pretty_midi

from midigen.backends.choose import backend_of, choose
from midigen.composition import compose, plan_songs
from midigen.config import (
    ENDINGS,
    EvaluateConfig,
    GenerateConfig,
    Grid,
    ModelConfig,
    PrepareConfig,
    SteerConfig,
    TrainConfig,
)
from midigen.corpus import Corpus
from midigen.duration import parse_length
from midigen.evaluation.report import evaluate_model
from midigen.evaluation.score import Judge
from midigen.evaluation.songs import evaluate_songs
from midigen.midi.programs import read_programs
from midigen.model.rnn_rbm import RnnRbm
from midigen.preparation import DECIDED, Settings, prepare_paths
from midigen.training.checkpoint import use_run_folder
from midigen.training.run import Run
from midigen.training.schedule import Budget
from midigen.training.trainer import Event

StrPath = str | os.PathLike[str]
DEFAULTS = EvaluateConfig()


def prepare(
    paths: StrPath | Iterable[StrPath],
    *,
    on_file: Callable[[dict[str, Any]], object] = lambda entry: None,
    **settings: Any,
) -> Corpus:
    """Read MIDI files into a corpus.

    Parameters
    ----------
    paths : path or iterable of paths
        Files, folders to search for them, and globs.
    on_file : callable
        Called with the verdict on every file, a dict, as it has been read.
    **settings
        Of `midigen.config.Grid` (steps_per_beat, low, high, ...) and of
        `midigen.config.PrepareConfig` (parts, split, time_limit, ...): the options of
        `midigen prepare`, with the same defaults; steps_per_beat and tonic may be "auto", and
        parts a list of names.

    Returns
    -------
    Corpus
        Its `manifest` says what became of every file; `save(path)` keeps it.

    Raises
    ------
    MidigenError
        Where a path is missing, or no usable song is found.
    TypeError, ValueError
        For a setting that there is not, or a value out of its range.
    """
    grid, reading = _sorted_out(settings, Grid, PrepareConfig)
    grid.pop("parts", None)  # their names are a setting of reading
    decide = tuple(name for name in DECIDED if grid.get(name, "auto") == "auto")
    given = {name: value for name, value in grid.items() if name not in decide}
    if not isinstance(reading.get("parts", ""), str):
        reading["parts"] = ",".join(reading["parts"])
    reader = PrepareConfig(**reading).to_json()
    return prepare_paths(paths, Settings(Grid(**given), decide, **reader), on_file)


def train(
    corpus: Corpus | StrPath,
    minutes: float | None = 2.0,
    *,
    epochs: int | None = None,
    folder: StrPath | None = None,
    device: str = "cpu",
    progress: Callable[[Event], object] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> RnnRbm:
    """Train a model on a corpus.

    Parameters
    ----------
    corpus : Corpus or path
    minutes : float or None
        How long, from the first step on, before which kernels may compile; None for no limit.
    epochs : int, optional
        Passes over the training songs, at most; with it, `minutes` only counts if it is given.
    folder : path, optional
        Keeps the run: the model, the last checkpoint for `midigen train --resume`, the log, and the
        corpus.
    device : str
        One of `midigen.backends.choose.DEVICES`.
    progress : callable
        Called with what happens: `midigen.training.events.Progress` after every step, `Validated`
        and `RolledBack`.
    stop : callable
        Training ends after the step in which it is true.
    **settings
        Of `midigen.config.ModelConfig` (hidden, recurrent, rbm_hidden, ...) and of
        `midigen.config.TrainConfig` (learning_rate, batch, seed, ...): the options of
        `midigen train`.

    Returns
    -------
    RnnRbm
        The best model of all validated; `warnings.warn` tells of one that is of no use.

    Raises
    ------
    MidigenError
        Where there is nothing to train on, or training diverges.
    TypeError, ValueError
        For a setting that there is not, or a value out of its range.
    """
    sizes, learning = _sorted_out(settings, ModelConfig, TrainConfig)
    corpus = corpus if isinstance(corpus, Corpus) else Corpus.load(corpus)
    if epochs is not None and minutes == 2.0:
        minutes = None
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) if folder is None else Path(folder)
        run = Run.new(
            lambda: use_run_folder(place),
            corpus,
            str(place / "corpus.midigen"),
            sizes,
            learning,
            device,
        )
        if folder is not None:
            corpus.save(place / "corpus.midigen")
        for event in run.events(Budget(epochs, minutes), stop):
            progress(event)
        if run.useless:
            warnings.warn(f"the model {run.useless}", stacklevel=2)
        return RnnRbm.load(run.model_path)


def load(path: StrPath) -> RnnRbm:
    """Read a model: a run's folder, or its model.safetensors.

    MidigenError, in one line, where that cannot be done.
    """
    return RnnRbm.load(Path(path))


def generate(
    model: RnnRbm | StrPath,
    count: int = GenerateConfig.count,
    length: str | float = "32 bars",
    seed: int = 0,
    *,
    form: str | None = None,
    form_of: StrPath | None = None,
    style: str | None = None,
    metre: tuple[int, int] | None = None,
    primer: StrPath | None = None,
    source: StrPath | None = None,
    keep: str | Sequence[str] = (),
    fill: str | Sequence[str] = (),
    vary: float | None = None,
    key: str | None = None,
    scale: str | None = None,
    chords: str | None = None,
    range: str | Sequence[str] = (),
    at_most: int | str | Sequence[str] = (),
    particles: int | None = None,
    temperature: float | None = None,
    best_of: int | None = None,
    endings: int = ENDINGS,
    gibbs_steps: int | None = None,
    bpm: float | None = None,
    program: int | str | Mapping[str, int | str] | None = None,
    velocity: int | None = None,
    corpus: Corpus | StrPath | None = None,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> list[pretty_midi.PrettyMIDI]:
    """Make new songs.

    Parameters
    ----------
    model : RnnRbm or path
    count : int
        How many songs.
    length : str or float
        Of each: "32 bars", "64 beats", "90 seconds", "3 minutes" or "1:30"; a bare number is beats.
    seed : int
        The same seed, model and settings give the same songs.
    form : str, optional
        Sections, such as "AABA": a letter that comes again repeats what it was.  Drawn, like those
        of the songs learned from, if left out.
    form_of : path, optional
        A MIDI file whose form is taken, not its notes.
    style : str, optional
        The name of a folder of the songs learned from.
    metre : tuple of int, optional
        Such as (3, 4); that of one of the songs learned from if left out.
    primer : path, optional
        A MIDI file that the songs go on from; it is not part of them.
    source : path, optional
        A MIDI file to start from, with `keep`, `fill` or `vary`; `length` is not read then.  What
        stays of it is as it is, to the tick.
    keep : str or sequence of str
        Of the source: parts ("melody"), tracks by name or number, "top", "bass", or pitches
        ("60-84"), with commas between several.  The rest is new, or what `fill` and `vary` say of
        it.
    fill : str or sequence of str
        Where the source is written anew: "bars 9-12", "beats 33-48", "bars 9-12 of melody".
    vary : float, optional
        Share of the source that is written anew, here and there, over 0 and at most 1.
    key, scale : str, optional
        New notes are those of "D minor", or of "dorian:D".
    chords : str, optional
        "C Am F G7", a bar each, or with beats, "C:2"; again and again until the end.
    range : str or sequence of str
        Lowest and highest pitch that sounds: "48-84", "melody=60-84".
    at_most : int, str or sequence of str
        Most notes at once: 4, "chords=3".
    particles : int, optional
        Songs drawn side by side where something is given, 64 if left out: more fit it better.
    temperature : float, optional
        Below 1 the music is tamer, above 1 wilder; what suits the model if left out.
    best_of : int, optional
        Songs to draw for each one that is kept, the nearest to the songs learned from; 4 if left
        out, and 1 where something is given.  With `fill`, 4 as well, so many particles are compared
        and the likeliest is kept; 1 is a plain draw.
    endings : int
        Endings to draw for each song, of which the one is kept that closes most as the songs
        learned from do; 1 leaves it as it was drawn.
    gibbs_steps : int, optional
        Gibbs sampling steps for each frame; 200 if left out, and 50 where something is given.
    bpm : float, optional
        Quarter notes a minute; the corpus's median if left out.
    program : int, str or mapping, optional
        General MIDI instrument of all parts, by its number, from 0, or by its name; by part
        {"melody": "flute", "chords": 46} or "melody=flute,chords=harp".  Each part's own, as in
        the songs learned from, if left out.
    velocity : int, optional
        Mean loudness of the notes, 1..127; as in the songs learned from if left out.  Of a model
        that has velocities itself, that of every note.
    corpus : Corpus or path, optional
        That the model has learned from: songs that copy more of it than held-out songs do, or are
        less likely, are not kept where others are there.  Left out, figures alone choose.
    device : str
        One of `midigen.backends.choose.DEVICES`.
    progress : callable, optional
        Told, from worker threads, how many more frames there are.

    Returns
    -------
    list of pretty_midi.PrettyMIDI
        `song.write(path)` keeps one.  One with a source has all messages of that, and writes them,
        not what is changed in it.

    Raises
    ------
    MidigenError
        Where a file cannot be read.
    ValueError
        For a value out of its range, and for what does not go together.
    """
    settings = GenerateConfig(
        count=count,
        length=parse_length(length),
        form=form,
        style=style,
        metre=metre,
        keep_primer=False,
        best_of=best_of,
        endings=endings,
        temperature=temperature,
        gibbs_steps=gibbs_steps,
        bpm=bpm,
        program=None if program is None else read_programs(program),
        velocity=velocity,
        seed=seed,
    )
    player = model if isinstance(model, RnnRbm) else load(model)
    steer = SteerConfig(
        _texts(keep),
        _texts(fill),
        vary,
        key,
        scale,
        chords,
        _texts(range),
        _texts(at_most),
        particles,
    )
    plan = plan_songs(player, settings, primer, form_of, source, steer)
    for remark in plan.remarks:
        warnings.warn(remark, stacklevel=2)
    made = []
    backend, judge = backend_of(choose(device)), None
    if corpus is not None and plan.is_judged:
        known = corpus if isinstance(corpus, Corpus) else Corpus.load(corpus)
        judge = Judge(player, known, backend)
    for song in compose(player, plan, progress, backend, judge):
        made.append(song.midi)
        if song.fit.warning:
            warnings.warn(song.fit.warning, stacklevel=2)
    return made


def _texts(given: int | str | Sequence[str]) -> tuple[str, ...]:
    """Return one text, or several."""
    return (str(given),) if isinstance(given, int | str) else tuple(given)


def evaluate(
    what: RnnRbm | StrPath | Sequence[StrPath | pretty_midi.PrettyMIDI],
    corpus: Corpus | StrPath,
    *,
    split: str = DEFAULTS.split,
    temperatures: int = DEFAULTS.temperatures,
    chains: int = DEFAULTS.chains,
    tolerance: float = DEFAULTS.tolerance,
    seed: int = DEFAULTS.seed,
    max_frames: int | None = DEFAULTS.max_frames,
    rnn_frames: int = 0,
    device: str = "cpu",
) -> dict[str, Any]:
    """Measure a model, or songs, against a corpus.

    Parameters
    ----------
    what : RnnRbm, path of a model, or sequence of songs
        Songs are MIDI files, or what `generate` has made.
    corpus : Corpus or path
    split, temperatures, chains, tolerance, seed, max_frames, rnn_frames
        As `midigen evaluate` has them, of a model; but no recurrent network is trained to stand
        beside it unless rnn_frames is given.
    device : str
        One of `midigen.backends.choose.DEVICES`.

    Returns
    -------
    dict
        Of a model what `midigen.evaluation.report.evaluate_model` returns: `rows` has nats a frame
        and accuracies.  Of songs what `evaluate_songs` does: figures, and what was copied.

    Raises
    ------
    MidigenError
        In one line, where a file cannot be read, or the two do not fit.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus.load(corpus)
    if isinstance(what, str | os.PathLike):
        what = load(what)
    if isinstance(what, RnnRbm):
        settings = EvaluateConfig(
            split, temperatures, chains, tolerance, rnn_frames, max_frames, seed
        )
        return evaluate_model(
            what,
            corpus,
            settings.split,
            settings.temperatures,
            settings.chains,
            settings.tolerance,
            settings.seed,
            settings.max_frames,
            settings.rnn_frames,
            backend=backend_of(choose(device)),
        )
    with tempfile.TemporaryDirectory() as scratch:
        paths = [_as_file(song, Path(scratch, f"song-{i}.mid")) for i, song in enumerate(what, 1)]
        return evaluate_songs(paths, corpus, seed)


def _as_file(song: StrPath | pretty_midi.PrettyMIDI, path: Path) -> Path:
    """Write a song that is none yet to a file."""
    if not isinstance(song, pretty_midi.PrettyMIDI):
        return Path(song)
    song.write(str(path))
    return path


def _sorted_out(
    settings: Mapping[str, Any], first: type[Any], second: type[Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deal settings to two dataclasses by name; TypeError, with the nearest, for another."""
    ours, theirs = ({f.name for f in fields(kind)} for kind in (first, second))
    for name in settings:
        if name not in ours | theirs:
            near = difflib.get_close_matches(name, sorted(ours | theirs), 1, 0)[0]
            raise TypeError(f"{name!r} is no setting; the nearest is {near!r}")
    return (
        {name: value for name, value in settings.items() if name in ours},
        {name: value for name, value in settings.items() if name in theirs},
    )
