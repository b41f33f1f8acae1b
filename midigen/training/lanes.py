"""Blocks of frames of many songs -> one gradient, on the GPU: what midigen.training.gradient is on the CPU."""

from dataclasses import dataclass

import numpy as np

from midigen.kernels.cuda import rolls
from midigen.kernels.cuda.blas import copy, fill, matrix
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.influence import Block, Influence, Past
from midigen.model.on_device import theta_parts
from midigen.training.gradient import Carry, block_end


@dataclass(frozen=True)
class LaneCarry:
    """What a lane hands to the songs that follow, on the device: the last frame (1, V), r (1, R), an Influence."""

    frame: object
    state: object
    influence: Influence | None

    @classmethod
    def of(cls, carry):
        """A Carry from the host."""

        def past(past):
            block = past.block
            return Past(
                Block(upload(block.inputs), upload(block.u[:, None]), block.starts[:, None]),
                upload(past.params),
            )

        def lane(array):
            return None if array is None else upload(array[None])

        return cls(lane(carry.frame), lane(carry.state), _taken(carry.influence, lane, past))

    def on_the_host(self):
        """The Carry that a checkpoint keeps."""

        def past(past):
            block = past.block
            return Past(
                Block(
                    block.inputs.copy_to_host(),
                    block.u.copy_to_host()[:, 0].copy(),
                    block.starts[:, 0].copy(),
                ),
                past.params.copy_to_host(),
            )

        def lane(array):
            return None if array is None else array.copy_to_host()[0]

        return Carry(lane(self.frame), lane(self.state), _taken(self.influence, lane, past))


def _taken(j, lane, past):
    """An Influence, or None, with every part taken to the device or back."""
    return j and Influence(
        lane(j.matrix),
        lane(j.rows),
        tuple(map(past, j.history)),
        j.first and past(j.first),
        j.looked,
    )


