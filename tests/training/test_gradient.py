"""The gradient of a whole song, as training computes it, against finite differences of the exact log-likelihood."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key
from midigen.training.gradient import Carry, Stream
from midigen.training.negative import push_weights, random_song
from tests import reference
from tests.training.songs import exact_loss, song_gradient

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
    first, carry = song_gradient(model, song(), config)
    second, _ = song_gradient(model, song(seed=2), config, carry)
    numeric = reference.central_differences(
        exact_loss(model, [song(), song(seed=2)], concatenate=True), model.theta
    )
    assert np.abs(first + second - numeric).max() / np.abs(numeric).max() < 1e-7


@pytest.mark.parametrize("hidden", [(), (6,), (2,)])
@pytest.mark.parametrize("block", [1, 7, 16, 30, 100])
@pytest.mark.parametrize("way", ["blocks", "textbook"])
def test_songs_behind_one_another_start_anew(hidden, block, way):
    """Blocks that end in a song, between two, and behind several: nothing of a song is in the next one's gradient."""
    model, rolls = lively_model(hidden), [song(9), song(4, 2), song(17, 3)]
    gradient, _ = song_gradient(model, rolls, settings(block=block, gradient=way))
    numeric = reference.central_differences(exact_loss(model, rolls), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-4)])
def test_block_lengths_agree_with_sampling_too(dtype, tolerance):
    """The chains of a frame do not depend on the block it falls in."""
    model = lively_model(dtype=dtype)
    whole, _ = song_gradient(model, song(), settings(block=T, sampler="cd", dropout=0.3, noise=0.1))
    for block in (1, 7):
        got, _ = song_gradient(
            model, song(), settings(block=block, sampler="cd", dropout=0.3, noise=0.1)
        )
        assert np.abs(got - whole).max() / np.abs(whole).max() < tolerance


def test_sampled_gradients_average_to_the_exact_one():
    """Persistent chains, many times over at fixed weights, give the exact gradient."""
    model, config = lively_model(), settings(sampler="persistent", gibbs_steps=5)
    exact, _ = song_gradient(model, song(), settings())
    particles, total, rounds = song(), 0, 4000
    for i in range(rounds):
        gradient = np.zeros_like(model.theta)
        Stream(model, [song()], Carry.start(model), derive_key(0, i), config, particles).step(
            gradient
        )
        total = total + gradient
    assert np.abs(total / rounds - exact).max() / np.abs(exact).max() < 0.05


def test_particles_move_on_in_place():
    model, particles = lively_model(), song()
    before = particles.copy()
    stream = Stream(
        model,
        [song()],
        Carry.start(model),
        derive_key(0, 1),
        settings(sampler="persistent"),
        particles,
    )
    stream.step(np.zeros_like(model.theta))
    assert not np.array_equal(before, particles) and set(np.unique(particles)) <= {0, 1}


@pytest.mark.parametrize("kind", ["literal", "bounded"])
def test_random_songs_are_weighted_as_the_equations_say(kind):
    model = lively_model()
    noise, sample = song().astype(float), song(seed=3).astype(float)
    a, b = model.run(song())
    config = settings(negative=kind, negative_weight=0.3, negative_margin=1.5)
    weights = push_weights(config, noise, sample, model.w, a, b)
    for t in range(T):
        f_noise, f_sample = (
            reference.free_energy(v[t], model.w, a[t], b[t]) for v in (noise, sample)
        )
        s = reference.sigmoid(1.5 - (f_noise - f_sample)) if kind == "bounded" else 1.0
        assert np.isclose(weights[t], -0.3 * s)


def test_a_random_song_is_pushed_away():
    """One step down its gradient makes the noise less likely; the same step as data would make it likelier."""
    model, noise = lively_model(), random_song(np.random.default_rng(0), 200, V, 0.8)
    assert abs(noise.mean() - 0.8) < 0.05
    before = model.exact_log_likelihood(noise).mean()
    config = settings(sampler="cd", negative="literal", negative_weight=1.0, gibbs_steps=20)
    pushed, _ = song_gradient(model, noise, config, negative=True)
    model.theta -= 1e-3 * pushed / np.abs(pushed).max()
    assert model.exact_log_likelihood(noise).mean() < before
