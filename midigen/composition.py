"""What is asked of new songs -> their outlines, their rolls, and MIDI files.

One home for what `midigen generate` and `midigen.generate` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen import __version__
from midigen.backends.interface import Backend
from midigen.config import (
    BEST_OF,
    GIBBS_STEPS,
    GIBBS_STEPS_GIVEN,
    PARTICLES,
    GenerateConfig,
    Grid,
    SteerConfig,
)
from midigen.duration import length_in_frames, playable_bpm
from midigen.errors import MidigenError
from midigen.evaluation.score import Judge, Score, index_of_best
from midigen.generation import draw_outlines, generate_songs, temperature_for
from midigen.midi.form import outline_of
from midigen.midi.programs import programs_of
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.midi.write import Playing, roll_to_midi
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.outline import Outline
from midigen.randomness import derive_key, generator
from midigen.sampling import Fit, count_frames
from midigen.selection import choose_ending
from midigen.steering.constraints import Constraints, read_constraints
from midigen.steering.redraw import Sampling, draw_bound, redraw
from midigen.steering.source import Source, read_source
from midigen.steering.task import Task, plan_task
from midigen.steering.writing import NewMusic, music_behind, write_music

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI


TRIES_APART = 1 << 20  # numbers between draws of one song: more than there are songs
ENDING_BARS = 1  # of which several are drawn


@dataclass(frozen=True, eq=False)
class Plan:
    """What new songs are to be, as `plan_songs` makes it.

    Parameters
    ----------
    settings : GenerateConfig
        With a seed, a temperature, and numbers.
    outlines : list of Outline
        Of each song, the primer included.
    opening : Told or None
        The primer.
    bpm : float
        Quarter notes a minute.
    steer : SteerConfig
        What is given of them.
    constraints : Constraints
        The same, read.
    primer : Source or None
        The file of the primer.
    task : Task or None
        The song that they start from, and what of it is new.
    remarks : tuple of str
        Lines for people: what of that does not fit.
    """

    settings: GenerateConfig
    outlines: list[Outline]
    opening: Told | None
    bpm: float
    steer: SteerConfig = SteerConfig()
    constraints: Constraints = Constraints()
    primer: Source | None = None
    task: Task | None = None
    remarks: tuple[str, ...] = ()

    @property
    def begun(self) -> int:
        """Frames of the primer."""
        return len(self.opening.roll) if self.opening else 0

    @property
    def tries(self) -> int:
        """Songs that are drawn for each one that is kept.

        Of a filling one is: what is chosen between are its particles.
        """
        assert self.settings.best_of is not None
        return 1 if self.steer.fill else self.settings.best_of

    @property
    def is_judged(self) -> bool:
        """Whether a corpus says which draw is kept: what starts from a song is to be like that."""
        return self.tries > 1 and self.task is None

    def behind_primer(self, roll: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return new frames (T, V) with those of the primer ahead of them."""
        return np.concatenate([self.opening.roll, roll]) if self.opening else roll

    def frames(self, grid: Grid) -> int:
        """Return new frames of all songs together, those that are not kept included."""
        songs = self.tries * sum(outline.frames - self.begun for outline in self.outlines)
        endings = sum(o.frames - self.ending(o, grid) for o in self.outlines)
        return songs + self.settings.endings * endings

    def ending(self, outline: Outline, grid: Grid) -> int:
        """Return the frame from which on endings are drawn; the last one's end where none are."""
        starts = outline.bar_starts(grid)[:-1]
        if self.settings.endings < 2 or len(starts) <= ENDING_BARS:
            return outline.frames
        place = int(starts[-ENDING_BARS])
        return place if place > self.begun else outline.frames

    def work(self, grid: Grid) -> int:
        """Return how many frames `compose` goes through, on a model's grid."""
        if self.task is not None:
            numbers = [n for song in range(len(self.outlines)) for n in self.numbers(song)]
            return sum(self.task.frames(self.regions(number)) for number in numbers)
        if not self.steer.is_bound:
            return self.frames(grid)
        spans = [np.arange(outline.frames) >= self.begun for outline in self.outlines]
        each = map(count_frames, spans, self.outlines, [grid] * len(spans))
        return self.tries * sum(each)

    def numbers(self, song: int) -> list[int]:
        """Return the numbers of the draws of a song, each of which has random numbers of its own.

        Those of the first are the same whatever `tries` is.
        """
        return [song + attempt * TRIES_APART for attempt in range(self.tries)]

    def regions(self, number: int) -> list[NDArray[np.bool_]]:
        """Return what of the song of a task is new in a draw."""
        assert self.task is not None and self.settings.seed is not None
        return self.task.regions(self.settings.seed, number)


