"""Some of a song drawn anew, the rest of it given: notes to what is fixed, and back to notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Backend
from midigen.columns import columns_of
from midigen.config import Grid
from midigen.midi.form import form_of
from midigen.midi.roll import PlacedNotes, notes_beside, placed_to_roll
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.randomness import derive_key
from midigen.sampling import Drawn, Fit, Given, sample_given
from midigen.steering.choice import Kept
from midigen.steering.constraints import Allowed, Constraints, columns_allowed, pitched_columns
from midigen.steering.source import Source

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


class Sampling(NamedTuple):
    """How open notes are drawn: what `sample_given` takes."""

    particles: int
    gibbs_steps: int
    temperature: float
    seed: int
    backend: Backend | None = None
    progress: Callable[[int], None] | None = None
    best_of: int = 1


class Redrawn(NamedTuple):
    """A song that has been drawn, whole or in part.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        All of it.
    new : list of ndarray of int64 (N, 3)
        For every part, start frame, end frame and pitch of the notes that were drawn.
    stay : ndarray of bool (R,)
        Which rows of the song that it started from are in it.
    fit : Fit
        Of the draw with the fewest survivors.
    """

    roll: NDArray[np.uint8]
    new: list[Int64]
    stay: Bools
    fit: Fit


def redraw(
    model: RnnRbm,
    source: Source,
    kept: Kept,
    regions: Sequence[Bools],
    outline: Outline,
    constraints: Constraints,
    sampling: Sampling,
) -> Redrawn:
    """Draw regions of a song anew, one after the other, each given all the rest.

    Notes that begin in a region are drawn anew, but for those that are kept.  A note that begins
    ahead of it stays whole; where one that begins in it sounds on behind it, new ones may do so.

    Parameters
    ----------
    model : RnnRbm
    source : Source
    kept : Kept
    regions : sequence of ndarray of bool (T, P)
        Frames and parts.
    outline : Outline
        What the model is told of the song.
    constraints : Constraints
    sampling : Sampling
    """
    grid = model.grid
    notes, rows = source.notes, source.rows.copy()
    worst: Fit | None = None
    for number, region in enumerate(regions):
        free = region[notes.start, notes.part] & ~np.where(rows >= 0, kept.rows[rows], False)
        stay = notes.of(~free)
        given = given_of(notes, stay, region, kept, constraints, outline, grid)
        drawn = _sample(model, given, sampling, number)
        if worst is None or _fewer(drawn.fit, worst):
            worst = drawn.fit
        new = _in_parts(notes_beside(drawn.roll, stay, grid))
        notes = stay.with_others(new)
        rows = np.concatenate([rows[~free], np.full(len(new.start), -1)])
    assert worst is not None
    still = np.zeros(source.count, bool)
    still[rows[rows >= 0]] = True
    drawn_notes = notes.of(rows < 0)
    return Redrawn(
        drawn.roll,
        [
            np.column_stack(drawn_notes.of(drawn_notes.part == part)[:3])
            for part in range(columns_of(grid).parts)
        ],
        still,
        worst,
    )


def draw_bound(
    model: RnnRbm,
    outline: Outline,
    opening: NDArray[np.uint8] | None,
    constraints: Constraints,
    sampling: Sampling,
) -> Drawn:
    """Draw a song that is bound to constraints, behind an opening (T0, V) if there is one."""
    grid = model.grid
    begun = 0 if opening is None else len(opening)
    roll = np.zeros((outline.frames, grid.channels), np.uint8)
    fixed = np.zeros(roll.shape, bool)
    if opening is not None:
        roll[:begun], fixed[:begun] = opening > 0, True
    new = constraints.allow(outline.after(begun, grid) if begun else outline, grid)
    ahead = np.ones((begun, grid.channels), bool)
    allowed = Allowed(*(np.concatenate([ahead, mask]) for mask in new))
    mask = columns_allowed(allowed, fixed, roll > 0, grid)
    return _sample(
        model, Given(roll, fixed, outline, mask, constraints.most(grid), True), sampling, 0
    )


def given_of(
    notes: PlacedNotes,
    stay: PlacedNotes,
    region: Bools,
    kept: Kept,
    constraints: Constraints,
    outline: Outline,
    grid: Grid,
) -> Given:
    """Say what is given of a song of which a region (T, P) is drawn anew.

    Parameters
    ----------
    notes, stay : PlacedNotes
        All notes, and those that stay.
    region : ndarray of bool (T, P)
    kept : Kept
        What closes pitches.
    constraints : Constraints
    outline : Outline
        What the model is told of the whole song.
    grid : Grid
    """
    columns, frames = columns_of(grid), outline.frames
    full, left = (placed_to_roll(some, grid, frames) for some in (notes, stay))
    on: Bools = left > 0
    # what only notes that are gone have is open behind the region as well: they may be held
    fixed: Bools = on | (~region[:, columns.part_of] & (full == left))
    at = 0
    for part in grid.parts:
        own, hold = slice(at, at + part.channels), at + part.pitches
        at += part.channels
        if part.kind in ("line", "block"):
            fixed[on[:, hold], own] = True  # nothing begins there that would not end what is held
            lasts: Bools = np.asarray(on[:, own].any(axis=1))
            fixed[1:, hold] |= lasts[:-1] & ~lasts[1:]  # what stays is not made longer
    allowed = constraints.allow(outline, grid)
    shut: Bools = np.asarray(kept.closed[:, columns.pitch] & pitched_columns(grid))
    by_frame = np.array([part.kind == "voices" for part in grid.parts] or [True])
    sound = allowed.sound & ~(shut & by_frame[columns.part_of])
    mask = columns_allowed(Allowed(allowed.begin & ~shut, sound), fixed, on, grid)
    return Given(left, fixed, outline, mask, constraints.most(grid), True)


def outline_beside(stay: PlacedNotes, outline: Outline, grid: Grid) -> Outline:
    """Return the outline of a song with the form of what stays of it, so that the rest is new.

    A part of which nothing stays repeats what the first of the others repeats.
    """
    left = placed_to_roll(stay, grid, outline.frames)
    form = form_of(left, grid, outline.bar_starts(grid))
    full = [part for part in range(form.shape[1]) if (stay.part == part).any()]
    for part in range(form.shape[1]):
        if full and part not in full:
            form[:, part] = form[:, full[0]]
    return replace(outline, form=form)


def _sample(model: RnnRbm, given: Given, sampling: Sampling, number: int) -> Drawn:
    return sample_given(
        model,
        given,
        particles=sampling.particles,
        gibbs_steps=sampling.gibbs_steps,
        temperature=sampling.temperature,
        seed=int(derive_key(sampling.seed, "steering", number)),
        best_of=sampling.best_of,
        progress=sampling.progress,
        backend=sampling.backend,
    )


def _fewer(one: Fit, other: Fit) -> bool:
    return one.survivors is not None and (
        other.survivors is None or one.survivors < other.survivors
    )


def _in_parts(notes: Sequence[Int64]) -> PlacedNotes:
    """Put notes (N, 3) of every part in one table."""
    part = np.repeat(np.arange(len(notes)), [len(own) for own in notes])
    start, end, pitch = np.concatenate(notes).T
    return PlacedNotes(start, end, pitch, part)
