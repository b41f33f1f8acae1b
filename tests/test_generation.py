import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend
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


def test_a_seed_gives_the_same_songs_whatever_their_number(backend):
    model = lively_model()

    def make(count, seed):
        return generate(model, 8, count=count, seed=seed, gibbs_steps=5, backend=backend)

    ten = make(10, 5)
    assert np.array_equal(ten, make(10, 5))
    assert np.array_equal(ten[:3], make(3, 5))
    assert len({song.tobytes() for song in ten}) == 10
    assert not np.array_equal(ten, make(10, 6))


def test_threads_change_no_note():
    model = lively_model()
    one, three = (generate(model, 70, count=5, backend=CpuBackend(n)) for n in (1, 3))
    assert np.array_equal(one, three)


def test_a_longer_song_begins_like_the_shorter_one(backend):
    settings = {"seed": 1, "gibbs_steps": 5, "backend": backend}
    longer, shorter = (generate(lively_model(), n, **settings)[0] for n in (12, 7))
    assert np.array_equal(longer[:7], shorter)


@pytest.mark.parametrize("told, expected", [(None, 0.8), (0.6, 0.6)])
def test_the_temperature_that_suits_a_model_is_taken_where_none_is_asked_for(told, expected):
    model = lively_model()
    model.card.temperature = told
    left_out, asked, other = (
        generate(model, 30, gibbs_steps=5, **settings)
        for settings in ({}, {"temperature": expected}, {"temperature": 2.0})
    )
    assert np.array_equal(left_out, asked) and not np.array_equal(left_out, other)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 20.0])
def test_frames_follow_the_models_own_distribution(temperature):
    """With biases alone in the network every frame has one RBM, whose exact means come out."""
    model = lively_model()
    for layer in model.network.layers(model.params):
        layer[:, :-1] = 0
    a, b = (biases[1:] / temperature for biases in model.run(np.zeros((2, V), np.uint8)))
    songs = generate(model, 2000, count=4, seed=1, gibbs_steps=10, temperature=temperature)
    expected = expectations(model.w / temperature, a, b)[0][0]
    assert np.abs(songs.mean(axis=(0, 1)) - expected).max() < 0.025


def test_a_primer_is_gone_on_from_and_not_returned(backend):
    model = lively_model()
    primer = generate(model, 50, seed=9)[0]
    settings = {"seed": 3, "gibbs_steps": 5, "backend": backend}
    songs = [generate(model, 6, primer=p, **settings)[0] for p in (None, primer, primer[:0])]
    assert all(song.shape == (6, V) for song in songs)
    assert np.array_equal(songs[0], songs[2]) and not np.array_equal(songs[0], songs[1])


def test_songs_come_one_by_one_and_may_be_stopped():
    counted = []
    songs = generate_songs(lively_model(), 1000, count=50, progress=counted.append)
    assert next(songs).shape == (1000, V)
    songs.close()
    assert 1000 <= sum(counted) < 50 * 1000


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"temperature": 0.0}, {"temperature": float("nan")}, {"gibbs_steps": 0}]
)
def test_impossible_settings(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        list(generate_songs(lively_model(), 10, **wrong))
