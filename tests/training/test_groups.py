"""Songs with a part of one voice: their gradient, their samples, the notes that they may have."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig, Part, TrainConfig
from midigen.generation import generate
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key
from tests import reference
from tests.training.songs import exact_loss, particles_of, read, song_gradient

GRID = Grid(
    parts=(
        Part(name="lead", low=60, high=62, kind="line"),
        Part(name="chords", low=48, high=49, kind="voices"),
    )
)
V, T = GRID.channels, 13
GROUPS = columns_of(GRID).groups


def lively_model(hidden=4, dtype="float64"):
    config = ModelConfig(visible=V, rbm_hidden=hidden, recurrent=3, hidden=(), dtype=dtype)
    model = RnnRbm.initial(config, GRID, np.full(V, 0.2))
    model.theta[:] = np.random.default_rng(0).normal(0, 0.6, model.theta.size)
    return model


def song(frames=T, seed=1):
    states = reference.allowed_states(V, GROUPS)
    return states[np.random.default_rng(seed).integers(0, len(states), frames)].astype(np.uint8)


def settings(**changes):
    return TrainConfig(**{"sampler": "exact", "dropout": 0.0, "negative": "off", **changes})


@pytest.mark.parametrize("hidden", [4, 8])
def test_the_likelihood_is_one_over_the_frames_that_may_be(hidden):
    """Summed over the hidden layer, and over the visible one."""
    model, states = lively_model(hidden), reference.allowed_states(V, GROUPS)
    songs = [np.array([frame], np.uint8) for frame in states]
    total = sum(np.exp(model.exact_log_likelihood(roll)[0]) for roll in songs)
    assert total == pytest.approx(1, abs=1e-12)


def test_a_song_matches_finite_differences_of_its_exact_log_likelihood():
    model = lively_model()
    gradient, _ = song_gradient(model, song(), settings(block=5))
    numeric = reference.central_differences(exact_loss(model, [song()]), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7


def test_sampled_gradients_average_to_the_exact_one():
    model, config = lively_model(), settings(sampler="persistent", gibbs_steps=5)
    exact, _ = song_gradient(model, song(), settings())
    particles, rounds = particles_of(cpu_backend(), model, [song()]), 4000
    total = 0
    for i in range(rounds):
        total = total + song_gradient(model, song(), config, particles=particles, key=i)[0]
    assert np.abs(total / rounds - exact).max() / np.abs(exact).max() < 0.05


def test_particles_keep_one_voice(backend):
    model, config = lively_model(), settings(sampler="persistent")
    particles = particles_of(backend, model, [song()])
    song_gradient(model, song(), config, backend=backend, particles=particles)
    after = read(backend, particles, 0, V)
    assert not np.array_equal(after, song())
    assert all((after[:, first:stop].sum(axis=1) <= 1).all() for first, stop in GROUPS)


def test_new_songs_have_one_voice(backend):
    rolls = generate(lively_model(), 40, count=2, backend=backend)
    for first, stop in GROUPS:
        of_group = rolls[:, :, first:stop].sum(axis=2)
        assert of_group.max() == 1 and of_group.min() == 0


def test_samples_given_the_past(backend):
    model, roll = lively_model(), song()
    placed = PlacedModel(model, backend)
    sample = placed.sample(placed.run(placed.place([roll]), [0]), 3, [derive_key(0)])
    assert all((sample[:, first:stop].sum(axis=1) <= 1).all() for first, stop in GROUPS)
