"""Figures of single songs, and how far those of new songs lie from a corpus's.

docs/evaluation.md defines every figure.  Each takes a song as `Piece.fine` makes it and gives a
number, or None where the song has nothing to measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.figures import music
from midigen.figures.piece import PITCHES, Piece, highest_pitch, pitch_classes
from midigen.midi.key import find_key

CLASHES = (1, 2, 6, 11, 13)  # semitones
WIDEST = 40  # semitones from which two notes are too far apart to count as a pair
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 4, 7, 11), (0, 3, 6))
PULSES = (2, 3, 4)  # beats
HIGHEST_GAP = 24  # semitones
ALIKE = (3, 4)  # stretches are the same that share this part of their onsets, 3 / 4
PHRASE, PAUSE = 4, 1.5  # bars of a phrase; beats without an onset that end one
BLOCK = 512  # stretches that are compared with all others at once
# a figure that hardly differs between songs: a deviation under these would make it outweigh all
LEAST_SPREAD, LEAST_RELATIVE_SPREAD = 0.02, 0.03
FARTHEST = 3.0  # deviations: one figure that is far off says no more than that
CLOSING = ("ends on the tonic", "top ends on the tonic", "ends in its triad", "ends long")

Values = Mapping[str, float | None]


class Figure(NamedTuple):
    """Something to measure in a song.

    Parameters
    ----------
    name : str
        What it is called in the table.
    group : str
        The heading that it stands under.
    measure : callable
        Takes a fine Piece, returns a number or None.
    scored : bool
        Whether it counts in the distance.
    """

    name: str
    group: str
    measure: Callable[[Piece], float | None]
    scored: bool = True


class Spread(NamedTuple):
    """A figure over the songs of a corpus: their mean and standard deviation, None without any."""

    mean: float | None
    deviation: float | None

    def z(self, value: float | None) -> float | None:
        """Return how many deviations a value lies above the mean."""
        if value is None or self.mean is None or self.deviation is None:
            return None
        return (value - self.mean) / self.deviation


def measure(piece: Piece) -> dict[str, float | None]:
    """Return every figure of a song by its name."""
    fine = piece.fine()
    if not len(fine.notes):
        return {figure.name: None for figure in FIGURES}
    values = {figure.name: figure.measure(fine) for figure in FIGURES}
    return {name: None if value is None else float(value) for name, value in values.items()}


def measure_ending(piece: Piece) -> dict[str, float | None]:
    """Return the figures of how a song ends, `CLOSING`, by their names."""
    fine = piece.fine()
    closing = [figure for figure in FIGURES if figure.name in CLOSING]
    return {f.name: f.measure(fine) if len(fine.notes) else None for f in closing}


def mean(songs: Sequence[Values], name: str) -> float | None:
    """Return the mean of a figure over the songs that have it."""
    found = [value for song in songs if (value := song[name]) is not None]
    return float(np.mean(found)) if found else None


def spread(songs: Sequence[Values], name: str) -> Spread:
    """Return a figure's mean and deviation over songs; no deviation is smaller than its floor."""
    found = [value for song in songs if (value := song[name]) is not None]
    if not found:
        return Spread(None, None)
    middle = float(np.mean(found))
    floor = max(LEAST_SPREAD, LEAST_RELATIVE_SPREAD * abs(middle))
    return Spread(middle, max(float(np.std(found)), floor))


def spreads_of(pieces: Sequence[Piece]) -> dict[str, Spread]:
    """Return every figure over the songs of a corpus."""
    songs = [measure(piece) for piece in pieces]
    return {figure.name: spread(songs, figure.name) for figure in FIGURES}


def distance(corpus: Mapping[str, Spread], songs: Sequence[Values]) -> float | None:
    """Return how far songs lie from a corpus, in deviations.

    The mean of min(abs(z), FARTHEST) over the scored figures that both have.

    Parameters
    ----------
    corpus : mapping of str to Spread
        Of every figure.
    songs : sequence of dict
        What `measure` returns of each.
    """
    names = [figure.name for figure in FIGURES if figure.scored]
    z = [corpus[name].z(mean(songs, name)) for name in names]
    found = [min(abs(value), FARTHEST) for value in z if value is not None]
    return float(np.mean(found)) if found else None


