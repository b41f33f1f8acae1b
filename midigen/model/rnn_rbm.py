"""The RNN-RBM: a network that gives, frame by frame, the biases of an RBM over the notes.  Eq. (14)."""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from midigen import files
from midigen.config import Grid, ModelConfig
from midigen.errors import MidigenError
from midigen.kernels.cpu import gaussian, rbm
from midigen.midi.notes import check_tempo
from midigen.model.exact import log_partition
from midigen.model.layout import as_array
from midigen.model.network import Network

KIND, VERSION, FILE_NAME = "model", 1, "model.safetensors"
KERNELS = {"bernoulli": rbm, "gaussian": gaussian}
LOUDEST = 127  # the MIDI velocity that a Gaussian model sees as 1
START = 0.25  # share of a note's variance that z starts with: the rest is the hidden units' (docs/results.md)
FIGURES = ("notes_per_frame", "velocity_mean", "velocity_deviation", "validation")  # of `about`
LEVELS = {
    "threshold": 0.3,
    "gain": 1.0,
    "offset": 0.0,
}  # where training has chosen none, see `roll`


def note_moments(rolls, grid):
    """Mean and variance (V,) of every note over the frames of rolls (T, V) on a Grid, as a model sees them."""
    count, loudest = sum(map(len, rolls)), LOUDEST if grid.values == "velocity" else 1
    mean = sum(roll.sum(axis=0, dtype=np.float64) for roll in rolls) / (count * loudest)
    square = sum(np.square(roll, dtype=np.float64).sum(axis=0) for roll in rolls) / (
        count * loudest**2
    )
    return mean, np.maximum(square - mean**2, 0)


