"""Adam or SGD with momentum: centred units, clipping, weight decay, and steps of their own for the variances."""

import numpy as np

from midigen.kernels.cpu import optimizer as kernels
from midigen.training.centre import Centre

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer:
    """Moves theta (P,) against a gradient.  Its moments are float arrays like theta, in `moments`, for checkpoints.

    means (V,): of the notes, for `settings.centre`.
    """

    kernels = kernels

    def __init__(self, model, settings, means):
        self.model, self.settings, self.steps = model, settings, 0
        self._centre = Centre(model, means) if settings.centre and not model.gaussian else None
        self.moments = [
            np.zeros_like(model.theta) for _ in range(2 if settings.optimizer == "adam" else 1)
        ]
        self._decay = np.full_like(model.theta, settings.weight_decay)
        for layer in model.network.layers(self._decay[: model.network.parameters]):
            layer[:, -1] = 0  # biases are not decayed

    def move(self, theta, gradient, rate):
        """One step, in place.  gradient (P,) is changed: centred, clipped to norm `clip` (0: not), decay added.

        The rows of the last layer that make log-variances go `variance_rate` of their way.
        """
        settings = self.settings
        if self._centre:
            self._centre.enter(theta)
            self._centre.gradient(gradient)
        norm = self.norm(gradient)
        scale = settings.clip / norm if settings.clip and norm > settings.clip else 1.0
        self.kernels.shorten_and_decay(theta, gradient, scale, self._decay)
        self.steps += 1
        rows = theta[self.model.variance_rows] if self.model.gaussian else None
        before = self.copied(rows) if self.model.gaussian else None
        if settings.optimizer == "adam":
            self.kernels.adam_step(
                theta, gradient, *self.moments, rate, BETA1, BETA2, self.steps, EPSILON
            )
        else:
            self.kernels.momentum_step(theta, gradient, *self.moments, rate, settings.momentum)
        if self.model.gaussian:
            self.kernels.average_step(rows, before, settings.variance_rate)
        if self._centre:
            self._centre.leave(theta)

    def norm(self, gradient):
        """The length of a gradient, a float."""
        return float(np.sqrt(np.dot(gradient, gradient)))

    def copied(self, array):
        """A copy of a part of theta."""
        return array.copy()

    def forget(self):
        """Go on without moments."""
        for moment in self.moments:
            moment[:] = 0
