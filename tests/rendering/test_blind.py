"""The page for blind listening: what it holds, and what it keeps to itself."""

import json
import re

import numpy as np
import pytest

from midigen.config import CompareConfig, Grid
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError
from midigen.evaluation.ratings import page_name, unseal
from midigen.figures.piece import Piece
from midigen.rendering.blind import CHAIN, HELD_OUT, corpus_sources, make_blind_page
from midigen.rendering.excerpts import Source

GRID = Grid(low=60, high=84)
SETTINGS = CompareConfig(excerpts=2, seconds=2, seed=3)


def roll(rng, frames=96):
    """One note on every frame but the last of a beat."""
    made = np.zeros((frames, GRID.channels), np.uint8)
    made[np.arange(frames), np.repeat(rng.integers(0, 24, frames // 4), 4)] = 1
    made[3::4] = 0
    return made


def make_corpus(splits, grid=GRID):
    rng = np.random.default_rng(5)
    songs = [
        Song(f"{split} {i}", split, f"{i}", 120.0, (4, 4), roll(rng))
        for i, split in enumerate(splits)
    ]
    return Corpus(grid, songs)


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(["train"] * 4 + ["valid"] * 2 + ["test"])


def songs_of(name, count=3):
    rng = np.random.default_rng(6)
    rolls = [roll(rng) for _ in range(count)]
    return Source(name, [Piece.of(f"{name}-{i}", r, GRID, 90, (4, 4)) for i, r in enumerate(rolls)])


@pytest.fixture(scope="module")
def page(corpus):
    return make_blind_page([songs_of("<b>mine</b>"), songs_of("yours")], corpus, SETTINGS)


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page)[1])


def test_held_out_songs_and_a_chain_stand_beside(corpus):
    steps = []
    held_out, chain = corpus_sources(corpus, songs_of("mine"), 3, 1, steps.append)
    assert (held_out.name, chain.name) == (HELD_OUT, CHAIN)
    assert {song.name.split()[0] for song in held_out.songs} == {"valid", "test"}
    assert len(chain.songs) >= 3
    assert {song.frames for song in chain.songs} == {96}
    assert sum(steps) == 5


def test_a_corpus_without_held_out_songs_has_a_chain():
    [chain] = corpus_sources(make_corpus(["train"] * 3), songs_of("mine"), 2, 1)
    assert chain.name == CHAIN


def test_a_corpus_without_training_songs_is_of_no_use():
    with pytest.raises(MidigenError, match="no songs to train on"):
        list(corpus_sources(make_corpus(["test"] * 3), songs_of("mine"), 2, 1))


def test_the_chain_is_in_the_keys_of_the_others(corpus, monkeypatch):
    from midigen.rendering import blind

    moved = []
    monkeypatch.setattr(blind, "in_key_of", lambda song, other: moved.append(other) or song)
    list(corpus_sources(corpus, songs_of("mine"), 2, 1))
    assert moved
    moved.clear()
    one = make_corpus(["train"] * 3 + ["test"], Grid(low=60, high=84, tonic="one"))
    list(corpus_sources(one, songs_of("mine"), 2, 1))
    assert not moved


def test_the_seal_says_what_is_what(page, corpus):
    data = data_of(page)
    key = unseal(data["sealed"])
    assert data["page"] == page_name(data["sealed"])
    assert key.sources == ("<b>mine</b>", "yours")
    assert len(key.excerpts) == len(data["clips"]) == 4
    assert sorted(source for source, _, _ in key.excerpts) == [0, 0, 1, 1]
    assert key.settings["corpus"] == corpus.digest
    assert key.settings["bpm"] == 120


def test_nothing_else_does(page):
    """No name of a source, song or corpus stands in the page, but under the seal."""
    data = data_of(page)
    shown = page.replace(data["sealed"], "")
    for clip in data["clips"]:
        shown = shown.replace(clip["audio"], "")
    for word in ("mine", "yours", "held-out", "chain", "Markov", "test", ".mid"):
        assert word.lower() not in re.sub(r"midigen", "", shown).lower(), word


def test_clips_are_alike_in_all_but_their_notes(page):
    clips = data_of(page)["clips"]
    assert len({len(clip["audio"]) for clip in clips}) == 1
    assert len({clip["seconds"] for clip in clips}) == 1
    assert len({clip["audio"] for clip in clips}) == len(clips)


def test_the_order_is_drawn_by_the_seed(corpus):
    sources = [songs_of("mine", 6), songs_of("yours", 6)]
    orders = []
    for seed in (1, 1, 2):
        settings = CompareConfig(excerpts=6, seconds=2, seed=seed)
        data = data_of(make_blind_page(sources, corpus, settings))
        orders.append([source for source, _, _ in unseal(data["sealed"]).excerpts])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_two_sources_of_one_name(corpus):
    with pytest.raises(MidigenError, match="two sources have one name"):
        make_blind_page([songs_of("mine"), songs_of("mine")], corpus, SETTINGS)


def test_the_page_loads_nothing(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src &#x27;none&#x27;; script-src &#x27;sha256-")
    assert "://" not in re.sub(r'id="data">.*?</script>', "", page)
