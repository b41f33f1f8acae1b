"""Training on the GPU: songs side by side, one a lane, and all that a step needs on the device.

Songs and particles lie there, notes as bits, with theta, its moments and its running mean; a step uploads where its
frames are, and reads back two numbers.
"""

import math
from dataclasses import dataclass

import numpy as np

from midigen.device import gpu_work
from midigen.kernels.cuda import optimizer as kernels
from midigen.kernels.cuda import rolls
from midigen.kernels.cuda.blas import copy, fill, matrix
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.lanes import LaneInfluence
from midigen.model.network import Block, Influence
from midigen.model.on_device import MOST_ROWS, OnDevice, Songs, theta_parts
from midigen.randomness import derive_key, generator
from midigen.training.centre import HIDDEN_MEAN
from midigen.training.gradient import Carry, block_end
from midigen.training.negative import random_song
from midigen.training.optimizer import Optimizer
from midigen.training.trainer import Trainer

GO_ON = "the last checkpoint is whole, go on from it with --resume, or with --device cpu as well"


class _Centre:
    """midigen.training.centre.Centre for theta on the device.  Eq. (25)."""

    def __init__(self, model, means):
        self._model, self._means = model, upload(means, model.theta.dtype)

    def enter(self, theta):
        kernels.centre_shift(*theta_parts(self._model, theta), self._means, HIDDEN_MEAN, 1)

    def leave(self, theta):
        kernels.centre_shift(*theta_parts(self._model, theta), self._means, HIDDEN_MEAN, -1)

    def gradient(self, gradient):
        kernels.centre_gradient(*theta_parts(self._model, gradient), self._means, HIDDEN_MEAN)


class _DeviceOptimizer(Optimizer):
    """The optimizer as it is on the host, its arrays on the device; `length` is that of the last gradient."""

    kernels = kernels

    def __init__(self, host, model, settings, means):
        super().__init__(model, settings, means)
        self.steps, self.length = host.steps, 0.0
        self.moments, self._decay = [upload(moment) for moment in host.moments], upload(self._decay)
        self._centre = self._centre and _Centre(model, means)

    def norm(self, gradient):
        self.length = math.sqrt(kernels.squared_norm(gradient))
        return self.length

    def copied(self, array):
        out = empty(array.size, array.dtype)
        copy(array, out)
        return out

    def forget(self):
        for moment in self.moments:
            fill(moment, 0)


@dataclass(frozen=True)
class _Carry:
    """What a lane hands to the songs that follow, on the device: the last frame (1, V), r (1, R), a LaneInfluence."""

    frame: object
    state: object
    influence: LaneInfluence | None

    @classmethod
    def of(cls, carry):
        """A Carry from the host."""
        j, influence = carry.influence, None
        if j is not None:
            last = Block(upload(j.last.inputs), upload(j.last.u[:, None]), np.zeros((1, 1), np.uint8))
            influence = LaneInfluence(upload(j.matrix[None]), None, None, last, last, upload(j.params))
        return cls(upload(carry.frame[None]), upload(carry.state[None]), influence)

    def on_the_host(self, network):
        """The Carry that a checkpoint keeps; its J is whole."""
        j, influence = self.influence, None
        if j is not None:
            last = Block(j.last.inputs.copy_to_host(), j.last.u.copy_to_host()[:, 0], np.zeros(1, np.uint8))
            influence = Influence(network.whole(j).copy_to_host()[0], j.params.copy_to_host(), last)
        return Carry(self.frame.copy_to_host()[0], self.state.copy_to_host()[0], influence)


