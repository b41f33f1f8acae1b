"""Statistics of songs, compared by their histograms.

After Yang and Lerch, Neural Computing and Applications, 2020. docs/evaluation.md defines every
statistic. A song here is a Piece: what sounds, its notes, and how long its bars are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.midi.key import find_key
from midigen.midi.roll import roll_to_notes

SECTION = 8  # bars in which pitches and scales are counted: a long song is not said to use more
MAJOR_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])

Histogram = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Piece:
    """One song.

    Parameters
    ----------
    name : str
        The song's name.
    sounding : NDArray[np.bool_], shape (T, P)
        Which pitches sound, from `low` up.
    notes : NDArray[np.int64], shape (N, 3)
        Start frame, end frame and pitch; sorted by start, then pitch.
    low : int
        The lowest MIDI pitch.
    beat : float
        Frames in a quarter note.
    bar : int
        Frames in a bar, rounded.
    """

    name: str
    sounding: NDArray[np.bool_]
    notes: NDArray[np.int64]
    low: int
    beat: float
    bar: int

    @classmethod
    def of(
        cls, name: str, roll: NDArray[np.uint8], grid: Grid, bpm: float, metre: tuple[int, int]
    ) -> "Piece":
        """Make a Piece of a roll.

        Parameters
        ----------
        name : str
            The song's name.
        roll : NDArray[np.uint8], shape (T, grid.channels)
            The song.
        grid : Grid
            What its frames and columns stand for.
        bpm : float
            Quarter notes a minute.
        metre : tuple of int
            Numerator and denominator.
        """
        on = roll > 0
        beat = 60 / bpm / grid.frame_seconds(bpm)
        bar = max(1, round(beat * 4 * metre[0] / metre[1]))
        return cls(name, on[:, : grid.pitches], roll_to_notes(on, grid), grid.low, beat, bar)

    def bars(self) -> NDArray[np.bool_]:
        """Return every whole bar as a row, (bars, bar * P)."""
        count = len(self.sounding) // self.bar
        return self.sounding[: count * self.bar].reshape(count, self.bar * self.sounding.shape[1])

    def sections(self) -> list[NDArray[np.bool_]]:
        """Return stretches of SECTION bars, each (.., P), or a shorter song as a whole."""
        length = SECTION * self.bar
        return [
            self.sounding[i : i + length]
            for i in range(0, max(len(self.sounding) - length, 0) + 1, length)
        ]


class Statistic(NamedTuple):
    """Something to measure in a song.

    Parameters
    ----------
    name : str
        What it is called in the table.
    measure : callable
        Takes a Piece, returns samples (n,).
    width : float
        That of a histogram's bins.
    show : callable or None
        What of the samples is averaged in the table; None where their mean says nothing.
    """

    name: str
    measure: Callable[[Piece], NDArray]
    width: float
    show: Callable[[NDArray], NDArray] | None


@dataclass(frozen=True)
class Comparison:
    """One statistic of the corpus, the new songs and the held-out ones; None without samples.

    Parameters
    ----------
    name : str
        What the statistic is called.
    corpus, generated, held_out : float or None
        Its means.
    overlap : float or None
        The area that the histograms of corpus and new songs share, 0..1.
    held_out_overlap : float or None
        The same of corpus and held-out songs: what a new song by the same hands would reach.
    divergence, held_out_divergence : float or None
        Jensen-Shannon divergence of the same histograms, in bits.
    """

    name: str
    corpus: float | None
    generated: float | None
    held_out: float | None
    overlap: float | None
    held_out_overlap: float | None
    divergence: float | None
    held_out_divergence: float | None


def compare(
    corpus: Sequence[Piece], generated: Sequence[Piece], held_out: Sequence[Piece]
) -> list[Comparison]:
    """Compare new and held-out songs with a corpus in every statistic."""
    return [_compare(statistic, corpus, generated, held_out) for statistic in STATISTICS]


def overlap(p: Histogram, q: Histogram) -> float:
    """Return the area that two histograms share, 0..1.

    >>> overlap(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    0.75
    """
    return float(np.minimum(p, q).sum())


def divergence(p: Histogram, q: Histogram) -> float:
    """Return the Jensen-Shannon divergence of two histograms in bits, 0 (alike) to 1.

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    middle = (p + q) / 2
    bits = [np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0])) for x in (p, q)]
    return float(max(0.0, sum(bits) / 2))


def _compare(statistic: Statistic, *collections: Sequence[Piece]) -> Comparison:
    """Compare the corpus, the new songs and the held-out ones in one statistic."""
    samples = [
        np.concatenate([np.zeros(0), *(statistic.measure(piece) for piece in pieces)])
        for pieces in collections
    ]
    show = statistic.show
    corpus, generated, held_out = (
        float(show(s).mean()) if show and len(s) else None for s in samples
    )
    reference, new, other = _histograms(samples, statistic.width)
    return Comparison(
        name=statistic.name,
        corpus=corpus,
        generated=generated,
        held_out=held_out,
        overlap=_of_both(overlap, reference, new),
        held_out_overlap=_of_both(overlap, reference, other),
        divergence=_of_both(divergence, reference, new),
        held_out_divergence=_of_both(divergence, reference, other),
    )


