"""Centred units: the same model in other coordinates, and the gradient there.  Eq. (25)."""

import numpy as np
import pytest

from midigen.config import TrainConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.centre import HIDDEN_MEAN, Centre
from midigen.training.optimizer import Optimizer
from tests import reference
from tests.training.songs import exact_loss, song_gradient
from tests.training.test_gradient import V, lively_model, settings, song

MEANS = np.linspace(0.1, 0.7, V)


def test_centred_biases_are_those_of_the_equation():
    model = lively_model(())
    theta = model.theta.copy()
    Centre(model, MEANS).enter(theta)
    after, before = (
        model.network.layers(t[: model.network.parameters])[0] for t in (theta, model.theta)
    )
    expected = reference.centred_biases(
        *model.bias_gradients(before[:, -1]), model.w, MEANS, HIDDEN_MEAN
    )
    assert np.allclose(after[model.config.recurrent :, -1], np.concatenate(expected), atol=1e-14)
    after[model.config.recurrent :, -1] = before[model.config.recurrent :, -1]
    assert np.array_equal(theta, model.theta)


def test_the_energy_of_centred_units_is_that_of_the_model_up_to_a_constant():
    rng = np.random.default_rng(0)
    a, b, w = rng.standard_normal(V), rng.standard_normal(4), rng.standard_normal((4, V))
    ac, bc = reference.centred_biases(a, b, w, MEANS, 0.5)
    energies = np.array(
        [
            (-a @ v - b @ h - h @ w @ v, -ac @ v - bc @ h - (h - 0.5) @ w @ (v - MEANS))
            for v in reference.all_states(V)
            for h in reference.all_states(4)
        ]
    )
    difference = energies[:, 0] - energies[:, 1]
    assert np.ptp(difference) < 1e-12 and np.ptp(energies[:, 0]) > 1


@pytest.mark.parametrize("hidden", [(), (6,)])
def test_the_gradient_in_centred_coordinates(hidden):
    """Against finite differences of the exact loss as a function of them."""
    model, roll = lively_model(hidden), song()
    centre = Centre(model, MEANS)
    gradient, _ = song_gradient(model, roll, settings())
    centre.gradient(gradient)

    def loss(centred):
        theta = centred.copy()
        centre.leave(theta)
        return exact_loss(model, [roll])(theta)

    centred = model.theta.copy()
    centre.enter(centred)
    numeric = reference.central_differences(loss, centred)
    assert np.abs(gradient - numeric).max() / np.abs(numeric).max() < 1e-7


def test_a_step_is_taken_in_centred_coordinates():
    model, config = (
        lively_model(),
        TrainConfig(optimizer="sgd", momentum=0.0, clip=0.0, weight_decay=0.0),
    )
    start, gradient = model.theta.copy(), np.random.default_rng(0).standard_normal(model.theta.size)
    expected, centred, centre = start.copy(), gradient.copy(), Centre(model, MEANS)
    centre.gradient(centred)
    centre.enter(expected)
    expected -= 0.01 * centred
    centre.leave(expected)
    Optimizer(model, config, MEANS).move(model.theta, gradient.copy(), 0.01)
    assert np.allclose(model.theta, expected, atol=1e-14)
    plain = RnnRbm(model.config, model.grid, start.copy())
    Optimizer(plain, TrainConfig(**{**config.to_json(), "centre": False}), MEANS).move(
        plain.theta, gradient, 0.01
    )
    assert np.abs(plain.theta - expected).max() > 1e-3
