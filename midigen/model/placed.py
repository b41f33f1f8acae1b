"""An RNN-RBM on a backend: from songs to frames, biases, likelihoods and new songs.  Eq. (14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend, Block, PlayGates, PlayLevels
from midigen.columns import columns_of
from midigen.config import Grid, ModelConfig
from midigen.model.card import Levels, ModelCard
from midigen.model.network import Network

STRETCH = 64  # frames of new songs that are made in one go, after which Ctrl-C is heard


class Description(Protocol):
    """What this module needs to know of a `midigen.model.rnn_rbm.RnnRbm`, which says the rest."""

    config: ModelConfig
    grid: Grid
    card: ModelCard
    network: Network
    theta: NDArray[Any]
    gaussian: bool
    log_variances: NDArray[Any]
    output_parts: list[slice]

    @property
    def w(self) -> NDArray[Any]:
        """The RBM's weights W (H, V)."""

    @property
    def variance_rows(self) -> slice:
        """Where the last layer's rows that make z lie in theta."""

    @property
    def levels(self) -> Levels:
        """How a Gaussian value becomes a note."""

    @property
    def loudest(self) -> int:
        """What the numbers of a roll are divided by."""

    def frames(self, roll: Any, /) -> NDArray[Any]:
        """Read a roll (T, V) as the model sees it."""


