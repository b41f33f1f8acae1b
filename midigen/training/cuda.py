"""Training on the GPU: songs side by side, one a lane, and all that a step needs on the device.

Notes and particles lie there as bits, with theta, its moments and its running mean; a step uploads where its frames
are, and reads back two numbers.
"""

import math

import numpy as np

from midigen.errors import MidigenError
from midigen.kernels.cuda import optimizer as kernels
from midigen.kernels.cuda import rbm, rolls
from midigen.kernels.cuda.blas import copy, fill
from midigen.kernels.cuda.jit import GpuError
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.lanes import MOST_ROWS, LaneNetwork, bias_parts, theta_parts
from midigen.training.centre import HIDDEN_MEAN
from midigen.training.gradient import block_end
from midigen.training.optimizer import Optimizer
from midigen.training.trainer import Trainer


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

    def forget(self):
        for moment in self.moments:
            fill(moment, 0)


class _Lanes:
    """Series on their way through the model side by side, block by block: what Stream is on the CPU.

    places: for each lane the places (T,) of its frames in `notes` and `particles`, see midigen.kernels.cuda.rolls.
    starts: for each uint8 (T,), 1 where a series begins.  keys uint64 (B,); first_rows: of each lane's first frame
    among its key's draws.
    """

    def __init__(self, trainer, places, starts, keys, first_rows, settings):
        self._trainer, self._places, self._starts, self._settings = trainer, places, starts, settings
        self._keys, self._first_rows = upload(keys, np.uint64), np.array(first_rows)
        self._positions = np.zeros(len(places), np.int64)
        self._state = upload(np.zeros((len(places), trainer.model.config.recurrent), trainer.model.theta.dtype))
        self._influence = None

    @property
    def done(self):
        """Whether every frame has been through."""
        return all(at >= len(place) for at, place in zip(self._positions, self._places, strict=True))

    def step(self, theta, gradient):
        """Add the next block's gradient to `gradient` (all of theta, summed over frames); returns its frame count."""
        trainer, network = self._trainer, self._trainer.network
        place, starts, rows = self._block()
        v, x, weight = self._inputs(place, starts, rows)
        block = network.forward(theta, x, self._state, starts)
        du = scratch.shaped("du", tuple(block.u.shape), trainer.model.theta.dtype)
        fill(du, 0)
        self._contrast(v, weight, upload(place[1:]), rows, theta, block.u, du, gradient)
        adjoint = network.backward(theta, block, du, gradient)
        if self._influence is not None:
            network.influence_gradient(adjoint, self._influence, gradient)
        goes_on = any(at < len(begun) and not begun[at]
                      for at, begun in zip(self._positions, self._starts, strict=True))
        self._influence = network.influence(theta, block, self._influence) if goes_on else None
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

    def _inputs(self, place, starts, rows):
        """v and x (h, B, V) and the weight of every frame (h B,), 0 where a lane has ended."""
        trainer, settings = self._trainer, self._settings
        model, shape = trainer.model, (*starts.shape, trainer.model.config.visible)
        v, x = (scratch.shaped(name, shape, model.theta.dtype) for name in ("v", "x"))
        weight = scratch.shaped("weight", (starts.size,), model.theta.dtype)
        here, pitches = upload(place[1:].ravel()), model.grid.pitches
        rolls.unpack(trainer.notes, here, pitches, v)
        rolls.unpack(trainer.notes, upload(np.where(starts, -1, place[:-1]).ravel()), pitches, x)
        rolls.weigh(here, 1, weight)
        if settings.noise or settings.dropout:
            rbm.corrupt(self._keys, settings.noise, settings.dropout, x, rows)
        return v, x, weight

    def _contrast(self, v, weight, place, rows, theta, u, du, gradient):
        """dE/da and dE/db of the block into du, dE/dW added to the gradient.  Eq. (15), (17)."""
        trainer, model = self._trainer, self._trainer.model
        biases = bias_parts(model, u)
        w, gradient_w = theta_parts(model, theta)[0], theta_parts(model, gradient)[0]
        sample, start, place = scratch.shaped("sample", tuple(v.shape), v.dtype), v, place.reshape(weight.size)
        if trainer.kept is not None:
            start = scratch.shaped("start", tuple(v.shape), v.dtype)
            rolls.unpack(trainer.kept, place, model.grid.pitches, start)
        rbm.gibbs_chain(start, w, *biases, self._settings.gibbs_steps, 1.0, self._keys, 0, rows, sample)
        if trainer.kept is not None:
            rolls.pack(sample, place, model.grid.pitches, trainer.kept)
        rbm.contrast(v, sample, w, *biases, weight, *bias_parts(model, du), gradient_w)


