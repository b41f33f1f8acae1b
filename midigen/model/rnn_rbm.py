"""The RNN-RBM: a network that gives, frame by frame, the biases of an RBM over the notes.

Eq. (14).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midigen import files
from midigen.backends.cpu import cpu_backend
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig
from midigen.errors import MidigenError
from midigen.model.card import Levels, ModelCard
from midigen.model.context import context_of
from midigen.model.exact import log_partition
from midigen.model.layout import as_array
from midigen.model.network import Network
from midigen.model.placed import PlacedModel, SongRun
from midigen.model.songs import AnySong

KIND, VERSION, FILE_NAME = "model", 1, "model.safetensors"
LOUDEST = 127  # the MIDI velocity that a Gaussian model sees as 1
START = 0.25  # share of a note's variance that z starts with: hidden units explain the rest


def note_moments(
    rolls: Sequence[NDArray[Any]], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of every note, as a model sees it.

    Parameters
    ----------
    rolls : sequence of uint8 (T, V)
    grid : Grid

    Returns
    -------
    ndarray (V,), ndarray (V,)
        Over all frames.
    """
    count, loudest = sum(map(len, rolls)), LOUDEST if grid.values == "velocity" else 1
    total: Any = sum(roll.sum(axis=0, dtype=np.float64) for roll in rolls)
    squares: Any = sum(np.square(roll, dtype=np.float64).sum(axis=0) for roll in rolls)
    mean = total / (count * loudest)
    square = squares / (count * loudest**2)
    return mean, np.maximum(square - mean**2, 0)


