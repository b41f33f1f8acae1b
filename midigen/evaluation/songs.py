"""The whole evaluation of songs against a corpus, as a dict that JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.config import Grid
from midigen.corpus import Corpus
from midigen.errors import MidigenError
from midigen.evaluation.copying import Collection, Copied, longest_run
from midigen.evaluation.markov import MOST_ORDER, Chains, Choice, choose_order, with_plan
from midigen.figures.measure import (
    FIGURES,
    Figure,
    Spread,
    Values,
    distance,
    mean,
    measure,
    spread,
)
from midigen.figures.music import compare
from midigen.figures.piece import Piece
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.randomness import generator

FEWEST_CHAIN_SONGS = 10  # of a chain, however few songs it stands beside

Step = Callable[[int], object]


def _no_step(steps: int) -> None:
    pass


def evaluate_songs(
    paths: Iterable[str | Path], corpus: Corpus, seed: int = 0, progress: Step = _no_step
) -> dict[str, Any]:
    """Search MIDI files for what they copy of a Corpus, and compare their figures with it.

    Parameters
    ----------
    paths : iterable of path
    corpus : Corpus
    seed : int
        Of the Markov chains' songs.
    progress : callable, optional
        Called with 1 after each song that is read or measured, each order of a Markov chain, and
        the overlaps: `steps_of_songs` times.

    Returns
    -------
    dict
        songs, skipped ({"song", "reason"}), train_songs, held_out_songs;
        copying: "songs", what `Copied` says of each, and summaries of "generated", "held_out",
        "chain" and "planned";
        figures: a dict for each, "corpus" and its "deviation", and for each of the four groups the
        mean and its z; distance: of each group; values: every figure of every song of each group;
        orders: of "chain" and "planned" the "order" chosen, and "orders", of each the distance and
        what it copies;
        rows: of `midigen.figures.music.Comparison`.
        A group that is not there is None: held-out songs, or "planned", the chain with form plans,
        where the corpus has none.
    """
    pieces, skipped = _read(paths, corpus.grid, progress)
    train, held_out = corpus_pieces(corpus)
    if not train:
        raise MidigenError("the corpus holds no songs to train on: prepare more songs")
    if not pieces:
        raise MidigenError(
            f"none of the songs can be read: {skipped[0]['song']}: {skipped[0]['reason']}"
        )
    collection = Collection(train)
    groups = {"generated": pieces, "held_out": held_out}
    copied = {name: [collection.search(piece) for piece in group] for name, group in groups.items()}
    values = {name: _measure(group, progress) for name, group in groups.items()}
    known = _measure(train, progress)
    spreads = {figure.name: spread(known, figure.name) for figure in FIGURES}

    limit = float(np.median([found.beats for found in copied["held_out"]] or [0.0]))
    rivals = _rivals(pieces, corpus, train, spreads, limit, seed, progress)
    for name in ("chain", "planned"):
        rival = rivals.get(name)
        groups[name], values[name] = (rival.songs, rival.values) if rival else ([], [])
        copied[name] = [collection.search(piece) for piece in groups[name]]
    overlaps = [asdict(row) for row in compare(train, pieces, held_out)]
    progress(1)
    return {
        "songs": len(pieces),
        "skipped": skipped,
        "train_songs": len(train),
        "held_out_songs": len(held_out),
        "copying": {
            "songs": [
                {"song": piece.name, **asdict(found)}
                for piece, found in zip(pieces, copied["generated"], strict=True)
            ],
            **{name: _summary(found) for name, found in copied.items()},
            "longer_than_held_out": _longer(copied["generated"], copied["held_out"]),
        },
        "figures": [_figure_row(figure, spreads[figure.name], values) for figure in FIGURES],
        "distance": {name: distance(spreads, songs) for name, songs in values.items()},
        "orders": {
            name: {"order": rival.order, "orders": rival.orders} for name, rival in rivals.items()
        },
        "values": {
            name: [
                {"song": piece.name, **found}
                for piece, found in zip(groups[name], values[name], strict=True)
            ]
            for name in groups
        },
        "rows": overlaps,
    }


def steps_of_songs(files: int, corpus: Corpus) -> int:
    """Return how many steps `evaluate_songs` tells its progress with so many files."""
    planned = any(True for _ in _forms(corpus))
    return 2 * files + len(corpus.songs) + (MOST_ORDER + 1) * (2 if planned else 1) + 1


def corpus_pieces(corpus: Corpus) -> tuple[list[Piece], list[Piece]]:
    """Return the training songs of a Corpus, and the others."""
    train: list[Piece] = []
    held_out: list[Piece] = []
    for song in corpus.songs:
        piece = Piece.of_song(song, corpus.grid)
        (train if song.split == "train" else held_out).append(piece)
    return train, held_out


def chain_songs(
    corpus: Corpus, like: Sequence[Piece], seed: int, progress: Step = _no_step
) -> list[Piece]:
    """Draw songs of the Markov chain that `evaluate_songs` puts beside others.

    Parameters
    ----------
    corpus : Corpus
        With songs to train on.
    like : sequence of Piece
        Songs whose lengths and metres those of the chain have, one for each; few say little of
        which order to choose.
    seed : int
    progress : callable, optional
        Called with 1 after each of the MOST_ORDER + 1 orders.
    """
    train, held_out = corpus_pieces(corpus)
    known, copied, chains = _measure(train), longest_run(train), Chains(train)
    spreads = {figure.name: spread(known, figure.name) for figure in FIGURES}
    limit = float(np.median([copied(piece) for piece in held_out] or [0.0]))
    draw = partial(chains.songs, like=like, seed=seed)
    return choose_order(draw, spreads, copied, limit, progress).songs


def _read(
    paths: Iterable[str | Path], grid: Grid, step: Step
) -> tuple[list[Piece], list[dict[str, str]]]:
    pieces, skipped = [], []
    for path in paths:
        try:
            table = read_notes(path)
            roll, _ = notes_to_roll(table, grid)
            pieces.append(Piece.of(table.name, roll, grid, table.bpm, table.metre))
        except MidigenError as e:
            skipped.append({"song": str(path), "reason": str(e).removeprefix(f"{path}: ")})
        step(1)
    return pieces, skipped


def _measure(pieces: Sequence[Piece], step: Step = _no_step) -> list[dict[str, Any]]:
    values = []
    for piece in pieces:
        values.append(measure(piece))
        step(1)
    return values


def _rivals(
    pieces: Sequence[Piece],
    corpus: Corpus,
    train: Sequence[Piece],
    spreads: Mapping[str, Spread],
    limit: float,
    seed: int,
    progress: Step,
) -> dict[str, Choice]:
    """Choose the Markov chains: "chain" and, where the corpus has forms, "planned"."""
    like = [pieces[i % len(pieces)] for i in range(max(len(pieces), FEWEST_CHAIN_SONGS))]
    chains, copied, plans = Chains(train), longest_run(train), _plans(like, corpus, seed)

    def plain(order: int) -> list[Piece]:
        return chains.songs(order, like, seed)

    def planned(order: int) -> list[Piece]:
        return [with_plan(song, plan) for song, plan in zip(plain(order), plans, strict=True)]

    draws = {"chain": plain, "planned": planned} if plans else {"chain": plain}
    return {
        name: choose_order(draw, spreads, copied, limit, progress) for name, draw in draws.items()
    }


def _plans(like: Sequence[Piece], corpus: Corpus, seed: int) -> list[NDArray[np.int64]]:
    """Draw a form plan for each song from the training songs; none where no form is known.

    It is one of the same metre, if any is, and has as many bars as the song, or as any has.
    """
    chosen, forms = [], list(_forms(corpus))
    for number, piece in enumerate(like):
        plans = [plan for bar, plan in forms if bar == piece.bar] or [plan for _, plan in forms]
        if not plans:
            return []
        bars = min(-(-piece.frames // piece.bar), max(map(len, plans)))
        fitting = [plan for plan in plans if len(plan) >= bars]
        chosen.append(fitting[generator(seed, "plan", number).integers(len(fitting))])
    return chosen


def _forms(corpus: Corpus) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield, of each training song whose form is known, frames in a bar and its first part's."""
    for song in corpus.songs:
        outline = getattr(song, "outline", None)
        if song.split == "train" and outline and outline.form.size:
            roll, metre = song.roll[:0], song.metre
            yield Piece.of("", roll, corpus.grid, song.bpm, metre).bar, outline.form[:, 0]


