"""The Gaussian RNN-RBM: the gradient of a whole song, through z too, and what training keeps of real-valued frames."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad

from midigen.config import Grid, ModelConfig, TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key
from midigen.training.gradient import Carry, Stream
from midigen.training.optimizer import Optimizer
from midigen.training.trainer import Trainer
from tests import reference
from tests.training.songs import exact_loss, song_gradient

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
    """-log p of a song in autograd's NumPy, from Eq. (1), (14) and, for every frame, the mixture over hidden states."""
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
    first, carry = song_gradient(model, song(), config)
    second, _ = song_gradient(model, song(seed=2), config, carry)
    numeric = reference.central_differences(
        exact_loss(model, [song(), song(seed=2)], concatenate=True), model.theta
    )
    assert np.abs(first + second - numeric).max() / np.abs(numeric).max() < 1e-7


def test_sampled_gradients_average_to_the_exact_one():
    model, config = lively_model(), settings(sampler="persistent", gibbs_steps=5)
    exact, _ = song_gradient(model, song(), settings())
    particles, rounds = model.frames(song()), 4000
    start = particles.copy()
    total = 0
    for i in range(rounds):
        gradient = np.zeros_like(model.theta)
        Stream(model, [song()], Carry.start(model), derive_key(0, i), config, particles).step(
            gradient
        )
        total = total + gradient
    assert np.abs(total / rounds - exact).max() / np.abs(exact).max() < 0.05
    assert not np.array_equal(particles, start)


def test_deviations_stay_within_their_bounds():
    model = lively_model()
    model.theta[model.variance_rows].reshape(V, -1)[:, -1] = [-50, 50, 0, 1]
    deviation = np.exp(model.run(song())[2] / 2)
    assert np.allclose(deviation[:, 0], BOUNDS[0]) and np.allclose(deviation[:, 1], BOUNDS[1])
    assert (deviation[:, 2:] > BOUNDS[0]).all() and (deviation[:, 2:] < BOUNDS[1]).all()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_variance_has_a_step_of_its_own(optimizer):
    steps = {}
    for rate in (1.0, 0.25, 0.0):
        model = lively_model()
        before = model.theta.copy()
        Optimizer(model, settings(optimizer=optimizer, variance_rate=rate), np.zeros(V)).move(
            model.theta, np.ones_like(before), 0.01
        )
        steps[rate] = model.theta - before
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
    trained = []
    for threads in (1, 3):
        config = TrainConfig(
            **{"batch": 2, "block": 8, "gibbs_steps": 2, "transpose": (0, 0), **changes}
        )
        trainer = Trainer(
            lively_model(dtype="float32"),
            [song(9 + i, i) for i in range(4)],
            [song(8, 9)],
            config,
            threads,
        )
        start = trainer.model.theta.copy()
        events = list(trainer.run(3, lambda: False))
        assert np.isfinite(trainer.model.theta).all() and not np.array_equal(
            trainer.model.theta, start
        )
        assert all(p.dtype == np.float32 for p in trainer.particles)
        trained.append(trainer.model.theta)
        assert events
    assert np.array_equal(*trained)


def test_what_training_raises_is_the_likelihood():
    """Fifty epochs on one song, by sampling: its exact log-likelihood grows by nats a frame, z included."""
    model, roll = lively_model(dtype="float32"), song(40)
    before = model.exact_log_likelihood(roll).mean()
    config = TrainConfig(
        dropout=0.0, transpose=(0, 0), learning_rate=0.02, average=0.0, weight_decay=0.0
    )
    trainer = Trainer(model, [roll], [], config)
    list(trainer.run(50, lambda: False))
    assert model.exact_log_likelihood(roll).mean() > before + 1