def _of_both(
    measure: Callable[[Histogram, Histogram], float], p: Histogram | None, q: Histogram | None
) -> float | None:
    return None if p is None or q is None else measure(p, q)


def _histograms(samples: Sequence[NDArray], width: float) -> list[Histogram | None]:
    """Return shares of samples in the same bins, one of them around 0; None without samples."""
    places = [np.rint(s / width).astype(np.int64) for s in samples]
    everything = np.concatenate(places)
    if not len(everything):
        return [None] * len(samples)
    low, bins = everything.min(), everything.max() - everything.min() + 1
    return [np.bincount(p - low, minlength=bins) / len(p) if len(p) else None for p in places]


def _polyphony(piece: Piece) -> NDArray:
    return piece.sounding.sum(axis=1)


def _first_tenth(piece: Piece) -> NDArray:
    return _polyphony(piece)[: max(1, len(piece.sounding) // 10)]


def _last_tenth(piece: Piece) -> NDArray:
    return _polyphony(piece)[-max(1, len(piece.sounding) // 10) :]


def _empty(piece: Piece) -> NDArray:
    return _polyphony(piece) == 0


def _pitches(piece: Piece) -> NDArray:
    return np.array([part.any(axis=0).sum() for part in piece.sections()])


def _pitch_classes(sounding: NDArray[np.bool_], low: int) -> NDArray:
    """Return how many frames each pitch class sounds, C first: (12,)."""
    classes = (np.arange(sounding.shape[1]) + low) % 12
    return np.bincount(classes, sounding.sum(axis=0), minlength=12)


def _scale_consistency(piece: Piece) -> NDArray:
    """Return the share of every section that the major scale which fits best has."""
    shares = []
    for part in piece.sections():
        classes = _pitch_classes(part, piece.low)
        if classes.any():
            in_scale = [classes[(MAJOR_SCALE + key) % 12].sum() for key in range(12)]
            shares.append(max(in_scale) / classes.sum())
    return np.array(shares)


def _degrees(piece: Piece) -> NDArray:
    """Return pitch classes above the key's tonic, one for each frame of each note."""
    classes = _pitch_classes(piece.sounding, piece.low)
    if not classes.any() or np.ptp(classes) == 0:
        return np.zeros(0)
    tonic = find_key(classes).tonic
    return np.repeat(np.arange(12), np.roll(classes, -tonic).astype(np.int64))


def _note_lengths(piece: Piece) -> NDArray:
    return np.minimum((piece.notes[:, 1] - piece.notes[:, 0]) / piece.beat, 8)


def _intervals(piece: Piece) -> NDArray:
    """Return the steps of the top line, in semitones, an octave at most.

    The top line is the highest of the notes that begin together.
    """
    starts, pitches = piece.notes[:, 0], piece.notes[:, 2]
    # sorted by start, then pitch: the last of a start is the highest
    top = pitches[np.append(starts[1:] != starts[:-1], True)] if len(starts) else pitches
    return np.clip(np.diff(top), -12, 12)


def _onset_rate(piece: Piece) -> NDArray:
    """Return the onsets a beat of every bar."""
    count = len(piece.sounding) // piece.bar
    bars = piece.notes[:, 0] // piece.bar
    return np.bincount(bars[bars < count], minlength=count) * piece.beat / piece.bar


def _self_similarity(piece: Piece) -> NDArray:
    """Return the cosine of what sounds in each bar and in the most similar one before it.

    Silent bars are left out.
    """
    bars = piece.bars()
    vectors = bars[bars.any(axis=1)].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    return np.array([cosine[i, :i].max() for i in range(1, len(vectors))])


STATISTICS = [
    Statistic("notes a frame", _polyphony, 1, np.asarray),
    Statistic("empty frames", _empty, 1, np.asarray),
    Statistic("pitches used in 8 bars", _pitches, 1, np.asarray),
    Statistic("pitch classes above the tonic", _degrees, 1, None),
    Statistic("scale consistency in 8 bars", _scale_consistency, 0.05, np.asarray),
    Statistic("note length, beats", _note_lengths, 0.25, np.asarray),
    Statistic("interval of the top line, semitones", _intervals, 1, np.abs),
    Statistic("onsets a beat", _onset_rate, 0.25, np.asarray),
    Statistic("bar self-similarity", _self_similarity, 0.1, np.asarray),
    Statistic("notes a frame, first tenth", _first_tenth, 1, np.asarray),
    Statistic("notes a frame, last tenth", _last_tenth, 1, np.asarray),
]
