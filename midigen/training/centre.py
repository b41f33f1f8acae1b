"""Steps in coordinates in which the units of the RBM are centred.  Eq. (25).

A step against the gradient depends on the coordinates.  With notes and hidden units counted from
their means, weights and biases no longer do the same work, and learning takes fewer steps; what the
model is stays as it was.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from midigen.backends.interface import Array
from midigen.model.placed import PlacedModel

HIDDEN_MEAN = 0.5  # of the hidden units, at the start; close enough later


class Centre:
    """Changes theta, or a gradient like it, to centred coordinates and back, in place.

    Parameters
    ----------
    placed : PlacedModel
    means : ndarray (V,)
        Of the notes, as the model sees them.
    """

    def __init__(self, placed: PlacedModel, means: NDArray[Any]) -> None:
        self._placed = placed
        self._kernels = placed.backend.optimizer
        self._means = placed.backend.to_device(means, placed.network.dtype)

    def _parts(self, theta: Array) -> tuple[Any, Any, Any]:
        """View W (H, V), and the constants in a (V,) and b (H,)."""
        return self._placed.weights_of(theta), *self._placed.constants_of(theta)

    def enter(self, theta: Array) -> None:
        """Change theta to centred coordinates."""
        self._kernels.centre_shift(*self._parts(theta), self._means, HIDDEN_MEAN, 1)

    def leave(self, theta: Array) -> None:
        """Change theta back to the model's own coordinates."""
        self._kernels.centre_shift(*self._parts(theta), self._means, HIDDEN_MEAN, -1)

    def gradient(self, gradient: Array) -> None:
        """Change dE/dtheta to dE/d(centred theta)."""
        self._kernels.centre_gradient(*self._parts(gradient), self._means, HIDDEN_MEAN)
