"""Outlines of new songs: metre, mode, style and density of one song of the corpus, and a new form.

The form is drawn bar by bar from a Markov chain of the corpus's forms: a bar's state is how far
back each part's model bar is, and its odds are those that followed the state of the bar before, at
the same place in a phrase of eight bars; where few songs tell, of four bars, or of none
(interpolated after Witten and Bell, 1991).  No notes of any song are part of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.outline import Outline

State = tuple[int, ...]
MOST_OUTLINES = 300  # of a large corpus, that a model keeps
START: State = (-1,)


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
        self._counts: dict[tuple[Any, ...], Counter[State]] = defaultdict(Counter)
        for outline in outlines:
            before = START
            for bar, row in enumerate(outline.form.tolist()):
                state = tuple(row)
                for context in _contexts(before, bar):
                    self._counts[context][state] += 1
                before = state

    def draw(
        self, rng: np.random.Generator, bars: int, begun: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Draw a form, (bars, P), that goes on from the bars of `begun`.

        No bar repeats one before the first.
        """
        form = np.zeros((bars, self.parts), np.int64)
        first = 0 if begun is None else min(len(begun), bars)
        if begun is not None:
            form[:first] = begun[:first]
        for bar in range(first, bars):
            before = tuple(form[bar - 1].tolist()) if bar else START
            form[bar] = self._draw_state(rng, before, bar)
        return form

    def _draw_state(self, rng: np.random.Generator, before: State, bar: int) -> State:
        """Draw the state of a bar: from the longest context that is sure enough."""
        for context in _contexts(before, bar):
            counts = {s: n for s, n in self._counts[context].items() if max(s) <= bar}
            total = sum(counts.values())
            # a context is believed as far as it has not been new each time
            if total and rng.random() < total / (total + len(counts)):
                states = list(counts)
                chosen = rng.choice(len(states), p=np.array(list(counts.values())) / total)
                return states[int(chosen)]
        return (0,) * self.parts


def _contexts(before: State, bar: int) -> list[tuple[Any, ...]]:
    """Return what a bar's state is conditioned on, the most telling first."""
    return [("8", before, bar % 8, bar >= 8), ("4", before, bar % 4), ("1", before), ("0",)]


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
            form[start:stop] = forms.draw(rng, stop - start)
            continue
        first, last = begun[letter]
        repeated = min(stop - start, last - first)
        form[start : start + repeated] = start - first
    return form


def draw_outline(
    rng: np.random.Generator,
    known: Sequence[Outline],
    forms: Forms,
    grid: Grid,
    frames: int | float,
    metre: tuple[int, int] | None = None,
    style: str | None = None,
) -> Outline:
    """Draw the outline of a new song.

    Parameters
    ----------
    known : sequence of Outline
        Of songs, one of which gives what is not asked for.
    forms : Forms
    grid : Grid
    frames : int, or float
        The length in frames, or as a float in bars.
    metre, style : optional
        What is asked for.
    """
    fitting = [o for o in known if style is None or o.style == style] or list(known)
    if metre is not None:
        fitting = [o for o in fitting if o.metres and o.metres[0][1:] == metre] or fitting
    chosen = fitting[rng.integers(len(fitting))] if fitting else Outline(1, ((0, 4, 4),))
    told = metre or (chosen.metres[-1][1:] if chosen.metres else (4, 4))
    bar = max(1, round(4 * told[0] / told[1] * frames_of_beat(grid)))
    length = frames if isinstance(frames, int) else max(1, round(frames * bar))
    outline = Outline(
        length,
        ((0, *told),) if grid.unit == "beat" else (),
        chosen.pickup if chosen.pickup < bar else 0,
        chosen.minor,
        chosen.style if style is None else style,
        chosen.density,
        shift=chosen.shift,
    )
    bars = max(len(outline.bar_starts(grid)) - 1, 0)
    return replace(outline, form=forms.draw(rng, bars))


def frames_of_beat(grid: Grid, bpm: float = 120.0) -> float:
    """Return the frames in a quarter note."""
    return 60 / bpm / grid.frame_seconds(bpm)
