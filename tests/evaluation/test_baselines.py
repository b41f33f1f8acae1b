"""The baselines by hand, and those rows of a paper that need no model.

Boulanger-Lewandowski, Bengio and Vincent, ICML 2012.
"""

from pathlib import Path

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend
from midigen.config import Grid, Part
from midigen.evaluation.accuracy import score, score_draws
from midigen.evaluation.baselines import (
    Baseline,
    baselines,
    last_frames,
    note_means,
    recurrent_baseline,
)
from midigen.midi.benchmark import read_benchmark

DATA = Path(__file__).parents[3] / "shared" / "data" / "pianoroll"
GRID = Grid(low=60, high=70)
TRAIN = [np.array([[1, 0], [1, 0], [0, 1]], np.uint8), np.array([[1, 0]], np.uint8)]


def named(train, rolls):
    grid = Grid(low=60, high=59 + train[0].shape[1])
    return {baseline.name: baseline for baseline in baselines(train, rolls, grid)}


def test_last_frames_begin_each_song_in_silence():
    np.testing.assert_array_equal(last_frames(TRAIN), [[0, 0], [1, 0], [1, 0], [0, 0]])


def test_means_count_one_frame_with_every_note_and_one_without():
    np.testing.assert_allclose(note_means(TRAIN), [4 / 6, 2 / 6])


def test_likelihood_is_that_of_independent_notes():
    v = np.array([[1, 0], [0, 0]], np.uint8)
    p = np.array([[0.5, 0.25], [0.2, 0.0]])
    np.testing.assert_allclose(Baseline("", p).log_likelihood(v), np.log([0.5 * 0.75, 0.8]))


def test_repeating_the_last_frame_keeps_a_note_as_often_as_the_songs_do():
    repeat = named(TRAIN, TRAIN)["repeat last frame"]
    # note 0 stays on in 1 of 2 frames, comes on in 2 of 2; note 1 is never on before a frame,
    # comes on in 1 of 4
    np.testing.assert_allclose(
        repeat.p, [[3 / 4, 2 / 6], [2 / 4, 2 / 6], [2 / 4, 2 / 6], [3 / 4, 2 / 6]]
    )
    np.testing.assert_array_equal(repeat.copies, last_frames(TRAIN))


def test_of_a_line_at_most_one_column_is_on():
    """A line of two pitches and its hold column, and two voices: by enumeration of all frames."""
    line, voices = Part("tune", 60, 61, "line"), Part("chords", 40, 40, "voices")
    grid = Grid(parts=(line, voices))
    train = [
        np.array([[1, 0, 0, 1, 1], [0, 0, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], np.uint8)
    ]
    frames = np.array(list(np.ndindex(*[2] * 5)), np.uint8)
    allowed = frames[frames[:, :3].sum(axis=1) <= 1]
    for baseline in baselines(train, train, grid):
        for n in range(len(train[0])):
            rows = Baseline("", np.tile(baseline.p[n], (len(allowed), 1)), None, baseline.groups)
            p = np.exp(rows.log_likelihood(allowed))
            assert p.sum() == pytest.approx(1)
            np.testing.assert_allclose(p @ allowed, baseline.p[n])  # p is how often each is on
    random = baselines(train, train, grid)[0]
    np.testing.assert_allclose(random.p[0], [1 / 4] * 3 + [1 / 2] * 2)


def test_the_recurrent_network_learns_what_follows_what(rng):
    """Every note moves up by one: who knows has seen the other notes of the last frame."""
    songs = []
    for _ in range(20):
        first = (rng.random(11) < 0.4).astype(np.uint8)
        songs.append(np.array([np.roll(first, t) for t in range(30)]))
    train, valid, test = songs[:14], songs[14:16], songs[16:]
    seen = []
    network = recurrent_baseline(train, valid, test, GRID, 40_000, seen.append)
    again = recurrent_baseline(train, valid, test, GRID, 40_000, backend=CpuBackend(1))
    np.testing.assert_array_equal(network.p, again.p)
    assert network.log_likelihood(np.concatenate(test)).mean() > -2 and sum(seen) >= 40_000
    assert named(train, test)["note 1-gram"].log_likelihood(np.concatenate(test)).mean() < -7


@pytest.fixture(params=["JSB_Chorales", "Nottingham"])
def paper(request):
    """Name, training songs and test songs of a benchmark."""
    path = DATA / f"{request.param}.mat"
    if not path.exists():
        beside = f"{DATA.parent.name}/{DATA.name}"
        pytest.skip(f"the benchmark {path.name} is not beside this repository, in {beside}")
    songs = read_benchmark(path)
    return request.param, *(
        [roll for split, _, roll in songs if split == wanted] for wanted in ("train", "test")
    )


LIKELIHOOD = {"JSB_Chorales": -11.06, "Nottingham": -10.25}
ACCURACY = {
    "JSB_Chorales": (4.42, 15.25, 34.9),
    "Nottingham": (4.53, 19.87, 76.7),
}  # random, 1-gram; copy is ours


def test_the_rows_of_the_paper_come_out(paper):
    name, train, test = paper
    v = np.concatenate(test)
    random = np.full(v.shape, 0.5)
    gram = np.broadcast_to(note_means(train), v.shape)
    assert round(Baseline("", random).log_likelihood(v).mean(), 2) == -61.00
    assert round(Baseline("", gram).log_likelihood(v).mean(), 2) == LIKELIHOOD[name]
    accuracies = [
        score_draws(random, v).frame,
        score_draws(gram, v).frame,
        score(last_frames(test), v).frame,
    ]
    np.testing.assert_allclose(np.multiply(accuracies, 100), ACCURACY[name], atol=0.4)