class RnnRbm:
    """One network and one RBM.  theta is all parameters, flat: the network's P, then W (H, V) row by row.

    With Gaussian visible units z = log sigma^2 lies within bounds, smoothly: the network's last V outputs are sigmoids
    s, and z = z_low + (z_high - z_low) s.

    about: what the model was made from (corpus digest, tempo, metre, notes a frame, seed, settings), and the levels of
    a Gaussian model (generation.choose_levels); {} where unknown.  kernels: the module of its kind of RBM, whose
    functions take `*biases`.  log_variances (2,): the bounds of z.
    ValueError or TypeError for what does not fit together, and for what no `about` of midigen's holds.
    """

    def __init__(self, config, grid, theta, about=None):
        self.config, self.grid, self.about = config, grid, dict(about or {})
        self.gaussian, self.kernels = (
            config.visible_model == "gaussian",
            KERNELS[config.visible_model],
        )
        _check(config, grid, self.about)
        self.network = _network(config)
        self.theta = np.ascontiguousarray(theta, self.network.dtype)
        expected = self.network.parameters + config.rbm_hidden * config.visible
        if self.theta.shape != (expected,):
            raise ValueError(f"theta must have shape ({expected},), not {self.theta.shape}")
        self.log_variances = 2 * np.log(np.array(config.deviation, self.network.dtype))

    @classmethod
    def initial(cls, config, grid, means, seed=0, about=None, variances=None):
        """A new model with the means (V,) of the notes, as it sees them, in its visible biases.

        Bernoulli units take the log-odds; Gaussian ones take means and variances (V,; 1/16 where they are left out).
        """
        rng = np.random.default_rng([seed, 1])
        network = _network(config)
        params = network.initial(rng)
        a, _, *s = _split(config, network.layers(params)[-1][:, -1])
        if s:
            low, high = 2 * np.log(config.deviation)
            variances = (
                np.full(config.visible, 1 / 16)
                if variances is None
                else np.maximum(variances, 1e-30)
            )
            share = np.clip(
                (np.log(variances * START) - low) / (high - low), 0.05, 0.95
            )  # at a bound s' vanishes
            a[:], s[0][:] = means, np.log(share / (1 - share))
        else:
            share = np.clip(means, 1e-4, 1 - 1e-4)
            a[:] = np.log(share / (1 - share))
        w = rng.normal(0, 0.1 if s else 0.01, config.rbm_hidden * config.visible)
        return cls(config, grid, np.concatenate([params, w]), about)

    @property
    def params(self):
        """The network's parameters (P,), a view of theta."""
        return self.theta[: self.network.parameters]

    @property
    def w(self):
        """The RBM's weights W (H, V), a view of theta."""
        return self.theta[self.network.parameters :].reshape(
            self.config.rbm_hidden, self.config.visible
        )

    @property
    def variance_rows(self):
        """Where in theta the rows of the network's last layer lie that make z, a slice, empty of a Bernoulli model."""
        end = self.network.parameters
        return slice(
            end - (self.config.visible * self.network.shapes[-1][1] if self.gaussian else 0), end
        )

    def biases(self, u):
        """a (h, V) and b (h, H), views of the network's output u (h, R + Y), and z (h, V) of a Gaussian model."""
        a, b, *s = _split(self.config, u)
        low, high = self.log_variances
        return (a, b, low + (high - low) * s[0]) if s else (a, b)

    def bias_gradients(self, du):
        """Views of du (h, R + Y), dE/du_t, to be filled with dE/da, dE/db (and dE/dz); `finish_gradients` follows."""
        return _split(self.config, du)

    def finish_gradients(self, du):
        """Turn dE/dz in du into dE/ds, in place."""
        for s in _split(self.config, du)[2:]:
            s *= self.log_variances[1] - self.log_variances[0]

    def frames(self, roll):
        """A roll (T, V) as the model sees it: 0 and 1, or velocities over 127, in the model's dtype.

        ValueError for another shape and for values that are not finite; so in all that takes a roll.
        """
        v = as_array("roll", roll, (None, self.config.visible), self.network.dtype)
        return v / LOUDEST if self.grid.values == "velocity" else v

    def roll(self, v):
        """A roll, uint8, of samples v (T, V).

        A Gaussian value over the threshold is a note, as loud as gain v + offset on a grid of velocities.
        """
        if not self.gaussian:
            return v.astype(np.uint8)
        levels = self.levels
        on = v > levels["threshold"]
        if self.grid.values != "velocity":
            return on.astype(np.uint8)
        loudness = np.clip(np.rint(LOUDEST * (levels["gain"] * v + levels["offset"])), 1, LOUDEST)
        return (on * loudness).astype(np.uint8)

    @property
    def levels(self):
        """Threshold, gain and offset of `roll`, those that training has chosen or else LEVELS."""
        return {**LEVELS, **self.about.get("levels", {})}

    def run(self, roll):
        """Biases of every frame of a roll (T, V), each from the frames before it: a (T, V), b (T, H) (and z (T, V))."""
        v = self.frames(roll)
        x = np.zeros_like(v)
        x[1:] = v[:-1]
        return self.biases(
            self.network.forward(self.params, x, np.zeros(self.config.recurrent, v.dtype)).u
        )

    def free_energy(self, roll):
        """F(v_t) of every frame, (T,) float64.  Eq. (16), (20)."""
        return self._free_energy(roll, self.run(roll))

    def _free_energy(self, roll, biases):
        out = np.empty(len(roll))
        self.kernels.free_energy(self.frames(roll), self.w, *biases, out)
        return out

    def pseudo_log_likelihood(self, roll):
        """Sum over notes of log p(v_i | the frame's other notes, the past), (T,) float64, in nats.

        Gaussian notes have densities, normalised numerically: a variance that is too small or too large costs what it
        should, and log Z, which no large RBM has, is not needed.
        """
        out = np.empty(len(roll))
        self.kernels.pseudo_log_likelihood(self.frames(roll), self.w, *self.run(roll), out)
        return out

    def exact_log_likelihood(self, roll):
        """log p(v_t | the past) of every frame, (T,) float64, in nats; ValueError where exact.log_partition has it."""
        biases = self.run(roll)
        return -self._free_energy(roll, biases) - log_partition(self.w, *biases)

    @property
    def digest(self):
        """Hex SHA-256 of the parameters."""
        return hashlib.sha256(self.theta.tobytes()).hexdigest()

    def tensors(self, theta=None):
        """theta by name, as stored: network.1, network.2, .. are [W | b] of each layer; rbm.weight is W."""
        theta = self.theta if theta is None else theta
        named = {f"network.{k}": layer for k, layer in enumerate(self.network.layers(theta), 1)}
        named["rbm.weight"] = theta[self.network.parameters :].reshape(self.w.shape)
        return named

    def save(self, path):
        """Write model.safetensors, atomically (docs/file-formats.md)."""
        files.save(
            path,
            KIND,
            VERSION,
            self.tensors(),
            {"config": self.config.to_json(), "grid": self.grid.to_json(), "about": self.about},
        )

    @classmethod
    def load(cls, path):
        """Read a model file, or the one in a run folder.  MidigenError, in one line, where that cannot be done."""
        path = Path(path)
        if path.is_dir():
            if not (path / FILE_NAME).exists():
                raise MidigenError(
                    f"{path} holds no {FILE_NAME}: name a run folder that `midigen train` made"
                )
            path = path / FILE_NAME
        tensors, header = files.load(path, KIND, VERSION)
        try:
            config, grid = ModelConfig.from_json(header["config"]), Grid.from_json(header["grid"])
            network = _network(config)
            shapes = {f"network.{k}": shape for k, shape in enumerate(network.shapes, 1)}
            shapes["rbm.weight"] = config.rbm_hidden, config.visible
            theta = [
                as_array(name, tensors[name], shape, network.dtype).ravel()
                for name, shape in shapes.items()
            ]
            return cls(config, grid, np.concatenate(theta), header["about"])
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise MidigenError(
                f"{path} is damaged ({type(e).__name__}: {e}): train it again"
            ) from None