def _mean_of(samples: Callable[[Piece], NDArray]) -> Callable[[Piece], float | None]:
    """Make a figure of the samples of a song: their mean."""

    def figure(piece: Piece) -> float | None:
        found = samples(piece)
        return found.mean() if len(found) else None

    return figure


def _song_in_key(piece: Piece) -> float:
    return music.scale_share(pitch_classes(piece.sounding))


def _entropies(piece: Piece) -> NDArray:
    """Return the entropy of every section's pitch classes by time, in bits."""
    counts = [classes for part in piece.sections() if (classes := pitch_classes(part)).any()]
    shares = [classes[classes > 0] / classes.sum() for classes in counts]
    return np.array([-(p * np.log2(p)).sum() for p in shares])


def _span(piece: Piece) -> float:
    return float(np.ptp(piece.notes[:, 2]))


def _shows_beats(piece: Piece) -> bool:
    """Tell whether frames show where in a beat a note begins."""
    return piece.by_beats and piece.beat > 1


def _at(parts: int, first: int) -> Callable[[Piece], float | None]:
    """Make a figure: the share of onset times that fall on the `first` of the parts of a beat."""

    def figure(piece: Piece) -> float | None:
        if not _shows_beats(piece):
            return None
        beat = round(piece.beat)
        return float(np.mean((piece.times + piece.pickup) % beat == first * beat // parts))

    return figure


_on_beat, _on_half = _at(1, 0), _at(2, 1)


def _off_both(piece: Piece) -> float | None:
    on, half = _on_beat(piece), _on_half(piece)
    return None if on is None or half is None else 1 - on - half


def _pulse(piece: Piece) -> float | None:
    """Return the best correlation of the numbers of onsets with those some beats later."""
    count = piece.onsets.sum(axis=1, dtype=np.float64)
    found = []
    for lag in (beats * round(piece.beat) for beats in PULSES):
        now, later = count[:-lag], count[lag:]
        if len(count) > 2 * lag and np.ptp(now) and np.ptp(later):
            found.append(np.corrcoef(now, later)[0, 1])
    return max(found, default=None)


def _onset_rate(piece: Piece) -> float:
    return len(piece.times) * piece.beat / piece.frames


def _sixteenths(piece: Piece) -> float | None:
    if not _shows_beats(piece):
        return None
    return float(np.mean(piece.notes[:, 1] - piece.notes[:, 0] <= piece.beat / 4))


def _stutter(piece: Piece) -> float | None:
    """Return the share of notes that a pitch begins again with, at once, one of both being short.

    At once, and short, is within a sixteenth.
    """
    if not _shows_beats(piece):
        return None
    starts, ends, pitch = piece.notes[np.lexsort((piece.notes[:, 0], piece.notes[:, 2]))].T
    short = ends - starts <= piece.beat / 4
    soon = (pitch[1:] == pitch[:-1]) & (starts[1:] - ends[:-1] <= piece.beat / 4)
    return (soon & (short[1:] | short[:-1])).sum() / len(starts)


def _silence(piece: Piece) -> float:
    return float(np.mean(~piece.sounding.any(axis=1)))


def _moves(piece: Piece) -> NDArray[np.int64]:
    """Return the sizes of the top line's moves, repeated notes left out, in semitones."""
    sizes = np.abs(np.diff(piece.top[:, 1]))
    return sizes[sizes > 0]


def _steps(piece: Piece) -> float | None:
    moves = _moves(piece)
    return float(np.mean(moves <= 2)) if len(moves) else None


def _leaps(piece: Piece) -> float | None:
    moves = _moves(piece)
    return float(np.mean(moves > 7)) if len(moves) else None


def _repeats(piece: Piece) -> float | None:
    line = piece.top[:, 1]
    return float(np.mean(np.diff(line) == 0)) if len(line) > 1 else None


def _clashes(piece: Piece) -> float | None:
    """Return the share of pairs of notes that sound together, by time, that are CLASHES apart."""
    sounding = piece.sounding.astype(np.float32)
    together = (sounding.T @ sounding).astype(np.int64)  # whole numbers of frames
    pairs = np.array([np.trace(together, semitones) for semitones in range(1, WIDEST)])
    return pairs[np.array(CLASHES) - 1].sum() / pairs.sum() if pairs.any() else None


def _chord_table() -> list[bool]:
    """Tell which sets of pitch classes, as numbers of 12 bits, lie within a chord: (4096,)."""
    bits = [
        sum(1 << (root + above) % 12 for above in chord) for root in range(12) for chord in CHORDS
    ]
    return [any(not pitch_classes & ~chord for chord in bits) for pitch_classes in range(4096)]


IS_CHORD = np.array(_chord_table())


def _chordal(piece: Piece) -> float | None:
    """Return the share of frames of 3 pitch classes or more that lie within a chord."""
    wide = np.zeros((piece.frames, PITCHES + 4), bool)
    wide[:, :PITCHES] = piece.sounding
    classes = np.asarray(wide.reshape(piece.frames, -1, 12).any(axis=1))
    kinds = classes[classes.sum(axis=1) >= 3] @ (1 << np.arange(12))
    return float(IS_CHORD[kinds].mean()) if len(kinds) else None


def _one_over_held(piece: Piece) -> float:
    """Return the share of onset times at which one note begins and another is held."""
    begun = piece.onsets[piece.times]
    held = piece.sounding[piece.times] & ~begun
    return float(np.mean((begun.sum(axis=1) == 1) & held.any(axis=1)))


def _gap_below_top(piece: Piece) -> float | None:
    """Return the mean distance of the two highest notes, in semitones, HIGHEST_GAP at most."""
    frames = piece.sounding[piece.sounding.sum(axis=1) >= 2]
    if not len(frames):
        return None
    top = highest_pitch(frames)
    frames[np.arange(len(frames)), top] = False
    return np.minimum(top - highest_pitch(frames), HIGHEST_GAP).mean()


def _rhythm(piece: Piece) -> NDArray[np.bool_]:
    """Return in which frames anything begins: (T, 1)."""
    begun = np.zeros((piece.frames, 1), bool)
    begun[piece.times] = True
    return begun


def _returning(count: int, rhythm: bool = False) -> Callable[[Piece], float | None]:
    """Make a figure: the share of stretches of `count` bars that the song has twice.

    Stretches begin at every bar.  Two that do not overlap are the same where they share ALIKE of
    all their onsets, or onset times for `rhythm`; thin ones are left out.
    """

    def figure(piece: Piece) -> float | None:
        bars = piece.bars(_rhythm(piece) if rhythm else piece.onsets)
        bars = bars[:, bars.any(axis=0)].astype(np.float32)
        stretches = len(bars) - count + 1
        if stretches < 1:
            return None
        size = np.convolve(bars.sum(axis=1), np.ones(count), "valid")
        place, full = np.arange(stretches), size >= 2 * count
        found = np.zeros(stretches, bool)
        for first in range(0, stretches, BLOCK):
            rows = slice(first, min(first + BLOCK, stretches))
            shared = sum(
                bars[rows.start + i : rows.stop + i] @ bars[i : i + stretches].T
                for i in range(count)
            )
            union = size[rows, None] + size - shared
            apart = np.abs(place[rows, None] - place) >= count
            found[rows] = ((ALIKE[1] * shared >= ALIKE[0] * union) & full & apart).any(axis=1)
        return found[full].mean() if full.any() else None

    return figure


def _grooving(piece: Piece) -> float | None:
    """Return how alike the rhythms of bars are, over all pairs (Wu and Yang, ISMIR 2020)."""
    bars = piece.bars(_rhythm(piece)).astype(np.float64)
    count, frames = bars.shape
    if count < 2:
        return None
    # of two bars, frames where one has an onset and the other has none; each pair once
    on = bars.sum(axis=0)
    return 1 - (on * (count - on)).sum() / (count * (count - 1) / 2 * frames)


def _phrase_ends(piece: Piece) -> float | None:
    """Return the share of PHRASE bars in which no note begins for PAUSE beats after an onset."""
    length = PHRASE * piece.bar
    count = (piece.pickup + piece.frames) // length
    if not count:
        return None
    pauses = np.diff(piece.times, append=piece.frames) >= PAUSE * piece.beat
    phrases = np.unique((piece.times[pauses] + piece.pickup) // length)
    return (phrases < count).sum() / count


def _last_steps(piece: Piece) -> tuple[NDArray[np.int64], bool] | None:
    """Return the pitches of the last frame in semitones above the tonic, and if it is minor."""
    classes = pitch_classes(piece.sounding)
    if np.ptp(classes) == 0:
        return None
    key = find_key(classes)
    return (np.flatnonzero(piece.sounding[-1]) - key.tonic) % 12, key.minor


def _ends_on(place: int) -> Callable[[Piece], float | None]:
    """Return a figure: 1 where the lowest (0) or highest (-1) pitch at the end is the tonic."""

    def figure(piece: Piece) -> float | None:
        last = _last_steps(piece)
        return None if last is None else float(last[0].size > 0 and last[0][place] == 0)

    return figure


def _ends_in_triad(piece: Piece) -> float | None:
    """Return 1 where the pitches of the last frame, of which there are some, are of its triad."""
    last = _last_steps(piece)
    if last is None:
        return None
    return float(last[0].size > 0 and np.isin(last[0], [0, 3 if last[1] else 4, 7]).all())


def _ends_long(piece: Piece) -> float:
    """Return 1 where the song ends a beat or more after its last onset, else 0."""
    return float(piece.frames - piece.times[-1] >= piece.beat)


FIGURES = [
    Figure("in key, 8 bars", "harmony", _mean_of(music.in_key)),
    Figure("in key, whole song", "harmony", _song_in_key),
    Figure("pitch-class entropy", "harmony", _mean_of(_entropies)),
    Figure("clashing pairs", "harmony", _clashes),
    Figure("chordal frames", "harmony", _chordal),
    Figure("pitches in 8 bars", "harmony", _mean_of(music.pitches)),
    Figure("onsets on the beat", "rhythm", _on_beat),
    Figure("onsets off beat, half", "rhythm", _off_both),
    Figure("pulse", "rhythm", _pulse),
    Figure("onset times a beat", "rhythm", _onset_rate),
    Figure("note length, beats", "rhythm", _mean_of(music.note_lengths)),
    Figure("sixteenths", "rhythm", _sixteenths),
    Figure("stutter", "rhythm", _stutter),
    Figure("notes a frame", "texture", _mean_of(music.polyphony)),
    Figure("silence", "texture", _silence),
    Figure("one note over held", "texture", _one_over_held),
    Figure("gap below the top", "texture", _gap_below_top),
    Figure("top line: steps", "texture", _steps),
    Figure("top line: leaps", "texture", _leaps),
    Figure("bar's rhythm returns", "form", _returning(1, rhythm=True)),
    Figure("1 bar returns", "form", _returning(1)),
    Figure("2 bars return", "form", _returning(2)),
    Figure("4 bars return", "form", _returning(4)),
    # said by others too, or yes or no of each song
    Figure("top line: repeats", "not in the distance", _repeats, False),
    Figure("span, semitones", "not in the distance", _span, False),
    Figure("onsets on half beats", "not in the distance", _on_half, False),
    Figure("grooving similarity", "not in the distance", _grooving, False),
    Figure("phrase ends, 4 bars", "not in the distance", _phrase_ends, False),
    Figure("ends on the tonic", "not in the distance", _ends_on(0), False),
    Figure("top ends on the tonic", "not in the distance", _ends_on(-1), False),
    Figure("ends in its triad", "not in the distance", _ends_in_triad, False),
    Figure("ends long", "not in the distance", _ends_long, False),
]