class SongRun(NamedTuple):
    """Songs that have gone side by side, each from the frames before it.

    songs are their numbers.  u (h, B, R + Y) is the network's output, in memory that the next run
    may use; v (N, V) and before (N, V) are their frames and the frames before
    those, biases what `PlacedModel.biases` gives.  Rows behind the end of a shorter song are
    frames of none: `frames_of` leaves them out.
    """

    songs: list[int]
    lengths: list[int]
    v: Array
    before: Array
    u: Array
    biases: tuple[Any, ...]

    def frames_of(self, values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Take values (N, ..) on the host apart: yields a song's number and its values (T, ..)."""
        side_by_side = values.reshape(-1, len(self.songs), *values.shape[1:])
        for place, (song, length) in enumerate(zip(self.songs, self.lengths, strict=True)):
            yield song, side_by_side[:length, place]


class PlacedModel:
    """The parameters of an `RnnRbm` on a backend, and what they make of songs there.

    Parameters
    ----------
    model : RnnRbm
        Says sizes, grid and levels.
    backend : Backend
    theta : Array, optional
        The parameters, kept by reference; the model's own if left out.

    Attributes
    ----------
    groups : tuple of Array
        What the kernels of Bernoulli units take behind the biases: int64 (G, 2), the columns of
        which at most one is on, Eq. (29).  Empty with Gaussian units.
    """

    def __init__(self, model: Description, backend: Backend, theta: Array | None = None) -> None:
        self.model, self.backend, self.network = model, backend, model.network
        self.theta = backend.borrow(model.theta) if theta is None else theta
        self.rbm = backend.rbm[model.config.visible_model]
        columns = columns_of(model.grid)
        self._groups = backend.to_device(columns.groups)
        self.groups: tuple[Any, ...] = () if model.gaussian else (self._groups,)

    @property
    def params(self) -> Array:
        """The network's parameters (P,)."""
        return self.theta[: self.network.parameters]

    @property
    def w(self) -> Any:
        """The RBM's weights W (H, V)."""
        return self.weights_of(self.theta)

    def weights_of(self, theta: Array) -> Any:
        """View the part of theta, or of a gradient like it, that is W (H, V)."""
        config = self.model.config
        first = self.network.parameters
        return self.backend.matrix(theta, first, config.rbm_hidden, config.visible)

    def constants_of(self, theta: Array) -> tuple[Any, Any]:
        """View the constants in a (V,) and in b (H,), in the last layer's bias, of theta."""
        config, (units, width) = self.model.config, self.network.shapes[-1]
        last_layer = self.network.parameters - units * width
        first = last_layer + (config.recurrent + 1) * width - 1
        behind = first + config.visible * width
        return (
            self.backend.vector(theta, first, config.visible, width),
            self.backend.vector(theta, behind, config.rbm_hidden, width),
        )

    def forward(self, x: Array, starts: NDArray[np.uint8], state: Array) -> Block:
        """Run the network over a block: `Backend.forward`."""
        return self.backend.forward(self.network, self.params, x, starts, state)

    def biases(self, u: Array) -> tuple[Any, ...]:
        """Read the biases from outputs u (h, B, R + Y).

        Returns a (N, V), b (N, H) and, of Gaussian units, z (N, V).
        """
        a, b, *s = self.bias_gradients(u)
        if not s:
            return a, b
        return a, b, self.backend.log_variances(s[0], *self.model.log_variances)

    def bias_gradients(self, du: Array) -> list[Any]:
        """View the parts of du (h, B, R + Y), dE/du_t, to be filled with dE/da, dE/db (and dE/dz).

        `finish_gradients` follows.
        """
        return [
            self.backend.columns(du, part.start, part.stop - part.start)
            for part in self.model.output_parts
        ]

    def finish_gradients(self, du: Array) -> None:
        """Turn dE/dz in du into dE/ds, in place."""
        low, high = self.model.log_variances
        for s in self.bias_gradients(du)[2:]:
            self.backend.scale_in_place(s, high - low)

    def run(self, rolls: Sequence[NDArray[Any]], songs: list[int]) -> SongRun:
        """Run songs, numbers of `rolls` (uint8 (T, V) each), side by side from silence."""
        backend, visible, dtype = self.backend, self.model.config.visible, self.network.dtype
        lengths = [len(rolls[song]) for song in songs]
        heard = np.zeros((max(lengths) + 1, len(songs), visible), dtype)
        for place, song in enumerate(songs):
            heard[1 : len(rolls[song]) + 1, place] = self.model.frames(rolls[song])
        rows = len(heard) - 1, len(songs)
        before = backend.to_device(heard[:-1])
        state = backend.zeros((len(songs), self.model.config.recurrent), dtype)
        block = self.forward(before, np.zeros(rows, np.uint8), state)
        return SongRun(
            songs,
            lengths,
            backend.to_device(heard[1:]).reshape(rows[0] * rows[1], visible),
            before.reshape(rows[0] * rows[1], visible),
            block.u,
            self.biases(block.u),
        )

    def of_every_song(
        self, rolls: Sequence[NDArray[Any]], job: Callable[[SongRun], NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Collect job(run), values (N, ..) on the host, of every song: a list of arrays (T, ..)."""
        found: dict[int, NDArray[Any]] = {}

        def run(songs: list[int], _: Callable[[], bool]) -> list[tuple[int, NDArray[Any]]]:
            side_by_side = self.run(rolls, songs)
            return list(side_by_side.frames_of(job(side_by_side)))

        for results in self.backend.map(run, self.backend.split([len(roll) for roll in rolls])):
            found.update(results)
        return [found[song] for song in range(len(rolls))]

    def free_energy(self, run: SongRun) -> NDArray[np.float64]:
        """Return F(v_t) of every row of a run, (N,).  Eq. (16), (20)."""
        return self._of_rows(self.rbm.free_energy, run, *run.biases)

    def pseudo_log_likelihood(self, run: SongRun) -> NDArray[np.float64]:
        """Return the pseudo-log-likelihood of every row of a run, (N,), in nats."""
        return self._of_rows(self.rbm.pseudo_log_likelihood, run, *run.biases, *self.groups)

    def _of_rows(
        self, kernel: Callable[..., None], run: SongRun, *arguments: Any
    ) -> NDArray[np.float64]:
        """Return what a kernel says of every row of a run."""
        out = self.backend.empty((run.v.shape[0],), np.float64)
        kernel(run.v, self.w, *arguments, out)
        return self.backend.to_host(out)

    def sample(self, run: SongRun, sweeps: int, keys: Sequence[Any]) -> NDArray[Any]:
        """Draw every row of a run by Gibbs sampling from the frame before it: (N, V).

        keys are the songs' own, np.uint64.
        """
        backend = self.backend
        out = backend.empty(tuple(run.v.shape), self.network.dtype)
        key = backend.per_series(keys, np.uint64)
        row = backend.per_series([0] * len(keys), np.int64)
        arguments = (*run.biases, *self.groups, sweeps, 1.0, key, 0, row)
        self.rbm.gibbs_chain(run.before, self.w, *arguments, out)
        return backend.to_host(out)

    def primed(self, primer: NDArray[Any] | None) -> NDArray[Any]:
        """Return what the network hears first, (V + R,): the frame before, and r, after a primer.

        primer is uint8 (T0, V), None for silence.
        """
        backend, config, dtype = self.backend, self.model.config, self.network.dtype
        v, state = (
            np.zeros(config.visible, dtype),
            backend.zeros((1, config.recurrent), dtype),
        )
        if primer is not None and len(primer):
            heard = np.concatenate([v[None], self.model.frames(primer)])
            self.forward(
                backend.to_device(heard[:-1, None]), np.zeros((len(primer), 1), np.uint8), state
            )
            v = heard[-1]
        return np.concatenate([v, backend.to_host(state)[0]])

    def play(
        self,
        heard: NDArray[Any],
        keys: NDArray[np.uint64],
        frames: int,
        beta: float,
        gibbs_steps: int,
        progress: Callable[[int], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> NDArray[np.uint8]:
        """Make songs side by side, one for each of the keys: uint8 (B, frames, V).

        Parameters
        ----------
        heard : ndarray (V + R,)
            What `primed` has given.
        keys : ndarray of uint64 (B,)
            Of all random numbers of a song.
        frames : int
        beta : float
            The inverse temperature.
        gibbs_steps : int
            Sweeps for each frame.
        progress : callable, optional
            Told how many more frames there are.
        stopped : callable
            When it is true the rest of the songs stays silent.
        """
        model, backend = self.model, self.backend
        x, device_keys = (
            backend.to_device(np.tile(heard, (len(keys), 1))),
            backend.to_device(keys, np.uint64),
        )
        bounds = model.log_variances if model.gaussian else None
        levels = None
        if model.gaussian:
            chosen = model.levels
            levels = PlayLevels(chosen.threshold, chosen.gain, chosen.offset, model.loudest)
        songs = backend.zeros((len(keys), frames, model.config.visible), np.uint8)
        context = backend.zeros((len(keys), frames, 0), self.network.dtype)
        back, gates = backend.zeros((len(keys), frames, 0), np.int64), self._no_gates()
        for first in range(0, frames, STRETCH):
            if stopped():
                break
            stop = min(first + STRETCH, frames)
            backend.play(
                self.network,
                self.params,
                self.w,
                bounds,
                levels,
                self._groups,
                gates,
                gibbs_steps,
                beta,
                device_keys,
                first,
                stop,
                context,
                back,
                x,
                songs,
            )
            if progress:
                progress((stop - first) * len(keys))
        return backend.to_host(songs)

    def _no_gates(self) -> PlayGates:
        """Make the tables of a model without copy gates, whose network hears no line."""
        make, columns = self.backend.to_device, columns_of(self.model.grid)
        part, none = make(columns.part_of), np.zeros(0, np.int64)
        gate, lines = np.zeros((0, columns.parts), np.int64), np.zeros((0, 2), np.int64)
        return PlayGates(part, make(gate), make(lines), 0, make(none), make(none))
