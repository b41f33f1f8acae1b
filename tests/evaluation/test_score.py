"""Scores of new songs: figures, likelihood, and copying as a bar."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.corpus import Corpus, Song
from midigen.evaluation.copying import Collection
from midigen.evaluation.score import FEWEST, HeldOut, Judge, Score, distance_of, index_of_best
from midigen.figures.measure import FARTHEST, spreads_of
from midigen.figures.piece import Piece
from midigen.outline import Outline
from tests.evaluation.models import GRID, small_model

FRAMES = 64
OUTLINE = Outline(FRAMES, ((0, 4, 4),))


def melody(seed):
    """One note after the other, each another one, uint8 (FRAMES, 11)."""
    steps = np.random.default_rng(seed).integers(1, 11, FRAMES // 2)
    return np.repeat(np.eye(11, dtype=np.uint8)[steps.cumsum() % 11], 2, axis=0)


def piece(roll):
    return Piece.of("", roll, GRID, 120.0, (4, 4))


@pytest.fixture
def corpus():
    splits = ["train"] * 6 + ["valid"] * 2 + ["test"] * 2
    songs = [
        Song(f"tune {i}", split, f"{i:064x}", 120.0, (4, 4), melody(i))
        for i, split in enumerate(splits)
    ]
    return Corpus(GRID, songs)


@pytest.fixture
def model(corpus):
    made = small_model(np.random.default_rng(1), context=())
    figures = spreads_of([piece(roll) for roll in corpus.rolls("train")])
    made.card = replace(made.card, figures={name: tuple(both) for name, both in figures.items()})
    return made


def test_without_a_corpus_figures_alone_are_looked_at(model):
    judge, rolls = Judge(model), [melody(20), melody(21)]
    found = judge.score(rolls, OUTLINE, 0, 120.0)
    assert found == [Score(distance_of(piece(roll), model.card)) for roll in rolls]
    assert all(score.total == score.distance for score in found)
    assert judge.held_out == HeldOut()
    model.card = replace(model.card, figures={})
    [unknown] = judge.score(rolls[:1], OUTLINE, 0, 120.0)  # the card it was made with
    assert unknown.distance is not None
    [unknown] = Judge(model).score(rolls[:1], OUTLINE, 0, 120.0)
    assert unknown.distance is None and unknown.total == np.inf
    [likely] = Judge(model, backend=cpu_backend()).score(rolls[:1], OUTLINE, 0, 120.0)
    assert likely.nats == pytest.approx(model.exact_log_likelihood(rolls[0]).mean(), abs=1e-4)
    assert likely.shortfall == 0  # nothing says how likely songs are


def test_likelihood_is_held_to_songs_that_were_not_learned_from(model, corpus):
    judge = Judge(model, corpus, cpu_backend())
    exact = [model.exact_log_likelihood(roll).mean() for roll in map(melody, range(6, 10))]
    assert judge.held_out.nats == pytest.approx(np.mean(exact), abs=1e-4)
    assert judge.held_out.deviation == pytest.approx(
        max(np.std(exact, ddof=1), -0.1 * np.mean(exact)), abs=1e-4
    )
    likely = melody(6 + int(np.argmax(exact)))
    nats = [model.exact_log_likelihood(roll).mean() for roll in (likely, melody(30))]
    scores = judge.score([likely, melody(30)], OUTLINE, 0, 120.0)
    assert [score.nats for score in scores] == pytest.approx(nats, abs=1e-4)
    behind = [(np.mean(exact) - each) / judge.held_out.deviation for each in nats]
    expected = np.clip(behind, 0, FARTHEST)
    assert [score.shortfall for score in scores] == pytest.approx(expected, abs=1e-3)
    assert expected.min() == 0 < expected.max()  # more likely than they is no merit
    assert scores[1].total == scores[1].distance + scores[1].shortfall


def test_a_primer_is_heard_and_not_scored(model, corpus):
    judge, new = Judge(model, corpus, cpu_backend()), melody(40)
    whole = np.concatenate([corpus.songs[0].roll, new])
    [score] = judge.score([whole], Outline(2 * FRAMES, ((0, 4, 4),)), FRAMES, 120.0)
    nats = model.exact_log_likelihood(whole)[FRAMES:].mean()
    assert score.nats == pytest.approx(nats, abs=1e-4)
    assert not score.copies and score.distance == distance_of(piece(new), model.card)


def test_what_is_copied_more_than_held_out_songs_copy_never_wins(model, corpus):
    judge = Judge(model, corpus)
    train = [piece(roll) for roll in corpus.rolls("train")]
    own = [Collection(train).search(piece(melody(i))).beats for i in range(6, 10)]
    assert judge.held_out.copied == np.quantile(own, 0.95)
    copied, new = judge.score([corpus.songs[2].roll, melody(50)], OUTLINE, 0, 120.0)
    assert copied.copies and copied.copied_beats == (FRAMES - 2) / 4 and not new.copies
    good, bad, none = Score(0.1), Score(2.9), Score(None)
    assert index_of_best([bad, good, none]) == 1
    assert index_of_best([good._replace(copies=True), bad]) == 1
    assert index_of_best([bad._replace(copies=True), good._replace(copies=True)]) == 1
    assert index_of_best([good._replace(shortfall=3.0), bad]) == 1
    assert index_of_best([none, none]) == index_of_best([good, good]) == 0


def test_few_held_out_songs_say_nothing_of_likelihood(model, corpus):
    few = Corpus(GRID, corpus.songs[: 6 + FEWEST - 1])
    judge = Judge(model, few, cpu_backend())
    assert judge.held_out.nats is None and judge.held_out.distance is not None
    [score] = judge.score([melody(60)], OUTLINE, 0, 120.0)
    assert score.nats is not None and score.shortfall == 0
    none = Judge(model, Corpus(GRID, corpus.songs[:6]), cpu_backend())
    assert none.held_out == HeldOut()
    [score] = none.score([corpus.songs[0].roll], OUTLINE, 0, 120.0)
    assert score.copied_beats > 0 and not score.copies  # nobody says how much is usual
