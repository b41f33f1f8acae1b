"""Centred units: the same model in other coordinates, and the gradient there.  Eq. (25)."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.config import TrainConfig
from midigen.model.placed import PlacedModel
from midigen.training.centre import HIDDEN_MEAN, Centre
from midigen.training.optimizer import Optimizer
from tests import reference
from tests.training.songs import exact_loss, optimizer_state, song_gradient
from tests.training.test_gradient import V, lively_model, settings, song

MEANS = np.linspace(0.1, 0.7, V)


def test_centred_biases_are_those_of_the_equation(backend):
    model = lively_model(())
    theta = backend.to_device(model.theta)
    centre = Centre(PlacedModel(model, backend), MEANS)
    centre.enter(theta)
    theta_after = backend.to_host(theta).copy()
    after, before = (
        model.network.layers(t[: model.network.parameters])[0] for t in (theta_after, model.theta)
    )
    a, b = (before[part, -1] for part in model.output_parts)
    expected = reference.centred_biases(a, b, model.w, MEANS, HIDDEN_MEAN)
    assert np.allclose(after[model.config.recurrent :, -1], np.concatenate(expected), atol=1e-14)
    after[model.config.recurrent :, -1] = before[model.config.recurrent :, -1]
    assert np.array_equal(theta_after, model.theta)
    centre.leave(theta)
    assert np.allclose(backend.to_host(theta), model.theta, atol=1e-14)


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
    centre = Centre(PlacedModel(model, cpu_backend()), MEANS)
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


def test_a_step_is_taken_in_centred_coordinates(backend):
    model = lively_model()
    gradient = np.random.default_rng(0).standard_normal(model.theta.size)
    expected, centred = model.theta.copy(), gradient.copy()
    centre = Centre(PlacedModel(model, cpu_backend()), MEANS)
    centre.gradient(centred)
    centre.enter(expected)
    expected -= 0.01 * centred
    centre.leave(expected)
    found = {}
    for is_centred in (True, False):
        config = TrainConfig(
            optimizer="sgd", momentum=0.0, clip=0.0, weight_decay=0.0, centre=is_centred
        )
        optimizer = Optimizer(PlacedModel(model, backend), config, MEANS)
        state = optimizer_state(backend, optimizer, model.theta)
        assert optimizer.move(state, backend.to_device(gradient), 0.01) and state.steps == 1
        found[is_centred] = backend.to_host(state.theta)
    assert np.allclose(found[True], expected, atol=1e-14)
    assert np.abs(found[False] - expected).max() > 1e-3
