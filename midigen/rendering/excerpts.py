"""Excerpts of songs from several sources, made alike in all but their notes.

Whatever tells a source from another before a note is heard is taken away: all excerpts have the
notes of one grid, one tempo, one instrument, one velocity, one length and one loudness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.errors import MidigenError
from midigen.evaluation.markov import shift_to_one_key
from midigen.figures.piece import PITCHES, Piece
from midigen.midi.form import outline_of
from midigen.midi.performance import Performance
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.randomness import generator
from midigen.rendering.audio import CEILING, LOUDNESS, Sound, fade_out
from midigen.rendering.loudness import normalise
from midigen.rendering.synthesis import RATE, TAIL, synthesise

VELOCITY = 80  # of every note
BATCH = 12  # excerpts that are rendered together: 100 MB and more
RING = 1.5  # seconds in which the end of an excerpt fades away


class Source(NamedTuple):
    """Where songs come from.

    Parameters
    ----------
    name : str
        What it is called when the ratings are in.
    songs : sequence of Piece
        Its songs, all on one grid.
    """

    name: str
    songs: Sequence[Piece]


class Excerpt(NamedTuple):
    """A part of a song.

    Parameters
    ----------
    source, song : str
        Their names.
    bar : int
        The bar that it begins with, from 1.
    notes : NDArray[np.int64], shape (N, 3)
        Start and end in frames from its start, and pitch; N > 0.
    """

    source: str
    song: str
    bar: int
    notes: NDArray[np.int64]


def read_piece(path: str | PathLike[str], grid: Grid) -> Piece:
    """Read a MIDI file on a grid; MidigenError, in one line, where that cannot be done."""
    table = read_notes(path)
    try:
        roll, counts = notes_to_roll(table, grid)
    except MidigenError as e:
        raise MidigenError(f"{path}: {e}") from None
    outline = outline_of(table, grid, roll, counts)
    # a short first bar has a metre of its own in the file, and none in the outline
    metre = outline.metres[0][1:] if outline.metres else table.metre
    return Piece.of(table.name, roll, grid, table.bpm, metre, outline.pickup)


def in_key_of(piece: Piece, other: Piece) -> Piece:
    """Move a song in C major or A minor to the key of another, so that its key tells nothing."""
    pitches = piece.notes[:, 2] - shift_to_one_key(other)
    # the lowest and the highest may leave the range: they are moved by an octave
    pitches = pitches + 12 * (pitches < 0) - 12 * (pitches >= PITCHES)
    return replace(piece, notes=np.column_stack([piece.notes[:, :2], pitches]))


def choose_excerpts(source: Source, count: int, frames: int, seed: int) -> list[Excerpt]:
    """Draw excerpts of a source, each of another song, in a random order.

    Parameters
    ----------
    source : Source
        The songs.
    count : int
        How many to draw; fewer where not so many songs are long enough.
    frames : int
        How long each is.
    seed : int
        The same seed draws the same ones.

    Raises
    ------
    MidigenError
        Where no song is long enough.
    """
    rng = generator(seed, "excerpts", source.name)
    found: list[Excerpt] = []
    for number in rng.permutation(len(source.songs)):
        piece = source.songs[number]
        starts = [
            (bar, start)
            for bar, start in enumerate(range(-piece.pickup, piece.frames - frames + 1, piece.bar))
            if start >= 0 and len(_cut(piece, start, frames))
        ]
        if starts and len(found) < count:
            bar, start = starts[rng.integers(len(starts))]
            notes = _cut(piece, start, frames)
            found.append(Excerpt(source.name, piece.name, bar + 1, notes))
    if not found:
        raise MidigenError(
            f"no song of {source.name} is long enough for an excerpt: ask for fewer --seconds"
        )
    return found


def _cut(piece: Piece, start: int, frames: int) -> NDArray[np.int64]:
    """Return the notes (N, 3) that sound in some frames, as far as they do."""
    notes = piece.notes - [start, start, 0]
    notes = notes[(notes[:, 0] < frames) & (notes[:, 1] > 0)]
    return np.column_stack([notes[:, :2].clip(0, frames), notes[:, 2]])


def render_excerpts(
    excerpts: Sequence[Excerpt],
    frames: int,
    frame_seconds: float,
    soundfont: str | PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Sound]:
    """Make the sounds of excerpts, all equally long, and equally loud.

    Where the peaks of one hold its loudness down, the others are as soft.

    Parameters
    ----------
    excerpts : sequence of Excerpt
        What is to be heard.
    frames : int
        How long each is; RING seconds more follow.
    frame_seconds : float
        How long a frame is.
    soundfont, say, progress
        As `midigen.rendering.audio.render_audio` takes them.
    """
    tell = progress or (lambda share: None)
    sounds: list[Sound] = []
    for first in range(0, len(excerpts), BATCH):
        batch = excerpts[first : first + BATCH]

        def told(step: float, share: float = len(batch) / len(excerpts)) -> None:
            tell(share * step)

        length = frames * frame_seconds
        sounds += _render(batch, length, frame_seconds, soundfont, say, told)
    reached = [normalise(sound.samples, LOUDNESS, CEILING) for sound in sounds]
    common = min((loudness for loudness in reached if np.isfinite(loudness)), default=LOUDNESS)
    for sound, loudness in zip(sounds, reached, strict=True):
        if np.isfinite(loudness):
            sound.samples[:] *= np.float32(10 ** ((common - loudness) / 20))
    return sounds


def _render(
    excerpts: Sequence[Excerpt],
    seconds: float,
    frame_seconds: float,
    soundfont: str | PathLike[str] | None,
    say: Callable[[str], None] | None,
    progress: Callable[[float], None],
) -> list[Sound]:
    """Render excerpts of so many seconds, as one song in which each has died away before the next.

    It is a piano that plays, and strikes every note alike.
    """
    apart = seconds + max(TAIL, RING)
    notes = []
    for place, excerpt in enumerate(excerpts):
        times = excerpt.notes[:, :2] * frame_seconds + place * apart
        pitches = excerpt.notes[:, 2]
        channel, velocity = np.zeros_like(pitches), np.full_like(pitches, VELOCITY)
        notes.append(np.column_stack([times, channel, pitches, velocity]))
    whole = synthesise(Performance(np.concatenate(notes), []), soundfont, say, progress)
    length = round((seconds + RING) * RATE)
    sounds = []
    for place in range(len(excerpts)):
        start = round(place * apart * RATE)
        samples = whole[start : start + length].copy()
        fade_out(samples, RING)
        sounds.append(Sound(samples, RATE))
    return sounds
