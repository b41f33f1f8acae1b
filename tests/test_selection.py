"""Which of several songs is kept."""

from dataclasses import replace

import numpy as np
import pytest

from midigen.composition import compose, plan_songs
from midigen.config import GenerateConfig, Grid, ModelConfig
from midigen.evaluation.copying import Copied
from midigen.evaluation.score import Judge, Score, distance_of, piece_of
from midigen.figures.measure import (
    CLOSING,
    Spread,
    distance,
    measure,
    measure_ending,
    spreads_of,
)
from midigen.figures.piece import Piece
from midigen.model.card import ModelCard
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.selection import choose_ending

GRID = Grid(steps_per_beat=2, low=48, high=83)
OUTLINE = Outline(64, ((0, 4, 4),))


def walk(rng, widest):
    """A roll of chords on the beat, under a line that moves by up to so many semitones."""
    roll = np.zeros((64, GRID.pitches), np.uint8)
    pitch = 24
    for t in range(64):
        pitch = int(np.clip(pitch + rng.integers(-widest, widest + 1), 14, 35))
        roll[t, pitch] = 1
        roll[t, [0, 4, 7]] = t % 2 == 0
    return roll


@pytest.fixture
def card():
    """A card of calm songs."""
    rng = np.random.default_rng(0)
    songs = [Piece.of("", walk(rng, 2), GRID, 120.0, (4, 4)) for _ in range(12)]
    return ModelCard(figures={name: tuple(s) for name, s in spreads_of(songs).items()})


def distance_of_roll(roll, card):
    return distance_of(piece_of(roll, OUTLINE, GRID, 120.0, card), card)


def test_the_song_nearest_to_the_corpus_is_chosen_where_endings_say_nothing(card):
    rng = np.random.default_rng(1)
    wild, calm = walk(rng, 14), walk(rng, 2)
    card = replace(card, figures={n: f for n, f in card.figures.items() if n not in CLOSING})
    assert choose_ending([wild, calm, np.zeros_like(calm)], OUTLINE, GRID, 120.0, card) is calm
    known = {name: Spread(*both) for name, both in card.figures.items()}
    near = distance_of_roll(calm, card)
    assert near == distance(known, [measure(Piece.of("", calm, GRID, 120.0, (4, 4)))])
    assert distance_of_roll(wild, card) > 1.2 * near


def test_the_first_is_taken_where_nothing_tells(card):
    rolls = [np.zeros((64, GRID.pitches), np.uint8) for _ in range(3)]
    assert choose_ending(rolls, OUTLINE, GRID, 120.0, card) is rolls[0]
    assert choose_ending(rolls, OUTLINE, GRID, 120.0, ModelCard()) is rolls[0]
    assert distance_of_roll(rolls[0], ModelCard()) is None


@pytest.mark.parametrize("figures", [{"pulse": [0.5, 0.0]}, {"pulse": [np.inf, 1.0]}, {"pulse": 3}])
def test_a_card_with_impossible_figures_is_refused(figures):
    with pytest.raises((ValueError, TypeError)):
        ModelCard.from_json({"figures": figures})


def test_figures_of_another_version_are_left_out(card):
    figures = {"of another version": (0.0, 1.0), "notes a frame": (1.0, 0.5)}
    roll = walk(np.random.default_rng(2), 2)
    found = distance_of_roll(roll, replace(card, figures=figures))
    assert found == pytest.approx((roll.sum() / len(roll) - 1) / 0.5)


