"""A song as a picture: a piano roll in systems, as sheet music has them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import PARTS
from midigen.errors import MidigenError
from midigen.midi.names import drum_name, pitch_name
from midigen.midi.view import SongView
from midigen.rendering.colours import track_colours
from midigen.rendering.contents import Facts, duration, song_facts
from midigen.rendering.drawing import Box, Drawing, Line, Words, to_png, to_svg
from midigen.rendering.systems import bar_edges, bar_widths, split_bars

WIDTH, MARGIN = 1600.0, 48.0
LABEL, DRUM_LABEL = 34.0, 128.0  # room for names of pitches, and of drums
BARS, FEW_BARS = 8, 4  # a system, of usual ones
MOST_ONSETS = 18  # a bar, of which BARS are in a system; of fuller ones FEW_BARS
SHORT = 0.7  # share of the fullest system, up to which one keeps its width
MOST_BARS = 1000  # that are drawn
SEMITONE = (3.4, 9.0)  # height of a pitch
HEIGHT = 230.0  # of the pitches of a system, as far as SEMITONE allows
DRUM = 13.0  # height of a drum's row
HIT = 6.0  # width of a drum's note
GAP = 0.8  # between a note and what begins where it ends
FAINTEST = 0.4  # opacity of a note of velocity 0; 1 is that of 127
AIR = 46.0  # between systems
INK, GREY, BAR, BEAT, PANEL, BLACK_KEYS = (
    "#1b1f24",
    "#57606a",
    "#b3bac2",
    "#e3e6ea",
    "#fbfbfa",
    "#f1f2f4",
)
LETTER = 0.53  # mean width of a letter, in sizes


def roll_svg(view: SongView) -> str:
    """Draw a song as SVG.

    Parameters
    ----------
    view : SongView
        The song.

    Raises
    ------
    MidigenError
        Where it has more than MOST_BARS bars.
    """
    return to_svg(draw_roll(view))


def roll_png(view: SongView) -> bytes:
    """Draw a song as PNG; MidigenError, with the reason alone, where it is too long."""
    return to_png(draw_roll(view))


def draw_roll(view: SongView) -> Drawing:
    """Draw a song; MidigenError, with the reason alone, where it is too long."""
    if len(view.bars) > MOST_BARS:
        raise MidigenError(
            f"too long to draw ({len(view.bars):,} bars; at most {MOST_BARS:,} are drawn)"
        )
    return _Roll(view).drawing


class _Notes(NamedTuple):
    """The notes of a track, in bars: 1.5 is the middle of the second."""

    number: int
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    pitches: NDArray[np.int64]
    opacities: NDArray[np.float64]


class _Roll:
    """Draws one song."""

    def __init__(self, view: SongView) -> None:
        self.view, self.facts = view, song_facts(view)
        self.colours = track_colours(view.tracks)
        self.widths = bar_widths(view)
        self.notes = self._place()
        pitches = [n.pitches for n in self.notes if not view.tracks[n.number].drums]
        pitched = np.concatenate([np.zeros(0, np.int64), *pitches])
        self.low, self.high = (int(pitched.min()), int(pitched.max())) if len(pitched) else (0, -1)
        hits = [n.pitches for n in self.notes if view.tracks[n.number].drums]
        self.drums = np.unique(np.concatenate([np.zeros(0, np.int64), *hits]))[::-1].tolist()
        rows = self.high - self.low + 1
        self.semitone = min(max(HEIGHT / max(rows, 1), SEMITONE[0]), SEMITONE[1])
        self.pitch_height = rows * self.semitone
        self.left = MARGIN + (DRUM_LABEL if self.drums else LABEL)
        self.systems = _without_orphan(split_bars(self.widths, self._bars_a_system() + 0.5))
        self.fullest = max(FEW_BARS, *(self._width(bars) for bars in self.systems))
        self.drawing = Drawing(WIDTH, 0, self._title(), describe(self.facts))
        self._draw()

    def _place(self) -> list[_Notes]:
        """Put all notes in bars; the melody comes last, over what else is there."""
        edges = bar_edges(self.view)
        found = []
        for number, track in enumerate(self.view.tracks):
            places = np.interp(track.notes[:, :2], edges, np.arange(len(edges)))
            pitches, velocity = track.notes[:, 2].astype(np.int64), track.notes[:, 3]
            # few steps, so that notes of one opacity are written together
            opacity = np.round(FAINTEST + (1 - FAINTEST) * velocity / 127, 1)
            found.append(_Notes(number, places[:, 0], places[:, 1], pitches, opacity))
        parts = [PARTS.index(track.part) for track in self.view.tracks]
        return sorted(found, key=lambda notes: -parts[notes.number])

    def _bars_a_system(self) -> int:
        starts = np.concatenate([np.unique(np.round(n.starts, 3)) for n in self.notes])
        onsets = np.bincount(np.unique(starts).astype(int), minlength=len(self.widths))
        return BARS if np.median(onsets) <= MOST_ONSETS else FEW_BARS

    def _width(self, bars: range) -> float:
        return float(self.widths[list(bars)].sum())

    def _title(self) -> str:
        return self.facts["title"] or self.facts["name"].removesuffix(".mid")

    def _draw(self) -> None:
        y = self._heading()
        for bars in self.systems:
            y = self._system(bars, y + AIR)
        if self.view.text:
            y += 34
            text = _cut(self.view.text.replace("; ", " · "), WIDTH - 2 * MARGIN, 13)
            self.drawing.add(Words(MARGIN, y, text, 13, GREY))
        self.drawing.height = y + MARGIN * 0.7

    def _heading(self) -> float:
        """Draw the title, what is known, and the legend; return where that ends."""
        y = MARGIN + 22
        title = _cut(self._title(), WIDTH - 2 * MARGIN, 32)
        self.drawing.add(Words(MARGIN, y, title, 32, INK, bold=True))
        self.drawing.add(Words(MARGIN, y + 30, " · ".join(summary(self.facts)), 17, GREY))
        x, y = MARGIN, y + 62
        for colour, track in zip(self.colours, self.facts["tracks"], strict=True):
            name = track["name"] or track["part"]
            text = _cut(f"{name} ({track['instrument']})", 420, 15)
            if track["instrument"] == name:
                text = name
            width = 24 + len(text) * 15 * LETTER + 18
            if x > MARGIN and x + width > WIDTH - MARGIN:
                x, y = MARGIN, y + 25
            self.drawing.add(Box(x, y - 11, 16, 11, colour, radius=3))
            self.drawing.add(Words(x + 24, y, text, 15, INK))
            x += width
        return y

    def _system(self, bars: range, top: float) -> float:
        """Draw some bars; return where they end."""
        # as in sheet music a system has the full width, but for a short last one
        width = self._width(bars)
        full = width if width > SHORT * self.fullest else self.fullest
        scale = (WIDTH - MARGIN - self.left) / full
        edges = self.left + scale * np.append(0, np.cumsum(self.widths[list(bars)]))
        end = float(edges[-1])
        bottom = top + self.pitch_height
        lane = bottom + (10 if self.drums and self.pitch_height else 0)
        floor = lane + DRUM * len(self.drums)
        self._ground(top, bottom, end)
        self._lane(lane, end)
        for shown, (first, last) in (
            (self.pitch_height, (top, bottom)),
            (self.drums, (lane, floor)),
        ):
            if shown:
                self._bar_lines(bars, edges, first, last)
        for bar, x in zip(bars, edges, strict=False):
            self.drawing.add(Words(float(x) + 2, top - 7, str(bar + 1), 13, GREY))
        for notes in self.notes:
            self._draw_notes(notes, bars, edges, bottom, lane)
        return floor

    def _ground(self, top: float, bottom: float, end: float) -> None:
        """Draw the panel of the pitches, darker where keys are black, and the names of C's."""
        if not self.pitch_height:
            return
        self.drawing.add(Box(self.left, top, end - self.left, bottom - top, PANEL))
        named = [pitch for pitch in range(self.low, self.high + 1) if pitch % 12 == 0]
        for pitch in range(self.low, self.high + 1):
            if "#" in pitch_name(pitch):
                y = self._y(pitch, bottom)
                self.drawing.add(Box(self.left, y, end - self.left, self.semitone, BLACK_KEYS))
        for pitch in named:
            y = self._y(pitch, bottom) + self.semitone
            self.drawing.add(Line([(self.left, y), (end, y)], BAR, 0.8))
        for pitch in named or [self.low, self.high]:
            y = self._y(pitch, bottom) + self.semitone / 2 + 4.5
            self.drawing.add(Words(self.left - 8, y, pitch_name(pitch), 13, GREY, "end"))

    def _lane(self, top: float, end: float) -> None:
        """Draw the lane of the drums, with their names."""
        for row, pitch in enumerate(self.drums):
            y = top + DRUM * row
            ground = BLACK_KEYS if row % 2 else PANEL
            self.drawing.add(Box(self.left, y, end - self.left, DRUM, ground))
            name = _cut(drum_name(pitch), DRUM_LABEL - 10, 12)
            self.drawing.add(Words(self.left - 8, y + DRUM - 3, name, 12, GREY, "end"))

    def _bar_lines(
        self, bars: range, edges: NDArray[np.float64], top: float, bottom: float
    ) -> None:
        for bar, x, following in zip(bars, edges, edges[1:], strict=False):
            quarters = self.view.quarters[bar] if self.view.quarters else 0
            beat = 4 / self.view.metre[1]
            for number in range(1, int(quarters / beat) + 1 if quarters else 0):
                at = float(x + (following - x) * number * beat / quarters)
                if at < following - 1:
                    self.drawing.add(Line([(at, top), (at, bottom)], BEAT, 0.8))
        for x in edges.tolist():
            self.drawing.add(Line([(x, top), (x, bottom)], BAR, 1.2))

    def _draw_notes(
        self,
        notes: _Notes,
        bars: range,
        edges: NDArray[np.float64],
        bottom: float,
        lane: float,
    ) -> None:
        """Draw what a track has in some bars; a note that goes on over their end is cut there."""
        here = np.flatnonzero((notes.starts < bars.stop) & (notes.ends > bars.start))
        here = here[np.argsort(notes.opacities[here], kind="stable")]
        numbers = np.arange(bars.start, bars.stop + 1)
        lefts = np.interp(notes.starts[here], numbers, edges)
        rights = np.interp(notes.ends[here], numbers, edges)
        is_drums, colour = self.view.tracks[notes.number].drums, self.colours[notes.number]
        for note, left, right in zip(here, lefts.tolist(), rights.tolist(), strict=True):
            pitch, opacity = int(notes.pitches[note]), float(notes.opacities[note])
            if is_drums:
                y, height = lane + DRUM * self.drums.index(pitch) + 2, DRUM - 4
                if notes.starts[note] < bars.start:
                    continue
                width = HIT
            else:
                y, height = self._y(pitch, bottom) + 0.3, self.semitone - 0.6
                width = max(right - left - GAP, 1.6)
            self.drawing.add(Box(left, y, width, height, colour, opacity, 1.5))

    def _y(self, pitch: int, bottom: float) -> float:
        return bottom - (pitch - self.low + 1) * self.semitone


