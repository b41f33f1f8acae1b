"""Steps in coordinates in which the units of the RBM are centred.  Eq. (25).

A step against the gradient depends on the coordinates.  With notes and hidden units counted from their means, weights
and biases no longer do the same work, and learning takes fewer steps; what the model is stays as it was.
"""

import numpy as np

from midigen.kernels.cpu import optimizer as kernels

HIDDEN_MEAN = 0.5  # of the hidden units, at the start; close enough later


class Centre:
    """Changes theta, or a gradient like it, between the model's own coordinates and the centred ones, in place.

    means (V,): of the notes as the model sees them.
    """

    def __init__(self, model, means):
        self._model, self._means = model, np.asarray(means, model.theta.dtype)

    def _parts(self, theta):
        """Views: W (H, V), and the constants in a (V,) and b (H,), which are in the last layer's bias."""
        model = self._model
        last = model.network.layers(theta[: model.network.parameters])[-1]
        return theta[model.network.parameters :].reshape(model.w.shape), *model.bias_gradients(
            last[:, -1]
        )

    def enter(self, theta):
        """To centred coordinates."""
        self._shift(theta, 1)

    def leave(self, theta):
        """Back to the model's own."""
        self._shift(theta, -1)

    def _shift(self, theta, sign):
        kernels.centre_shift(*self._parts(theta), self._means, HIDDEN_MEAN, sign)

    def gradient(self, gradient):
        """dE/dtheta to dE/d(centred theta)."""
        kernels.centre_gradient(*self._parts(gradient), self._means, HIDDEN_MEAN)
