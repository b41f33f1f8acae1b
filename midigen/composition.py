"""What is asked of new songs -> their outlines, their rolls, and MIDI files.

One home for what `midigen generate` and `midigen.generate` do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen import __version__
from midigen.backends.interface import Backend
from midigen.config import GenerateConfig, Grid
from midigen.duration import length_in_frames, playable_bpm
from midigen.errors import MidigenError
from midigen.generation import draw_outlines, generate_songs, temperature_for
from midigen.midi.form import outline_of
from midigen.midi.programs import programs_of
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.midi.write import Playing, roll_to_midi
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.outline import Outline
from midigen.randomness import generator
from midigen.selection import choose_song

if TYPE_CHECKING:
    from pretty_midi import PrettyMIDI


TRIES_APART = 1 << 20  # numbers between draws of one song: more than there are songs


@dataclass(frozen=True, eq=False)
class Plan:
    """What new songs are to be, as `plan_songs` makes it.

    Parameters
    ----------
    settings : GenerateConfig
        With a seed and a temperature.
    outlines : list of Outline
        Of each song, the primer included.
    opening : Told or None
        The primer.
    bpm : float
        Quarter notes a minute.
    """

    settings: GenerateConfig
    outlines: list[Outline]
    opening: Told | None
    bpm: float

    @property
    def begun(self) -> int:
        """Frames of the primer."""
        return len(self.opening.roll) if self.opening else 0

    @property
    def frames(self) -> int:
        """New frames of all songs together, those that are not kept included."""
        frames = sum(outline.frames - self.begun for outline in self.outlines)
        return frames * self.settings.best_of


class Composed(NamedTuple):
    """A new song.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        Its new frames.
    midi : PrettyMIDI
        What is written to a file.
    distance : float or None
        As `midigen.selection.Chosen` has it.
    """

    roll: NDArray[np.uint8]
    midi: PrettyMIDI
    distance: float | None


def check_together(
    settings: GenerateConfig,
    primer: str | PathLike[str] | None,
    form_of: str | PathLike[str] | None,
) -> None:
    """ValueError for settings that say the same twice."""
    asked = {"form": settings.form, "form-of": form_of, "primer": primer}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{given[0]} and {given[1]} both say how the song goes on: give one")
    if primer is not None and settings.metre:
        raise ValueError("a primer has a metre of its own: leave out metre")


def plan_songs(
    model: RnnRbm,
    settings: GenerateConfig,
    primer: str | PathLike[str] | None = None,
    form_of: str | PathLike[str] | None = None,
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

    Raises
    ------
    ValueError
        For what does not go together, or cannot be.
    MidigenError
        In one line, where a file cannot be read or does not fit the model.
    """
    check_together(settings, primer, form_of)
    assert settings.seed is not None
    grid, card = model.grid, model.card
    programs_of(grid, settings.program or ())  # before anything is made
    bpm = settings.bpm or playable_bpm(card.bpm)
    opening = None if primer is None else read_song("primer", primer, grid)
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
        settings.seed,
        settings.metre,
        settings.style,
        form,
        opening.outline if opening else None,
    )
    if settings.temperature is None:
        settings = replace(settings, temperature=temperature_for(model))
    if not card.figures:
        settings = replace(settings, best_of=1)  # there is nothing to choose by
    return Plan(settings, outlines, opening, bpm)


def _of_whole_bars(outline: Outline) -> NDArray[np.int64]:
    """Return a form (bars, P) without the bar of a pickup, which nothing repeats then."""
    if not outline.pickup:
        return outline.form
    form = outline.form[1:]
    return np.where(form > np.arange(len(form))[:, None], 0, form)


def compose(
    model: RnnRbm,
    plan: Plan,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
) -> Iterator[Composed]:
    """Yield the songs of a plan, in order, each as soon as it is done.

    `progress` and `backend` are as in `midigen.generation.generate_songs`.
    """
    settings, opening, begun = plan.settings, plan.opening, plan.begun
    assert settings.seed is not None and settings.temperature is not None
    tries = settings.best_of
    drawn = generate_songs(
        model,
        plan.frames,
        count=settings.count * tries,
        primer=opening.roll if opening else None,
        temperature=settings.temperature,
        gibbs_steps=settings.gibbs_steps,
        seed=settings.seed,
        progress=progress,
        backend=backend,
        outlines=[outline for outline in plan.outlines for _ in range(tries)],
        numbers=[
            song + attempt * TRIES_APART
            for song in range(settings.count)
            for attempt in range(tries)
        ],
    )
    metre = settings.metre or model.card.metre
    for number, outline in enumerate(plan.outlines, start=1):
        new = outline.after(begun, model.grid) if opening else outline
        rolls = list(islice(drawn, tries))
        roll, distance = choose_song(rolls, new, model.grid, plan.bpm, model.card)
        whole, told = roll, outline
        if opening and settings.keep_primer:
            whole = np.concatenate([opening.roll, roll])
        elif opening:
            told = new
        text = (
            f"midigen {__version__}; seed {settings.seed}; song {number} of {settings.count}; "
            f"{len(roll)} frames; model {model.digest}; temperature {settings.temperature}; "
            f"gibbs-steps {settings.gibbs_steps}; best of {tries}; primer {begun} frames"
        )
        playing = Playing(
            settings.program or (),
            settings.velocity,
            model.card.dynamics,
            generator(settings.seed, "velocities", number),
        )
        made = roll_to_midi(whole, model.grid, plan.bpm, metre, playing, text, told)
        yield Composed(roll, made, distance)


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