class Composed(NamedTuple):
    """A new song.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        Its new frames; of a song to start from, all of it.
    midi : PrettyMIDI
        What is written to a file.
    score : Score
        How near it is to the songs learned from.
    fit : Fit
        Of the particles, where something is given.
    """

    roll: NDArray[np.uint8]
    midi: PrettyMIDI
    score: Score
    fit: Fit = Fit()


def check_together(
    settings: GenerateConfig,
    primer: str | PathLike[str] | None,
    form_of: str | PathLike[str] | None,
    source: str | PathLike[str] | None = None,
    steer: SteerConfig | None = None,
) -> None:
    """ValueError for settings that say the same twice, or that miss another."""
    steer = steer or SteerConfig()
    asked = {"form": settings.form, "form-of": form_of, "primer": primer}
    given = [name for name, value in asked.items() if value is not None]
    if source is not None:
        given += [name for name in ("metre", "style") if getattr(settings, name) is not None]
        if given:
            raise ValueError(
                f"the song of from has a form and bars of its own: leave out {given[0]}"
            )
    elif steer.of_song:
        raise ValueError("keep, fill and vary are of a song: name it, --from song.mid")
    if len(given) > 1:
        raise ValueError(f"{given[0]} and {given[1]} both say how the song goes on: give one")
    if primer is not None and settings.metre:
        raise ValueError("a primer has a metre of its own: leave out metre")


def plan_songs(
    model: RnnRbm,
    settings: GenerateConfig,
    primer: str | PathLike[str] | None = None,
    form_of: str | PathLike[str] | None = None,
    source: str | PathLike[str] | None = None,
    steer: SteerConfig | None = None,
) -> Plan:
    """Draw the outlines of new songs, as they are asked for.

    Parameters
    ----------
    model : RnnRbm
    settings : GenerateConfig
        With a seed.  A length in bars is one in bars of each song's own metre.
    primer : path, optional
        A MIDI file that all songs go on from.
    form_of : path, optional
        One whose form they have.
    source : path, optional
        One that they start from, and are as long as.
    steer : SteerConfig, optional
        What of it they have, and what their new notes are bound to.

    Raises
    ------
    ValueError
        For what does not go together, or cannot be.
    MidigenError
        In one line, where a file cannot be read or does not fit the model.
    """
    steer = steer or SteerConfig()
    check_together(settings, primer, form_of, source, steer)
    seed, grid, card = settings.seed, model.grid, model.card
    assert seed is not None
    programs_of(grid, settings.program or ())  # before anything is made
    given = source is not None or steer.is_bound
    settings = _with_numbers(model, settings, given, bool(steer.fill))
    constraints = read_constraints(steer, grid)
    constraints.most(grid)
    if model.gaussian and (source is not None or steer.is_bound):
        raise ValueError("a model of velocities cannot be steered: train one of notes alone")
    if source is not None:
        task = plan_task(source, steer, constraints, grid)
        outline = task.outline()
        return Plan(
            settings,
            [outline] * settings.count,
            None,
            settings.bpm or playable_bpm(task.source.table.bpm),
            steer,
            constraints,
            task=task,
            remarks=tuple(constraints.remarks(outline, grid)),
        )
    begun = None if primer is None else read_source("primer", primer, grid)
    opening = Told(notes_to_roll(begun.table, grid)[0], begun.outline) if begun else None
    bpm = settings.bpm or playable_bpm(begun.table.bpm if begun else card.bpm)
    form: str | NDArray[np.int64] | None = settings.form
    if form_of is not None:
        form = _of_whole_bars(read_song("song of form-of", form_of, grid).outline)
    length: int | float = length_in_frames(settings.length, grid, bpm, settings.metre or card.metre)
    if settings.length[1] == "bars" and grid.unit == "beat":
        length = float(settings.length[0])
    outlines = draw_outlines(
        model,
        length,
        settings.count,
        seed,
        settings.metre,
        settings.style,
        form,
        opening.outline if opening else None,
    )
    if opening is None:
        outlines = [constraints.tell(outline, grid) for outline in outlines]
    new = [o.after(len(opening.roll), grid) if opening else o for o in outlines]
    remarks = _strange_metre(settings.metre, card.outlines)
    if steer.is_bound:  # what cannot be is told before anything is made
        remarks += [remark for outline in new for remark in constraints.remarks(outline, grid)]
    return Plan(
        settings,
        outlines,
        opening,
        bpm,
        steer,
        constraints,
        primer=begun,
        remarks=tuple(dict.fromkeys(remarks)),
    )


