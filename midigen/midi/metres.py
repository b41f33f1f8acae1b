"""Bars of a song: its metres on the frames of a grid, its pickup, and the silence ahead of it."""

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.midi.notes import NoteTable
from midigen.midi.pickup import estimate_pickup
from midigen.outline import Metre, Outline, bar_frames

# frames a quarter note: every bar of a metre that a song can have is a whole number of them
FINE = Grid(steps_per_beat=96)
MAX_BARS = 100_000  # that are looked for
TERNARY = 1.1  # times as much in common that bars of three quarters have to have


def bars_of(table: NoteTable, grid: Grid) -> tuple[tuple[Metre, ...], int]:
    """Find a song's metres and its pickup, counted from the file's start.

    A first time signature whose bar is shorter than that of the next, which comes behind one such
    bar, is no metre but a pickup.  Where nothing is told, accents may show one.

    Parameters
    ----------
    table : NoteTable
        The song.
    grid : Grid
        A grid of beats.

    Returns
    -------
    metres : tuple of (frame, numerator, denominator)
        From which frame each metre holds, the first from 0; 4/4 where the file tells none.
    pickup : int
        Frames that the first bar lacks at its start.
    """
    frames_a_tick = grid.steps_per_beat / table.ticks_per_beat
    told = [(0, *table.metre), *table.metres]
    metres: dict[int, Metre] = {}
    for tick, numerator, denominator in told:
        frame = round(tick * frames_a_tick)
        metres[frame] = (frame, numerator, denominator)  # the last of several in a frame holds
    found: list[Metre] = []
    for metre in metres.values():
        if not found or metre[1:] != found[-1][1:]:
            found.append(metre)
    if len(found) > 1:
        short, full = (bar_frames(grid, *metre[1:]) for metre in found[:2])
        if short < full and found[1][0] == short:
            return ((0, *found[1][1:]), *found[2:]), full - short
    pickup = estimate_pickup(table) * grid.steps_per_beat
    if pickup and pickup == round(pickup):
        return tuple(found), bar_frames(grid, *found[0][1:]) - round(pickup)
    return tuple(found), 0


def bar_ticks(table: NoteTable) -> NDArray[np.float64]:
    """Find where bars begin, and where the last one ends, as far as there are notes.

    Returns
    -------
    NDArray[np.float64], shape (bars + 1,)
        Ticks, the first 0; a pickup is a bar of its own.

    Raises
    ------
    MidigenError
        Where there are too many, which comes of an accident or an attack.
    """
    ends = [table.notes[:, 1].max(initial=0), table.drum_notes[:, 1].max(initial=0)]
    frames = max(1, -(-int(max(ends)) * FINE.steps_per_beat // table.ticks_per_beat))
    metres, pickup = bars_of(table, FINE)
    metres, pickup = metres_from(FINE, metres, pickup, 0, frames)
    spans = np.diff([*(first for first, *_ in metres), frames])
    count = sum(
        int(span) // bar_frames(FINE, *metre)
        for span, (_, *metre) in zip(spans, metres, strict=True)
    )
    if count > MAX_BARS:
        raise MidigenError(f"too long ({count:,} bars; at most {MAX_BARS:,} are shown)")
    starts = np.maximum(Outline(frames, metres, pickup).bar_starts(FINE), 0)
    return starts * (table.ticks_per_beat / FINE.steps_per_beat)


def likely_metre(roll: NDArray[np.uint8], grid: Grid) -> tuple[int, int]:
    """Tell whether bars of three or of four quarter notes come again more, where no metre is told.

    Bars of six eighths are as long as those of three quarters.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        The song.
    grid : Grid
        A grid of beats.

    Returns
    -------
    tuple of int
        3/4 where frames 1, 2 and 4 such bars apart have TERNARY times as much in common, or more
        (the mean Jaccard index of all that sounds), else 4/4.
    """
    sounding = roll > 0

    def likeness(beats: int) -> float:
        lags = [bars * beats * grid.steps_per_beat for bars in (1, 2, 4)]
        if len(roll) < 2 * lags[-1]:
            return 0.0
        pairs = [(sounding[:-lag], sounding[lag:]) for lag in lags]
        return float(np.mean([(a & b).sum() / max((a | b).sum(), 1) for a, b in pairs]))

    return (3, 4) if likeness(3) > TERNARY * likeness(4) > 0 else (4, 4)


def bars_left_out(table: NoteTable, grid: Grid, first: int) -> int:
    """Count the frames of silence before the first onset, at frame `first`, that are left out.

    They are whole bars; with parts, whose outlines tell of pickups, the rest ahead of one, too: of
    half a bar or more.
    """
    if grid.unit == "seconds":
        numerator, denominator = table.metre
        bar = 4 * numerator / denominator * 60 / table.bpm / grid.step
        return int(first // bar * bar)
    if not first:
        return 0
    metres, pickup = bars_of(table, grid)
    at = 0
    for number, (begins, numerator, denominator) in enumerate(metres):
        if begins > first:
            break
        bar = bar_frames(grid, numerator, denominator)
        ahead = pickup if number == 0 else 0
        at = max(at, begins, begins - ahead + (first - begins + ahead) // bar * bar)
        if grid.parts and 2 * (first - at) >= bar:
            at = first
    return at


def metres_from(
    grid: Grid, metres: tuple[Metre, ...], pickup: int, first: int, frames: int
) -> tuple[tuple[Metre, ...], int]:
    """Count metres and pickup from frame `first` on, for so many frames."""
    placed = [(frame - first, *metre) for frame, *metre in metres]
    started = int(np.searchsorted([metre[0] for metre in placed], 0, side="right")) - 1
    (begun, numerator, denominator), *later = placed[started:]
    ahead = pickup if started == 0 else 0
    pickup = (ahead - begun) % bar_frames(grid, numerator, denominator)
    return (
        (0, numerator, denominator),
        *((f, n, d) for f, n, d in later if f < frames),
    ), pickup
