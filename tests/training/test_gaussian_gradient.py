"""The Gaussian RNN-RBM: the gradient of a song, through z too, and training on real values."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.optimizer import Optimizer
from midigen.training.trainer import Trainer
from tests import reference
from tests.training.songs import (
    exact_loss,
    optimizer_state,
    particles_of,
    read,
    song_gradient,
    train,
    weights,
)

V, H, R, T = 4, 3, 3, 9
GRID = Grid(low=60, high=63, values="velocity")
BOUNDS = (0.05, 1.5)


def lively_model(hidden=(5,), dtype="float64"):
    config = ModelConfig(
        V,
        rbm_hidden=H,
        recurrent=R,
        hidden=hidden,
        visible_model="gaussian",
        deviation=BOUNDS,
        dtype=dtype,
    )
    model = RnnRbm.initial(config, GRID, np.full(V, 0.4))
    model.theta[:] = np.random.default_rng(0).normal(0, 0.6, model.theta.size)
    return model


def song(frames=T, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 128, (frames, V)) * (rng.random((frames, V)) < 0.5)).astype(np.uint8)


def settings(**changes):
    return TrainConfig(**{"sampler": "exact", "dropout": 0.0, **changes})


def song_loss_from_the_equations(model, roll):
    """-log p of a song in autograd's NumPy, from Eq. (1), (14) and mixtures over hidden states."""
    states, v = reference.all_states(H), roll / 127
    shapes = [layer.shape for layer in model.network.layers(model.params)]
    low, high = 2 * np.log(BOUNDS)

    def loss(theta):
        layers, at = [], 0
        for n, m in shapes:
            layers.append(theta[at : at + n * m].reshape(n, m))
            at += n * m
        w, r, before, total = theta[at:].reshape(H, V), np.zeros(R), np.zeros(V), 0.0
        for frame in v:
            x = anp.concatenate([before, r])
            for layer in layers[:-1]:
                x = anp.tanh(layer[:, :-1] @ x + layer[:, -1])
            s = layers[-1][:, :-1] @ x + layers[-1][:, -1]
            r, a, b, z = (
                anp.tanh(s[:R]),
                s[R : R + V],
                s[R + V : R + V + H],
                low + (high - low) / (1 + anp.exp(-s[-V:])),
            )
            means = anp.exp(-z / 2) * a + states @ w
            weights = (
                states @ b
                + (states @ w) @ (anp.exp(-z / 2) * a)
                + 0.5 * anp.sum((states @ w) ** 2, axis=1)
            )
            normal = -0.5 * anp.sum(
                (anp.exp(-z / 2) * frame - means) ** 2 + z + np.log(2 * np.pi), axis=1
            )
            total = (
                total
                + anp.log(anp.sum(anp.exp(weights)))
                - anp.log(anp.sum(anp.exp(weights + normal)))
            )
            before = frame
        return total

    return loss


@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("block", [1, 4])
def test_a_song_matches_finite_differences_of_its_exact_log_likelihood(hidden, block):
    model = lively_model(hidden)
    gradient, _ = song_gradient(model, song(), settings(block=block))
    numeric = reference.central_differences(exact_loss(model, [song()]), model.theta)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7
    assert np.abs(gradient[model.variance_rows]).max() > 1e-3 * np.abs(numeric).max()


def test_a_song_matches_autograd():
    model = lively_model()
    loss = song_loss_from_the_equations(model, song())
    assert np.isclose(loss(model.theta), exact_loss(model, [song()])(model.theta), rtol=1e-10)
    gradient, _ = song_gradient(model, song(), settings(block=5))
    expected = grad(loss)(model.theta)
    assert np.abs(gradient - expected).max() / np.abs(expected).max() < 1e-10


def test_songs_as_one_series():
    model, config = lively_model(), settings(block=5, concatenate=True)
    first, carried = song_gradient(model, song(), config)
    second, _ = song_gradient(model, song(seed=2), config, carried)
    numeric = reference.central_differences(
        exact_loss(model, [song(), song(seed=2)], concatenate=True), model.theta
    )
    assert np.abs(first + second - numeric).max() / np.abs(numeric).max() < 1e-7


def test_sampled_gradients_average_to_the_exact_one():
    model, config = lively_model(), settings(sampler="persistent", gibbs_steps=5)
    exact, _ = song_gradient(model, song(), settings())
    particles, rounds = particles_of(cpu_backend(), model, [song()]), 4000
    assert np.allclose(read(cpu_backend(), particles, 0, V), model.frames(song()))
    total = 0
    for i in range(rounds):
        total = total + song_gradient(model, song(), config, particles=particles, key=i)[0]
    assert np.abs(total / rounds - exact).max() / np.abs(exact).max() < 0.05
    assert not np.array_equal(read(cpu_backend(), particles, 0, V), model.frames(song()))


def test_deviations_stay_within_their_bounds():
    model = lively_model()
    model.theta[model.variance_rows].reshape(V, -1)[:, -1] = [-50, 50, 0, 1]
    deviation = np.exp(model.run(song())[2] / 2)
    assert np.allclose(deviation[:, 0], BOUNDS[0]) and np.allclose(deviation[:, 1], BOUNDS[1])
    assert (deviation[:, 2:] > BOUNDS[0]).all() and (deviation[:, 2:] < BOUNDS[1]).all()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_variance_has_a_step_of_its_own(backend, optimizer):
    model, steps = lively_model(), {}
    for rate in (1.0, 0.25, 0.0):
        changes = {"optimizer": optimizer, "variance_rate": rate}
        moves = Optimizer(PlacedModel(model, backend), settings(**changes), np.zeros(V))
        state = optimizer_state(backend, moves, model.theta)
        moves.move(state, backend.to_device(np.ones_like(model.theta)), 0.01)
        steps[rate] = backend.to_host(state.theta) - model.theta
    rows = [steps[rate][model.variance_rows] for rate in (1.0, 0.25, 0.0)]
    assert np.allclose(rows[1], 0.25 * rows[0], atol=1e-12) and not rows[2].any() and rows[0].all()
    for step in steps.values():
        step[model.variance_rows] = 0
    assert np.array_equal(steps[0.0], steps[1.0])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"update": "block"},
        {"update": "epoch"},
        {"concatenate": True},
        {"sampler": "cd", "noise": 0.1},
    ],
)
def test_every_way_to_train_gives_the_same_run_on_any_number_of_threads(changes):
    runs, model = [], lively_model(dtype="float32")
    config = {"batch": 2, "block": 8, "gibbs_steps": 2, "transpose": (0, 0), **changes}
    for threads in (1, 3):
        songs, held_out = [song(9 + i, i) for i in range(4)], [song(8, 9)]
        trainer = Trainer(model, songs, held_out, TrainConfig(**config), CpuBackend(threads))
        assert train(trainer, 3)
        if trainer.state.particles:
            assert trainer.state.particles.kept.dtype == np.float32
        runs.append(weights(trainer))
    assert np.isfinite(runs[0]).all() and not np.array_equal(runs[0], model.theta)
    assert np.array_equal(*runs)


def test_what_training_raises_is_the_likelihood():
    """Fifty epochs on one song, by sampling: its exact log-likelihood grows by nats a frame."""
    model, roll = lively_model(dtype="float32"), song(40)
    before = model.exact_log_likelihood(roll).mean()
    config = TrainConfig(
        dropout=0.0, transpose=(0, 0), learning_rate=0.02, average=0.0, weight_decay=0.0
    )
    trainer = Trainer(model, [roll], [], config)
    train(trainer, 50)
    assert trainer.current().exact_log_likelihood(roll).mean() > before + 1
