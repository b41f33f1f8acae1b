"""An RNN-RBM on a backend: from songs to frames, biases, likelihoods and new songs.  Eq. (14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend, Block, PlayGates, PlayLevels
from midigen.config import Grid, ModelConfig
from midigen.model.card import Levels, ModelCard
from midigen.model.context import context_of
from midigen.model.hearing import Heard, Hiding, Places, backs, behind
from midigen.model.network import Network
from midigen.model.songs import AnySong, Songs, Told
from midigen.outline import Outline

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
    gate_part: slice

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

    songs are their numbers.  u (h, B, R + Y) is the network's output; v (N, V) and before (N, V)
    are their frames and the frames before those, biases what `PlacedModel.biases` gives; all in
    memory that the next run may use.  Rows behind the end of a shorter song are frames of none:
    `frames_of` leaves them out.
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
        self.context = context_of(model.config, model.grid)
        columns, gates = self.context.columns, self.context.gates

        def table(values: NDArray[Any]) -> Array:
            return backend.to_device(np.ascontiguousarray(values), np.int64)

        self._groups = table(columns.groups)
        # what the kernels of Bernoulli units get behind the biases
        self.groups: tuple[Any, ...] = () if model.gaussian else (self._groups,)
        self.gates = PlayGates(
            table(columns.part_of),
            table(gates.table),
            table(self.context.lines),
            self.context.heard_lines,
            table(gates.interval_gates),
            table(gates.intervals),
        )

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

    def hear(
        self,
        songs: Songs,
        place: Places,
        starts: NDArray[np.uint8],
        hiding: Hiding | None = None,
        first: Array | None = None,
        keys: Any = None,
        rows: Any = None,
    ) -> Heard:
        """Read frames, and what the model hears before each.

        Parameters
        ----------
        songs : Songs
        place : ndarray of int64 (h + 1, B)
            Where the frame before, and the frames, of each series are; -1 for none.
        starts : ndarray of uint8 (h, B)
            1 where a series begins anew.
        hiding : Hiding, optional
            What is hidden or changed; nothing if left out.
        first : Array (1, V), optional
            What is heard before the first frame of a lone series in place of silence.
        keys, rows : optional
            As `Backend.per_series` makes them, of the draws of `hiding`: 1 + S keys, and rows.
        """
        backend, context, dtype = self.backend, self.context, self.network.dtype
        here, before = place[1:].ravel(), np.where(starts, -1, place[:-1]).ravel()
        shape = here.size, self.model.config.visible
        v, heard = backend.scratch("v", shape, dtype), backend.scratch("before", shape, dtype)
        songs.read(backend.to_device(here), v)

        def read(place: Places, out: Array, as_it_is: bool = False) -> None:
            if hiding is not None and not as_it_is:
                place = hiding.as_heard(place, songs)
            songs.read(backend.to_device(place), out)

        read(before, heard)
        if first is not None and place[0, 0] < 0:
            backend.assign(heard[:1], first)
        if hiding is not None and (hiding.noise or hiding.dropout):
            self.rbm.corrupt(keys[0], hiding.noise, hiding.dropout, heard, rows)
        sources, last = self._sources(songs, here, hiding, read, keys, rows)
        x = heard
        if context.inputs > shape[1]:
            x = backend.scratch("x", (here.size, context.inputs), dtype)
            backend.assign(backend.columns(x, 0, shape[1]), heard)
            if context.heard_lines:
                backend.gates.recall(sources, self.gates.lines, shape[1], x)
            if context.width:
                at = context.inputs - context.width
                untold = None if hiding is None else hiding.forms
                songs.read_context(here, backend.columns(x, at, context.width), untold)
        return Heard(v, heard, x, sources, last)

    def _sources(
        self,
        songs: Songs,
        here: Places,
        hiding: Hiding | None,
        read: Callable[..., None],
        keys: Any,
        rows: Any,
    ) -> tuple[Array, Array]:
        """Read what may be copied before frames at places, and the lines' last pitches.

        They are (S, N, V), the latest frames of the lines first, and int64 (L, N).
        """
        backend, names, lines = self.backend, self.context.gates.sources, self.context.lines
        shape = len(names), here.size, self.model.config.visible
        out = backend.scratch("sources", shape, self.network.dtype)
        last = backend.scratch("last", (len(lines), here.size), np.int64)
        ways = np.concatenate([backs(songs.line_back, here), backs(songs.back, here)], axis=1)
        for i, name in enumerate(names):
            place = behind(here, ways[:, i])
            if hiding is not None:
                place = np.where(hiding.is_silent(i, name, here, songs), -1, place)
            # what the form repeats is what is written there
            read(place, out[i], as_it_is=name.startswith("form"))
            if i < len(lines):
                backend.gates.last_pitch(out[i], *lines[i].tolist(), last[i])
            elif hiding is not None and hiding.dropout and name.startswith("lag"):
                self.rbm.corrupt(keys[1 + i], 0.0, hiding.dropout, out[i], rows)
        return out, last

    def biases(self, u: Array, heard: Heard | None = None) -> tuple[Any, ...]:
        """Read the biases from outputs u (h, B, R + Y), whose gates are opened.

        Eq. (27): a' takes the place of a in u.  Returns a' (N, V), b (N, H) and, of Gaussian units,
        z (N, V).
        """
        a, b, *s = self.bias_gradients(u)
        if heard is not None and self.context.gates.count:
            self.backend.gates.open_gates(self._gates_of(u), *self._weighed(heard), a)
        if not s:
            return a, b
        return a, b, self.backend.log_variances(s[0], *self.model.log_variances)

    def _gates_of(self, u: Array) -> Any:
        part = self.model.gate_part
        return self.backend.columns(u, part.start, part.stop - part.start)

    def _weighed(self, heard: Heard) -> tuple[Any, ...]:
        """Give what both kernels of the gates take: sources, tables, last pitches."""
        gates = self.gates
        tables = gates.part, gates.gate, gates.lines, gates.interval_gates, gates.intervals
        return heard.sources, *tables, heard.last

    def bias_gradients(self, du: Array) -> list[Any]:
        """View the parts of du (h, B, R + Y), dE/du_t, to be filled with dE/da, dE/db (and dE/dz).

        `finish_gradients` follows.
        """
        return [
            self.backend.columns(du, part.start, part.stop - part.start)
            for part in self.model.output_parts
        ]

    def finish_gradients(self, du: Array, heard: Heard | None = None) -> None:
        """Turn dE/dz in du into dE/ds, and fill in dE/dg, Eq. (28), in place."""
        low, high = self.model.log_variances
        a, _, *deviations = self.bias_gradients(du)
        for s in deviations:
            self.backend.scale_in_place(s, high - low)
        if heard is not None and self.context.gates.count:
            self.backend.gates.gate_gradient(a, *self._weighed(heard), self._gates_of(du))

    def place(self, songs: Sequence[AnySong]) -> Songs:
        """Put songs, or rolls (T, V), on the backend."""
        return Songs(self.backend, self.model, songs)

    def run(self, songs: Songs, numbers: list[int]) -> SongRun:
        """Run songs side by side from silence."""
        backend = self.backend
        lengths = [int(songs.begins[i + 1] - songs.begins[i]) for i in numbers]
        place = np.full((max(lengths) + 1, len(numbers)), -1, np.int64)
        for column, song in enumerate(numbers):
            place[1 : lengths[column] + 1, column] = songs.places(song)
        starts = np.zeros((len(place) - 1, len(numbers)), np.uint8)
        heard = self.hear(songs, place, starts)
        state = backend.zeros((len(numbers), self.model.config.recurrent), self.network.dtype)
        block = self.forward(heard.x.reshape(*starts.shape, self.network.inputs), starts, state)
        biases = self.biases(block.u, heard)
        return SongRun(numbers, lengths, heard.v, heard.before, block.u, biases)

    def of_every_song(
        self, songs: Songs | Sequence[AnySong], job: Callable[[SongRun], NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Collect job(run), values (N, ..) on the host, of every song: a list of arrays (T, ..)."""
        placed = songs if isinstance(songs, Songs) else self.place(songs)
        found: dict[int, NDArray[Any]] = {}

        def run(numbers: list[int], _: Callable[[], bool]) -> list[tuple[int, NDArray[Any]]]:
            side_by_side = self.run(placed, numbers)
            return list(side_by_side.frames_of(job(side_by_side)))

        lengths = np.diff(placed.begins).tolist()
        for results in self.backend.map(run, self.backend.split(lengths)):
            found.update(results)
        return [found[song] for song in range(len(lengths))]

    def free_energy(self, run: SongRun) -> NDArray[np.float64]:
        """Return F(v_t) of every row of a run, (N,).  Eq. (16), (20)."""
        return self._of_rows(self.rbm.free_energy, run)

    def pseudo_log_likelihood(self, run: SongRun) -> NDArray[np.float64]:
        """Return the pseudo-log-likelihood of every row of a run, (N,), in nats."""
        return self._of_rows(self.rbm.pseudo_log_likelihood, run, *self.groups)

    def _of_rows(
        self, kernel: Callable[..., None], run: SongRun, *units: Any
    ) -> NDArray[np.float64]:
        """Return what a kernel says of every row of a run."""
        out = self.backend.empty((run.v.shape[0],), np.float64)
        kernel(run.v, self.w, *run.biases, *units, out)
        return self.backend.to_host(out)

    def sample(self, run: SongRun, sweeps: int, keys: Sequence[Any]) -> NDArray[Any]:
        """Draw every row of a run by Gibbs sampling from the frame before it: (N, V).

        keys are the songs' own, np.uint64.
        """
        backend = self.backend
        out = backend.empty(tuple(run.v.shape), self.network.dtype)
        key = backend.per_series(keys, np.uint64)
        row = backend.per_series([0] * len(keys), np.int64)
        arguments = *run.biases, *self.groups, sweeps, 1.0, key, 0, row, out
        self.rbm.gibbs_chain(run.before, self.w, *arguments)
        return backend.to_host(out)

    def primed(self, outline: Outline, primer: NDArray[Any] | None) -> NDArray[Any]:
        """Return what the network hears first, (V + R,): the frame before, and r, after a primer.

        Parameters
        ----------
        outline : Outline
            Of the whole song.
        primer : ndarray of uint8 (T0, V) or None
            Its first frames, None for silence.
        """
        backend, config, dtype = self.backend, self.model.config, self.network.dtype
        state = backend.zeros((1, config.recurrent), dtype)
        v = np.zeros(config.visible, dtype)
        if primer is not None and len(primer):
            rest = np.zeros((outline.frames - len(primer), config.visible), np.uint8)
            songs = self.place([Told(np.concatenate([primer, rest]), outline)])
            place = np.concatenate([[-1], songs.places(0)[: len(primer)]])[:, None]
            starts = np.zeros((len(primer), 1), np.uint8)
            heard = self.hear(songs, place, starts)
            self.forward(heard.x.reshape(*starts.shape, self.network.inputs), starts, state)
            v = self.model.frames(primer[-1:])[0]
        return np.concatenate([v, backend.to_host(state)[0]])

    def play(
        self,
        outlines: Sequence[Outline],
        keys: NDArray[np.uint64],
        beta: float,
        gibbs_steps: int,
        primer: NDArray[Any] | None = None,
        progress: Callable[[int], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[NDArray[np.uint8]]:
        """Make songs side by side, one for each of the outlines, uint8 (T - T0, V) each.

        Parameters
        ----------
        outlines : sequence of Outline
        keys : ndarray of uint64 (B,)
            Of all random numbers of a song.
        beta : float
            The inverse temperature.
        gibbs_steps : int
            Sweeps for each frame.
        primer : ndarray of uint8 (T0, V), optional
            The first frames of every song, which are not returned.
        progress : callable, optional
            Told how many more frames there are.
        stopped : callable
            When it is true the rest of the songs stays silent.
        """
        model, backend, context = self.model, self.backend, self.context
        begun = 0 if primer is None else len(primer)
        frames = max(outline.frames for outline in outlines)
        songs = np.zeros((len(keys), frames, model.config.visible), np.uint8)
        told = np.zeros((len(keys), frames, context.width), self.network.dtype)
        others = len(context.gates.sources) - len(context.lines)
        back = np.zeros((len(keys), frames, others), np.int64)
        # songs that are told the same hear the same first
        different = {id(outline): outline for outline in outlines}
        primed = {key: self.primed(outline, primer) for key, outline in different.items()}
        for i, outline in enumerate(outlines):
            if primer is not None:
                songs[i, :begun] = primer
            told[i, : outline.frames] = context.rows(outline)
            back[i, : outline.frames] = context.back(outline)
        x = backend.to_device(np.stack([primed[id(outline)] for outline in outlines]))
        device_keys = backend.to_device(keys, np.uint64)
        device_told, device_back = backend.to_device(told), backend.to_device(back)
        device_songs = backend.to_device(songs)
        bounds = model.log_variances if model.gaussian else None
        levels = None
        if model.gaussian:
            chosen = model.levels
            levels = PlayLevels(chosen.threshold, chosen.gain, chosen.offset, model.loudest)
        for first in range(begun, frames, STRETCH):
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
                self.gates,
                gibbs_steps,
                beta,
                device_keys,
                first,
                stop,
                device_told,
                device_back,
                x,
                device_songs,
            )
            if progress:
                progress((stop - first) * len(keys))
        made = backend.to_host(device_songs)
        return [made[i, begun : outline.frames] for i, outline in enumerate(outlines)]
