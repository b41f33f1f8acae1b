"""The gradient of songs as training computes it, against differences of their log-likelihood."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.exact import NO_GROUPS
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.negative import random_song
from tests import reference
from tests.training.songs import exact_loss, group_of, particles_of, read, song_gradient

V, T = 5, 23


def lively_model(hidden=(6,), dtype="float64"):
    config = ModelConfig(visible=V, rbm_hidden=4, recurrent=3, hidden=hidden, dtype=dtype)
    model = RnnRbm.initial(config, Grid(low=60, high=64), np.full(V, 0.4))
    model.theta[:] = np.random.default_rng(0).normal(0, 0.6, model.theta.size)
    return model


def song(frames=T, seed=1):
    return (np.random.default_rng(seed).random((frames, V)) < 0.4).astype(np.uint8)


def settings(**changes):
    return TrainConfig(**{"sampler": "exact", "dropout": 0.0, "negative": "off", **changes})


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("block", [1, 7, T])
def test_a_song_matches_finite_differences_of_its_exact_log_likelihood(hidden, block):
    model = lively_model(hidden)
    gradient, _ = song_gradient(model, song(), settings(block=block))
    numeric = reference.central_differences(exact_loss(model, [song()]), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7


@pytest.mark.parametrize("block", [7, T])
def test_songs_as_one_series(block):
    """With `concatenate` the gradient of the second song reaches back into the first."""
    model, config = lively_model(), settings(block=block, concatenate=True)
    first, carried = song_gradient(model, song(), config)
    second, _ = song_gradient(model, song(seed=2), config, carried)
    numeric = reference.central_differences(
        exact_loss(model, [song(), song(seed=2)], concatenate=True), model.theta
    )
    assert np.abs(first + second - numeric).max() / np.abs(numeric).max() < 1e-7


@pytest.mark.parametrize("hidden", [(), (6,), (2,)])
@pytest.mark.parametrize("block", [1, 7, 16, 30, 100])
@pytest.mark.parametrize("way", ["blocks", "textbook"])
def test_songs_behind_one_another_start_anew(hidden, block, way):
    """Blocks that end in a song, between two, and behind several: a song is not in the next's."""
    model, rolls = lively_model(hidden), [song(9), song(4, 2), song(17, 3)]
    gradient, _ = song_gradient(model, rolls, settings(block=block, gradient=way))
    numeric = reference.central_differences(exact_loss(model, rolls), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-4)])
def test_block_lengths_agree_with_sampling_too(backend, dtype, tolerance):
    """The chains of a frame do not depend on the block it falls in."""
    model, roll = lively_model(dtype=dtype), song(9)
    drawn = {"sampler": "cd", "dropout": 0.3, "noise": 0.1}
    whole, _ = song_gradient(model, roll, settings(block=T, **drawn), backend=backend)
    for block in (1, 4):
        got, _ = song_gradient(model, roll, settings(block=block, **drawn), backend=backend)
        assert np.abs(got - whole).max() / np.abs(whole).max() < tolerance


def test_sampled_gradients_average_to_the_exact_one():
    """Persistent chains, many times over at fixed weights, give the exact gradient."""
    model, config = lively_model(), settings(sampler="persistent", gibbs_steps=5)
    exact, _ = song_gradient(model, song(), settings())
    particles, rounds = particles_of(cpu_backend(), model, [song()]), 4000
    total = 0
    for i in range(rounds):
        total = total + song_gradient(model, song(), config, particles=particles, key=i)[0]
    assert np.abs(total / rounds - exact).max() / np.abs(exact).max() < 0.05


def test_particles_move_on_in_place(backend):
    model, roll = lively_model(), song(9)
    particles = particles_of(backend, model, [roll])
    before = read(backend, particles, 0, V)
    assert np.array_equal(before, roll)
    song_gradient(model, roll, settings(sampler="persistent"), backend=backend, particles=particles)
    after = read(backend, particles, 0, V)
    assert not np.array_equal(before, after) and set(np.unique(after)) <= {0, 1}


@pytest.mark.parametrize("kind", ["literal", "bounded"])
def test_random_songs_are_weighted_as_the_equations_say(backend, kind):
    model, noise, sample = lively_model(), song(), song(seed=3).astype(float)
    config = settings(negative=kind, negative_weight=0.3, negative_margin=1.5)
    group = group_of(model, [noise], config, backend, negative=True)
    placed = PlacedModel(model, backend)
    run, place = placed.run(placed.place([noise]), [0]), np.arange(T)
    place[-1] = -1  # as if the song were shorter
    found = group._weight(
        backend.to_device(place), run.v, backend.to_device(sample), placed.w, run.biases
    )
    a, b = model.run(noise)
    expected = np.full(T, -0.3)
    if kind == "bounded":
        for t in range(T):
            f_noise, f_sample = (
                reference.free_energy(v[t], model.w, a[t], b[t]) for v in (noise, sample)
            )
            expected[t] *= reference.sigmoid(1.5 - (f_noise - f_sample))
    expected[-1] = 0
    assert np.allclose(backend.to_host(found), expected)


def test_a_random_song_is_pushed_away():
    """One step down its gradient makes the noise less likely; as data it would make it likelier."""
    model, noise = lively_model(), random_song(np.random.default_rng(0), 200, V, 0.8, NO_GROUPS)
    assert abs(noise.mean() - 0.8) < 0.05
    before = model.exact_log_likelihood(noise).mean()
    config = settings(sampler="cd", negative="literal", negative_weight=1.0, gibbs_steps=20)
    pushed, _ = song_gradient(model, noise, config, negative=True)
    model.theta -= 1e-3 * pushed / np.abs(pushed).max()
    assert model.exact_log_likelihood(noise).mean() < before
