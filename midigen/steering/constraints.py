"""What may sound: keys, chords, ranges and numbers of notes, as masks over a roll's columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import Grid, SteerConfig
from midigen.kernels.codes import MOST_ON
from midigen.midi.key import Key, find_key
from midigen.midi.parts import DRUMS, LONE, MELODY
from midigen.outline import Outline
from midigen.steering.harmony import Chord, Scale, read_chords, read_key, read_scale

LOW = 52  # E3: notes under it are the bass of a chord, its root unless it says another
EVERYTHING = ""  # stands for all parts that are not named

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]


class Allowed(NamedTuple):
    """Which columns of a roll may be on.

    Parameters
    ----------
    begin, sound : ndarray of bool (T, V)
        Pitches that may begin in a frame, and that may sound in it: where notes are held by a
        column of their own the two differ.  Columns without a pitch are True.
    """

    begin: Bools
    sound: Bools


class ChordTimes(NamedTuple):
    """When chords sound.

    Parameters
    ----------
    number : ndarray of int64 (T,)
        Which of the chords sounds in each frame.
    begins : ndarray of bool (T,)
        Where one begins.
    remarks : tuple of str
        How they do not fit the song, if so.
    """

    number: Int64
    begins: Bools
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Constraints:
    """What new notes are bound to, all of it at once.  Drums are left alone.

    Parameters
    ----------
    scale : Scale or None
        The key, or the scale.
    chords : tuple of Chord
        One after the other, from the first whole bar on and again until the end.
    ranges : tuple of (str, int, int)
        Part, EVERYTHING for all that are not named, lowest and highest pitch that sounds.
    at_most : tuple of (str, int)
        Part, EVERYTHING for all together, and how many notes of it there may be at once.
    """

    scale: Scale | None = None
    chords: tuple[Chord, ...] = ()
    ranges: tuple[tuple[str, int, int], ...] = ()
    at_most: tuple[tuple[str, int], ...] = ()

    @property
    def key(self) -> Key | None:
        """Return the key that is asked for, or that the chords are in, if any."""
        if self.scale is not None:
            return self.scale.key
        if not self.chords:
            return None
        weights = np.zeros(12)
        for chord in self.chords:
            weights[list(chord.classes)] += chord.beats or 4
        return find_key(weights)

    def tell(self, outline: Outline, grid: Grid) -> Outline:
        """Return the outline of a new song in the key that is asked for."""
        key = self.key
        if key is None:
            return outline
        shift = key.shift() if grid.tonic == "one" else outline.shift
        return replace(outline, minor=key.minor, shift=shift)

    def allow(self, outline: Outline, grid: Grid) -> Allowed:
        """Say which columns may be on, of a song of an outline.

        ValueError, in one line, where a part is left without any note.
        """
        columns, shift = columns_of(grid), outline.shift
        sound = np.ones((outline.frames, grid.channels), bool)
        begin = sound.copy()
        times = chord_times(self.chords, outline, grid) if self.chords else None
        for number, (name, drums) in enumerate(_names(grid)):
            if drums:
                continue
            own = np.flatnonzero((columns.part_of == number) & (columns.pitch >= 0))
            pitch = columns.pitch[own] - shift
            inside = self._in_range(name, pitch)
            is_held = bool(grid.parts) and grid.parts[number].kind in ("line", "block")
            sounding, beginning = self._classes(name, outline.frames, times, is_held)
            sound[:, own] = sounding[:, pitch % 12] & inside
            begin[:, own] = beginning[:, pitch % 12] & inside
            if times is not None and name != MELODY:
                basses = np.array([chord.bass for chord in self.chords])[times.number]
                low = (pitch % 12 == basses[:, None]) | (pitch >= LOW)
                sound[:, own] &= low
                begin[:, own] &= low
        if not sound[:, pitched_columns(grid)].any():
            raise ValueError("nothing may sound: no part has a note that is left")
        return Allowed(begin, sound)

    def _in_range(self, name: str, pitch: Int64) -> Bools:
        """Tell which pitches of a part are in its range; ValueError where it is named, and none."""
        wanted = {part: (low, high) for part, low, high in self.ranges}
        low, high = wanted.get(name, wanted.get(EVERYTHING, (0, 127)))
        inside: Bools = (pitch >= low) & (pitch <= high)
        if name in wanted and not inside.any():
            raise ValueError(
                f"range {low}-{high} leaves no note for the {name}: the model has pitches "
                f"{pitch.min()} to {pitch.max()} of it there"
            )
        return inside

    def _classes(
        self, name: str, frames: int, times: ChordTimes | None, is_held: bool
    ) -> tuple[Bools, Bools]:
        """Return the pitch classes of a part that may sound and begin, each (T, 12)."""
        free = np.ones(12, bool)
        if self.scale is not None:
            free = _mask(self.scale.classes)
        if times is None:
            every = np.tile(free, (frames, 1))
            return every, every
        of_chords = np.stack([_mask(chord.classes) for chord in self.chords]) & free
        if name == MELODY and is_held:
            passing = free if self.scale is not None else of_chords.any(axis=0)
            sounding = np.tile(passing, (frames, 1))
            return sounding, np.where(times.begins[:, None], of_chords[times.number], sounding)
        return of_chords[times.number], of_chords[times.number]

    def remarks(self, outline: Outline, grid: Grid) -> list[str]:
        """Say in lines for people what of it does not fit the song, or itself."""
        found: list[str] = []
        if self.chords:
            found += chord_times(self.chords, outline, grid).remarks
        if self.chords and self.scale is not None:
            outside = [c.name for c in self.chords if not c.classes <= self.scale.classes]
            if outside:
                names = ", ".join(dict.fromkeys(outside))
                found.append(f"{self.scale.name} lacks notes of {names}: they are left out")
        sound, part_of = self.allow(outline, grid).sound, columns_of(grid).part_of
        for number, (name, drums) in enumerate(_names(grid)):
            if not drums and not sound[:, pitched_columns(grid) & (part_of == number)].any():
                found.append(f"no note is left for the {name}: it has nothing new")
        return found

    def most(self, grid: Grid) -> Int64 | None:
        """Return the most notes of each part at once, (P,); None where nothing is said of it.

        Where all together are limited, voices may have what the parts that sing one note leave.
        """
        if not self.at_most:
            return None
        asked, parts = dict(self.at_most), _names(grid)
        total, found = asked.pop(EVERYTHING, None), np.full(len(parts), MOST_ON)
        lines = [part.kind == "line" for part in grid.parts] or [False]
        for number, (name, drums) in enumerate(parts):
            if lines[number]:
                found[number] = min(1, asked.get(name, 1))
            elif not drums:
                found[number] = asked.get(name, MOST_ON)
        if total is None:
            return found
        singing = int(found[lines].sum())
        if singing > total:
            names = ", ".join(name for (name, _), line in zip(parts, lines, strict=True) if line)
            raise ValueError(
                f"at-most {total} is less than the parts that sing one note each ({names}): "
                "silence one, such as bass=0, or allow more"
            )
        for number, (_, drums) in enumerate(parts):
            if not lines[number] and not drums:
                found[number] = min(found[number], total - singing)
        return found


def read_constraints(asked: SteerConfig, grid: Grid) -> Constraints:
    """Read what is asked of a model's new notes.

    Raises
    ------
    ValueError
        In one line, for what cannot be read, contradicts itself, or the model lacks.
    """
    if asked.key is not None and asked.scale is not None:
        raise ValueError("key and scale both say which notes there are: give one")
    scale = None
    if asked.key is not None:
        scale = read_key(asked.key)
    elif asked.scale is not None:
        scale = read_scale(asked.scale)
    chords = read_chords(asked.chords) if asked.chords is not None else ()
    if chords and grid.unit != "beat":
        raise ValueError("chords need bars: the model's grid is in seconds and has none")
    for chord in chords:
        if scale is not None and not chord.classes & scale.classes:
            raise ValueError(f"{scale.name} has no note of the chord {chord.name}")
    ranges = [(part, *_span(text)) for part, text in _by_part("range", asked.range, grid)]
    most = [(part, _number(text)) for part, text in _by_part("at-most", asked.at_most, grid)]
    return Constraints(scale, chords, tuple(ranges), tuple(most))


def _by_part(what: str, texts: Sequence[str], grid: Grid) -> list[tuple[str, str]]:
    """Read "melody=60-84,48-84": part, or EVERYTHING, and the rest."""
    found: dict[str, str] = {}
    known = [name for name, drums in _names(grid) if not drums] if grid.parts else []
    for item in (item for text in texts for item in text.split(",")):
        part, is_named, value = (word.strip() for word in item.rpartition("="))
        part = part.lower()
        if is_named and part not in known:
            having = f"the parts are {', '.join(known)}" if known else "there are no parts"
            why = "drums are left alone" if part == DRUMS else f"the model has no {part!r}"
            raise ValueError(f"{what} {item.strip()}: {why}; {having}")
        if part in found:
            raise ValueError(f"{what}: two for {part or 'all parts'}: give one")
        found[part] = value
    return list(found.items())


def _span(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,3})\s*-\s*(\d{1,3})", text)
    if not match or not int(match[1]) <= int(match[2]) <= 127:
        raise ValueError(
            f"{text!r} is no range: write MIDI pitches such as 48-84 (60 is middle C), "
            "or melody=60-84"
        )
    return int(match[1]), int(match[2])


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text) or int(text) > MOST_ON:
        raise ValueError(f"at-most must be 0 to {MOST_ON} notes, or chords=3, not {text!r}")
    return int(text)


def chord_times(chords: Sequence[Chord], outline: Outline, grid: Grid) -> ChordTimes:
    """Say when chords sound in a song with bars, the last of them ahead of the first whole bar."""
    starts = outline.bar_starts(grid).tolist()
    first = starts[1 if outline.pickup else 0]
    number = np.full(outline.frames, len(chords) - 1, np.int64)
    begins = np.zeros(outline.frames, bool)
    at, count, again = float(first), 0, [first]
    while round(at) < outline.frames:
        chord, begun = chords[count % len(chords)], round(at)
        if chord.beats is None:
            bar = int(np.searchsorted(starts, begun, side="right")) - 1
            at += starts[bar + 1] - starts[bar]
        else:
            at += chord.beats * grid.steps_per_beat
        if round(at) == begun:
            raise ValueError(f"the chord {chord.name} is shorter than a frame of the model")
        number[begun : round(at)] = count % len(chords)
        begins[begun] = True
        count += 1
        if count % len(chords) == 0:
            again.append(round(at))
    remarks = []
    if len(again) > 1 and again[1] < starts[-1] and again[1] not in starts:
        remarks.append("the chords do not fill whole bars: they begin again within one")
    if count % len(chords) or round(at) > starts[-1]:
        last = chords[(count - 1) % len(chords)].name
        cut = " cut short" if round(at) > starts[-1] else ""
        remarks.append(
            f"the chords do not fit the song's {len(starts) - 1} bars: the last time they end with "
            f"{last}{cut}"
        )
    return ChordTimes(number, begins, tuple(remarks))


def columns_allowed(allowed: Allowed, fixed: Bools, on: Bools, grid: Grid) -> Bools:
    """Return which columns may be on, (T, V), so that no note that may not sound does.

    Where notes are held by a column of their own, it is off where something that may have begun
    may not sound any longer; and what begins together with fixed notes may sound as long as they.

    Parameters
    ----------
    allowed : Allowed
    fixed, on : ndarray of bool (T, V)
        Columns that are given, and which of them are on: these stay on.
    grid : Grid
    """
    found, at = allowed.begin.copy(), 0
    for part in grid.parts:
        pitches, hold = slice(at, at + part.pitches), at + part.pitches
        at += part.channels
        if part.kind == "voices":
            found[:, pitches] = allowed.sound[:, pitches]
        if part.kind not in ("line", "block"):
            continue
        sound = allowed.sound[:, pitches].copy()
        found[1:, hold] &= ~(sound[:-1] & ~sound[1:]).any(axis=1)
        held = fixed[:, hold] & on[:, hold]
        for t in np.flatnonzero(held[1:])[::-1].tolist():
            sound[t] &= sound[t + 1]
        found[:, pitches] &= sound
    if not grid.parts:
        found = allowed.sound.copy()
    return found | (fixed & on)


def _names(grid: Grid) -> list[tuple[str, bool]]:
    """Return the name of every part, and whether it has drums; the one name without parts."""
    return [(part.name, part.kind == "drums") for part in grid.parts] or [(LONE, False)]


def pitched_columns(grid: Grid) -> Bools:
    """Return which columns (V,) stand for pitches."""
    columns, drums = columns_of(grid), np.array([drums for _, drums in _names(grid)])
    pitched: Bools = (columns.pitch >= 0) & ~drums[columns.part_of]
    return pitched


def _mask(classes: frozenset[int]) -> Bools:
    return np.isin(np.arange(12), list(classes))
