"""Statistics of songs, compared by their histograms.

After Yang and Lerch, Neural Computing and Applications, 2020. docs/evaluation.md defines every
statistic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.figures.piece import Piece, pitch_classes
from midigen.midi.key import find_key

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 11)  # the harmonic one: the natural one is a major scale
SCALES = np.array(
    [
        [(pitch_class - tonic) % 12 in scale for pitch_class in range(12)]
        for scale in (MAJOR_SCALE, MINOR_SCALE)
        for tonic in range(12)
    ],
    np.int64,
)
LONGEST = 8  # beats: a longer note counts as one of that length

Histogram = NDArray[np.float64]


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
    collections = [_measure(pieces) for pieces in (corpus, generated, held_out)]
    return [_compare(*of_each) for of_each in zip(STATISTICS, *collections, strict=True)]


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


def _measure(pieces: Sequence[Piece]) -> list[NDArray]:
    """Return the samples of every statistic, of all songs together."""
    samples: list[list[NDArray]] = [[np.zeros(0)] for _ in STATISTICS]
    for piece in map(replace, pieces):  # copies, so that only one song's frames are kept at a time
        for found, statistic in zip(samples, STATISTICS, strict=True):
            found.append(statistic.measure(piece))
    return [np.concatenate(found) for found in samples]


def _compare(statistic: Statistic, *samples: NDArray) -> Comparison:
    """Compare the corpus, the new songs and the held-out ones in one statistic."""
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


def polyphony(piece: Piece) -> NDArray:
    """Return how many pitches sound in each frame."""
    return piece.sounding.sum(axis=1)


def pitches(piece: Piece) -> NDArray:
    """Return how many different pitches every section has."""
    return np.array([part.any(axis=0).sum() for part in piece.sections()])


def in_key(piece: Piece) -> NDArray:
    """Return the share of every section's notes, by time, that the best scale has."""
    sections = [pitch_classes(part) for part in piece.sections()]
    return np.array([scale_share(classes) for classes in sections if classes.any()])


def scale_share(classes: NDArray[np.int64]) -> float:
    """Return the largest share of pitch classes (12,) within one of the 24 SCALES."""
    return float((SCALES @ classes).max() / classes.sum())


def note_lengths(piece: Piece) -> NDArray:
    """Return the length of every note in beats, LONGEST at most."""
    return np.minimum((piece.notes[:, 1] - piece.notes[:, 0]) / piece.beat, LONGEST)


def _first_tenth(piece: Piece) -> NDArray:
    return polyphony(piece)[: max(1, piece.frames // 10)]


def _last_tenth(piece: Piece) -> NDArray:
    return polyphony(piece)[-max(1, piece.frames // 10) :]


def _degrees(piece: Piece) -> NDArray:
    """Return pitch classes above the key's tonic, one for each frame of each note."""
    classes = pitch_classes(piece.sounding)
    if np.ptp(classes) == 0:
        return np.zeros(0)
    tonic, _ = find_key(classes)
    return np.repeat(np.arange(12), np.roll(classes, -tonic))


def _intervals(piece: Piece) -> NDArray:
    """Return the moves of the top line, in semitones, an octave at most."""
    return np.clip(np.diff(piece.top[:, 1]), -12, 12)


def _notes_by_bar(piece: Piece) -> NDArray:
    """Return the notes that begin in every bar, for each of its beats."""
    count = (piece.pickup + piece.frames) // piece.bar
    bars = (piece.pickup + piece.notes[:, 0]) // piece.bar
    return np.bincount(bars[bars < count], minlength=count) * piece.beat / piece.bar


def _self_similarity(piece: Piece) -> NDArray:
    """Return the cosine of what sounds in each bar and in the most similar one before it.

    Silent bars are left out.
    """
    bars = piece.bars(piece.sounding)
    vectors = bars[bars.any(axis=1)].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    return np.array([cosine[i, :i].max() for i in range(1, len(vectors))])


STATISTICS = [
    Statistic("notes a frame", polyphony, 1, np.asarray),
    Statistic("pitches in 8 bars", pitches, 1, np.asarray),
    Statistic("pitch classes above the tonic", _degrees, 1, None),
    Statistic("in key, 8 bars", in_key, 0.05, np.asarray),
    Statistic("note length, beats", note_lengths, 0.25, np.asarray),
    Statistic("interval of the top line, semitones", _intervals, 1, np.abs),
    Statistic("notes begun a beat, by bar", _notes_by_bar, 0.25, np.asarray),
    Statistic("bar self-similarity", _self_similarity, 0.1, np.asarray),
    Statistic("notes a frame, first tenth", _first_tenth, 1, np.asarray),
    Statistic("notes a frame, last tenth", _last_tenth, 1, np.asarray),
]
