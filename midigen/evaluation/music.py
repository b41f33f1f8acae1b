"""Statistics of songs, compared by their histograms (after Yang and Lerch, Neural Computing and Applications, 2020).

docs/evaluation.md defines every row.  A song here is a Piece: what sounds, its notes, and how long its bars are.
"""

from dataclasses import dataclass

import numpy as np

from midigen.midi.roll import roll_to_notes

SECTION = 8  # bars in which pitches and scales are counted: a longer song does not use more of them for that alone
MAJOR_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
# how well the pitch classes fit a major and a minor key (Krumhansl and Kessler, Psychological Review, 1982)
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


@dataclass(frozen=True, eq=False)
class Piece:
    """One song.  sounding: bool (T, P), pitches from `low` up.  notes: int64 (N, 3), start, end, pitch; in frames.

    beat, bar: their lengths in frames; a bar is rounded to whole frames.
    """

    name: str
    sounding: np.ndarray
    notes: np.ndarray
    low: int
    beat: float
    bar: int

    @classmethod
    def of(cls, name, roll, grid, bpm, metre):
        """A roll, uint8 (T, grid.channels), with its tempo (quarter notes a minute) and metre, as a Piece."""
        roll = roll > 0
        beat = 60 / bpm / grid.frame_seconds(bpm)
        bar = max(1, round(beat * 4 * metre[0] / metre[1]))
        return cls(name, roll[:, : grid.pitches], roll_to_notes(roll, grid), grid.low, beat, bar)

    def bars(self):
        """Every whole bar: bool (bars, bar * P)."""
        count = len(self.sounding) // self.bar
        return self.sounding[: count * self.bar].reshape(count, self.bar * self.sounding.shape[1])

    def sections(self):
        """Stretches of SECTION bars, or the whole song where it is shorter: a list of bool (.., P)."""
        length = SECTION * self.bar
        return [
            self.sounding[i : i + length]
            for i in range(0, max(len(self.sounding) - length, 0) + 1, length)
        ]


@dataclass(frozen=True)
class Row:
    """One statistic: its mean over the corpus, the new songs and the held-out ones; None where there is nothing.

    overlap: the area that the histograms of corpus and new songs share, 0..1.  divergence: Jensen-Shannon's, in bits.
    held_out_*: the same of corpus and held-out songs, what a new song by the same hands would reach.
    """

    name: str
    corpus: float | None
    generated: float | None
    held_out: float | None
    overlap: float | None
    held_out_overlap: float | None
    divergence: float | None
    held_out_divergence: float | None


def compare(corpus, generated, held_out):
    """A Row for every statistic, from three lists of Piece."""
    return [_row(*statistic, corpus, generated, held_out) for statistic in STATISTICS]


def overlap(p, q):
    """The area that two histograms share, 0..1."""
    return float(np.minimum(p, q).sum())


def divergence(p, q):
    """Jensen-Shannon divergence of two histograms in bits, 0 (alike) to 1."""
    middle = (p + q) / 2
    bits = [np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0])) for x in (p, q)]
    return float(max(0.0, sum(bits) / 2))


def _row(name, measure, width, show, *collections):
    samples = [
        np.concatenate([np.zeros(0), *(measure(piece) for piece in pieces)])
        for pieces in collections
    ]
    shown = [float(show(s).mean()) if show and len(s) else None for s in samples]
    histograms = _histograms(samples, width)
    pairs = [
        (histograms[0], other) if histograms[0] is not None and other is not None else None
        for other in histograms[1:]
    ]
    return Row(
        name,
        *shown,
        *(overlap(*pair) if pair else None for pair in pairs),
        *(divergence(*pair) if pair else None for pair in pairs),
    )


