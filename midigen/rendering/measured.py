"""What the page of new songs says of each: how likely it is to the model, what it has copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np

from midigen.backends.interface import Backend
from midigen.composition import Composed, Plan
from midigen.corpus import Corpus, Song
from midigen.evaluation.copying import RUN, Collection, Copied
from midigen.evaluation.likelihood import conditional_on, log_likelihood_of_each
from midigen.evaluation.report import choose_songs
from midigen.evaluation.score import HELD_OUT_FRAMES, HELD_OUT_SONGS
from midigen.evaluation.songs import corpus_pieces
from midigen.figures.piece import Piece
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.progress import unseen
from midigen.rendering.page import Fact

# a song of 256 frames takes a quarter of a second so, and errs by a thousandth of a nat a frame
MOVES, CHAINS = 500, 2
DISTANCE = (
    "How far the song's musical figures lie from those of the songs that the model learned from: "
    "the mean over all figures, in deviations of those songs."
)


def song_facts(
    model: RnnRbm,
    plan: Plan,
    songs: Sequence[Composed],
    corpus: Corpus | None,
    backend: Backend,
    progress: Callable[[int], object] | None = None,
) -> list[tuple[Fact, ...]]:
    """Measure what can be measured of new songs.

    Parameters
    ----------
    model : RnnRbm
        That has made them.  Nothing is said of how likely they are to a Gaussian one.
    plan : Plan
        By which they were made.
    songs : sequence of Composed
        All songs of the plan.
    corpus : Corpus, optional
        That the model has learned from; without it nothing is said of copying.
    backend : Backend
    progress : callable, optional
        Called from worker threads with frames whose likelihood is known, `frames_measured` in all.

    Returns
    -------
    list of tuple of Fact
        Of each song.
    """
    columns = []
    if not model.gaussian:
        columns.append(_likelihoods(PlacedModel(model, backend), plan, songs, corpus, progress))
    distances = [song.score.distance for song in songs]
    if None not in distances:
        columns.append(
            [Fact("Distance from its corpus", f"{far:.2f}", meaning=DISTANCE) for far in distances]
        )
    if corpus is not None:
        columns.append(_copied_runs(model, plan, songs, corpus))
    return list(zip(*columns, strict=True)) if columns else [() for _ in songs]


def frames_measured(plan: Plan, corpus: Corpus | None) -> int:
    """Return how many frames `song_facts` measures the likelihood of."""
    new = sum(outline.frames for outline in plan.outlines)
    return new + sum(len(song.roll) for song in _held_out(corpus))


def _held_out(corpus: Corpus | None) -> list[Song]:
    """Return songs of a corpus that its model has not learned from, to stand beside new ones."""
    songs = corpus.of_split("test") or corpus.of_split("valid") if corpus else []
    return choose_songs(songs, HELD_OUT_FRAMES)


def _likelihoods(
    placed: PlacedModel,
    plan: Plan,
    songs: Sequence[Composed],
    corpus: Corpus | None,
    progress: Callable[[int], object] | None,
) -> list[Fact]:
    """Say how likely new songs are to the model that made them, each in nats a frame."""
    before = [] if plan.opening is None else [plan.opening.roll]
    new = [
        Told(np.concatenate([*before, song.roll]), outline)
        for song, outline in zip(songs, plan.outlines, strict=True)
    ]
    shown = unseen if progress is None else lambda *_: nullcontext(progress)
    found = log_likelihood_of_each(placed, new, MOVES, CHAINS, shown)
    of_songs = [frames[plan.begun :] for frames in found]
    meaning = (
        "How likely the model finds the song, as a logarithm: nearer to 0 is less of a surprise."
    )
    if known := conditional_on(placed.model):
        meaning += f" It is told {', '.join(known)} ahead."
    if held_out := _held_out(corpus):
        beside = log_likelihood_of_each(placed, held_out, MOVES, CHAINS, shown)
        own = np.concatenate(beside).mean()
        meaning += f" Songs of its corpus that it did not learn from have {_nats(own)}."
    return [
        Fact("Likelihood", f"{_nats(f.mean())} nats a frame", meaning=meaning) for f in of_songs
    ]


def _nats(value: np.floating) -> str:
    return f"{value:.2f}".replace("-", "−")


def _copied_runs(
    model: RnnRbm, plan: Plan, songs: Sequence[Composed], corpus: Corpus
) -> list[Fact]:
    """Say what is longest of what new songs have copied of the training songs of a corpus."""
    train, held_out = corpus_pieces(corpus)
    collection = Collection(train)
    usual = [collection.search(piece).beats for piece in held_out[:HELD_OUT_SONGS]]
    metre = plan.settings.metre or model.card.metre
    facts = []
    for song, outline in zip(songs, plan.outlines, strict=True):
        new = outline.after(plan.begun, model.grid) if plan.opening else outline
        own = new.metres[0][1:] if new.metres else metre
        piece = Piece.of("", song.roll, model.grid, plan.bpm, own, new.pickup)
        facts.append(_copied(collection.search(piece), usual))
    return facts


def _copied(found: Copied, usual: Sequence[float]) -> Fact:
    """Say what was copied, and how much of them the corpus's own held-out songs have."""
    value = f"{found.beats:.3g} beats" if found.frames else "none"
    note = ""
    if found.frames:
        note = f"Bar {found.bar} is as bar {found.source_bar} of {found.source}"
        note += f", {found.transposed:+d} semitones." if found.transposed else "."
    meaning = (
        f"{RUN} onsets or more in a row that are, in any key, as in a song that the model learned "
        "from."
    )
    if usual:
        longest = f"at most {max(usual):.3g} beats" if max(usual) else "none"
        meaning += f" Songs of its corpus that it did not learn from have {longest}."
    return Fact("Longest copied run", value, note, meaning)