def _figure_row(
    figure: Figure, corpus: Spread, values: Mapping[str, Sequence[Values]]
) -> dict[str, Any]:
    """Return one figure of the corpus and of each group of songs."""
    row: dict[str, Any] = {"name": figure.name, "group": figure.group, "scored": figure.scored}
    row |= {"corpus": corpus.mean, "deviation": corpus.deviation}
    for name, songs in values.items():
        found = mean(songs, figure.name)
        row |= {name: found, f"{name}_z": corpus.z(found)}
    return row


def _summary(copied: list[Copied]) -> dict[str, float] | None:
    """Return the median and the longest run of each kind, in beats, and the mean share."""
    if not copied:
        return None
    summary = {"share": float(np.mean([found.share for found in copied]))}
    for kind in ("", "near_", "line_", "line_near_"):
        beats = [getattr(found, f"{kind}beats") for found in copied]
        summary[f"{kind}median_beats"] = float(np.median(beats))
        summary[f"{kind}longest_beats"] = max(beats)
    return summary


def _longer(ours: list[Copied], theirs: list[Copied]) -> int | None:
    """Count the songs that have a longer run than 95 % of the held-out ones; None without those."""
    if not theirs:
        return None
    limit = np.quantile([found.beats for found in theirs], 0.95)
    return sum(bool(found.beats > limit) for found in ours)