def _histograms(samples, width):
    """Shares of the samples in bins of a width, the first around 0, all over the same bins; None without samples."""
    places = [np.rint(s / width).astype(np.int64) for s in samples]
    everything = np.concatenate(places)
    if not len(everything):
        return [None] * len(samples)
    low, bins = everything.min(), everything.max() - everything.min() + 1
    return [np.bincount(p - low, minlength=bins) / len(p) if len(p) else None for p in places]


def _polyphony(piece):
    return piece.sounding.sum(axis=1)


def _tenth(piece):
    return max(1, len(piece.sounding) // 10)


def _first_tenth(piece):
    return _polyphony(piece)[: _tenth(piece)]


def _last_tenth(piece):
    return _polyphony(piece)[-_tenth(piece) :]


def _empty(piece):
    return _polyphony(piece) == 0


def _pitches(piece):
    return np.array([part.any(axis=0).sum() for part in piece.sections()])


def _pitch_classes(sounding, low):
    """How long each pitch class sounds, C first: (12,), in frames."""
    return np.bincount(
        (np.arange(sounding.shape[1]) + low) % 12, sounding.sum(axis=0), minlength=12
    )


def _scale_consistency(piece):
    classes = [_pitch_classes(part, piece.low) for part in piece.sections()]
    return np.array(
        [
            max(c[(MAJOR_SCALE + key) % 12].sum() for key in range(12)) / c.sum()
            for c in classes
            if c.any()
        ]
    )


def _degrees(piece):
    """Pitch classes above the key's tonic, one for each frame of each note."""
    classes = _pitch_classes(piece.sounding, piece.low)
    if not classes.any() or np.ptp(classes) == 0:
        return np.zeros(0)
    fit = [
        [np.corrcoef(np.roll(classes, -key), profile)[0, 1] for profile in (MAJOR, MINOR)]
        for key in range(12)
    ]
    tonic = int(np.argmax(np.max(fit, axis=1)))
    return np.repeat(np.arange(12), np.roll(classes, -tonic).astype(np.int64))


def _note_lengths(piece):
    return np.minimum((piece.notes[:, 1] - piece.notes[:, 0]) / piece.beat, 8)


def _intervals(piece):
    """Steps of the top line, in semitones: between the highest notes that begin together, an octave at most."""
    starts, pitches = (
        piece.notes[:, 0],
        piece.notes[:, 2],
    )  # sorted by start, then pitch: the last is the highest
    top = pitches[np.append(starts[1:] != starts[:-1], True)] if len(starts) else pitches
    return np.clip(np.diff(top), -12, 12)


def _onset_rate(piece):
    count = len(piece.sounding) // piece.bar
    bars = piece.notes[:, 0] // piece.bar
    return np.bincount(bars[bars < count], minlength=count) * piece.beat / piece.bar


def _self_similarity(piece):
    """How much each bar is like the most similar one before it: the cosine of what sounds; silent bars left out."""
    bars = piece.bars()
    bars = bars[bars.any(axis=1)].astype(np.float32)
    bars /= np.linalg.norm(bars, axis=1, keepdims=True)
    likeness = bars @ bars.T
    return np.array([likeness[i, :i].max() for i in range(1, len(bars))])


# name, samples of a piece, width of a histogram's bin, what is averaged in the table (None: no number of its own)
STATISTICS = [
    ("notes a frame", _polyphony, 1, np.asarray),
    ("empty frames", _empty, 1, np.asarray),
    ("pitches used in 8 bars", _pitches, 1, np.asarray),
    ("pitch classes above the tonic", _degrees, 1, None),
    ("scale consistency in 8 bars", _scale_consistency, 0.05, np.asarray),
    ("note length, beats", _note_lengths, 0.25, np.asarray),
    ("interval of the top line, semitones", _intervals, 1, np.abs),
    ("onsets a beat", _onset_rate, 0.25, np.asarray),
    ("bar self-similarity", _self_similarity, 0.1, np.asarray),
    ("notes a frame, first tenth", _first_tenth, 1, np.asarray),
    ("notes a frame, last tenth", _last_tenth, 1, np.asarray),
]
