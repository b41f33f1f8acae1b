import numpy as np
import pytest

from midigen.config import Grid, ModelConfig
from midigen.generation import generate, generate_songs
from midigen.model.exact import expectations
from midigen.model.rnn_rbm import RnnRbm

V = 5


def lively_model(scale=0.6):
    config = ModelConfig(visible=V, rbm_hidden=4, recurrent=3, hidden=(6,))
    model = RnnRbm.initial(config, Grid(low=60, high=64), np.full(V, 0.4))
    model.theta[:] = np.random.default_rng(0).normal(0, scale, model.theta.size)
    return model


def test_a_seed_gives_the_same_songs_whatever_their_number():
    model = lively_model()
    ten = generate(model, 30, count=10, seed=5)
    assert np.array_equal(ten, generate(model, 30, count=10, seed=5))
    assert np.array_equal(ten[:3], generate(model, 30, count=3, seed=5))
    assert len({song.tobytes() for song in ten}) == 10
    assert not np.array_equal(ten, generate(model, 30, count=10, seed=6))


def test_a_longer_song_begins_like_the_shorter_one():
    model = lively_model()
    assert np.array_equal(generate(model, 40, seed=1)[0, :25], generate(model, 25, seed=1)[0])


@pytest.mark.parametrize("temperature", [1.0, 0.5, 20.0])
def test_frames_follow_the_models_own_distribution(temperature):
    """With no network weights but biases every frame has one RBM: its exact means must come out, at any temperature."""
    model = lively_model()
    for layer in model.network.layers(model.params):
        layer[:, :-1] = 0
    a, b = (biases[1:] / temperature for biases in model.run(np.zeros((2, V), np.uint8)))
    songs = generate(model, 2000, count=4, seed=1, gibbs_steps=10, temperature=temperature)
    expected = expectations(model.w / temperature, a, b)[0][0]
    assert np.abs(songs.mean(axis=(0, 1)) - expected).max() < 0.025


def test_a_primer_is_gone_on_from_and_not_returned():
    model = lively_model()
    primer = generate(model, 50, seed=9)[0]
    songs = [generate(model, 20, seed=3, primer=p)[0] for p in (None, primer, primer[:0])]
    assert all(song.shape == (20, V) for song in songs)
    assert np.array_equal(songs[0], songs[2]) and not np.array_equal(songs[0], songs[1])


def test_songs_come_one_by_one_and_may_be_stopped():
    counted = []
    songs = generate_songs(lively_model(), 100, count=50, progress=counted.append)
    assert next(songs).shape == (100, V)
    songs.close()
    assert sum(counted) < 50 * 100 + 1
    assert sum(counted) >= 100


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"temperature": 0.0}, {"temperature": float("nan")}, {"gibbs_steps": 0}]
)
def test_impossible_settings(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        list(generate_songs(lively_model(), 10, **wrong))