class RnnRbm:
    """One network and one RBM, with their parameters.

    With Gaussian visible units z = log sigma^2 lies within bounds, smoothly: the network's last V
    outputs are sigmoids s, and z = z_low + (z_high - z_low) s.

    Parameters
    ----------
    config : ModelConfig
        Sizes and kinds of units.
    grid : Grid
        What the columns and frames of its rolls mean.
    theta : array_like (P + H V,)
        All parameters: the network's P, then W (H, V) row by row.
    card : ModelCard, optional
        What the model was made from, and the levels of a Gaussian one.

    Attributes
    ----------
    network : Network
    log_variances : ndarray (2,)
        The bounds of z.
    output_parts : list of slice
        Where a, b and, with Gaussian units, s lie in the network's output u.
    gate_part : slice
        Where the gates g lie there.

    Raises
    ------
    ValueError, TypeError
        For what does not fit together.
    """

    def __init__(
        self,
        config: ModelConfig,
        grid: Grid,
        theta: ArrayLike,
        card: ModelCard | None = None,
    ) -> None:
        self.config, self.grid, self.card = config, grid, card or ModelCard()
        self.gaussian = config.visible_model == "gaussian"
        _check(config, grid)
        self.network = _network(config, grid)
        self.theta = np.ascontiguousarray(theta, self.network.dtype)
        expected = self.network.parameters + config.rbm_hidden * config.visible
        if self.theta.shape != (expected,):
            raise ValueError(f"theta must have shape ({expected},), not {self.theta.shape}")
        self.log_variances = 2 * np.log(np.array(config.deviation, self.network.dtype))
        self.output_parts = _output_parts(config)
        behind = self.output_parts[-1].stop
        self.gate_part = slice(behind, behind + context_of(config, grid).gates.count)

    def __repr__(self) -> str:
        """Say in a line what it is."""
        config, grid = self.config, self.grid
        widths = "-".join(map(str, config.hidden)) or "none"
        time = f"{grid.steps_per_beat} a beat" if grid.unit == "beat" else f"of {grid.step:g} s"
        notes = f"{config.visible} {config.visible_model} notes"
        parts = ", ".join(part.name for part in grid.parts)
        told = "/".join(config.context) or "nothing"
        gates = "/".join(config.gates) or "none"
        return (
            f"RnnRbm({notes}{f' of {parts}' if parts else ''}, {config.rbm_hidden} hidden units, "
            f"{config.recurrent} recurrent, hidden layers {widths}, frames {time}, told {told}, "
            f"gates {gates}, {self.theta.size:,} parameters)"
        )

    @classmethod
    def initial(
        cls,
        config: ModelConfig,
        grid: Grid,
        means: NDArray[Any],
        seed: int = 0,
        card: ModelCard | None = None,
        variances: NDArray[Any] | None = None,
    ) -> RnnRbm:
        """Make a new model with the notes' means in its visible biases.

        Parameters
        ----------
        config, grid, card
            As in the class.
        means : ndarray (V,)
            Of the notes, as the model sees them.  Bernoulli units take the log-odds, or in a group
            the logarithm of what they are to none of them.
        seed : int
        variances : ndarray (V,), optional
            What Gaussian units take besides; 1/16 where they are left out.
        """
        rng = np.random.default_rng([seed, 1])
        network = _network(config, grid)
        params = network.initial(rng)
        bias = network.layers(params)[-1][:, -1]
        a, _, *s = (bias[part] for part in _output_parts(config))
        if s:
            low, high = 2 * np.log(config.deviation)
            if variances is None:
                variances = np.full(config.visible, 1 / 16)
            logs = np.log(np.maximum(variances, 1e-30) * START)
            share = np.clip((logs - low) / (high - low), 0.05, 0.95)  # at a bound s' vanishes
            a[:], s[0][:] = means, np.log(share / (1 - share))
        else:
            share = np.clip(means, 1e-4, 1 - 1e-4)
            others = 1 - share
            for first, stop in columns_of(grid).groups:  # none of them, Eq. (29)
                others[first:stop] = max(1 - share[first:stop].sum(), 1e-4)
            a[:] = np.log(share / others)
        w = rng.normal(0, 0.1 if s else 0.01, config.rbm_hidden * config.visible)
        return cls(config, grid, np.concatenate([params, w]), card)

    @property
    def params(self) -> NDArray[Any]:
        """The network's parameters (P,), a view of theta."""
        return self.theta[: self.network.parameters]

    @property
    def w(self) -> NDArray[Any]:
        """The RBM's weights W (H, V), a view of theta."""
        shape = self.config.rbm_hidden, self.config.visible
        return self.theta[self.network.parameters :].reshape(shape)

    @property
    def variance_rows(self) -> slice:
        """Where the last layer's rows that make z lie in theta; empty of a Bernoulli model."""
        width = self.network.shapes[-1][1]
        end = self.network.parameters - (self.gate_part.stop - self.gate_part.start) * width
        return slice(end - (self.config.visible * width if self.gaussian else 0), end)

    @property
    def loudest(self) -> int:
        """What the numbers of a roll are divided by before the model sees them."""
        return LOUDEST if self.grid.values == "velocity" else 1

    @property
    def levels(self) -> Levels:
        """How `roll` makes notes, as training has chosen it or else as `Levels` has it."""
        return self.card.levels or Levels()

    def frames(self, roll: ArrayLike) -> NDArray[Any]:
        """Read a roll (T, V) as the model sees it: 0 and 1, or velocities over 127.

        ValueError for another shape and for values that are not finite; so in all that takes rolls.
        """
        v = as_array("roll", roll, (None, self.config.visible), self.network.dtype)
        return v / LOUDEST if self.grid.values == "velocity" else v

    def roll(self, v: NDArray[Any]) -> NDArray[np.uint8]:
        """Make a roll, uint8, of samples v (T, V).

        A Gaussian value over the threshold is a note, as loud as gain v + offset on a grid of
        velocities.
        """
        if not self.gaussian:
            return v.astype(np.uint8)
        levels = self.levels
        on = v > levels.threshold
        if self.grid.values != "velocity":
            return on.astype(np.uint8)
        loudness = np.clip(np.rint(LOUDEST * (levels.gain * v + levels.offset)), 1, LOUDEST)
        return (on * loudness).astype(np.uint8)

    def run(self, song: AnySong) -> tuple[NDArray[Any], ...]:
        """Return the biases of every frame of a song, or of a roll (T, V), from those before it.

        They are a (T, V), b (T, H) and, of a Gaussian model, z (T, V).
        """
        return self._run(song)[1].biases

    def free_energy(self, song: AnySong) -> NDArray[np.float64]:
        """Return F(v_t) of every frame, (T,).  Eq. (16), (20)."""
        placed, run = self._run(song)
        return placed.free_energy(run)

    def pseudo_log_likelihood(self, song: AnySong) -> NDArray[np.float64]:
        """Return the sum over notes of log p(v_i | the frame's other notes, the past), in nats.

        A part that sings one note is a single variable.  Gaussian notes have densities, normalised
        numerically: a variance that is too small or too large costs what it should, and log Z,
        which no large RBM has, is not needed.

        Parameters
        ----------
        song : SongLike or array_like (T, V)

        Returns
        -------
        ndarray (T,)
        """
        placed, run = self._run(song)
        return placed.pseudo_log_likelihood(run)

    def exact_log_likelihood(self, song: AnySong) -> NDArray[np.float64]:
        """Return log p(v_t | the past) of every frame, (T,), in nats.

        ValueError where the RBM is too large for `midigen.model.exact.log_partition`.
        """
        placed, run = self._run(song)
        log_z = log_partition(self.w, *run.biases, groups=columns_of(self.grid).groups)
        return -placed.free_energy(run) - log_z

    def _run(self, song: AnySong) -> tuple[PlacedModel, SongRun]:
        placed = PlacedModel(self, cpu_backend())
        if not hasattr(song, "outline"):
            self.frames(song)  # says what is wrong with its shape or values
            song = np.asarray(song)
        return placed, placed.run(placed.place([song]), [0])

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the parameters."""
        return hashlib.sha256(self.theta.tobytes()).hexdigest()

    def tensors(self, theta: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
        """Name the parts of theta, as they are stored.

        network.1, network.2, .. are [W | b] of each layer; rbm.weight is W.
        """
        theta = self.theta if theta is None else theta
        named = {f"network.{k}": layer for k, layer in enumerate(self.network.layers(theta), 1)}
        named["rbm.weight"] = theta[self.network.parameters :].reshape(self.w.shape)
        return named

    def save(self, path: str | Path) -> None:
        """Write model.safetensors, atomically (docs/file-formats.md)."""
        header = {
            "config": self.config.to_json(),
            "grid": self.grid.to_json(),
            "about": self.card.to_json(),
        }
        files.save(path, KIND, VERSION, self.tensors(), header)

    @classmethod
    def load(cls, path: str | Path) -> RnnRbm:
        """Read a model file, or the one in a run folder.

        MidigenError, in one line, where that cannot be done.
        """
        path = Path(path)
        if path.is_dir():
            if not (path / FILE_NAME).exists():
                raise MidigenError(
                    f"{path} holds no {FILE_NAME}: name a run folder that `midigen train` made"
                )
            path = path / FILE_NAME
        try:
            tensors, header = files.load(path, KIND, VERSION, _check_shapes)
            config, grid = ModelConfig.from_json(header["config"]), Grid.from_json(header["grid"])
            theta = [
                as_array(name, tensors[name], shape, config.dtype).ravel()
                for name, shape in shapes_of(config, grid).items()
            ]
            return cls(config, grid, np.concatenate(theta), ModelCard.from_json(header["about"]))
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise MidigenError(
                f"{path} is damaged ({type(e).__name__}: {e}): train it again"
            ) from None


def _check(config: ModelConfig, grid: Grid) -> None:
    """Check what the dataclasses leave open, as a header may hold any JSON."""
    sizes = (config.visible, config.rbm_hidden, config.recurrent, *config.hidden)
    files.whole(*sizes, grid.steps_per_beat, grid.low, grid.high)
    files.whole(*(number for part in grid.parts for number in (part.low, part.high)))
    if config.visible != grid.channels:
        raise ValueError(f"{config.visible} visible units on a grid of {grid.channels} channels")


def shapes_of(config: ModelConfig, grid: Grid) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's tensors by their names, in the order of theta."""
    _check(config, grid)
    network = _network(config, grid)
    shapes = {f"network.{k}": shape for k, shape in enumerate(network.shapes, 1)}
    return {**shapes, "rbm.weight": (config.rbm_hidden, config.visible)}


