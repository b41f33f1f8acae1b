"""What is measured of new songs for their page: likelihood and what was copied."""

from types import SimpleNamespace

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.composition import Composed
from midigen.config import GenerateConfig
from midigen.corpus import Corpus, Song
from midigen.evaluation.score import Score
from midigen.model.songs import Told
from midigen.outline import Outline
from midigen.rendering.measured import frames_measured, song_facts
from tests.evaluation.models import GRID, small_model

FRAMES = 64


def melody(seed):
    """One note after the other, each another one, uint8 (FRAMES, 11)."""
    steps = np.random.default_rng(seed).integers(1, 11, FRAMES // 2)
    return np.repeat(np.eye(11, dtype=np.uint8)[steps.cumsum() % 11], 2, axis=0)


def corpus_of(*splits):
    songs = [
        Song(f"tune {i}", split, f"{i:064x}", 120.0, (4, 4), melody(i))
        for i, split in enumerate(splits)
    ]
    return Corpus(GRID, songs)


def plan_of(rolls, opening=None):
    begun = len(opening) if opening is not None else 0
    return SimpleNamespace(
        settings=GenerateConfig(seed=0),
        outlines=[Outline(begun + len(roll), ((0, 4, 4),)) for roll in rolls],
        opening=None if opening is None else Told(opening, Outline(begun, ((0, 4, 4),))),
        begun=begun,
        bpm=120.0,
    )


def facts(model, rolls, corpus=None, opening=None, progress=None, distance=None):
    songs = [Composed(roll, None, Score(distance)) for roll in rolls]
    return song_facts(model, plan_of(rolls, opening), songs, corpus, cpu_backend(), progress)


@pytest.fixture
def model():
    return small_model(np.random.default_rng(1))


def nats(text):
    return float(text.removesuffix(" nats a frame").replace("−", "-"))


def test_the_likelihood_is_that_of_the_song(model):
    rolls = [melody(7), melody(8)[:40]]
    found = facts(model, rolls)
    assert [[fact.label for fact in of] for of in found] == [["Likelihood"]] * 2
    exact = [model.exact_log_likelihood(roll).mean() for roll in rolls]
    assert [nats(of[0].value) for of in found] == pytest.approx(exact, abs=0.006)


def test_what_it_is_given_is_said():
    told = small_model(np.random.default_rng(1), context=("position", "end", "mode"))
    [[given]] = facts(told, [melody(7)])
    [[alone]] = facts(small_model(np.random.default_rng(1), context=()), [melody(7)])
    assert given.meaning.endswith("It is told end, mode ahead.")
    assert "told" not in alone.meaning


def test_a_primer_is_heard_and_not_counted(model):
    opening, new = melody(9)[:24], melody(10)
    [[fact]] = facts(model, [new], opening=opening)
    whole = model.exact_log_likelihood(np.concatenate([opening, new]))
    assert nats(fact.value) == pytest.approx(whole[24:].mean(), abs=0.006)


def test_held_out_songs_stand_beside(model):
    corpus = corpus_of("train", "train", "test")
    [[fact, _]] = facts(model, [melody(7)], corpus)
    own = model.exact_log_likelihood(melody(2)).mean()
    assert fact.meaning.endswith(f"did not learn from have {own:.2f}.".replace("-", "−"))


def test_what_was_copied_is_named(model):
    corpus = corpus_of("train", "train", "test")
    copied = np.concatenate([melody(5)[:32], melody(1)[8:40]])
    [[_, fact], [_, nothing]] = facts(model, [copied, melody(6)], corpus)
    assert fact.value == "7.5 beats"  # 16 onsets, from the first to the last
    assert fact.note == "Bar 3 is as bar 1 of tune 1."
    assert fact.meaning.endswith("did not learn from have none.")
    assert (nothing.value, nothing.note) == ("none", "")


def test_progress_is_told_of_every_frame(model):
    corpus, rolls, seen = corpus_of("train", "train", "test"), [melody(7), melody(8)], []
    facts(model, rolls, corpus, progress=seen.append)
    assert sum(seen) == frames_measured(plan_of(rolls), corpus) == 3 * FRAMES


def test_a_corpus_without_held_out_songs_is_enough(model):
    [[likelihood, copied]] = facts(model, [melody(7)], corpus_of("train", "train"))
    assert "did not learn from" not in likelihood.meaning + copied.meaning


def test_a_gaussian_model_has_no_likelihood(model):
    model.gaussian = True
    assert facts(model, [melody(7)]) == [()]
    [[fact]] = facts(model, [melody(7)], corpus_of("train", "train"))
    assert fact.label == "Longest copied run"


def test_a_distance_that_is_known_is_shown(model):
    [[_, fact]] = facts(model, [melody(7)], distance=0.625)
    assert (fact.label, fact.value) == ("Distance from its corpus", "0.62")