def _with_numbers(
    model: RnnRbm, settings: GenerateConfig, given: bool, fills: bool
) -> GenerateConfig:
    """Return settings with what suits the model, and songs of which something is given or not."""
    if settings.temperature is None:
        settings = replace(settings, temperature=temperature_for(model))
    best_of = settings.best_of or (1 if given and not fills else BEST_OF)
    endings = 1 if given else settings.endings  # what is given may be the ending
    if not model.card.figures:  # there is nothing to choose by but likelihood
        best_of, endings = best_of if fills else 1, 1
    gibbs_steps = settings.gibbs_steps or (GIBBS_STEPS_GIVEN if given else GIBBS_STEPS)
    return replace(settings, best_of=best_of, endings=endings, gibbs_steps=gibbs_steps)


def _strange_metre(metre: tuple[int, int] | None, known: Sequence[Outline]) -> list[str]:
    """Say that no song learned from has a metre that is asked for, if so."""
    metres = {found[1:] for outline in known for found in outline.metres}
    if metre is None or not metres or metre in metres:
        return []
    listed = ", ".join(f"{beats}/{unit}" for beats, unit in sorted(metres))
    return [
        f"no song learned from is in {metre[0]}/{metre[1]}, so the model does not know what to do "
        f"with it: they are in {listed}"
    ]


def _of_whole_bars(outline: Outline) -> NDArray[np.int64]:
    """Return a form (bars, P) without the bar of a pickup, which nothing repeats then."""
    if not outline.pickup:
        return outline.form
    form = outline.form[1:]
    return np.where(form > np.arange(len(form))[:, None], 0, form)


class _Attempt(NamedTuple):
    """One draw of a song: its new frames, or all of one to start from, and what is known of it."""

    roll: NDArray[np.uint8]
    music: NewMusic | None = None
    fit: Fit = Fit()


def compose(
    model: RnnRbm,
    plan: Plan,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
    judge: Judge | None = None,
) -> Iterator[Composed]:
    """Yield the songs of a plan, in order, each as soon as it is done.

    `progress` and `backend` are as in `midigen.generation.generate_songs`; of songs of which
    something is given progress counts frames as often as they are gone through.  `judge` chooses
    between draws; left out, one that looks at figures alone.
    """
    judge = judge or Judge(model)
    steered = plan.task is not None or plan.steer.is_bound
    drawn = (_draw_given if steered else _draw)(model, plan, progress, backend)
    for number, outline in enumerate(plan.outlines, start=1):
        attempts = [next(drawn) for _ in range(plan.tries)]
        rolls = [plan.behind_primer(attempt.roll) for attempt in attempts]
        scores = judge.score(rolls, outline, plan.begun, plan.bpm)
        chosen = index_of_best(scores)
        best, score = attempts[chosen], scores[chosen]
        if plan.ending(outline, model.grid) < outline.frames:
            best = _Attempt(_with_ending(model, plan, best.roll, number, progress, backend))
            whole = plan.behind_primer(best.roll)
            [score] = judge.score([whole], outline, plan.begun, plan.bpm)
        made = _written(model, plan, best, number, score)
        yield Composed(best.roll, made, score, best.fit)


def _draw(
    model: RnnRbm,
    plan: Plan,
    progress: Callable[[int], None] | None,
    backend: Backend | None,
) -> Iterator[_Attempt]:
    """Yield the draws of songs of which nothing is given but a primer."""
    settings, opening = plan.settings, plan.opening
    assert settings.seed is not None and settings.gibbs_steps is not None
    rolls = generate_songs(
        model,
        None,
        count=settings.count * plan.tries,
        primer=opening.roll if opening else None,
        temperature=settings.temperature,
        gibbs_steps=settings.gibbs_steps,
        seed=settings.seed,
        progress=progress,
        backend=backend,
        outlines=[outline for outline in plan.outlines for _ in range(plan.tries)],
        numbers=[number for song in range(settings.count) for number in plan.numbers(song)],
    )
    return map(_Attempt, rolls)