def _check_shapes(header: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """ValueError where the tensors of a file are not those of its header."""
    expected = shapes_of(ModelConfig.from_json(header["config"]), Grid.from_json(header["grid"]))
    if shapes != expected:
        raise ValueError(f"its tensors are not those of its sizes, {expected}")


def _network(config: ModelConfig, grid: Grid) -> Network:
    """Make the network of a model: u = [r; a; b; g] or, with Gaussian units, [r; a; b; s; g]."""
    context = context_of(config, grid)
    linear = config.visible + config.rbm_hidden
    sigmoid = config.visible if config.visible_model == "gaussian" else 0
    top = ["tanh"] * config.recurrent + ["linear"] * linear + ["sigmoid"] * sigmoid
    top += ["linear"] * context.gates.count
    activations = [*["tanh"] * len(config.hidden), top]
    outputs = linear + sigmoid + context.gates.count
    return Network(
        context.inputs, config.hidden, config.recurrent, outputs, config.dtype, activations
    )


@cache
def _output_parts(config: ModelConfig) -> list[slice]:
    """Say where a, b and, with Gaussian units, s lie in u, behind r."""
    widths = [config.visible, config.rbm_hidden]
    if config.visible_model == "gaussian":
        widths.append(config.visible)
    ends = np.cumsum([config.recurrent, *widths]).tolist()
    return [slice(start, end) for start, end in zip(ends, ends[1:], strict=False)]