class _Lanes:
    """Series on their way through a model, an OnDevice, side by side, block by block: what Stream is on the CPU.

    songs, particles: Songs, particles None for chains that start at the data.  places: for each lane the places (T,)
    of its frames in them.  starts: for each uint8 (T,), 1 where a series begins.  keys uint64 (B,); first_rows: of each
    lane's first frame among its key's draws.  carry: a _Carry of a lone lane that goes on from it and will be gone on
    from, or None.  negative: whether the frames are noise to be pushed away, Eq. (23)-(24).
    """

    def __init__(self, model, settings, songs, particles, places, starts, keys, first_rows, carry=None, negative=False):
        self._model, self._settings, self._songs, self._particles = model, settings, songs, particles
        self._places, self._starts, self._negative = places, starts, negative
        self._keys, self._first_rows = upload(keys, np.uint64), np.array(first_rows)
        self._positions, config = np.zeros(len(places), np.int64), model.model.config
        self._dtype, self._visible = model.model.theta.dtype, config.visible
        self._state, self._influence = upload(np.zeros((len(places), config.recurrent), self._dtype)), None
        self.carry = carry
        if carry:
            copy(carry.state, self._state)
            self._influence = carry.influence

    @property
    def done(self):
        """Whether every frame has been through."""
        return all(at >= len(place) for at, place in zip(self._positions, self._places, strict=True))

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
        self._contrast(v, here, rows, model.biases(block.u), model.bias_gradients(du),
                       theta_parts(model.model, gradient)[0])
        model.finish_gradients(du)
        adjoint = network.backward(model.theta, block, du, gradient)
        if self._influence is not None:
            network.influence_gradient(adjoint, self._influence, gradient)
        goes_on = self.carry or any(at < len(begun) and not begun[at]
                                    for at, begun in zip(self._positions, self._starts, strict=True))
        self._influence = network.influence(model.theta, block, self._influence,
                                            self._settings.rank_tolerance) if goes_on else None
        if self.carry and self.done:
            frame = empty((1, self._visible), self._dtype)
            copy(matrix(v, (len(starts) - 1) * self._visible, 1, self._visible), frame)
            self.carry = _Carry(frame, self._state, self._influence)
        return int((place[1:] >= 0).sum())

    def _block(self):
        """Places (h + 1, B) of the next block's frames and of the one before, starts (h, B), rows of draws (B,)."""
        begins, block = self._positions, self._settings.block
        ends = np.array([block_end(starts, at, block) if at < len(starts) else at
                         for at, starts in zip(begins, self._starts, strict=True)])
        h = int((ends - begins).max())
        place, starts = np.full((h + 1, len(ends)), -1, np.int64), np.zeros((h, len(ends)), np.uint8)
        for lane, (at, end) in enumerate(zip(begins, ends, strict=True)):
            place[1:end - at + 1, lane] = self._places[lane][at:end]
            starts[:end - at, lane] = self._starts[lane][at:end]
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
        kernels.gibbs_chain(start, w, *biases, self._settings.gibbs_steps, 1.0, self._keys, 0, rows, sample)
        if self._particles:
            self._particles.write(sample, here)
        kernels.contrast(v, sample, w, *biases, self._weight(here, v, sample, w, biases), *out, gradient_w)

    def _weight(self, here, v, sample, w, biases):
        """Of every frame (h B,): 1, or as noise that of Eq. (23) or (24); 0 where a lane has ended."""
        settings, rows = self._settings, here.size
        weight = scratch.shaped("weight", (rows,), self._dtype)
        rolls.weigh(here, -settings.negative_weight if self._negative else 1, weight)
        if self._negative and settings.negative == "bounded":
            energies = [scratch.shaped(f"energy of {name}", (rows,), np.float64) for name in ("noise", "sample")]
            for states, energy in zip((v, sample), energies, strict=True):
                self._model.kernels.free_energy(states, w, *biases, energy)
            rolls.lessen(settings.negative_margin, *energies, weight)
        return weight