def closing(last):
    """A song in C that ends on some pitches, each a step in GRID."""
    roll = np.zeros((64, GRID.pitches), np.uint8)
    for t, pitch in enumerate((0, 2, 4, 5, 7, 9, 11, 12) * 8):
        roll[t, [pitch, pitch // 2 % 2 * 5 + 12 + 7]] = 1
    roll[-4:] = 0
    roll[-4:, last] = 1
    return roll


def test_the_ending_that_closes_as_most_songs_do_is_chosen(card):
    closed, open_, fifth = closing([0, 16, 24]), closing([2, 17, 23]), closing([7, 12, 16])
    ends = {"ends on the tonic": 0.9, "top ends on the tonic": 0.8, "ends in its triad": 1.0}

    def chosen(shares, *rolls):
        figures = {name: (share, 0.5) for name, share in shares.items()}
        return choose_ending(rolls, OUTLINE, GRID, 120.0, replace(card, figures=figures))

    assert chosen(ends, open_, fifth, closed) is closed
    assert chosen(ends, open_, fifth) is fifth
    assert chosen({name: 0.1 for name in ends}, closed, fifth, open_) is open_
    assert chosen({}, open_, closed) is open_
    # of those that close as well, the nearest in all other figures; of equals, the first
    fuller = closing([0, 4, 7, 16, 24])
    assert chosen({**ends, "notes a frame": 1.0}, fuller, closed) is closed
    assert chosen({**ends, "notes a frame": 3.0}, closed, fuller) is fuller
    assert chosen(ends, closed, closed.copy()) is closed


def noisy_model(card):
    config = ModelConfig(GRID.channels, rbm_hidden=4, recurrent=2, hidden=())
    model = RnnRbm.initial(config, GRID, np.full(GRID.channels, 0.06))
    model.card = replace(card, outlines=[OUTLINE])
    return model


def songs(model, **settings):
    settings = GenerateConfig(seed=3, gibbs_steps=2, length=(32.0, "beats"), **settings)
    plan = plan_songs(model, settings)
    done = []
    made = list(compose(model, plan, progress=done.append))
    assert sum(done) == plan.frames(GRID) == plan.work(GRID)
    return made


def test_more_tries_come_nearer_and_a_song_is_the_same_beside_others(card):
    model = noisy_model(card)
    one = songs(model, count=3, best_of=1, endings=1)
    many = songs(model, count=3, best_of=8, endings=1)
    assert np.mean([s.score.distance for s in many]) < np.mean([s.score.distance for s in one])
    assert all(a.score.distance <= b.score.distance for a, b in zip(many, one, strict=True))
    again = songs(model, count=1, best_of=8, endings=1)
    np.testing.assert_array_equal(again[0].roll, many[0].roll)
    texts = [text.text for text in many[2].midi.text_events]
    assert any("best of 8" in text for text in texts)


def test_endings_change_the_last_bar_alone(card):
    shares = dict.fromkeys(CLOSING, 1.0)
    figures = card.figures | {name: (share, 0.1) for name, share in shares.items()}
    model = noisy_model(replace(card, figures=figures))
    drawn, ended = songs(model, count=6, best_of=1, endings=1), songs(model, count=6, best_of=1)
    texts = [text.text for text in ended[0].midi.text_events]
    assert any("endings 32" in text for text in texts)
    last = [(a.roll != b.roll)[-8:].any() for a, b in zip(drawn, ended, strict=True)]
    assert any(last)
    for a, b in zip(drawn, ended, strict=True):
        np.testing.assert_array_equal(a.roll[:-8], b.roll[:-8])

    def apart(made):
        pieces = [Piece.of("", song.roll, GRID, 120.0, (4, 4)) for song in made]
        found = [measure_ending(piece) for piece in pieces]
        return np.mean([abs(f[name] - share) for f in found for name, share in shares.items()])

    assert apart(ended) < apart(drawn)
    few = songs(model, count=6, best_of=1, endings=2)
    assert apart(ended) < apart(few) <= apart(drawn)


def test_a_song_of_one_bar_stays_as_it_was_drawn(card):
    model = noisy_model(card)
    plan = plan_songs(model, GenerateConfig(seed=1, length=(1.0, "bars")))
    assert plan.ending(plan.outlines[0], GRID) == plan.outlines[0].frames == 8


def test_a_model_that_knows_no_figures_draws_once():
    model = noisy_model(ModelCard())
    settings = plan_songs(model, GenerateConfig(seed=1, best_of=9)).settings
    assert settings.best_of == settings.endings == 1


def test_a_judge_has_the_choice(card):
    class Contrary:
        """Takes the worst, but what copies."""

        def score(self, songs, outline, begun, bpm):
            found = Judge(model).score(songs, outline, begun, bpm)
            copied = Copied(28, 7.0, 7.0, 7.0, 7.0, 0.0)
            return [
                Score(-score.distance, -1.5, copied, copies=i == 0) for i, score in enumerate(found)
            ]

    model = noisy_model(card)
    settings = GenerateConfig(seed=3, gibbs_steps=2, length=(32.0, "beats"), best_of=8, endings=1)
    [best] = compose(model, plan_songs(model, settings))
    [worst] = compose(model, plan_songs(model, settings), judge=Contrary())
    assert -worst.score.distance > best.score.distance and not worst.score.copies
    [text] = [text.text for text in worst.midi.text_events]
    assert f"distance {worst.score.distance:.2f}; nats a frame -1.50; copied beats 7.00;" in text
