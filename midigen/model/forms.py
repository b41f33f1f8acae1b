"""Outlines of new songs: metre, mode, style and density of one song of the corpus, and a new form.

The form is drawn phrase by phrase, of four bars each.  A phrase is a row of states, a state how far
back the bar is that each part repeats: in bars, or, where it is far, as a share of the song, so
that songs of other lengths repeat their halves, too.  The next phrase is, STAY times in all, that
which follows in the song that the last one is from, and else one that stands at about the same
place in another song, if possible after the same state.  No notes of any song are part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.outline import Outline

State = tuple[int, ...]
MOST_OUTLINES = 300  # of a large corpus, that a model keeps
NEAR = 8  # bars back up to which a distance counts as it is; farther ones count
SHARES = 16  # .. in these parts of the song
PHRASE = 4  # bars
ABOUT = 0.1  # of a song: how far from each other phrases stand at about the same place
STAY = 0.8  # how often the plan of a song is followed for one more phrase


class _Phrase(NamedTuple):
    """A phrase: the song's number, where it begins, 0..1, the state before it, its own states."""

    song: int
    place: float
    before: State
    states: tuple[State, ...]


class Forms:
    """A model of forms.

    Parameters
    ----------
    outlines : sequence of Outline
        What it learns from.
    parts : int
        P, of each form.
    """

    def __init__(self, outlines: Sequence[Outline], parts: int) -> None:
        self.parts = parts
        self._phrases: list[_Phrase] = []
        for song, outline in enumerate(outlines):
            bars = len(outline.form)
            states = [tuple(_state(d, bars) for d in row) for row in outline.form.tolist()]
            for first, stop in _phrases(bars, outline.pickup > 0):
                before = states[first - 1] if first else ()
                self._phrases.append(_Phrase(song, first / bars, before, tuple(states[first:stop])))

    def draw(
        self,
        rng: np.random.Generator,
        bars: int,
        pickup: bool = False,
        begun: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Draw a form, (bars, P), that goes on from the bars of `begun`.

        No bar repeats one before the first.  pickup says whether the first is a part of one.
        """
        form = np.zeros((bars, self.parts), np.int64)
        known = 0 if begun is None else min(len(begun), bars)
        if begun is not None:
            form[:known] = begun[:known]
        song = -1
        for first, stop in _phrases(bars, pickup):
            before = tuple(_state(d, bars) for d in form[first - 1].tolist()) if first else ()
            song, drawn = self._draw_phrase(rng, song, first, stop - first, bars, before)
            for bar in range(max(first, known), stop):
                form[bar] = [_distance(part, bars) for part in drawn[bar - first]]
        return form

    def _draw_phrase(
        self,
        rng: np.random.Generator,
        song: int,
        first: int,
        length: int,
        bars: int,
        before: State,
    ) -> tuple[int, tuple[State, ...]]:
        """Draw the states of a phrase that begins with bar `first`, and the song they are from."""
        fitting = [
            phrase
            for phrase in self._phrases
            if len(phrase.states) >= length
            and all(
                _distance(part, bars) <= first + i
                for i, state in enumerate(phrase.states[:length])
                for part in state
            )
        ]
        if not fitting:
            return -1, ((0,) * self.parts,) * length
        place = first / bars
        nearest = max(ABOUT, min(abs(phrase.place - place) for phrase in fitting))
        near = [phrase for phrase in fitting if abs(phrase.place - place) <= nearest]
        same = [phrase for phrase in near if phrase.song == song]
        following = [phrase for phrase in near if phrase.before == before]
        if same and rng.random() < STAY:
            near = [min(same, key=lambda phrase: abs(phrase.place - place))]
        elif following:
            near = following
        chosen = near[rng.integers(len(near))]
        return chosen.song, chosen.states


def _phrases(bars: int, pickup: bool) -> list[tuple[int, int]]:
    """Return the first bar of each phrase, and the one behind its last; a pickup is with the first.

    >>> _phrases(9, True)
    [(0, 5), (5, 9)]
    """
    if not bars:
        return []
    starts = [0, *range(PHRASE + pickup, bars, PHRASE)]
    return list(zip(starts, [*starts[1:], bars], strict=True)) if bars else []


def _state(distance: int, bars: int) -> int:
    """Return a distance as a state: itself, or NEAR and its share of a song of so many bars."""
    return distance if distance <= NEAR else NEAR + max(1, round(SHARES * distance / bars))


def _distance(state: int, bars: int) -> int:
    """Return the bars back that a state stands for in a song of so many bars."""
    if state <= NEAR:
        return state
    return max(NEAR + 1, round((state - NEAR) * bars / SHARES))


def form_of_letters(
    letters: str, bars: int, forms: Forms, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Make the form of sections named by letters, (bars, P).

    A letter that was there before repeats its first section, bar by bar; what is new has a form of
    its own, drawn from `forms`.

    Parameters
    ----------
    letters : str
        Such as "AABA", at most one for each bar.
    bars : int
        Shared out among them.

    Raises
    ------
    ValueError
        For something else than letters, or more than there are bars.
    """
    if not letters.isalpha() or len(letters) > bars:
        raise ValueError(f"{letters!r}: write letters such as AABA, at most one for each bar")
    ends = [round(bars * i / len(letters)) for i in range(len(letters) + 1)]
    form = np.zeros((bars, forms.parts), np.int64)
    begun: dict[str, tuple[int, int]] = {}
    for letter, start, stop in zip(letters.upper(), ends, ends[1:], strict=False):
        if letter not in begun:
            begun[letter] = start, stop
            form[start:stop] = forms.draw(rng, stop - start, False)
            continue
        first, last = begun[letter]
        repeated = min(stop - start, last - first)
        form[start : start + repeated] = start - first
    return form


def draw_outline(
    rng: np.random.Generator,
    known: Sequence[Outline],
    grid: Grid,
    length: int | float,
    metre: tuple[int, int] | None = None,
    style: str | None = None,
) -> Outline:
    """Draw the outline of a new song, without its form.

    Parameters
    ----------
    known : sequence of Outline
        Of songs, one of which gives what is not asked for.
    grid : Grid
    length : int, or float
        In frames, or as a float in bars.
    metre, style : optional
        What is asked for.
    """
    fitting = [o for o in known if style is None or o.style == style] or list(known)
    if metre is not None:
        fitting = [o for o in fitting if o.metres and o.metres[0][1:] == metre] or fitting
    chosen = fitting[rng.integers(len(fitting))] if fitting else Outline(1, ((0, 4, 4),))
    told = metre or (chosen.metres[-1][1:] if chosen.metres else (4, 4))
    bar = _bar(grid, told)
    return Outline(
        length if isinstance(length, int) else max(1, round(length * bar)),
        ((0, *told),) if grid.unit == "beat" else (),
        chosen.pickup if chosen.pickup < bar else 0,
        chosen.minor,
        chosen.style if style is None else style,
        chosen.density,
        shift=chosen.shift,
    )


def go_on(opening: Outline, grid: Grid, length: int | float, style: str | None = None) -> Outline:
    """Make the outline of a song that goes on from another by a length, as above."""
    told = opening.metres[-1][1:] if opening.metres else (4, 4)
    new = length if isinstance(length, int) else max(1, round(length * _bar(grid, told)))
    style = opening.style if style is None else style
    return replace(opening, frames=opening.frames + new, style=style)


def _bar(grid: Grid, metre: tuple[int, int]) -> float:
    """Return the frames in a bar, on a grid of seconds at 120 quarter notes a minute."""
    return 4 * metre[0] / metre[1] * 60 / 120 / grid.frame_seconds(120)
