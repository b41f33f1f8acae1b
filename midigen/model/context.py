"""What a model is told of every frame, and which frames of the past its gates may copy.

Eq. (26)-(27).  All of it is known ahead of the frame: from the song's `Outline`, and from the
frames before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midigen.columns import Columns, columns_of
from midigen.config import Grid, ModelConfig
from midigen.outline import Outline

LAGS = 1, 2, 4, 8  # bars
INTERVALS = tuple(range(-12, 13))  # semitones
MOST_STEPS, MOST_BEATS = 12, 8  # positions in a beat, and beats in a bar, that are told apart
# metres that are told apart: in four, in three, in two, in six eighths and the like, others
FOUR, THREE, TWO, COMPOUND, OTHER = range(5)
ENDINGS = 7  # half a beat, 1 and 2 beats, 1, 2 and 4 bars before the end, and earlier

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Gates:
    """The copy gates of a model, and what they weigh.  Eq. (27).

    Parameters
    ----------
    sources : tuple of str
        S of them: "line 0", .., "hold", "lag 1", .., "form 0", ..: frames of the past, for each
        frame.
    table : ndarray of int64 (S, P)
        The number of the gate that weighs a source in a part, -1 for none.
    interval_gates : ndarray of int64 (L,)
        The number of the first of each line's interval gates, -1 for none.
    intervals : ndarray of int64 (D,)
        Semitones.
    count : int
        K, all gates.
    """

    sources: tuple[str, ...]
    table: Int64
    interval_gates: Int64
    intervals: Int64
    count: int


class Context:
    """How a kind of model hears songs: context inputs, lines, and sources of its gates.

    Parameters
    ----------
    config : ModelConfig
    grid : Grid

    Attributes
    ----------
    columns : Columns
    width : int
        C, context inputs of a frame.
    lines : ndarray of int64 (L, 2)
        Columns of the lines whose latest notes are remembered.
    heard_lines : int
        How many of them are inputs as well.
    inputs : int
        What the network hears of a frame: V notes, the heard lines, C.
    gates : Gates
    """

    def __init__(self, config: ModelConfig, grid: Grid) -> None:
        self._config, self._grid = config, grid
        self.columns: Columns = columns_of(grid)
        told = bool(config.gates or config.context)
        self.lines = self.columns.lines if told else self.columns.lines[:0]
        # without parts every frame shows what sounds
        self.heard_lines = len(self.lines) if grid.parts else 0
        self._blocks = {kind: width for kind, width in self._widths().items() if width}
        self.width = sum(self._blocks.values())
        heard = self.lines[: self.heard_lines]
        self.inputs = config.visible + int((heard[:, 1] - heard[:, 0]).sum()) + self.width
        self.gates = self._make_gates()

    def _widths(self) -> dict[str, int]:
        steps = min(self._grid.steps_per_beat, MOST_STEPS) if self._grid.unit == "beat" else 0
        widths = {
            "position": steps + MOST_BEATS + OTHER + 1 + 4 + 2 if steps else 0,
            "form": 2 * self.columns.parts,
            "end": ENDINGS,
            "mode": 2,
            "style": len(self._config.styles),
            "density": len(self._config.densities) + 1 if self._config.densities else 0,
        }
        return {kind: widths[kind] for kind in widths if kind in self._config.context}

    @property
    def form_columns(self) -> slice:
        """Which of the context inputs tell the form."""
        at = 0
        for kind, width in self._blocks.items():
            if kind == "form":
                return slice(at, at + width)
            at += width
        return slice(0, 0)

    def bars(self, outline: Outline) -> Int64:
        """Return the number of every frame's bar, (T,); 0 where there are no bars."""
        return np.maximum(_places(outline, self._grid).bar, 0)

    def _make_gates(self) -> Gates:
        """Give every gate its number.

        Parts that hold notes by a column copy their latest ones, all others the frame before.
        """
        parts, wanted = self.columns.parts, self._config.gates
        own = self.columns.part_of[self.lines[:, 0]].tolist() if self._grid.parts else []
        sources = [f"line {line}" for line in range(len(self.lines))]
        rows = [[-1] * parts for _ in sources]
        count = 0
        if "hold" in wanted:
            for line, part in enumerate(own):
                rows[line][part] = count + part
            sources.append("hold")
            rows.append([-1 if p in own else count + p for p in range(parts)])
            count += parts
        for bars in LAGS if "lag" in wanted else ():
            sources.append(f"lag {bars}")
            rows.append(list(range(count, count + parts)))
            count += parts
        for part in range(parts if "form" in wanted else 0):
            sources.append(f"form {part}")
            rows.append([count if p == part else -1 for p in range(parts)])
            count += 1
        each = len(INTERVALS) if "interval" in wanted else 0
        first = []
        for line in range(len(self.lines)):
            sings = each and (not own or self._grid.parts[own[line]].kind == "line")
            first.append(count if sings else -1)
            count += each if sings else 0
        return Gates(
            tuple(sources),
            np.array(rows, np.int64).reshape(-1, parts),
            np.array(first, np.int64),
            np.array(INTERVALS if each else (), np.int64),
            count,
        )

    def rows(self, outline: Outline) -> NDArray[np.uint8]:
        """Return the context inputs of every frame of a song, (T, C), each 0 or 1."""
        frames = np.arange(outline.frames)
        place = _places(outline, self._grid)
        blocks = [self._block(kind, outline, place) for kind in self._blocks]
        out = np.zeros((outline.frames, self.width), np.uint8)
        at = 0
        for kind, hot in zip(self._blocks, blocks, strict=True):
            for columns in hot:
                known = columns >= 0
                out[frames[known], at + columns[known]] = 1
            at += self._blocks[kind]
        return out

    def _block(self, kind: str, outline: Outline, place: _Places) -> list[Int64]:
        """Return which columns of a kind's block are on: (T,) each, -1 for none."""
        frames, config = outline.frames, self._config
        if kind == "position":
            steps = self._grid.steps_per_beat
            told = min(steps, MOST_STEPS)
            step, beat = place.within % steps * told // steps, place.within // steps
            starts = [0, told, MOST_BEATS, OTHER + 1, 4]
            columns = [step, np.minimum(beat, MOST_BEATS - 1), place.metre]
            columns += [place.phrase_bar % 4, place.phrase_bar // 4 % 2]
            known = place.bar >= 0
            offsets = np.cumsum(starts)
            return [
                np.where(known, at + column, -1)
                for at, column in zip(offsets, columns, strict=True)
            ]
        if kind == "form":
            repeats = _of_bars(outline, place.bar, self.columns.parts) > 0
            coming = _of_bars(outline, place.bar + 1, self.columns.parts) > 0
            both = np.concatenate([repeats, coming], axis=1)
            return [np.where(column, i, -1) for i, column in enumerate(both.T)]
        if kind == "end":
            bar, beat = place.length, np.full(frames, place.beat)
            ends: NDArray[np.float64] = np.stack([beat / 2, beat, 2 * beat, bar, 2 * bar, 4 * bar])
            left = frames - np.arange(frames)
            return [(left > np.maximum.accumulate(ends)).sum(axis=0)]
        if kind == "mode":
            value = int(outline.minor)
        elif kind == "style":
            value = config.styles.index(outline.style) if outline.style in config.styles else -1
        else:
            value = int(np.searchsorted(config.densities, outline.density, side="right"))
        return [np.full(frames, value, np.int64)]

    def back(self, outline: Outline) -> NDArray[np.int32]:
        """Return how many frames before each frame its sources lie, but the lines: (T, S - L).

        0 is for none.
        """
        frames, place = outline.frames, _places(outline, self._grid)
        sources = self.gates.sources[len(self.lines) :]
        out = np.zeros((frames, len(sources)), np.int32)
        for i, source in enumerate(sources):
            name, _, number = source.partition(" ")
            if name == "hold":
                out[1:, i] = 1
            elif name == "lag":
                out[:, i] = _bars_back(place, np.full(frames, int(number)))
            else:
                bars = _of_bars(outline, place.bar, self.columns.parts)[:, int(number)]
                out[:, i] = _bars_back(place, bars)
        return out

    def line_back(self, roll: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return how many frames before each frame a note of each line began last, (T, L).

        0 where none has; without parts, where notes do not say that they begin, any that sounds.
        """
        frames = np.arange(len(roll))
        out = np.zeros((len(roll), len(self.lines)), np.int32)
        for i, (first, stop) in enumerate(self.lines):
            begun = np.where(roll[:, first:stop].any(axis=1), frames, -1)
            last = np.maximum.accumulate(begun)[:-1]
            out[1:, i] = np.where(last >= 0, frames[1:] - last, 0)
        return out


@cache
def context_of(config: ModelConfig, grid: Grid) -> Context:
    """Return the Context of a kind of model."""
    return Context(config, grid)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where every frame of a song lies, (T,) each: see `_places`."""

    starts: Int64  # (bars + 1,), of the bars
    bar: Int64  # its bar, -1 where there are none
    within: Int64  # its place in that bar
    length: Int64  # that of the bar
    metre: Int64  # one of FOUR, ..
    phrase_bar: Int64  # bars since the first whole one
    beat: float


def _places(outline: Outline, grid: Grid) -> _Places:
    starts, frames = outline.bar_starts(grid), np.arange(outline.frames)
    beat = float(grid.steps_per_beat) if grid.unit == "beat" else 0.5 / grid.step
    if not len(starts):
        none = np.full(len(frames), -1, np.int64)
        length = np.full(len(frames), max(1, round(4 * beat)), np.int64)
        return _Places(starts, none, none, length, none, none, beat)
    bar = np.searchsorted(starts, frames, side="right") - 1
    length = np.diff(starts)[bar]
    changes = np.searchsorted([m[0] for m in outline.metres], frames, side="right") - 1
    metre = np.array([_kind(n, d) for _, n, d in outline.metres])[changes]
    phrase_bar = np.maximum(bar - (outline.pickup > 0), -1) % 8
    return _Places(starts, bar, frames - starts[bar], length, metre, phrase_bar, beat)


def _kind(numerator: int, denominator: int) -> int:
    if numerator in (6, 9, 12) and denominator >= 8:
        return COMPOUND
    return {4: FOUR, 3: THREE, 2: TWO}.get(numerator, OTHER)


def _of_bars(outline: Outline, bar: Int64, parts: int) -> Int64:
    """Return the form of each frame's bar, (T, P), 0 where it says nothing."""
    form = outline.form if outline.form.size else np.zeros((1, parts), np.int64)
    known = (bar >= 0) & (bar < len(form))
    return np.where(known[:, None], form[np.clip(bar, 0, len(form) - 1)], 0)


def _bars_back(place: _Places, bars: Int64) -> Int64:
    """Return the frames from each frame to its place so many bars (T,) before; 0 where none is."""
    source = place.bar - bars
    known = (bars > 0) & (place.bar >= 0) & (source >= 0)
    starts = place.starts
    if not len(starts):
        return np.zeros_like(bars)
    source = np.where(known, source, 0)
    frame = starts[source] + place.within
    known &= (frame >= 0) & (frame < starts[source + 1])
    here = np.arange(len(bars))
    return np.where(known & (frame < here), here - frame, 0)
