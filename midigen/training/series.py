"""Series of frames on their way through the model, block by block -> one gradient.

Eq. (8)-(13) for the network, (15) for the RBM, (23)-(24) for random songs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend, Block, Stretch
from midigen.columns import columns_of
from midigen.config import TrainConfig
from midigen.model import exact
from midigen.model.hearing import Hiding
from midigen.model.influence import Influence, advance_influence, influence_gradient
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Particles, Songs


@dataclass(frozen=True)
class CarriedState:
    """What a series carries to the frames that follow, on a backend.

    Attributes
    ----------
    frame : Array (1, V)
        The last frame.
    state : Array (1, R)
        r after it.
    influence : Influence, Array or None
        J; with the textbook recursion the whole du/dw, flat; None for 0.
    """

    frame: Array
    state: Array
    influence: Influence | Array | None

    @classmethod
    def silent(cls, backend: Backend, model: RnnRbm) -> CarriedState:
        """Make the state before the first frame: v_0 = 0, r_0 = 0, J_0 = 0."""
        config, dtype = model.config, model.network.dtype
        frame, state = (backend.zeros((1, n), dtype) for n in (config.visible, config.recurrent))
        return cls(frame, state, None)

    def tensors(self, backend: Backend) -> dict[str, NDArray[Any]]:
        """Name its arrays, on the host and without the series axis, for checkpoints."""
        host, j = backend.to_host, self.influence
        tensors = {"frame": host(self.frame)[0], "state": host(self.state)[0]}
        if not isinstance(j, Influence):
            return tensors if j is None else tensors | {"influence": host(j)}
        for name, part in (("influence", j.matrix), ("rows", j.rows)):
            if part is not None:
                tensors[name] = host(part)[0]
        kept = {f"history.{i}": stretch for i, stretch in enumerate(j.recent)}
        if j.ahead is not None:
            kept["first"] = j.ahead
        for name, stretch in kept.items():
            block = stretch.block
            tensors[f"{name}.inputs"] = host(block.inputs)
            tensors[f"{name}.u"] = host(block.u)[:, 0]
            tensors[f"{name}.starts"] = block.starts[:, 0]
            tensors[f"{name}.params"] = host(stretch.params)
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        return tensors | {"looked": np.array(j.searched)}

    @classmethod
    def from_tensors(
        cls, backend: Backend, model: RnnRbm, tensors: Mapping[str, NDArray[Any]]
    ) -> CarriedState:
        """Read what `tensors` gave.

        KeyError for what is missing, ValueError for an array of another shape or type than it has
        in a run of the model.
        """
        network, config = model.network, model.config

        def put(name: str, *shape: int) -> Array:
            array = tensors[name]
            if array.shape != shape or array.dtype != network.dtype:
                raise ValueError(
                    f"the carried {name} is {array.dtype} {array.shape}, "
                    f"not {network.dtype} {shape}"
                )
            return backend.to_device(array)

        def stretch(name: str) -> Stretch:
            starts, outputs = tensors[f"{name}.starts"], int(network.sizes[-1])
            width = int((network.sizes[:-1] + 1).sum())
            inputs = put(f"{name}.inputs", len(starts) * width)
            u = put(f"{name}.u", len(starts), outputs).reshape(len(starts), 1, outputs)
            block = Block(inputs, u, starts.reshape(-1, 1).astype(np.uint8))
            return Stretch(block, put(f"{name}.params", network.parameters))

        def lone(name: str, *shape: int) -> Array:
            return put(name, *shape).reshape(1, *shape)

        influence: Influence | Array | None = None
        if "looked" in tensors:
            matrix = rows = None
            rank = network.cut_units
            if "rows" in tensors:
                rank = len(tensors["rows"])
                rows = lone("rows", rank, network.cut_units)
            if "influence" in tensors:
                matrix = lone("influence", rank, network.influential)
            count = sum(n.startswith("history.") and n.endswith(".u") for n in tensors)
            recent = tuple(stretch(f"history.{i}") for i in range(count))
            ahead = stretch("first") if "first.u" in tensors else None
            influence = Influence(matrix, rows, recent, ahead, int(tensors["looked"]))
        elif "influence" in tensors:
            influence = put("influence", int(network.sizes[-1]) * network.parameters)
        frame, state = lone("frame", config.visible), lone("state", config.recurrent)
        return cls(frame, state, influence)


@dataclass(frozen=True, eq=False)
class Series:
    """Frames one behind the other.

    Attributes
    ----------
    places : ndarray of int64 (T,)
        Where they are in Songs.
    starts : ndarray of uint8 (T,)
        1 where a song begins anew.
    key : int
        Of all its random numbers.
    first_row : int
        Of its first frame among the key's draws.
    """

    places: NDArray[np.int64]
    starts: NDArray[np.uint8]
    key: int
    first_row: int = 0

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.places)


def block_end(starts: NDArray[np.uint8], position: int, frames: int) -> int:
    """Return the frame behind the next block of a series with `starts` (T,).

    It is where a song ends, if it can, since no J is needed there, and else `frames` on.
    """
    stop = position + frames
    if stop >= len(starts):
        return len(starts)
    begun = np.flatnonzero(starts[position + 1 : stop + 1])
    return position + 1 + int(begun[-1]) if len(begun) else stop


class SeriesGroup:
    """Series that go through the model side by side, block by block.

    Parameters
    ----------
    placed : PlacedModel
    settings : TrainConfig
    songs : Songs
        Where the frames are.
    particles : Particles or None
        A persistent Markov chain for every frame, moved on in place; None for chains that start
        at the data.
    hiding : Hiding
        What of the past is hidden.
    series : sequence of Series
    carried : CarriedState, optional
        What a lone series goes on from; it is replaced at the end.
    negative : bool
        Whether the frames are noise to be pushed away, Eq. (23)-(24).

    Attributes
    ----------
    done : bool
        Whether every frame has been through.
    """

    def __init__(
        self,
        placed: PlacedModel,
        settings: TrainConfig,
        songs: Songs,
        particles: Particles | None,
        hiding: Hiding,
        series: Sequence[Series],
        carried: CarriedState | None = None,
        negative: bool = False,
    ) -> None:
        backend, config, dtype = placed.backend, placed.model.config, placed.network.dtype
        self._placed, self._backend, self._settings = placed, backend, settings
        self._songs, self._particles, self._hiding = songs, particles, hiding
        self._series, self._negative = series, negative
        sources = len(placed.context.gates.sources)
        self._keys = [
            backend.per_series([(one.key + i) % 2**64 for one in series], np.uint64)
            for i in range(1 + sources)
        ]
        self._positions = [0] * len(series)
        self.done = not any(len(one) for one in series)
        self._influence: Influence | Array | None = None
        self.carried = carried
        if carried:
            self._state, self._influence = backend.copy(carried.state), carried.influence
        else:
            self._state = backend.zeros((len(series), config.recurrent), dtype)

    def step(self, gradient: Array) -> int:
        """Add the next block's gradient to `gradient`, all of theta, summed over frames.

        J is carried on where frames follow, in this group or, with `concatenate`, in the next.

        Returns
        -------
        int
            How many frames the block had.
        """
        placed, backend, network = self._placed, self._backend, self._placed.network
        begun = sum(self._positions)
        place, starts, rows = self._next_block()
        first = self.carried.frame if self.carried else None
        heard = placed.hear(self._songs, place, starts, self._hiding, first, self._keys, rows)
        shape = *starts.shape, network.inputs
        block = placed.forward(heard.x.reshape(*shape), starts, self._state)
        du = backend.scratch("du", tuple(block.u.shape), network.dtype)
        backend.fill(du, 0)
        biases, outs = placed.biases(block.u, heard), placed.bias_gradients(du)
        here = backend.to_device(place[1:].ravel())
        self._contrast(heard.v, here, rows, biases, outs, placed.weights_of(gradient))
        placed.finish_gradients(du, heard)
        self._backpropagate(block, du, gradient)
        if self.carried and self.done:
            frame = backend.copy(heard.v[-1:])
            self.carried = CarriedState(frame, self._state, self._influence)
        return sum(self._positions) - begun

    def _backpropagate(self, block: Block, du: Array, gradient: Array) -> None:
        """Add the network's gradient, and carry J to the end of the block."""
        placed, backend, network = self._placed, self._backend, self._placed.network
        params, before = placed.params, self._influence
        if self._settings.gradient == "textbook":
            assert not isinstance(before, Influence)
            self._influence = backend.textbook(network, params, block, du, before, gradient)
            return
        assert before is None or isinstance(before, Influence)
        adjoint = backend.backward(network, params, block, du, gradient)
        if before is not None:
            influence_gradient(backend, network, adjoint, before, gradient)
        self._influence = None
        if self._goes_on():
            tolerance = self._settings.rank_tolerance
            self._influence = advance_influence(backend, network, params, block, before, tolerance)

    def _goes_on(self) -> bool:
        """Whether J is needed behind the block that has just been."""
        if self.carried:
            return True
        pairs = zip(self._positions, self._series, strict=True)
        return any(at < len(one) and not one.starts[at] for at, one in pairs)

    def _next_block(self) -> tuple[NDArray[np.int64], NDArray[np.uint8], Any]:
        """Move on by a block.

        Returns places (h + 1, B) of its frames and of the one before, starts (h, B), and the rows
        of its draws.  A place behind the end of a series is -1.
        """
        begins, length = self._positions, self._settings.block
        ends = [
            block_end(one.starts, at, length) if at < len(one) else at
            for at, one in zip(begins, self._series, strict=True)
        ]
        h = max(end - at for at, end in zip(begins, ends, strict=True))
        place = np.full((h + 1, len(ends)), -1, np.int64)
        starts = np.zeros((h, len(ends)), np.uint8)
        for i, (at, end, one) in enumerate(zip(begins, ends, self._series, strict=True)):
            place[1 : end - at + 1, i] = one.places[at:end]
            starts[: end - at, i] = one.starts[at:end]
            if 0 < at < end:
                place[0, i] = one.places[at - 1]
        first_rows = [one.first_row + at for one, at in zip(self._series, begins, strict=True)]
        self._positions = ends
        self.done = all(end >= len(one) for end, one in zip(ends, self._series, strict=True))
        return place, starts, self._backend.per_series(first_rows, np.int64)

    def _contrast(
        self, v: Array, here: Array, rows: Any, biases: Any, outs: Any, gradient_w: Any
    ) -> None:
        """Write dE/da, dE/db (and dE/dz) of a block to outs, and add dE/dW.  Eq. (15)."""
        placed, backend, settings = self._placed, self._backend, self._settings
        rbm, w, shape = placed.rbm, placed.w, tuple(v.shape)
        if settings.sampler == "exact" and not self._negative:
            groups = columns_of(placed.model.grid).groups
            exact.contrast(backend.to_host(v), w, biases, outs, gradient_w, groups)
            return
        start, sample = v, backend.scratch("sample", shape, v.dtype)
        if self._particles:
            start = backend.scratch("start", shape, v.dtype)
            self._particles.read(here, start)
        steps = settings.gibbs_steps
        arguments = *placed.groups, steps, 1.0, self._keys[0], 0, rows, sample
        rbm.gibbs_chain(start, w, *biases, *arguments)
        if self._particles:
            self._particles.write(sample, here)
        weight = self._weight(here, v, sample, w, biases)
        rbm.contrast(v, sample, w, *biases, weight, *outs, gradient_w)

    def _weight(self, here: Array, v: Array, sample: Array, w: Any, biases: Any) -> Array:
        """Weigh every row's gradient, (N,): 1, or as noise by Eq. (23) or (24); 0 for no frame."""
        backend, settings, rows = self._backend, self._settings, here.size
        weight = backend.scratch("weight", (rows,), v.dtype)
        backend.rolls.weigh(here, -settings.negative_weight if self._negative else 1, weight)
        if self._negative and settings.negative == "bounded":
            energies = []
            for name, states in (("noise", v), ("model", sample)):
                energies.append(backend.scratch(f"energy of {name}", (rows,), np.float64))
                self._placed.rbm.free_energy(states, w, *biases, energies[-1])
            backend.rolls.lessen(settings.negative_margin, *energies, weight)
        return weight