def _without_orphan(systems: list[range]) -> list[range]:
    """Put a bar that would have the last system for itself on the one before."""
    if len(systems) > 1 and len(systems[-1]) == 1 and len(systems[-2]) >= FEW_BARS:
        systems[-2:] = [range(systems[-2].start, systems[-1].stop)]
    return systems


def summary(facts: Facts) -> list[str]:
    """Say in a few words what is known of a song: key, metre, tempo, bars, duration."""
    bars = f"{facts['bars']:,} bar{'s'[: facts['bars'] != 1]}"
    metre, tempo = "{}/{}".format(*facts["metre"]), f"{round(facts['bpm'])} bpm"
    return [*([facts["key"]] if facts["key"] else []), metre, tempo, bars, duration(facts)]


def describe(facts: Facts) -> str:
    """Say what a picture shows, to those who do not see it."""
    tracks = [
        f"{track['name'] or track['part']} ({track['instrument']}, {track['notes']:,} "
        f"note{'s'[: track['notes'] != 1]})"
        for track in facts["tracks"]
    ]
    return f"Piano roll: {', '.join(summary(facts))}. Tracks: {', '.join(tracks)}."


def _cut(text: str, width: float, size: float) -> str:
    """Cut a text that would not fit."""
    most = max(int(width / (size * LETTER)), 1)
    return text if len(text) <= most else text[: most - 1] + "…"