class CudaTrainer(Trainer):
    """A Trainer whose steps run on the GPU, of what midigen.device.training_obstacle lets through.

    `fetch` brings theta, moments, mean and particles back to the host.
    """

    device = "cuda"

    def __post_init__(self):
        super().__post_init__()
        self._songs = Songs.of(self.model, self.train)
        self._begins = np.concatenate([[0], np.cumsum([len(roll) for roll in self.train])])
        self._model = None

    def _batch(self, songs):
        with gpu_work(GO_ON):
            return super()._batch(songs)

    def look(self):
        with gpu_work(GO_ON):
            return super().look()

    def _open_all(self, lanes, settings):
        """Streams that share blocks; songs have lanes of their own unless weights move within a batch.

        Songs draw with the keys, and at the rows, that they have on the CPU.
        """
        if self._model is None:
            self._upload()
        if self._particles:
            copy(self._particles.kept, self._before)
        series, self._streams = [], len(lanes)
        for songs in lanes:
            key = (self._epoch.key + int(songs[0])) % 2**64
            places = [self._place(song) for song in songs]
            firsts = np.concatenate([[0], np.cumsum([len(place) for place in places])])
            if settings.update == "block" or settings.concatenate:
                starts = np.zeros(firsts[-1], np.uint8)
                starts[firsts[1:-1]] = not settings.concatenate
                series.append((np.concatenate(places), starts, key, 0))
            else:
                series += [(place, np.zeros(len(place), np.uint8), key, int(first))
                           for place, first in zip(places, firsts, strict=False)]
        longest = min(max(len(place) for place, *_ in series), settings.block)
        most = len(series) if settings.update == "block" else max(1, MOST_ROWS // longest)
        most = 1 if settings.concatenate else most  # each with a carry of its own
        return [_Lanes(self._model, settings, self._songs, self._particles, *zip(*series[i:i + most], strict=True),
                       carry=self._carries.get(i, self._start) if settings.concatenate else None)
                for i in range(0, len(series), most)]

    def _noise(self, streams, settings):
        """Random songs for one batch, side by side, as long as its songs on average."""
        state = self.state
        if settings.negative == "off":
            return []
        frames = sum(stream.frames for stream in streams) // self._streams
        rng = generator(settings.seed, "noise", state.epoch, state.cursor)
        songs = [random_song(rng, frames, self.model.config.visible, settings.negative_density)
                 for _ in range(settings.negative_songs)]
        noise = Songs.of(self.model, songs)
        places = [noise.places(i * frames, (i + 1) * frames) for i in range(len(songs))]
        keys = [derive_key(settings.seed, "noise", state.epoch, state.cursor, i) for i in range(len(songs))]
        starts = [np.zeros(frames, np.uint8)] * len(songs)
        return [_Lanes(self._model, settings, noise, None, places, starts, keys, [0] * len(songs), negative=True)]

    def _place(self, song):
        """Places of a song's frames, with its shift in this epoch."""
        shift = int(self._epoch.shifts[song]) % self.model.grid.pitches
        return self._songs.places(self._begins[song], self._begins[song + 1], shift)

    def _close_all(self, lanes, streams):
        """Particles are on the device already."""
        if self.settings.concatenate:
            self._carries.update(enumerate(stream.carry for stream in streams))

    def _mean_gradient(self, streams, noise):
        gradient, count = self._gradient(streams, "gradient")
        if not all(s.done for s in noise):
            pushed, frames = self._gradient(noise, "pushed")
            kernels.mix(1 / count, gradient, 1 / frames, pushed)
        else:
            kernels.mix(1 / count, gradient, 0, gradient)
        return gradient, count

    def _gradient(self, streams, name):
        gradient, count = scratch.shaped(name, self.model.theta.shape, self.model.theta.dtype), 0
        fill(gradient, 0)
        for stream in streams:
            while not stream.done:
                count += stream.step(gradient)
                if self.settings.update == "block":
                    break
        return gradient, count

    def _not_finite(self, theta):
        """The gradient is looked at where its length is known, in the move."""
        return ""

    def _move(self, gradient):
        theta, optimizer = self._model.theta, self._optimizer
        optimizer.move(theta, gradient, self.rate)
        self.optimizer.steps = optimizer.steps
        if not math.isfinite(optimizer.length):
            return super()._not_finite(gradient.copy_to_host()) or "gradient"
        if not math.isfinite(kernels.squared_norm(theta)):
            return "weights after a step"
        kernels.average_step(self._average, theta, self._decay())
        return ""

    def _scores(self, model, rolls):
        return OnDevice(model).pseudo_log_likelihood(rolls)

    def _restore(self):
        copy(self._average, self._model.theta)
        self._optimizer.forget()
        if self._particles:
            copy(self._before, self._particles.kept)

    def _upload(self):
        """Put the run's arrays on the device, as they were made or as a checkpoint has them."""
        self._model, self._average = OnDevice(self.model), upload(self.average)
        self._optimizer = _DeviceOptimizer(self.optimizer, self.model, self.settings, self._means)
        self._particles = Songs(self.model, np.concatenate(self.particles)) if self.particles else None
        if self._particles:
            self._before = empty(self._particles.kept.shape, self._particles.kept.dtype)  # at the start of a batch
        self._start = _Carry.of(Carry.start(self.model))
        self._carries = {lane: _Carry.of(carry) for lane, carry in self.carries.items()}

    def fetch(self):
        if self._model is None:
            return
        self.model.theta[:] = self._model.theta.copy_to_host()
        self.average = self._average.copy_to_host()
        self.optimizer.moments = [moment.copy_to_host() for moment in self._optimizer.moments]
        self.carries = {lane: carry.on_the_host(self._model.network) for lane, carry in self._carries.items()}
        if self.particles:
            self.particles = np.split(self._particles.kept.copy_to_host(), self._begins[1:-1])
