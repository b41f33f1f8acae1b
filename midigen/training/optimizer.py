"""Adam or SGD with momentum, on centred units, with clipping and weight decay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array
from midigen.config import TrainConfig
from midigen.model.placed import PlacedModel
from midigen.training.centre import Centre
from midigen.training.state import TrainerState

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer:
    """Moves theta against a gradient; what it remembers is in a `TrainerState`.

    Parameters
    ----------
    placed : PlacedModel
        The model whose theta is moved.
    settings : TrainConfig
    means : ndarray (V,)
        Of the notes, for `settings.centre`.
    """

    def __init__(self, placed: PlacedModel, settings: TrainConfig, means: NDArray[Any]) -> None:
        model, self._backend = placed.model, placed.backend
        self._kernels, self._settings = placed.backend.optimizer, settings
        self._centre = None
        if settings.centre and not model.gaussian:
            self._centre = Centre(placed, means)
        self._variance_rows = model.variance_rows if model.gaussian else None
        decay = np.full_like(model.theta, settings.weight_decay)
        for layer in model.network.layers(decay[: model.network.parameters]):
            layer[:, -1] = 0  # biases are not decayed
        if settings.rbm_weight_decay is not None:
            decay[model.network.parameters :] = settings.rbm_weight_decay
        self._decay = self._backend.to_device(decay)

    def moments(self, theta: Array) -> list[Array]:
        """Make the moments that a run begins with."""
        count = 2 if self._settings.optimizer == "adam" else 1
        return [self._backend.zeros(tuple(theta.shape), theta.dtype) for _ in range(count)]

    def move(self, state: TrainerState, gradient: Array, rate: float) -> bool:
        """Take one step.

        Parameters
        ----------
        state : TrainerState
            Whose theta, moments and steps are changed in place.
        gradient : Array (P + H V,)
            Changed as well: centred, clipped to norm `clip` (0: not), decay added.
        rate : float
            The step size.  The rows of the last layer that make log-variances go `variance_rate`
            of their way.

        Returns
        -------
        bool
            Whether the gradient was finite; if not, no step was taken.
        """
        settings, kernels, theta = self._settings, self._kernels, state.theta
        if self._centre:
            self._centre.enter(theta)
            self._centre.gradient(gradient)
        norm = self._backend.norm(gradient)
        if math.isfinite(norm):
            scale = settings.clip / norm if settings.clip and norm > settings.clip else 1.0
            kernels.shorten_and_decay(theta, gradient, scale, self._decay)
            state.steps += 1
            self._step(state, gradient, rate)
        if self._centre:
            self._centre.leave(theta)
        return math.isfinite(norm)

    def _step(self, state: TrainerState, gradient: Array, rate: float) -> None:
        settings, kernels, theta = self._settings, self._kernels, state.theta
        slow = theta[self._variance_rows] if self._variance_rows else None
        before = None if slow is None else self._backend.copy(slow)
        if settings.optimizer == "adam":
            kernels.adam_step(
                theta, gradient, *state.moments, rate, BETA1, BETA2, state.steps, EPSILON
            )
        else:
            kernels.momentum_step(theta, gradient, *state.moments, rate, settings.momentum)
        if slow is not None:
            kernels.average_step(slow, before, settings.variance_rate)

    def forget(self, state: TrainerState) -> None:
        """Go on without moments."""
        for moment in state.moments:
            self._backend.fill(moment, 0)