def _check(config, grid, about):
    """What the dataclasses leave open, as a header may hold any JSON."""
    files.whole(
        config.visible,
        config.rbm_hidden,
        config.recurrent,
        *config.hidden,
        grid.steps_per_beat,
        grid.low,
        grid.high,
        about.get("longest_hold", 0),
    )
    check_tempo(about.get("bpm", 120.0), about.get("metre", (4, 4)))
    if config.visible != grid.channels:
        raise ValueError(f"{config.visible} visible units on a grid of {grid.channels} channels")
    if not np.isfinite(
        [about.get(name, 0) for name in FIGURES] + list(dict(about.get("levels", {})).values())
    ).all():
        raise ValueError("figures that are not finite")


def _network(config):
    """The network of a ModelConfig: u = [r; a; b] or, with Gaussian units, [r; a; b; s]."""
    linear, sigmoid = (
        config.visible + config.rbm_hidden,
        config.visible * (config.visible_model == "gaussian"),
    )
    top = ["tanh"] * config.recurrent + ["linear"] * linear + ["sigmoid"] * sigmoid
    return Network(
        config.visible,
        config.hidden,
        config.recurrent,
        linear + sigmoid,
        config.dtype,
        ["tanh"] * len(config.hidden) + [top],
    )


@cache
def _parts(config):
    """Slices of u behind r: those of a, b and, with Gaussian units, s."""
    widths = [config.visible, config.rbm_hidden] + [config.visible] * (
        config.visible_model == "gaussian"
    )
    ends = np.cumsum([config.recurrent, *widths])
    return [slice(int(start), int(end)) for start, end in zip(ends, ends[1:], strict=False)]


def _split(config, u):
    """Views of the parts of u (.., R + Y) behind r: [a, b] or [a, b, s]."""
    return [u[..., part] for part in _parts(config)]