class CudaTrainer(Trainer):
    """A Trainer whose steps run on the GPU, of what midigen.device.training_obstacle lets through.

    `fetch` brings theta, moments, mean and particles back to the host.

    network: a LaneNetwork.  notes, kept: the songs and their particles as bits on the device, kept None without them.
    """

    def __post_init__(self):
        super().__post_init__()
        self.network = LaneNetwork(self.model.network)
        self.notes = upload(np.concatenate([np.packbits(roll > 0, axis=1) for roll in self.train]))
        self._begins = np.concatenate([[0], np.cumsum([len(roll) for roll in self.train])])
        self._on_device = None

    def _batch(self, songs):
        try:
            return super()._batch(songs)
        except GpuError as e:
            raise MidigenError(f"the GPU failed ({e}): the last checkpoint is whole, go on from it with --resume, or "
                               "with --device cpu as well") from None

    def _open_all(self, lanes, settings):
        """Streams that share blocks; songs have lanes of their own unless weights move within a batch.

        Songs draw with the keys, and at the rows, that they have on the CPU.
        """
        if self._on_device is None:
            self._upload()
        series = []
        for songs in lanes:
            key = (self._epoch.key + int(songs[0])) % 2**64
            places = [self._place(song) for song in songs]
            firsts = np.concatenate([[0], np.cumsum([len(place) for place in places])])
            if settings.update == "block":
                starts = np.zeros(firsts[-1], np.uint8)
                starts[firsts[1:-1]] = 1
                series.append((np.concatenate(places), starts, key, 0))
            else:
                series += [(place, np.zeros(len(place), np.uint8), key, int(first))
                           for place, first in zip(places, firsts, strict=False)]
        longest = min(max(len(place) for place, *_ in series), settings.block)
        most = len(series) if settings.update == "block" else max(1, MOST_ROWS // longest)
        return [_Lanes(self, *zip(*series[i:i + most], strict=True), settings) for i in range(0, len(series), most)]

    def _place(self, song):
        """Places of a song's frames, with its shift in this epoch."""
        shift = int(self._epoch.shifts[song]) % self.model.grid.pitches
        return np.arange(self._begins[song], self._begins[song + 1]) << rolls.SHIFT_BITS | shift

    def _close_all(self, lanes, streams):
        """Particles are on the device already."""

    def _mean_gradient(self, streams, noise):
        theta, gradient, count = self._on_device["theta"], self._on_device["gradient"], 0
        fill(gradient, 0)
        for stream in streams:
            while not stream.done:
                count += stream.step(theta, gradient)
                if self.settings.update == "block":
                    break
        kernels.mix(1 / count, gradient, 0, gradient)
        return gradient, count

    def _not_finite(self, theta):
        """The gradient is looked at where its length is known, in the move."""
        return ""

    def _move(self, gradient):
        theta, optimizer = self._on_device["theta"], self._on_device["optimizer"]
        optimizer.move(theta, gradient, self.rate)
        self.optimizer.steps = optimizer.steps
        if not math.isfinite(optimizer.length):
            return super()._not_finite(gradient.copy_to_host()) or "gradient"
        if not math.isfinite(kernels.squared_norm(theta)):
            return "weights after a step"
        kernels.average_step(self._on_device["average"], theta, self._decay())
        return ""

    def _restore(self):
        copy(self._on_device["average"], self._on_device["theta"])
        self._on_device["optimizer"].forget()

    def _upload(self):
        """Put the run's arrays on the device, as they were made or as a checkpoint has them."""
        self._on_device = {"theta": upload(self.model.theta), "average": upload(self.average),
                           "gradient": empty(self.model.theta.size, self.model.theta.dtype),
                           "optimizer": _DeviceOptimizer(self.optimizer, self.model, self.settings, self._means)}
        self.kept = upload(np.concatenate(self.particles)) if self.particles else None

    def fetch(self):
        if self._on_device is None:
            return
        self.model.theta[:] = self._on_device["theta"].copy_to_host()
        self.average = self._on_device["average"].copy_to_host()
        self.optimizer.moments = [moment.copy_to_host() for moment in self._on_device["optimizer"].moments]
        if self.particles:
            self.particles = np.split(self.kept.copy_to_host(), self._begins[1:-1])