class Lanes:
    """Series on their way through a model, an OnDevice, side by side, block by block: what Stream is on the CPU.

    songs, particles: Songs, particles None for chains that start at the data.  places: for each lane the places (T,)
    of its frames in them.  starts: for each uint8 (T,), 1 where a series begins.  keys uint64 (B,); first_rows: of each
    lane's first frame among its key's draws.  carry: what a lone lane goes on from, a LaneCarry that its
    end then replaces, or None.  negative: whether the frames are noise to be pushed away, Eq. (23)-(24).
    """

    def __init__(
        self,
        model,
        settings,
        songs,
        particles,
        places,
        starts,
        keys,
        first_rows,
        carry=None,
        negative=False,
    ):
        self._model, self._settings, self._songs, self._particles = (
            model,
            settings,
            songs,
            particles,
        )
        self._places, self._starts, self._negative = places, starts, negative
        self._keys, self._first_rows = upload(keys, np.uint64), np.array(first_rows)
        self._positions, config = np.zeros(len(places), np.int64), model.model.config
        self._dtype, self._visible = model.model.theta.dtype, config.visible
        self._state, self._influence = (
            upload(np.zeros((len(places), config.recurrent), self._dtype)),
            None,
        )
        self.carry = carry
        if carry:
            copy(carry.state, self._state)
            self._influence = carry.influence

    @property
    def done(self):
        """Whether every frame has been through."""
        return all(
            at >= len(place) for at, place in zip(self._positions, self._places, strict=True)
        )

    @property
    def frames(self):
        """How many there are in all lanes."""
        return sum(map(len, self._places))

    def step(self, gradient):
        """Add the next block's gradient to `gradient` (all of theta, summed over frames); returns its frame count."""
        model, network = self._model, self._model.network
        place, starts, rows = self._block()
        here = upload(place[1:].ravel())
        v, x = self._inputs(place, here, starts, rows)
        block = model.forward(x, self._state, starts)
        du = scratch.shaped("du", tuple(block.u.shape), self._dtype)
        fill(du, 0)
        self._contrast(
            v,
            here,
            rows,
            model.biases(block.u),
            model.bias_gradients(du),
            theta_parts(model.model, gradient)[0],
        )
        model.finish_gradients(du)
        adjoint = network.backward(model.theta, block, du, gradient)
        if self._influence is not None:
            network.influence_gradient(adjoint, self._influence, gradient)
        goes_on = self.carry or any(
            at < len(begun) and not begun[at]
            for at, begun in zip(self._positions, self._starts, strict=True)
        )
        self._influence = (
            network.influence(model.theta, block, self._influence, self._settings.rank_tolerance)
            if goes_on
            else None
        )
        if self.carry and self.done:
            frame = empty((1, self._visible), self._dtype)
            copy(matrix(v, (len(starts) - 1) * self._visible, 1, self._visible), frame)
            self.carry = LaneCarry(frame, self._state, self._influence)
        return int((place[1:] >= 0).sum())

    def _block(self):
        """Places (h + 1, B) of the next block's frames and of the one before, starts (h, B), rows of draws (B,)."""
        begins, block = self._positions, self._settings.block
        ends = np.array(
            [
                block_end(starts, at, block) if at < len(starts) else at
                for at, starts in zip(begins, self._starts, strict=True)
            ]
        )
        h = int((ends - begins).max())
        place, starts = (
            np.full((h + 1, len(ends)), -1, np.int64),
            np.zeros((h, len(ends)), np.uint8),
        )
        for lane, (at, end) in enumerate(zip(begins, ends, strict=True)):
            place[1 : end - at + 1, lane] = self._places[lane][at:end]
            starts[: end - at, lane] = self._starts[lane][at:end]
            if 0 < at < end:
                place[0, lane] = self._places[lane][at - 1]
        self._positions = ends
        return place, starts, upload(self._first_rows + begins, np.int64)

    def _inputs(self, place, here, starts, rows):
        """v and x (h, B, V), x corrupted."""
        settings, shape = self._settings, (*starts.shape, self._visible)
        v, x = (scratch.shaped(name, shape, self._dtype) for name in ("v", "x"))
        self._songs.read(here, v)
        self._songs.read(upload(np.where(starts, -1, place[:-1]).ravel()), x)
        if self.carry and place[0, 0] < 0:
            copy(self.carry.frame, matrix(x, 0, 1, self._visible))
        if settings.noise or settings.dropout:
            self._model.kernels.corrupt(self._keys, settings.noise, settings.dropout, x, rows)
        return v, x

    def _contrast(self, v, here, rows, biases, out, gradient_w):
        """dE/da, dE/db (and dE/dz) of the block into `out`, dE/dW added to gradient_w.  Eq. (15), (17), (21)."""
        kernels, w, start = self._model.kernels, self._model.w, v
        sample = scratch.shaped("sample", tuple(v.shape), self._dtype)
        if self._particles:
            start = scratch.shaped("start", tuple(v.shape), self._dtype)
            self._particles.read(here, start)
        kernels.gibbs_chain(
            start, w, *biases, self._settings.gibbs_steps, 1.0, self._keys, 0, rows, sample
        )
        if self._particles:
            self._particles.write(sample, here)
        kernels.contrast(
            v, sample, w, *biases, self._weight(here, v, sample, w, biases), *out, gradient_w
        )

    def _weight(self, here, v, sample, w, biases):
        """Of every frame (h B,): 1, or as noise that of Eq. (23) or (24); 0 where a lane has ended."""
        settings, rows = self._settings, here.size
        weight = scratch.shaped("weight", (rows,), self._dtype)
        rolls.weigh(here, -settings.negative_weight if self._negative else 1, weight)
        if self._negative and settings.negative == "bounded":
            energies = [
                scratch.shaped(f"energy of {name}", (rows,), np.float64)
                for name in ("noise", "sample")
            ]
            for states, energy in zip((v, sample), energies, strict=True):
                self._model.kernels.free_energy(states, w, *biases, energy)
            rolls.lessen(settings.negative_margin, *energies, weight)
        return weight
