"""Does the score by which songs are chosen know songs from spoiled songs?

    python benchmarks/choosing.py RUN CORPUS

Test songs, of which the model and the score's own measures know nothing; the same songs spoiled in
three ways, each note moved by 1 to 3 semitones, each note moved by up to a frame, and bars in
random order; copies of training songs; and songs of the model, with the test songs' outlines, one
draw each.  What is told of a spoiled song's form is that of the spoiled song.

A Markdown table on stdout: medians over songs, the share of songs that the bar of copying stops,
the median rank among all songs together, 1 being the best, and the share of pairs of a test song
and a song of the row in which the test song has the better score (AUC), by all of it and by its
parts; 0.5 is chance.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.evaluation.score import Judge, Score
from midigen.generation import generate_songs
from midigen.midi.form import form_of
from midigen.midi.roll import PlacedNotes, part_notes, placed_to_roll
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.randomness import generator

Roll = np.ndarray
SEMITONES, FRAMES = (-3, -2, -1, 1, 2, 3), (-1, 0, 1)
MEASURES: dict[str, Callable[[Score], float]] = {
    "score": lambda score: score.total,
    "distance": lambda score: score.distance if score.distance is not None else np.inf,
    "nats": lambda score: -(score.nats or 0),
}


class Entry(NamedTuple):
    """A song to be scored."""

    roll: Roll
    outline: Outline
    bpm: float


def spoiled(song: Song, grid: Grid, move: Callable[[Roll, int, int], Roll]) -> Entry:
    """The song with the notes (N, 3) of each part moved, within the part's pitches."""
    made = []
    for number, notes in enumerate(part_notes(song.roll, grid)):
        part = grid.parts[number] if grid.parts else grid
        found = move(notes, part.low, part.high)
        kept = (found[:, 0] >= 0) & (found[:, 1] <= len(song.roll))
        made.append(np.column_stack([found, np.full(len(found), number)])[kept])
    roll = placed_to_roll(PlacedNotes(*np.concatenate(made).T), grid, len(song.roll))
    return told(song, roll, grid)


def told(song: Song, roll: Roll, grid: Grid) -> Entry:
    """The song with another roll of as many frames, and its form."""
    form = form_of(roll, grid, song.outline.bar_starts(grid))
    return Entry(roll, replace(song.outline, form=form), song.bpm)


def transposed(song: Song, grid: Grid, rng: np.random.Generator) -> Entry:
    """Each note moved by some semitones."""

    def move(notes: Roll, low: int, high: int) -> Roll:
        pitch = notes[:, 2] + rng.choice(SEMITONES, len(notes))
        return np.column_stack([notes[:, :2], np.clip(pitch, low, high)])

    return spoiled(song, grid, move)


def jittered(song: Song, grid: Grid, rng: np.random.Generator) -> Entry:
    """Each note moved by up to a frame."""

    def move(notes: Roll, low: int, high: int) -> Roll:
        return notes + rng.choice(FRAMES, (len(notes), 1)) * np.array([1, 1, 0])

    return spoiled(song, grid, move)


def shuffled(song: Song, grid: Grid, rng: np.random.Generator) -> Entry:
    """Bars in random order."""
    bars = np.split(song.roll, np.clip(song.outline.bar_starts(grid)[1:-1], 0, len(song.roll)))
    order = rng.permutation(len(bars))
    return told(song, np.concatenate([bars[i] for i in order]), grid)


def groups_of(model: RnnRbm, corpus: Corpus, count: int, seed: int) -> dict[str, list[Entry]]:
    """All songs, by what was done to them."""
    grid, test = corpus.grid, corpus.of_split("test")
    chosen = generator(seed, "choosing").permutation(len(test))[:count]
    held_out = [test[i] for i in chosen]
    train = corpus.of_split("train")[:count]
    outlines = [song.outline for song in held_out]
    made = generate_songs(model, None, len(outlines), seed=seed, outlines=outlines)
    groups = {
        "held-out songs": [Entry(song.roll, song.outline, song.bpm) for song in held_out],
        "generated": [
            Entry(roll, song.outline, song.bpm) for roll, song in zip(made, held_out, strict=True)
        ],
        "copies of training songs": [Entry(song.roll, song.outline, song.bpm) for song in train],
    }
    for way in (shuffled, jittered, transposed):
        rng = generator(seed, "spoil", way.__name__)
        groups[str(way.__doc__).rstrip(".").lower()] = [way(song, grid, rng) for song in held_out]
    return groups


def better(one: list[float], other: list[float]) -> float:
    """The share of pairs in which the first is lower, half of those in which both are alike."""
    a, b = np.array(one)[:, None], np.array(other)
    return float(np.mean((a < b) + 0.5 * (a == b)))


def table(scores: dict[str, list[Score]]) -> str:
    """The table in Markdown."""
    head = ["", "distance", "nats a frame", "shortfall", "score", "stopped as copies", "rank"]
    head += [f"held out is better: {name}" for name in MEASURES]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    everything = [score.total for group in scores.values() for score in group]
    ranks, own = 1 + np.argsort(np.argsort(everything, kind="stable")), scores["held-out songs"]
    at = 0
    for name, group in scores.items():
        rank = float(np.median(ranks[at : at + len(group)]))
        at += len(group)
        columns = [
            [score.distance for score in group],
            [score.nats for score in group],
            [score.shortfall for score in group],
            [score.total for score in group],
        ]
        cells = [name, *(f"{np.median(column):.2f}" for column in columns)]
        cells += [f"{np.mean([score.copies for score in group]):.0%}", f"{rank:.0f}"]
        for measure in MEASURES.values():
            share = better([measure(s) for s in own], [measure(s) for s in group])
            cells.append("" if group is own else f"{share:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("corpus")
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, corpus = RnnRbm.load(args.run), Corpus.load(args.corpus)
    judge = Judge(model, corpus, cpu_backend(), ["valid"])
    scores = {
        name: [judge.score([entry.roll], entry.outline, 0, entry.bpm)[0] for entry in entries]
        for name, entries in groups_of(model, corpus, args.songs, args.seed).items()
    }
    print(table(scores))
    print(f"\n{len(scores['held-out songs'])} songs a row; of validation songs: {judge.held_out}")


if __name__ == "__main__":
    main()
