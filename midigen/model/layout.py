"""Layers, activations and the flat vector of parameters that every network here shares.  Eq. (1).

Parameters are one flat vector (P,), layer after layer, each layer a matrix [W | b] of shape (n_k, n_{k-1} + 1).
"""

import numpy as np

from midigen.kernels.codes import LEAKY, LINEAR, SIGMOID, SOFTPLUS, TANH

ACTIVATIONS = {
    "linear": LINEAR,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "softplus": SOFTPLUS,
    "leaky": LEAKY,
}


def as_array(name, value, shape, dtype):
    """`value` as a writable, contiguous array of `dtype`; None in `shape` stands for any length.

    Raises ValueError, with the name and the shape expected, for another shape and for values that are not finite.
    """
    array = np.require(value, dtype, ["C", "W"])
    if array.ndim != len(shape) or any(
        n not in (None, m) for n, m in zip(shape, array.shape, strict=True)
    ):
        expected = ", ".join("any" if n is None else str(n) for n in shape) + (
            "," if len(shape) == 1 else ""
        )
        raise ValueError(f"{name} must have shape ({expected}), not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")
    return array


class Layout:
    """Sizes n_0 .. n_L, an activation for every unit, and how the parameters lie in memory.

    sizes: n_0, n_1, .., n_L.  activations: one name for all layers, or an entry for each of the L layers, itself a name
    or one name a unit; names are linear, tanh, sigmoid, softplus and leaky (slope 0.01 under 0).  dtype: float32 or
    float64.  Raises ValueError for anything else.
    """

    def __init__(self, sizes, activations, dtype):
        sizes = [int(n) for n in sizes]
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be two or more numbers of at least 1, not {sizes}")
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, not {self.dtype}")
        self.sizes = np.array(sizes, np.int64)
        self.codes = _codes(sizes[1:], activations)
        self.shapes = [(n, m + 1) for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
        self.parameters = sum(n * m for n, m in self.shapes)

    def layers(self, params):
        """Views [W^(k) | b^(k)], shapes (n_k, n_{k-1} + 1), of a flat vector (P,)."""
        views, at = [], 0
        for rows, columns in self.shapes:
            views.append(params[at : at + rows * columns].reshape(rows, columns))
            at += rows * columns
        return views

    def initial(self, rng):
        """Random parameters (P,): weights uniform in +-1/sqrt(fan-in), biases 0."""
        params = np.zeros(self.parameters, self.dtype)
        for layer in self.layers(params):
            bound = 1 / np.sqrt(layer.shape[1] - 1)
            layer[:, :-1] = rng.uniform(-bound, bound, (layer.shape[0], layer.shape[1] - 1))
        return params

    def as_params(self, params):
        """A user's parameters as this network's own: (P,), of its dtype, finite; ValueError otherwise."""
        return as_array("params", params, (self.parameters,), self.dtype)

    def empty_inputs(self, rows):
        """Room for what every layer is given by `rows` inputs, flat: layer k's part is (rows, n_{k-1} + 1)."""
        return np.empty(rows * int((self.sizes[:-1] + 1).sum()), self.dtype)


def _codes(units, activations):
    """int8, the activation of every unit, layers in order."""
    layers = [activations] * len(units) if isinstance(activations, str) else list(activations)
    if len(layers) != len(units):
        raise ValueError(
            f"activations must be one name or have an entry for each of {len(units)} layers, "
            f"not {len(layers)}"
        )
    codes = []
    for k, (count, names) in enumerate(zip(units, layers, strict=True), 1):
        names = [names] * count if isinstance(names, str) else list(names)
        if len(names) != count:
            raise ValueError(f"activations: layer {k} has {count} units, not {len(names)}")
        unknown = [name for name in names if name not in ACTIVATIONS]
        if unknown:
            raise ValueError(f"activations must be {', '.join(ACTIVATIONS)}, not {unknown[0]!r}")
        codes += [ACTIVATIONS[name] for name in names]
    return np.array(codes, np.int8)
