"""Keys, scales and chords as people write them, to pitch classes."""

from __future__ import annotations

import re
from typing import NamedTuple

from midigen.midi.key import NAMES, Key

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
ROOT = r"([A-Ga-g])([#♯b♭]*)"

# semitones above the tonic; the minor of a key has its leading note, too
MAJOR_KEY, MINOR_KEY = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10, 11)
SCALES = {
    "major": MAJOR_KEY,
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic-minor": (0, 2, 3, 5, 7, 9, 11),
    "ionian": MAJOR_KEY,
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
}
# how a chord is written behind its root -> semitones above that
CHORDS = {
    **dict.fromkeys(("", "maj", "M"), (0, 4, 7)),
    **dict.fromkeys(("m", "min", "-"), (0, 3, 7)),
    **dict.fromkeys(("dim", "°", "o"), (0, 3, 6)),
    **dict.fromkeys(("aug", "+"), (0, 4, 8)),
    "5": (0, 7),
    "sus2": (0, 2, 7),
    **dict.fromkeys(("sus4", "sus"), (0, 5, 7)),
    "6": (0, 4, 7, 9),
    **dict.fromkeys(("m6", "min6"), (0, 3, 7, 9)),
    "7": (0, 4, 7, 10),
    **dict.fromkeys(("maj7", "M7", "Δ", "Δ7"), (0, 4, 7, 11)),
    **dict.fromkeys(("m7", "min7", "-7"), (0, 3, 7, 10)),
    **dict.fromkeys(("mmaj7", "mM7"), (0, 3, 7, 11)),
    **dict.fromkeys(("dim7", "°7", "o7"), (0, 3, 6, 9)),
    **dict.fromkeys(("m7b5", "ø", "ø7"), (0, 3, 6, 10)),
    **dict.fromkeys(("aug7", "+7", "7#5"), (0, 4, 8, 10)),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 2, 4, 7),
    "9": (0, 2, 4, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    **dict.fromkeys(("m9", "min9"), (0, 2, 3, 7, 10)),
    "7b9": (0, 1, 4, 7, 10),
}


class Scale(NamedTuple):
    """Pitch classes around a tonic.

    Parameters
    ----------
    name : str
        As it is told to people.
    key : Key
        The tonic, and whether its third is a minor one.
    classes : frozenset of int
        Pitch classes, 0 is C.
    """

    name: str
    key: Key
    classes: frozenset[int]


class Chord(NamedTuple):
    """A chord, and how long it lasts.

    Parameters
    ----------
    name : str
    classes : frozenset of int
        Its pitch classes, 0 is C.
    bass : int
        The pitch class of the bass: its root, or what is behind a stroke, "C/E".
    beats : float or None
        Quarter notes; None for a bar.
    """

    name: str
    classes: frozenset[int]
    bass: int
    beats: float | None


def read_key(text: str) -> Scale:
    """Read a key: "D minor", "Dm", "Bb", "F# major".

    Of a minor key the notes are those of the natural minor, and its leading note.

    >>> read_key("D minor").name, sorted(read_key("G").classes)
    ('D minor', [0, 2, 4, 6, 7, 9, 11])

    Raises
    ------
    ValueError
        In one line, for what is no key.
    """
    match = re.fullmatch(ROOT + r"\s*(|m|maj|major|min|minor|dur|moll)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is no key: write one such as 'D minor', Dm, 'Bb major' or F#")
    minor = match[3] in ("m", "min", "minor", "moll")
    key = Key(_class(match[1], match[2]), minor)
    return Scale(str(key), key, _above(key.tonic, MINOR_KEY if minor else MAJOR_KEY))


def read_scale(text: str) -> Scale:
    """Read a scale: "dorian:D", or "D dorian".

    >>> sorted(read_scale("dorian:D").classes)
    [0, 2, 4, 5, 7, 9, 11]

    Raises
    ------
    ValueError
        In one line, for what is no scale.
    """
    words = re.split(r"\s*:\s*|\s+", text.strip())
    if len(words) == 2 and not re.fullmatch(ROOT, words[1]):
        words.reverse()
    match = re.fullmatch(ROOT, words[-1]) if len(words) == 2 else None
    steps = SCALES.get(words[0].lower())
    if not match or steps is None:
        raise ValueError(
            f"{text!r} is no scale: write its name and its tonic, such as dorian:D; "
            f"there are {', '.join(SCALES)}"
        )
    tonic = _class(match[1], match[2])
    minor = 3 in steps and 4 not in steps
    return Scale(f"{NAMES[tonic]} {words[0].lower()}", Key(tonic, minor), _above(tonic, steps))


def read_chords(text: str) -> tuple[Chord, ...]:
    """Read chords: "C Am F G7", "C:2 G/B:2 Am", a bar each or as many beats.

    >>> [chord.beats for chord in read_chords("C:2 Am")], sorted(read_chords("G7")[0].classes)
    ([2.0, None], [2, 5, 7, 11])

    Raises
    ------
    ValueError
        In one line, for what is no chord.
    """
    words = text.replace(",", " ").split()
    if not words:
        raise ValueError("no chords: write some such as 'C Am F G7'")
    return tuple(_chord(word) for word in words)


def _chord(word: str) -> Chord:
    match = re.fullmatch(
        r"([A-G])([#♯b♭]?)([^/:]*)(?:/([A-G])([#♯b♭]?))?(?::(\d{1,4}(?:\.\d{1,4})?))?", word
    )
    if not match or match[3] not in CHORDS:
        raise ValueError(
            f"{word!r} is no chord: write a capital root and a kind, such as C, Am, F#dim, Bbmaj7, "
            "G7sus4 or C/E; a chord lasts a bar, or beats behind a colon, C:2"
        )
    beats = float(match[6]) if match[6] else None
    if beats == 0:
        raise ValueError(f"{word!r} lasts no time: write C:2 for two beats")
    root = _class(match[1], match[2])
    bass = _class(match[4], match[5]) if match[4] else root
    return Chord(word.split(":")[0], _above(root, CHORDS[match[3]]) | {bass}, bass, beats)


def _class(letter: str, accidentals: str) -> int:
    return (LETTERS[letter.upper()] + sum(ACCIDENTALS[a] for a in accidentals)) % 12


def _above(tonic: int, steps: tuple[int, ...]) -> frozenset[int]:
    return frozenset((tonic + step) % 12 for step in steps)
