"""Training on the GPU: songs side by side, one a lane, and all that a step needs on the device.

Songs and particles lie there, notes as bits, with theta, its moments and its running mean; a step uploads where its
frames are, and reads back two numbers.
"""

import math

import numpy as np

from midigen.device import gpu_work
from midigen.kernels.cuda import optimizer as kernels
from midigen.kernels.cuda.blas import copy, fill
from midigen.kernels.cuda.memory import empty, scratch, upload
from midigen.model.on_device import MOST_ROWS, OnDevice, Songs, theta_parts
from midigen.training.centre import HIDDEN_MEAN
from midigen.training.gradient import Carry
from midigen.training.lanes import LaneCarry, Lanes
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
                series += [
                    (place, np.zeros(len(place), np.uint8), key, int(first))
                    for place, first in zip(places, firsts, strict=False)
                ]
        longest = min(max(len(place) for place, *_ in series), settings.block)
        most = len(series) if settings.update == "block" else max(1, MOST_ROWS // longest)
        most = 1 if settings.concatenate else most  # each with a carry of its own
        return [
            Lanes(
                self._model,
                settings,
                self._songs,
                self._particles,
                *zip(*series[i : i + most], strict=True),
                carry=self._carries.get(i, self._start) if settings.concatenate else None,
            )
            for i in range(0, len(series), most)
        ]

    def _noise(self, streams, settings):
        """Random songs for one batch, side by side, as long as its songs on average."""
        if settings.negative == "off":
            return []
        frames = sum(stream.frames for stream in streams) // self._streams
        songs, keys = zip(*self._random_songs(frames, settings), strict=True)
        noise = Songs.of(self.model, songs)
        places = [noise.places(i * frames, (i + 1) * frames) for i in range(len(songs))]
        starts = [np.zeros(frames, np.uint8)] * len(songs)
        return [
            Lanes(
                self._model,
                settings,
                noise,
                None,
                places,
                starts,
                keys,
                [0] * len(songs),
                negative=True,
            )
        ]

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
        self._particles = (
            Songs(self.model, np.concatenate(self.particles)) if self.particles else None
        )
        if self._particles:
            self._before = empty(
                self._particles.kept.shape, self._particles.kept.dtype
            )  # at the start of a batch
        self._start = LaneCarry.of(Carry.start(self.model))
        self._carries = {lane: LaneCarry.of(carry) for lane, carry in self.carries.items()}

    def fetch(self):
        if self._model is None:
            return
        self.model.theta[:] = self._model.theta.copy_to_host()
        self.average = self._average.copy_to_host()
        self.optimizer.moments = [moment.copy_to_host() for moment in self._optimizer.moments]
        self.carries = {lane: carry.on_the_host() for lane, carry in self._carries.items()}
        if self.particles:
            self.particles = np.split(self._particles.kept.copy_to_host(), self._begins[1:-1])
