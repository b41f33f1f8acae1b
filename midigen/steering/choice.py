"""Which notes of a song are kept, and where it is written anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.midi.parts import DRUMS, highest, lowest
from midigen.steering.source import Source

Bools = NDArray[np.bool_]
TOP, BOTTOM = "top", "bass"
MOST_NAMED = 12  # tracks in an error
BLOCK = 16  # frames that stand for a bar where there are none
ROUNDS = 3  # in which a share is drawn anew, so that what is near is not drawn at once


class Kept(NamedTuple):
    """What is kept of a song.

    Parameters
    ----------
    rows : ndarray of bool (R,)
        Of the song's table: which notes stay as they are.
    closed : ndarray of bool (T, 128)
        Pitches, as the roll has them, that no new note may have.
    """

    rows: Bools
    closed: Bools


def choose_kept(source: Source, texts: Sequence[str]) -> Kept:
    """Find the notes that `--keep` names: parts, tracks, top, bass, ranges of pitches.

    Parameters
    ----------
    source : Source
    texts : sequence of str
        Each a name, or several with commas.

    Raises
    ------
    ValueError
        In one line, for what the song does not have, with what it has.
    """
    rows = np.zeros(source.count, bool)
    closed = np.zeros((source.outline.frames, 128), bool)
    for text in texts:
        whole = _named(source, text.strip())
        for item in [text] if whole is not None else text.split(","):
            found, shut = _kept(source, item.strip())
            rows |= found
            closed |= shut
    return Kept(rows, closed)


def _kept(source: Source, item: str) -> tuple[Bools, Bools]:
    """Return which rows one name means, and the pitches it closes, (T, 128)."""
    none = np.zeros((source.outline.frames, 128), bool)
    named = _named(source, item)
    if named is not None:
        return named, none
    word = item.lower()
    if word in (TOP, BOTTOM):
        table = source.table
        chosen = highest(table.notes) if word == TOP else lowest(table.notes)
        rows = np.zeros(source.count, bool)
        rows[chosen] = True
        return rows, _beyond(source, rows, word == TOP)
    match = re.fullmatch(r"(\d{1,3})\s*-\s*(\d{1,3})", word)
    if match and int(match[1]) <= int(match[2]) <= 127:
        low, high = int(match[1]), int(match[2])
        pitch = source.ticks[:, 2]
        rows = (pitch >= low) & (pitch <= high) & (source.tracks >= 0)
        if not rows.any():
            raise ValueError(f"keep {item}: no note of the song has such a pitch")
        shift = source.outline.shift
        none[:, max(low + shift, 0) : max(high + shift + 1, 0)] = True
        return rows, none
    tracks = [track.name or "no name" for track in source.table.tracks]
    if len(tracks) > MOST_NAMED:
        tracks[MOST_NAMED - 1 :] = [f"{len(tracks) - MOST_NAMED + 1} others"]
    listed = ", ".join(f"{number} {name}" for number, name in enumerate(tracks, start=1))
    raise ValueError(
        f"keep {item!r}: the song has the parts {', '.join(_parts(source))}, and the tracks "
        f"{listed}; or write top, bass, or pitches such as 60-84"
    )


def _named(source: Source, item: str) -> Bools | None:
    """Return the rows of a part or a track; None for another word."""
    word = item.casefold()
    if word in _parts(source):
        return source.names == word
    tracks = source.table.tracks
    numbers = [n for n, track in enumerate(tracks) if track.name.casefold() == word and word]
    if not numbers and re.fullmatch(r"\d{1,3}", word) and 1 <= int(word) <= len(tracks):
        numbers = [int(word) - 1]
    if not numbers:
        return None
    if all(tracks[n].drums for n in numbers):  # of which a table does not tell the track
        return source.names == DRUMS
    return np.isin(source.tracks, numbers)


def _parts(source: Source) -> list[str]:
    """Return the parts that a song has notes of."""
    return [str(name) for name in dict.fromkeys(source.names.tolist())]


def _beyond(source: Source, rows: Bools, is_top: bool) -> Bools:
    """Return the pitches above, or below, kept notes while these sound, (T, 128)."""
    own = source.notes.of(rows[source.rows])
    shut = np.zeros((source.outline.frames, 128), bool)
    for start, end, pitch, _ in zip(*(values.tolist() for values in own), strict=True):
        shut[start:end, pitch + 1 :] |= is_top
        shut[start:end, :pitch] |= not is_top
    return shut


class Stretch(NamedTuple):
    """Where a song is written anew: ticks, and the part, "" for all."""

    begin: float
    end: float
    part: str


def read_fill(source: Source, text: str) -> Stretch:
    """Read "bars 9-12", "beats 33-48", "bar 9 of melody".

    Bars are counted as pictures and `midigen show` do, a pickup as the first; a beat is a quarter
    note, counted from the file's start.

    Raises
    ------
    ValueError
        In one line, for what cannot be read, or the song does not have.
    """
    match = re.fullmatch(
        r"(bar|beat)s?\s*(\d{1,6})(?:\s*(?:-|to)\s*(\d{1,6}))?(?:\s+of\s+(.+))?",
        text.strip().lower(),
    )
    if not match:
        raise ValueError(
            f"fill {text!r}: write 'bars 9-12', 'beats 33-48', or 'bars 9-12 of melody'"
        )
    unit, first, part = match[1], int(match[2]), (match[4] or "").strip()
    last = int(match[3] or first)
    beat = source.table.ticks_per_beat
    beats = np.arange(0, source.ticks[:, 1].max() + beat, beat, dtype=np.float64)
    ticks = source.bars if unit == "bar" else beats
    if not 1 <= first <= last < len(ticks):
        raise ValueError(f"fill {text!r}: the song has {unit}s 1 to {len(ticks) - 1}")
    known = [p.name for p in source.grid.parts]
    if part and part not in known:
        listed = f"the parts are {', '.join(known)}" if known else "there are no parts"
        raise ValueError(f"fill {text!r}: the model has no {part!r}; {listed}")
    return Stretch(float(ticks[first - 1]), float(ticks[last]), part)


def region_of(source: Source, stretches: Sequence[Stretch]) -> Bools:
    """Return the frames and parts of stretches, (T, P), where no part is named all that it has.

    ValueError where one has no frame.
    """
    has_notes = np.isin(np.arange(columns_of(source.grid).parts), source.notes.part)
    region = np.zeros((source.outline.frames, columns_of(source.grid).parts), bool)
    names = [part.name for part in source.grid.parts]
    for begin, end, part in stretches:
        frames = slice(source.frame_of(begin), source.frame_of(end))
        if frames.start >= frames.stop:
            raise ValueError("fill: the stretch lies outside the music, or is under a frame")
        region[frames, names.index(part) if part else has_notes] = True
    return region


def regions_to_vary(
    source: Source, region: Bools, share: float, rng: np.random.Generator
) -> list[Bools]:
    """Choose bars, of single parts, to be drawn anew, and in which of some rounds each is.

    Parameters
    ----------
    source : Source
    region : ndarray of bool (T, P)
        Where it may be.
    share : float
        Of all bars with notes, over 0; one at least is chosen.
    rng : np.random.Generator

    Returns
    -------
    list of ndarray of bool (T, P)
        Of each round, frames and parts.
    """
    frames, parts = region.shape
    starts = source.outline.bar_starts(source.grid)
    edges = np.clip(starts, 0, frames) if len(starts) > 1 else np.arange(0, frames + BLOCK, BLOCK)
    bar_of = np.searchsorted(edges, source.notes.start, side="right") - 1
    used = {cell for cell in zip(bar_of.tolist(), source.notes.part.tolist(), strict=True)}
    cells = [
        (bar, part) for bar, part in sorted(used) if region[edges[bar] : edges[bar + 1], part].any()
    ]
    count = min(max(round(share * len(cells)), 1), len(cells))
    rounds = [np.zeros((frames, parts), bool) for _ in range(ROUNDS)]
    for which in sorted(rng.choice(len(cells), count, replace=False).tolist()):
        bar, part = cells[which]
        # neighbours, in time and among the parts, are drawn in other rounds
        rounds[(bar + part) % ROUNDS][edges[bar] : edges[bar + 1], part] = True
    return [chosen for chosen in rounds if chosen.any()]


def rows_in(source: Source, region: Bools) -> Bools:
    """Return the rows that begin in a region (T, P), those that the roll cannot show as well.

    Of no part of the model's are drums that it does not play, which stay, and notes of parts that
    it lacks, which go where all that the song has is drawn anew.
    """
    has_notes = np.isin(np.arange(region.shape[1]), source.notes.part)
    inside = (source.frames >= 0) & (source.frames < len(region))
    frames = np.where(inside, source.frames, 0)
    of_part = region[frames, source.belongs] & (source.belongs >= 0)
    whole = region[frames][:, has_notes].all(axis=1) & (source.belongs < 0) & (source.tracks >= 0)
    found: Bools = inside & (of_part | whole)
    return found
