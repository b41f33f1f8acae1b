"""A piano roll of text: systems of bars, as wide as the terminal.

With colours a character shows two pitches, one in its upper and one in its lower half, in the
colours of their tracks; where a note begins it is lighter.  Without, a pitch has a line of its own,
and a track characters of its own: one for where a note begins, one for where it goes on.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text

from midigen.config import PARTS
from midigen.midi.names import drum_name, pitch_name
from midigen.midi.view import SongView, TrackView
from midigen.rendering.colours import track_colours
from midigen.rendering.systems import bar_edges, bar_widths, split_bars

LABEL, DRUM_LABEL = 4, 12  # columns for names of pitches and of drums
FINEST = 4  # columns a quarter note; else half as many
OFF_GRID = 0.1  # share of the notes that begin between columns, from which FINEST is taken
FEW_SYSTEMS = 4  # for which FINEST is taken, too
LIGHTER = 0.45  # of the way to white, where a note begins
FAINT = Style(dim=True)
BLOCKS = {"melody": "█▬", "chords": "▓░", "bass": "▒╌", "drums": "xx"}
LETTERS = {"melody": "M=", "chords": "C-", "bass": "B~", "drums": "xx"}
OTHERS = "ADEFGHIJKLNOPQRSTUVWYZ"  # of tracks of a part that another track is already


class Look(Enum):
    """What a terminal can show."""

    COLOURS = "colours"
    BLOCKS = "blocks"
    ASCII = "ascii"


class Canvas(NamedTuple):
    """What sounds in a system.

    Parameters
    ----------
    track : NDArray[np.int64], shape (pitches, columns)
        The number of the track whose note is there, -1 where none is; the highest pitch first.
    begins : NDArray[np.bool_], shape (pitches, columns)
        Whether it begins there.
    """

    track: NDArray[np.int64]
    begins: NDArray[np.bool_]


class Roll:
    """A song, ready to be drawn.

    Parameters
    ----------
    view : SongView
        The song.
    width : int
        Columns of the terminal.
    look : Look
        What it can show.
    """

    def __init__(self, view: SongView, width: int, look: Look) -> None:
        self._view, self._look = view, look
        self._marks = track_marks(view.tracks, look)
        self._colours = track_colours(view.tracks)
        pitched = [track.notes for track in view.tracks if not track.drums]
        pitches = np.concatenate([np.zeros(0), *(notes[:, 2] for notes in pitched)]).astype(int)
        # the lower half of a character is an even pitch, as every C is
        self._low = int(pitches.min()) // 2 * 2 if len(pitches) else 0
        self._high = int(pitches.max()) // 2 * 2 + 1 if len(pitches) else -1
        drums = [track.notes[:, 2] for track in view.tracks if track.drums]
        self._drums = np.unique(np.concatenate([np.zeros(0), *drums])).astype(int)[::-1]
        self._label = LABEL
        if len(self._drums):
            self._label = min(DRUM_LABEL, max(LABEL, width // 8))
        self._edges = bar_edges(view)
        self._lay_out(width - self._label)

    def _lay_out(self, room: int) -> None:
        """Choose how many columns a bar has, and which bars stand in a system."""
        numerator, denominator = self._view.metre
        widths = bar_widths(self._view)
        quarters = 4 * numerator / denominator
        for fineness in (FINEST, FINEST // 2):
            usual = min(max(1, round(fineness * quarters)), room - 2)
            self._columns = np.clip(np.rint(usual * widths), 1, room - 2).astype(int)
            # each bar has a line ahead of it, and the last one behind it
            self._systems = split_bars((self._columns + 1) / (usual + 1), (room - 1) / (usual + 1))
            if len(self._systems) <= FEW_SYSTEMS:
                break
            if fineness == FINEST and self._off_grid(usual // 2 or 1) > OFF_GRID:
                break
        self._firsts = np.append(0, np.cumsum(self._columns))  # column in which each bar begins

    def _off_grid(self, usual: int) -> float:
        """Return the share of notes that begin between columns, were there so many a bar."""
        starts = np.concatenate([track.notes[:, 0] for track in self._view.tracks])
        places = np.interp(starts, self._edges, np.arange(len(self._edges)) * usual)
        return float((np.abs(places - np.rint(places)) > 0.2).mean())

    @property
    def bars(self) -> int:
        """How many bars there are."""
        return len(self._columns)

    def drawn(self, most_bars: int) -> int:
        """Return how many bars `lines` draws."""
        return max((bars.stop for bars in self._systems if bars.start < most_bars), default=0)

    def lines(self, most_bars: int) -> Iterator[Text]:
        """Yield the lines of the roll, no wider than the terminal.

        Parameters
        ----------
        most_bars : int
            Systems that begin behind so many bars are left out.
        """
        for number, bars in enumerate(self._systems):
            if bars.start < most_bars:
                yield from [Text()] if number else []
                yield from self._system(bars)

    def _system(self, bars: range) -> Iterator[Text]:
        yield self._ruler(bars)
        if self._high >= self._low:
            canvas = self._canvas(bars, list(range(self._high, self._low - 1, -1)), False)
            yield from self._pitched(bars, canvas)
        if len(self._drums):
            canvas = self._canvas(bars, self._drums.tolist(), True)
            for row, pitch in enumerate(self._drums.tolist()):
                yield self._line(bars, drum_name(pitch), canvas, [row])

    def _ruler(self, bars: range) -> Text:
        """Return the line of bar numbers, as many as have room."""
        text = " " * self._label
        for bar in bars:
            at = self._label + int(self._firsts[bar] - self._firsts[bars.start]) + bar - bars.start
            number = str(bar + 1)
            if len(text) < at or bar == bars.start:
                ends = at + int(self._columns[bar]) + 1
                is_last = bar == bars[-1]
                if not is_last or at + len(number) <= ends:
                    text = text.ljust(at) + number
        return Text(text.rstrip(), FAINT)

    def _canvas(self, bars: range, pitches: list[int], drums: bool) -> Canvas:
        """Find what sounds in a system at some pitches."""
        first, last = int(self._firsts[bars.start]), int(self._firsts[bars.stop])
        row_of = np.full(128, -1)
        row_of[pitches] = np.arange(len(pitches))
        track = np.full((len(pitches), last - first), -1)
        begins = np.zeros(track.shape, bool)
        numbers = [n for n, one in enumerate(self._view.tracks) if one.drums == drums]
        # the melody is drawn over what else is there
        for number in sorted(numbers, key=self._depth, reverse=True):
            notes = self._view.tracks[number].notes
            places = np.rint(np.interp(notes[:, :2], self._edges, self._firsts)).astype(int)
            starts = np.minimum(places[:, 0], self._firsts[-1] - 1)
            ends = starts + 1 if drums else np.maximum(places[:, 1], starts + 1)
            here = (starts < last) & (ends > first)
            rows = row_of[notes[here, 2].astype(int)]
            for row, start, end in zip(rows, starts[here] - first, ends[here] - first, strict=True):
                track[row, max(start, 0) : end] = number
                begins[row, max(start, 0) : end] = False
                if start >= 0:
                    begins[row, start] = True
        return Canvas(track, begins)

    def _depth(self, number: int) -> tuple[int, int]:
        return PARTS.index(self._view.tracks[number].part), number

    def _pitched(self, bars: range, canvas: Canvas) -> Iterator[Text]:
        """Yield a line for every pitch or, with colours, for two."""
        step = 2 if self._look is Look.COLOURS else 1
        count = len(canvas.track)
        has_c = any(pitch % 12 == 0 for pitch in range(self._low, self._high + 1))
        for row in range(0, count, step):
            pitch = self._high - row - (step - 1)
            is_named = pitch % 12 == 0 or (not has_c and row in (0, count - step))
            yield self._line(
                bars, pitch_name(pitch) if is_named else "", canvas, [row, row + 1][:step]
            )

    def _line(self, bars: range, label: str, canvas: Canvas, rows: list[int]) -> Text:
        """Return one line of a system: its label, and its bars with lines between them."""
        label = label[: self._label - 1].rjust(self._label - 1) + " "
        cells: list[tuple[str, Style | None]] = [(label, FAINT)]
        line = "|" if self._look is Look.ASCII else "│"
        first = int(self._firsts[bars.start])
        for bar in bars:
            begin, end = int(self._firsts[bar]) - first, int(self._firsts[bar + 1]) - first
            cells.append(self._drawn(self._across(canvas, rows, begin), line))
            for column in range(begin, end):
                cells.append(self._drawn(self._cell(canvas, rows, column), " "))
        cells.append((line, FAINT))
        runs = [(style, list(run)) for style, run in groupby(cells, key=lambda cell: cell[1])]
        return Text.assemble(*(("".join(c for c, _ in run), style or "") for style, run in runs))

    @staticmethod
    def _cell(canvas: Canvas, rows: list[int], column: int) -> list[tuple[int, bool]]:
        return [(int(canvas.track[row, column]), bool(canvas.begins[row, column])) for row in rows]

    def _across(self, canvas: Canvas, rows: list[int], column: int) -> list[tuple[int, bool]]:
        """Return what goes on over the bar line ahead of a column."""
        cells = self._cell(canvas, rows, column)
        return [(-1 if begins or not column else track, False) for track, begins in cells]

    def _drawn(self, cells: list[tuple[int, bool]], empty: str) -> tuple[str, Style | None]:
        """Return one character and its style, for one pitch or for two."""
        if all(track < 0 for track, _ in cells):
            return empty, FAINT
        if self._look is not Look.COLOURS:
            [(track, begins)] = cells
            return self._marks[track][not begins], None
        if len(cells) == 1:
            return "▌", self._shade(*cells[0])
        upper, lower = (self._shade(*cell) if cell[0] >= 0 else None for cell in cells)
        if upper is None:
            return "▄", lower
        if lower is None or upper == lower:
            return "▀" if lower is None else "█", upper
        return "▀", upper + Style(bgcolor=lower.color)

    def _shade(self, track: int, begins: bool) -> Style:
        colour = self._colours[track]
        return Style(color=lighter(colour) if begins else colour)


def lighter(colour: str) -> str:
    """Mix a colour, "#rrggbb", with white."""
    values = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(v + (255 - v) * LIGHTER):02x}" for v in values)


def track_marks(tracks: Sequence[TrackView], look: Look) -> tuple[str, ...]:
    """Give every track two characters, for where a note begins and where it goes on.

    Tracks of a part that another one is already have letters.
    """
    marks = LETTERS if look is Look.ASCII else BLOCKS
    found: list[str] = []
    for track in tracks:
        mark = marks[track.part]
        if mark in found:
            mark = OTHERS[len(found) % len(OTHERS)] + ("-" if look is Look.ASCII else "─")
        found.append(mark)
    return tuple(found)
