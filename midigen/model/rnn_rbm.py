"""The RNN-RBM: a network that gives, frame by frame, the biases of an RBM over the notes.  Eq. (14)."""

import hashlib
from pathlib import Path

import numpy as np

from midigen import files
from midigen.config import Grid, ModelConfig
from midigen.errors import MidigenError
from midigen.kernels.cpu import rbm as kernels
from midigen.model.network import Network
from midigen.model.rbm import log_partition

KIND, VERSION, FILE_NAME = "model", 1, "model.safetensors"


class RnnRbm:
    """One network and one RBM.  theta is all parameters, flat: the network's P, then W (H, V) row by row.

    about: what the model was made from (corpus digest, tempo, metre, notes a frame, seed, settings); {} where unknown.
    """

    def __init__(self, config, grid, theta, about=None):
        self.config, self.grid, self.about = config, grid, dict(about or {})
        self.network = Network(config.visible, config.hidden, config.recurrent, config.visible + config.rbm_hidden,
                               config.dtype)
        self.theta = np.ascontiguousarray(theta, self.network.dtype)
        expected = self.network.parameters + config.rbm_hidden * config.visible
        if self.theta.shape != (expected,):
            raise ValueError(f"theta must have shape ({expected},), not {self.theta.shape}")

    @classmethod
    def initial(cls, config, grid, note_shares, seed=0, about=None):
        """A new model whose visible biases are the log-odds of note_shares (V,), the share of frames each note is on."""
        rng = np.random.default_rng([seed, 1])
        network = Network(config.visible, config.hidden, config.recurrent, config.visible + config.rbm_hidden,
                          config.dtype)
        params = network.initial(rng)
        share = np.clip(note_shares, 1e-4, 1 - 1e-4)
        first = config.recurrent
        network.layers(params)[-1][first:first + config.visible, -1] = np.log(share / (1 - share))
        w = rng.normal(0, 0.01, config.rbm_hidden * config.visible)
        return cls(config, grid, np.concatenate([params, w]), about)

    @property
    def params(self):
        """The network's parameters (P,), a view of theta."""
        return self.theta[:self.network.parameters]

    @property
    def w(self):
        """The RBM's weights W (H, V), a view of theta."""
        return self.theta[self.network.parameters:].reshape(self.config.rbm_hidden, self.config.visible)

    def biases(self, u):
        """Views a (h, V) and b (h, H) of the network's output u (h, R + V + H)."""
        first = self.config.recurrent
        return u[:, first:first + self.config.visible], u[:, first + self.config.visible:]

    def run(self, roll):
        """Biases a (T, V), b (T, H) for every frame of a roll (T, V) of 0 and 1, each from the frames before it."""
        v = np.asarray(roll, self.network.dtype)
        x = np.zeros_like(v)
        x[1:] = v[:-1]
        return self.biases(self.network.forward(self.params, x, np.zeros(self.config.recurrent, v.dtype)).u)

    def free_energy(self, roll):
        """F(v_t) of every frame, (T,) float64.  Eq. (16)."""
        a, b = self.run(roll)
        out = np.empty(len(roll))
        kernels.free_energy(np.asarray(roll, self.network.dtype), self.w, a, b, out)
        return out

    def pseudo_log_likelihood(self, roll):
        """Sum over notes of log p(v_i | the frame's other notes, the past), (T,) float64, in nats."""
        a, b = self.run(roll)
        out = np.empty(len(roll))
        kernels.pseudo_log_likelihood(np.asarray(roll, self.network.dtype), self.w, a, b, out)
        return out

    def exact_log_likelihood(self, roll):
        """log p(v_t | the past) of every frame, (T,) float64, in nats; ValueError unless V or H is at most 16."""
        a, b = self.run(roll)
        return -self.free_energy(roll) - log_partition(self.w, a, b)

    @property
    def digest(self):
        """Hex SHA-256 of the parameters."""
        return hashlib.sha256(self.theta.tobytes()).hexdigest()

    def tensors(self, theta=None):
        """theta by name, as stored: network.1, network.2, .. are [W | b] of each layer; rbm.weight is W."""
        theta = self.theta if theta is None else theta
        named = {f"network.{k}": layer for k, layer in enumerate(self.network.layers(theta), 1)}
        named["rbm.weight"] = theta[self.network.parameters:].reshape(self.w.shape)
        return named

    def save(self, path):
        """Write model.safetensors, atomically (docs/file-formats.md)."""
        files.save(path, KIND, VERSION, self.tensors(),
                   {"config": self.config.to_json(), "grid": self.grid.to_json(), "about": self.about})

    @classmethod
    def load(cls, path):
        """Read a model file, or the one in a run folder.  MidigenError, in one line, where that cannot be done."""
        path = Path(path)
        if path.is_dir():
            if not (path / FILE_NAME).exists():
                raise MidigenError(f"{path} holds no {FILE_NAME}: name a run folder that `midigen train` made")
            path = path / FILE_NAME
        tensors, header = files.load(path, KIND, VERSION)
        try:
            config, grid = ModelConfig.from_json(header["config"]), Grid.from_json(header["grid"])
            layers = [tensors[f"network.{k}"] for k in range(1, len(config.hidden) + 2)]
            theta = np.concatenate([t.ravel() for t in (*layers, tensors["rbm.weight"])])
            return cls(config, grid, theta, header["about"])
        except (KeyError, TypeError, ValueError) as e:
            raise MidigenError(f"{path} is damaged ({type(e).__name__}: {e}): train it again") from None
