"""Layers, activations and the flat vector of parameters that every network here shares.  Eq. (1).

Parameters are one flat vector (P,), layer after layer, each layer a matrix [W | b] of shape
(n_k, n_{k-1} + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from midigen.kernels.codes import LEAKY, LINEAR, SIGMOID, SOFTPLUS, TANH

ACTIVATIONS = {
    "linear": LINEAR,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "softplus": SOFTPLUS,
    "leaky": LEAKY,
}
Activations = str | Sequence[str | Sequence[str]]  # one name, or an entry a layer, or a unit


def as_array(
    name: str, value: ArrayLike, shape: Sequence[int | None], dtype: DTypeLike
) -> NDArray[Any]:
    """Read a value as a writable, contiguous array.

    Parameters
    ----------
    name : str
        What the error calls it.
    value : array_like
    shape : sequence of int or None
        The shape it must have; None stands for any length.
    dtype : data type

    Returns
    -------
    ndarray
        The value itself where it already fits.

    Raises
    ------
    ValueError
        With the name and the shape expected, for another shape and for values that are not finite.
    """
    array = np.require(value, dtype, ["C", "W"])
    fits = array.ndim == len(shape) and all(
        n in (None, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        lengths = ["any" if n is None else str(n) for n in shape]
        expected = ", ".join(lengths) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({expected}), not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")
    return array


class Layout:
    """Sizes n_0 .. n_L, an activation for every unit, and how the parameters lie in memory.

    Parameters
    ----------
    sizes : sequence of int
        n_0, n_1, .., n_L.
    activations : str, or a sequence
        One name for all layers, or an entry for each of the L layers, itself a name or one name a
        unit: linear, tanh, sigmoid, softplus or leaky (slope 0.01 under 0).
    dtype : data type
        float32 or float64.

    Attributes
    ----------
    sizes : ndarray of int64 (L + 1,)
    codes : ndarray of int8
        The activation of every unit, layers in order, see `midigen.kernels.codes`.
    shapes : list of (int, int)
        Of each layer's [W | b].
    parameters : int
        P.

    Raises
    ------
    ValueError
        For sizes, names or types that are none of these.
    """

    def __init__(self, sizes: Sequence[int], activations: Activations, dtype: DTypeLike) -> None:
        widths = [int(n) for n in sizes]
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"sizes must be two or more numbers of at least 1, not {widths}")
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, not {self.dtype}")
        self.sizes = np.array(widths, np.int64)
        self.codes = _codes(widths[1:], activations)
        self.shapes = [(n, m + 1) for m, n in zip(widths[:-1], widths[1:], strict=True)]
        self.parameters = sum(n * m for n, m in self.shapes)

    def layers(self, params: NDArray[Any]) -> list[NDArray[Any]]:
        """View a flat vector (P,) as [W^(k) | b^(k)], shapes (n_k, n_{k-1} + 1)."""
        views, at = [], 0
        for rows, columns in self.shapes:
            views.append(params[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        return views

    def initial(self, rng: np.random.Generator) -> NDArray[Any]:
        """Draw parameters (P,): weights uniform in +-1/sqrt(fan-in), biases 0."""
        params = np.zeros(self.parameters, self.dtype)
        for layer in self.layers(params):
            bound = 1 / np.sqrt(layer.shape[1] - 1)
            layer[:, :-1] = rng.uniform(-bound, bound, (layer.shape[0], layer.shape[1] - 1))
        return params

    def as_params(self, params: ArrayLike) -> NDArray[Any]:
        """Read a user's parameters: (P,), of this network's dtype, finite; ValueError otherwise."""
        return as_array("params", params, (self.parameters,), self.dtype)


def _codes(units: list[int], activations: Activations) -> NDArray[np.int8]:
    """Give the activation of every unit, layers in order."""
    layers = [activations] * len(units) if isinstance(activations, str) else list(activations)
    if len(layers) != len(units):
        raise ValueError(
            "activations must be one name or have an entry for each of "
            f"{len(units)} layers, not {len(layers)}"
        )
    codes: list[int] = []
    for k, (count, given) in enumerate(zip(units, layers, strict=True), 1):
        names = [given] * count if isinstance(given, str) else list(given)
        if len(names) != count:
            raise ValueError(f"activations: layer {k} has {count} units, not {len(names)}")
        unknown = [name for name in names if name not in ACTIVATIONS]
        if unknown:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activations must be {known}, not {unknown[0]!r}")
        codes += [ACTIVATIONS[name] for name in names]
    return np.array(codes, np.int8)