def _with_ending(
    model: RnnRbm,
    plan: Plan,
    roll: NDArray[np.uint8],
    number: int,
    progress: Callable[[int], None] | None,
    backend: Backend | None,
) -> NDArray[np.uint8]:
    """Return the new frames of song `number`, counted from 1, with the ending that closes best.

    Each of the endings is drawn from the model, given what is before it.  They are not told to
    repeat earlier bars, as few of these close; a song that closes well as it was drawn stays so.
    """
    settings, outline, begun = plan.settings, plan.outlines[number - 1], plan.begun
    assert settings.seed is not None and settings.gibbs_steps is not None
    place = plan.ending(outline, model.grid)
    before = plan.behind_primer(roll)
    form = outline.form.copy()
    form[-ENDING_BARS:] = 0
    endings = generate_songs(
        model,
        None,
        count=settings.endings,
        primer=before[:place],
        temperature=settings.temperature,
        gibbs_steps=settings.gibbs_steps,
        seed=int(derive_key(settings.seed, "ending", number)),
        progress=progress,
        backend=backend,
        outlines=[replace(outline, form=form)] * settings.endings,
    )
    kept = roll[: place - begun]
    songs = [np.concatenate([kept, ending]) for ending in endings]
    new = outline.after(begun, model.grid) if plan.opening else outline
    return choose_ending([roll, *songs], new, model.grid, plan.bpm, model.card)


def _draw_given(
    model: RnnRbm,
    plan: Plan,
    progress: Callable[[int], None] | None,
    backend: Backend | None,
) -> Iterator[_Attempt]:
    """Yield the draws of songs of which something is given."""
    settings, task, opening = plan.settings, plan.task, plan.opening
    assert settings.seed is not None and settings.temperature is not None
    assert settings.gibbs_steps is not None
    for song, outline in enumerate(plan.outlines):
        for number in plan.numbers(song):
            sampling = Sampling(
                plan.steer.particles or PARTICLES,
                settings.gibbs_steps,
                settings.temperature,
                int(derive_key(settings.seed, "given", number)),
                backend,
                progress,
                settings.best_of if plan.steer.fill and settings.best_of else 1,
            )
            if task is not None:
                regions = plan.regions(number)
                done = redraw(
                    model, task.source, task.kept, regions, outline, plan.constraints, sampling
                )
                still = task.stay(done.stay, regions)
                music = NewMusic(done.new, still, {}, outline, done.roll, task.is_partial)
                yield _Attempt(done.roll, music, done.fit)
                continue
            before = opening.roll if opening else None
            drawn = draw_bound(model, outline, before, plan.constraints, sampling)
            yield _Attempt(drawn.roll[plan.begun :], None, drawn.fit)


def _written(model: RnnRbm, plan: Plan, best: _Attempt, number: int, score: Score) -> PrettyMIDI:
    """Write the draw that is kept of song `number`, counted from 1."""
    settings, opening, task, grid = plan.settings, plan.opening, plan.task, model.grid
    outline, roll = plan.outlines[number - 1], best.roll
    assert settings.seed is not None
    text = (
        f"midigen {__version__}; seed {settings.seed}; song {number} of {settings.count}; "
        f"{len(roll)} frames; model {model.digest}; temperature {settings.temperature}; "
        f"gibbs-steps {settings.gibbs_steps}; best of {plan.tries}; {_score_text(score)}"
        f"{f'endings {settings.endings}; ' if settings.endings > 1 else ''}"
        f"primer {plan.begun} frames{_given_text(plan.steer)}"
    )
    playing = Playing(
        settings.program or (),
        settings.velocity,
        model.card.dynamics,
        generator(settings.seed, "velocities", number),
    )
    if task is not None:
        assert best.music is not None
        return write_music(task.source, best.music, playing, text, settings.bpm)
    if opening and settings.keep_primer:
        assert plan.primer is not None
        music = music_behind(plan.primer, plan.behind_primer(roll), outline)
        return write_music(plan.primer, music, playing, text, settings.bpm)
    if opening:
        outline = outline.after(plan.begun, grid)
    metre = settings.metre or model.card.metre
    return roll_to_midi(roll, grid, plan.bpm, metre, playing, text, outline)


def _score_text(score: Score) -> str:
    """Say a song's score in its text, as far as it is known."""
    known = {
        "distance": score.distance,
        "nats a frame": score.nats,
        "copied beats": score.copied_beats,
    }
    return "".join(f"{n} {value:.2f}; " for n, value in known.items() if value is not None)


def _given_text(steer: SteerConfig) -> str:
    """Say in a song's text what was given of it."""
    asked = {name: value for name, value in steer.to_json().items() if value not in (None, ())}
    return "".join(
        f"; {name.replace('_', '-')} {', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in asked.items()
    )


def read_song(what: str, path: str | PathLike[str], grid: Grid) -> Told:
    """Read a MIDI file on a model's grid, with its outline.

    MidigenError, in one line, where it cannot be read or does not fit; `what` it is, for that.
    """
    table = read_notes(path)
    try:
        roll, counts = notes_to_roll(table, grid)
    except MidigenError as e:
        raise MidigenError(f"the {what} {path} does not fit the model: {e}") from None
    return Told(roll, outline_of(table, grid, roll, counts))
