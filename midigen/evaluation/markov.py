"""Songs of Markov chains: what counting alone can do, for a model to be put beside.

A song is cut wherever a note begins or ends.  Each part is an event: the pitches struck, those
held, and a length.  A chain of order k draws each event from those that followed the same k events
in the training songs, all moved to C major or A minor; where the k were never followed by anything
it goes by the last k - 1 of them, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.figures.measure import Spread, distance, measure
from midigen.figures.piece import PITCHES, Piece, pitch_classes
from midigen.midi.key import find_key
from midigen.midi.roll import roll_to_notes
from midigen.randomness import generator

MOST_ORDER = 4
START = -1  # stands for the events before a song's first
ALL_PITCHES = Grid(low=0, high=PITCHES - 1, articulation="onset")

Event = tuple[tuple[int, ...], tuple[int, ...], int]  # pitches struck, pitches held, frames


class Chains:
    """The Markov chains of some songs, of every order up to MOST_ORDER.

    Parameters
    ----------
    pieces : sequence of Piece
        The songs, one at least, all on one grid.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.events: list[Event] = []
        self._next: dict[tuple[int, ...], list[int]] = {}
        numbers: dict[Event, int] = {}
        for piece in map(replace, pieces):  # copies, so that no song's frames are kept
            history = [START] * MOST_ORDER
            for event in events_of(piece, shift_to_one_key(piece)):
                number = numbers.setdefault(event, len(numbers))
                for order in range(MOST_ORDER + 1):
                    context = tuple(history[len(history) - order :])
                    self._next.setdefault(context, []).append(number)
                history.append(number)
        self.events = list(numbers)

    def song(self, order: int, like: Piece, rng: np.random.Generator) -> Piece:
        """Draw a song of a chain, as long as another, in its metre.

        Parameters
        ----------
        order : int
            0..MOST_ORDER.
        like : Piece
            Gives length, beat and bar.
        rng : Generator
        """
        drawn = self._draw([START] * order, order, like.frames, rng)
        notes = notes_of(drawn, like.frames)
        name = f"chain of order {order}"
        return Piece(name, notes, like.frames, like.beat, like.bar, 0, like.by_beats)

    def go_on(
        self, order: int, before: Piece, frames: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw what follows a song, in its key.

        Parameters
        ----------
        order : int
            0..MOST_ORDER.
        before : Piece
            The song.
        frames : int
        rng : Generator

        Returns
        -------
        NDArray[np.int64], shape (N, 3)
            Start frame, counted from the song's end, end frame and pitch.
        """
        shift, known = shift_to_one_key(before), {e: n for n, e in enumerate(self.events)}
        history = [known.get(event, START) for event in events_of(before, shift)]
        drawn = self._draw([START] * order + history, order, frames, rng)
        notes = notes_of(drawn, frames)
        moved = notes[:, 2] - shift
        notes[:, 2] = np.where(moved < 0, moved + 12, np.where(moved < PITCHES, moved, moved - 12))
        return notes

    def _draw(
        self, history: list[int], order: int, frames: int, rng: np.random.Generator
    ) -> list[Event]:
        """Draw events that fill so many frames, after the last ones of a history."""
        drawn: list[Event] = []
        left = frames
        while left > 0:
            followers = self._followers(history, order)
            number = followers[rng.integers(len(followers))]
            history.append(number)
            drawn.append(self.events[number])
            left -= drawn[-1][2]
        return drawn

    def songs(self, order: int, like: Sequence[Piece], seed: int) -> list[Piece]:
        """Draw a song for each of some others: the same seed draws the same ones."""
        rngs = [generator(seed, "chain", order, number) for number in range(len(like))]
        return [self.song(order, piece, rng) for piece, rng in zip(like, rngs, strict=True)]

    def _followers(self, history: list[int], order: int) -> list[int]:
        """Return all events that followed the last ones, `order` of them or as many as is known."""
        while (found := self._next.get(tuple(history[len(history) - order :]))) is None:
            order -= 1
        return found


@dataclass(frozen=True)
class Choice:
    """The chain that a model is put beside.

    Parameters
    ----------
    order : int
        Its order.
    songs : list of Piece
        Its songs.
    values : list of dict
        Their figures.
    orders : list of dict
        Of every order: order, distance, and copied_beats, the median of the longest copied runs.
    """

    order: int
    songs: list[Piece]
    values: list[dict[str, float | None]]
    orders: list[dict[str, float | int | None]]


def choose_order(
    draw: Callable[[int], list[Piece]],
    corpus: Mapping[str, Spread],
    copied: Callable[[Piece], float],
    most_copied: float,
    progress: Callable[[int], object] | None = None,
) -> Choice:
    """Find the order nearest the corpus among those that copy little.

    Parameters
    ----------
    draw : callable
        Returns the songs of the chain of an order, 0..MOST_ORDER.
    corpus : mapping of str to Spread
        The corpus's figures.
    copied : callable
        Returns the longest copied run of a Piece, in beats.
    most_copied : float
        What the median of those over the songs may be; where no order copies so little, the one
        that copies least is taken.
    progress : callable, optional
        Called with 1 after each order.
    """
    choices, rows = [], []
    for order in range(MOST_ORDER + 1):
        songs = draw(order)
        values = [measure(song) for song in songs]
        far = distance(corpus, values)
        beats = float(np.median([copied(song) for song in songs]))
        rows.append({"order": order, "distance": far, "copied_beats": beats})
        rank = max(beats, most_copied), np.inf if far is None else far
        choices.append((rank, Choice(order, songs, values, rows)))
        if progress:
            progress(1)
    return min(choices, key=lambda choice: choice[0])[1]


def with_plan(piece: Piece, plan: NDArray[np.int64]) -> Piece:
    """Replace bars of a song by copies of earlier ones.

    Parameters
    ----------
    piece : Piece
    plan : NDArray[np.int64], shape (bars,)
        For each bar, how many bars back the one is that it repeats, 0 where it repeats none.  Bars
        behind the plan stay, and so do those that would repeat one before the song.
    """
    frames = np.hstack([piece.sounding, piece.onsets])
    for number, back in enumerate(plan):
        start = number * piece.bar - piece.pickup
        source = start - int(back) * piece.bar
        if back > 0 and source >= 0:
            rows = frames[start : start + piece.bar]
            rows[:] = frames[source : source + len(rows)].copy()
    return replace(piece, notes=roll_to_notes(frames, ALL_PITCHES))


def events_of(piece: Piece, shift: int = 0) -> list[Event]:
    """Cut a song into events, its pitches moved up by `shift` semitones."""
    sounding, onsets = piece.sounding, piece.onsets
    changed = (sounding[1:] != sounding[:-1]).any(axis=1) | onsets[1:].any(axis=1)
    cuts = np.concatenate([[0], np.flatnonzero(changed) + 1, [piece.frames]])

    def moved(pitches: NDArray[np.bool_]) -> tuple[int, ...]:
        # the lowest and the highest may leave the range: they are moved by an octave
        places = np.flatnonzero(pitches) + shift
        places = np.where(places < 0, places + 12, np.where(places < PITCHES, places, places - 12))
        return tuple(places.tolist())

    return [
        (moved(onsets[start]), moved(sounding[start] & ~onsets[start]), int(end - start))
        for start, end in zip(cuts[:-1], cuts[1:], strict=True)
        if end > start
    ]


def notes_of(events: Sequence[Event], frames: int) -> NDArray[np.int64]:
    """Return the notes (N, 3) of events in a row, cut off after so many frames.

    A pitch that is held by its event, and did not sound before, begins there.
    """
    rows = np.zeros((frames, 2, PITCHES), bool)
    at = 0
    for struck, held, length in events:
        if at < frames:
            rows[at : at + length, 0, list(struck + held)] = True
            rows[at, 1, list(struck)] = True
        at += length
    return roll_to_notes(rows.reshape(frames, -1), ALL_PITCHES)


def shift_to_one_key(piece: Piece) -> int:
    """Return the semitones, -5..6, that move a song to C major or A minor."""
    tonic, minor = find_key(pitch_classes(piece.sounding))
    return ((9 if minor else 0) - tonic + 5) % 12 - 5
