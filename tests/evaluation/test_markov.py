"""Markov chains: what they may draw, form plans, and which order is chosen."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.evaluation.copying import longest_run
from midigen.evaluation.markov import (
    MOST_ORDER,
    Chains,
    choose_order,
    events_of,
    notes_of,
    with_plan,
)
from midigen.evaluation.songs import _plans, chain_songs
from midigen.figures.measure import FIGURES, Spread, measure
from midigen.figures.piece import Piece


def song(notes, frames, bar=16):
    table = np.array(sorted(notes, key=lambda note: (note[0], note[2])), np.int64).reshape(-1, 3)
    return Piece("song", table, frames, 4.0, bar)


def melody(pitches, length=2):
    """Each note `length` frames long, none of them held over."""
    notes = [(i * length, (i + 1) * length, p) for i, p in enumerate(pitches)]
    return song(notes, length * len(pitches))


def random_piece(rng, frames=80):
    """Notes of any length that begin anywhere, some again while they sound."""
    notes = []
    for pitch in rng.choice(np.arange(40, 80), 12, replace=False):
        cuts = np.sort(rng.choice(frames + 1, 6, replace=False))
        for start, end in zip(cuts[:-1], cuts[1:], strict=True):
            if rng.random() < 0.7:
                notes.append((start, end, pitch))
    return song(notes, frames)


def test_events_and_back_are_the_same_notes(rng):
    for _ in range(5):
        piece = random_piece(rng)
        events = events_of(piece)
        assert sum(length for _, _, length in events) == piece.frames
        assert notes_of(events, piece.frames).tolist() == piece.notes.tolist()
        moved = notes_of(events_of(piece, 3), piece.frames)
        assert moved.tolist() == (piece.notes + [0, 0, 3]).tolist()


def test_events_say_what_is_struck_and_what_is_held():
    piece = song([(0, 4, 60), (2, 4, 64), (4, 6, 60), (6, 8, 67)], 9)
    assert events_of(piece) == [
        ((60,), (), 2),
        ((64,), (60,), 2),
        ((60,), (), 2),
        ((67,), (), 2),
        ((), (), 1),
    ]
    assert events_of(song([(0, 1, 125)], 1), 6) == [((119,), (), 1)]


def test_a_note_held_by_its_event_begins_where_it_did_not_sound():
    assert notes_of([((60,), (64,), 2), ((), (60,), 3)], 4).tolist() == [
        [0, 4, 60],
        [0, 2, 64],
    ]


def test_a_song_goes_on_with_what_followed_its_last_notes_in_its_own_key(rng):
    chains = Chains([melody([60, 62, 64, 65, 67, 69, 71, 72])])
    before = melody([63, 65, 67])  # a third higher than what was learned from: E flat major
    found = chains.go_on(2, before, 6, rng)
    shift = found[0, 2] - 68
    assert shift % 12 == 0
    assert (found - [0, 0, shift]).tolist() == [[0, 2, 68], [2, 4, 70], [4, 6, 72]]


def test_order_0_draws_events_as_often_as_they_are(rng):
    chains = Chains([melody([60, 60, 60, 64, 67, 60, 60, 64])])
    drawn = chains.song(0, song([(0, 1, 60)], 4000), rng)
    # a note that is struck again is a note of its own
    share = {p: n / 2000 for p, n in Counter(drawn.notes[:, 2].tolist()).items()}
    counted = Counter(pitch for (pitch,), _, _ in chains.events)
    assert len(counted) == 3 and drawn.notes[-1, 1] == 4000
    low, middle, high = sorted(share)
    assert [share[low], share[middle], share[high]] == pytest.approx(
        [5 / 8, 2 / 8, 1 / 8], abs=0.03
    )


@pytest.mark.parametrize("order", range(1, MOST_ORDER + 1))
def test_runs_of_one_more_than_the_order_are_in_the_training_songs(rng, order):
    pieces = [melody(rng.integers(60, 66, 200)) for _ in range(3)]
    chains = Chains(pieces)
    drawn = [p[0] for p, _, _ in events_of(chains.song(order, song([(0, 1, 60)], 400), rng))]
    known, ends = set(), set()
    for piece in pieces:
        # the same song in C or A minor, whatever its key was found to be
        for shift in range(-5, 7):
            line = [p[0] for p, _, _ in events_of(piece, shift)]
            known |= {tuple(line[i : i + order + 1]) for i in range(len(line) - order)}
            ends.add(tuple(line[-order:]))
    for i in range(len(drawn) - order):
        run = tuple(drawn[i : i + order + 1])
        # behind the last events of a song, which may go on nowhere, the order is lower
        assert run in known or run[:-1] in ends


def test_a_chain_of_one_song_without_repeats_is_the_song_and_then_goes_on(rng):
    piece = melody([60, 64, 67, 72, 71, 69, 65, 62])
    drawn = Chains([piece]).song(2, song([(0, 1, 60)], 40), rng)
    assert (drawn.frames, drawn.bar, drawn.beat) == (40, 16, 4)
    assert drawn.notes[:8].tolist() == piece.notes.tolist()
    assert drawn.notes[-1, 1] == 40


def test_songs_in_all_keys_teach_one():
    tune = [60, 64, 67, 60, 65, 69, 67, 71, 60, 60]
    chains = Chains([melody([p + shift for p in tune]) for shift in range(12)])
    pitch_classes = {pitch % 12 for struck, _, _ in chains.events for pitch in struck}
    assert pitch_classes == {p % 12 for p in tune}


def test_the_same_seed_draws_the_same_song():
    chains = Chains([melody([60, 62, 64, 62, 60, 64, 67, 64, 60])])
    like = song([(0, 1, 60)], 64)
    one, again, other = (
        chains.song(1, like, np.random.default_rng(seed)).notes.tolist() for seed in (1, 1, 2)
    )
    assert one == again != other


def test_a_plan_copies_bars():
    bars = [[(0, 8, 60), (8, 16, 64)], [(0, 16, 62)], [(4, 8, 65)], [(0, 4, 67), (4, 20, 69)], []]
    notes = [(16 * i + s, 16 * i + e, p) for i, bar in enumerate(bars) for s, e, p in bar]
    planned = with_plan(song(notes, 80), np.array([0, 0, 2, 2, 1]))
    assert planned.notes.tolist() == [
        [0, 8, 60],
        [8, 16, 64],
        [16, 32, 62],
        [32, 40, 60],
        [40, 48, 64],
        [48, 64, 62],
        [64, 80, 62],
    ]


def test_a_plan_leaves_what_it_does_not_reach():
    notes = [(0, 16, 60), (16, 32, 62), (32, 40, 64), (40, 52, 65)]
    piece = song(notes, 52)
    assert with_plan(piece, np.zeros(9, np.int64)).notes.tolist() == piece.notes.tolist()
    assert with_plan(piece, np.array([1, 2])).notes.tolist() == piece.notes.tolist()
    # the last bar is cut short, and a note that went on into it ends
    planned = with_plan(piece, np.array([0, 0, 0, 2])).notes.tolist()
    assert planned == [[0, 16, 60], [16, 32, 62], [32, 40, 64], [40, 48, 65], [48, 52, 62]]


def test_bars_of_a_plan_begin_behind_the_pickup():
    piece = Piece("", np.array([[0, 2, 60], [4, 8, 62], [20, 36, 64]]), 52, 4.0, 16, pickup=12)
    planned = with_plan(piece, np.array([0, 0, 1]))
    assert planned.notes.tolist() == [[0, 2, 60], [4, 8, 62], [20, 24, 62]]
    assert with_plan(piece, np.array([0, 1])).notes.tolist() == piece.notes.tolist()


def test_the_nearest_order_is_chosen_of_those_that_copy_little(rng):
    pieces = [melody(rng.integers(60, 72, 120)) for _ in range(6)]
    chains, copied = Chains(pieces), longest_run(pieces)
    corpus = {figure.name: Spread(None, None) for figure in FIGURES}
    corpus |= {
        name: Spread(measure(pieces[0])[name], 0.1) for name in ("silence", "top line: steps")
    }
    steps = []

    def draw(order):
        return chains.songs(order, pieces[:3], 5)

    for limit in (0.0, 1000.0):
        found = choose_order(draw, corpus, copied, limit, steps.append)
        allowed = [row for row in found.orders if row["copied_beats"] <= limit]
        nearest = min(allowed, key=lambda row: row["distance"])
        assert nearest["order"] == found.order and len(found.songs) == len(found.values) == 3
        assert found.values == [measure(piece) for piece in found.songs]
    beats = [row["copied_beats"] for row in found.orders]
    assert beats[0] == 0 and beats[MOST_ORDER] > 10
    assert steps == [1] * 2 * (MOST_ORDER + 1)


def test_where_all_copy_too_much_the_one_that_copies_least_is_chosen(rng):
    pieces = [melody(rng.integers(60, 72, 60)) for _ in range(2)]
    corpus = {figure.name: Spread(None, None) for figure in FIGURES}
    beats = iter([9.0, 5.0, 7.0, 8.0, 9.0])
    found = choose_order(lambda order: pieces[:1], corpus, lambda _: next(beats), 1.0)
    assert found.order == 1


def test_plans_are_those_of_training_songs_in_the_same_metre():
    def training(form, metre, split="train"):
        return SimpleNamespace(
            split=split,
            roll=np.zeros((0, 88), np.uint8),
            bpm=120.0,
            metre=metre,
            outline=SimpleNamespace(form=np.array(form, np.int64).reshape(-1, 1)),
        )

    piece = song([(0, 16, 60), (16, 32, 62), (32, 48, 64)], 48)
    short = training([0], (4, 4))
    test = training([0, 1, 1, 1], (4, 4), "test")
    corpus = SimpleNamespace(grid=Grid(), songs=[test, short])
    corpus.songs += [training([0, 1, 2], (3, 4)), training([0, 0, 2], (4, 4))]
    (plan,) = _plans([piece], corpus, 0)
    assert with_plan(piece, plan).notes[:, 2].tolist() == [60, 62, 60]
    corpus.songs = [test, short]  # where none is long enough, the longest
    assert [plan.tolist() for plan in _plans([piece], corpus, 0)] == [[0]]
    corpus.songs = [test]
    assert _plans([piece], corpus, 0) == []


def test_the_chain_of_a_corpus_is_as_long_as_what_it_is_to_be_like(rng):
    rolls = [(rng.random((80, 128)) < 0.02).astype(np.uint8) for _ in range(4)]
    grid = Grid(low=0, high=127)
    corpus = Corpus(
        grid,
        [
            Song(str(i), split, str(i), 120.0, (4, 4), roll)
            for i, (split, roll) in enumerate(zip(["train"] * 3 + ["test"], rolls, strict=True))
        ],
    )
    like = [song([(0, 4, 60)], frames) for frames in (40, 80, 64)]
    steps = []
    songs = chain_songs(corpus, like, 1, steps.append)
    assert [piece.frames for piece in songs] == [40, 80, 64]
    assert sum(steps) == MOST_ORDER + 1
    again = chain_songs(corpus, like, 1)
    assert [piece.notes.tolist() for piece in again] == [piece.notes.tolist() for piece in songs]
