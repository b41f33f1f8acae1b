"""What the page says of new songs: their scores, beside held-out songs."""

import numpy as np
import pytest

from midigen.evaluation.copying import Copied
from midigen.evaluation.score import HeldOut, Score
from midigen.rendering.measured import song_facts
from tests.evaluation.models import small_model

COPIED = Copied(30, 7.5, 7.5, 7.5, 7.5, 0.0, 3, "tune 1", 1, 0)
HELD_OUT = HeldOut(0.4, -0.91, 0.42, 2.0)


@pytest.fixture
def model():
    return small_model(np.random.default_rng(1), context=())


def facts(model, score, held_out=HELD_OUT):
    [found] = song_facts(model, [score], held_out)
    return {fact.label: fact for fact in found}


def test_what_is_known_is_said_beside_held_out_songs(model):
    found = facts(model, Score(0.625, -1.234, COPIED))
    assert [(fact.label, fact.value) for fact in found.values()] == [
        ("Likelihood", "−1.23 nats a frame"),
        ("Distance from its corpus", "0.62"),
        ("Longest copied run", "7.5 beats"),
    ]
    assert "told" not in found["Likelihood"].meaning
    assert found["Likelihood"].meaning.endswith("did not learn from have −0.91 ± 0.42.")
    assert found["Longest copied run"].note == "Bar 3 is as bar 1 of tune 1."
    assert found["Longest copied run"].meaning.endswith("95% have at most 2 beats.")


def test_what_a_model_is_told_is_said():
    told = small_model(np.random.default_rng(1), context=("position", "end", "mode"))
    meaning = facts(told, Score(None, -1.0), HeldOut())["Likelihood"].meaning
    assert meaning.endswith("It is told end, mode ahead.")


def test_nothing_copied_and_held_out_songs_that_copy_nothing(model):
    none = Copied(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    found = facts(model, Score(None, copied=none), HeldOut(copied=0.0))
    assert list(found) == ["Longest copied run"]
    assert (found["Longest copied run"].value, found["Longest copied run"].note) == ("none", "")
    assert found["Longest copied run"].meaning.endswith("95% have none.")


def test_a_run_in_another_key_says_so(model):
    moved = Copied(30, 7.5, 7.5, 7.5, 7.5, 0.0, 3, "tune 1", 1, -5)
    note = facts(model, Score(None, copied=moved))["Longest copied run"].note
    assert note == "Bar 3 is as bar 1 of tune 1, -5 semitones."


def test_without_held_out_songs_nothing_stands_beside(model):
    found = facts(model, Score(0.5, -1.0, COPIED), HeldOut())
    assert not any("did not learn from" in fact.meaning for fact in found.values())


def test_what_is_not_known_is_not_said(model):
    assert facts(model, Score(None)) == {}
