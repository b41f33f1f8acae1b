"""The outline of a song: its metres, key and density, and which of its bars come again."""

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid
from midigen.midi.key import find_key, key_of
from midigen.midi.metres import bars_of, metres_from
from midigen.midi.notes import NoteTable
from midigen.midi.roll import RollCounts, roll_to_notes, sounding_in
from midigen.outline import Metre, Outline

ALIKE = 0.7  # Jaccard index of bars of which one nearly repeats the other, or more
SLACK = 0.15  # by which the bar that follows the last repeated one may be less alike than the best
FARTHEST = 512  # earlier bars of the same length among which the repeated one is looked for
CHUNK = 256  # bars that are compared at once


def outline_of(
    table: NoteTable, grid: Grid, roll: NDArray[np.uint8], counts: RollCounts, style: str = ""
) -> Outline:
    """Say what is known of a song ahead of its notes.

    Parameters
    ----------
    table : NoteTable
        The song.
    grid : Grid
        What frames and columns of its roll stand for.
    roll, counts : NDArray[np.uint8], shape (T, grid.channels), and RollCounts
        What `notes_to_roll` made of it.
    style : str
        Folder that it came from, under the one that was given.

    Returns
    -------
    Outline
        On a grid of seconds without metres and form.
    """
    metres: tuple[Metre, ...] = ()
    pickup = 0
    if grid.unit == "beat":
        metres, pickup = metres_from(grid, *bars_of(table, grid), counts.first, len(roll))
    minor = key_of(table).minor
    return _with_form(roll, grid, metres, pickup, minor, style, counts.shift, table.bpm)


def outline_of_roll(
    roll: NDArray[np.uint8], grid: Grid, bpm: float = 120.0, metre: tuple[int, int] = (4, 4)
) -> Outline:
    """Say what is known of a song of which there is nothing but a roll and a metre."""
    notes = roll_to_notes(roll, grid)
    lengths = notes[:, 1] - notes[:, 0]
    minor = find_key(np.bincount(notes[:, 2] % 12, lengths, minlength=12)).minor
    metres: tuple[Metre, ...] = ((0, *metre),) if grid.unit == "beat" else ()
    return _with_form(roll, grid, metres, 0, minor, "", 0, bpm)


def _with_form(
    roll: NDArray[np.uint8],
    grid: Grid,
    metres: tuple[Metre, ...],
    pickup: int,
    minor: bool,
    style: str,
    shift: int,
    bpm: float,
) -> Outline:
    beats = len(roll) * grid.frame_seconds(bpm) * bpm / 60
    onsets = len(np.unique(roll_to_notes(roll, grid)[:, 0]))
    density = round(onsets / beats, 4) if beats else 0.0
    outline = Outline(len(roll), metres, pickup, minor, style=style, density=density, shift=shift)
    form = form_of(roll, grid, outline.bar_starts(grid))
    return Outline(len(roll), metres, pickup, minor, style, density, form, shift)


def form_of(roll: NDArray[np.uint8], grid: Grid, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find, for every bar and part, the bar that it nearly repeats.

    The likeness of two bars of one length is the Jaccard index of what sounds and what begins in
    them, frame by frame.  A bar goes on with what the bar before it repeats where that is at least
    ALIKE, and within SLACK of the best; else it repeats the most alike, the nearest of equals.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, grid.channels)
        The song.
    grid : Grid
        What its frames and columns stand for.
    starts : NDArray[np.int64], shape (bars + 1,)
        Where its bars begin, and the last would end: `Outline.bar_starts`.

    Returns
    -------
    NDArray[np.int64], shape (bars, P)
        How many bars back the repeated bar is; 0 where there is none, and of silent bars.
    """
    parts = [_shown(roll > 0, grid, number) for number in range(columns_of(grid).parts)]
    if len(starts) < 2:
        return np.zeros((0, len(parts)), np.int64)
    return np.stack([_form_of_part(cells, starts) for cells in parts], axis=1)


def _shown(on: NDArray[np.bool_], grid: Grid, number: int) -> NDArray[np.bool_]:
    """Return what tells bars of one part apart, frame by frame: what sounds, and what begins.

    A column for held notes is no such thing: it is the same for all pitches.
    """
    if not grid.parts:
        return on
    columns = on[:, columns_of(grid).part_of == number]
    part = grid.parts[number]
    if part.kind not in ("line", "block"):
        return columns
    return np.hstack([columns[:, : part.pitches], sounding_in(columns, part)])


def _form_of_part(cells: NDArray[np.bool_], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many bars back each bar's model is, (bars,), for what one part holds (T, C)."""
    used = cells[:, cells.any(axis=0)]
    padded = np.zeros((max(len(cells), int(starts[-1])), used.shape[1]), np.float32)
    padded[: len(cells)] = used
    lengths = np.diff(starts)
    likeness: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    for length in np.unique(lengths).tolist():
        # a bar with a pickup ahead of the song is no model, and repeats none
        bars = np.flatnonzero((lengths == length) & (starts[:-1] >= 0))
        for first in range(0, len(bars), CHUNK):
            window = bars[max(0, first - FARTHEST) : first + CHUNK]
            rows = padded[starts[window, None] + np.arange(length)].reshape(len(window), -1)
            chosen = bars[first : first + CHUNK]
            both = rows[len(window) - len(chosen) :] @ rows.T
            size = rows.sum(axis=1)
            either = size[len(window) - len(chosen) :, None] + size - both
            for bar, row in zip(chosen.tolist(), both / np.maximum(either, 1), strict=True):
                likeness[bar] = window, row
    back = np.zeros(len(lengths), np.int64)
    for bar in sorted(likeness):
        window, row = likeness.pop(bar)
        place = int(np.searchsorted(window, bar))
        earlier = slice(max(0, place - FARTHEST), place)
        back[bar] = _choose(bar, window[earlier], row[earlier], int(back[bar - 1]) if bar else 0)
    return back


def _choose(
    bar: int, earlier: NDArray[np.int64], likeness: NDArray[np.float32], before: int
) -> int:
    """Return how many bars back the bar is that this one repeats; the bar ahead did `before`."""
    best = likeness.max(initial=0)
    if best < ALIKE:
        return 0
    going_on = likeness[earlier == bar - before]  # none where that bar is of another length
    if before and len(going_on) and going_on[0] >= max(ALIKE, best - SLACK):
        return before
    return bar - int(earlier[np.flatnonzero(likeness == best)[-1]])
