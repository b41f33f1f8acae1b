"""Training: epochs, batches of songs, validation, early stop.  It yields events and prints nothing.

Every random number comes from (seed, what it is for, epoch, place), every song's gradient from one thread into a buffer
of its own, and buffers are added in a fixed order: a run is the same on any number of threads, stopped or not.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from midigen.generation import choose_levels, generate
from midigen.kernels.cpu.optimizer import average_step
from midigen.kernels.jit import usable_cores
from midigen.model.rnn_rbm import RnnRbm, note_moments
from midigen.randomness import derive_key, generator
from midigen.training.events import Diverged, Progress, RolledBack, State, Validated
from midigen.training.gradient import Carry, Stream, joined
from midigen.training.negative import random_song
from midigen.training.optimizer import Optimizer
from midigen.training.plan import Plan, shifted

ROLLBACKS = 3
CHECKED_FRAMES = 1000  # of training songs, for the loss beside the validation figure
LANES = 8  # streams, at most, that the songs of a batch are dealt to: fewer and longer ones cost less Python
MOST_GIBBS = 5  # times as many Gibbs steps at the end of a run
SAMPLE = {"frames": 64, "count": 4}


@dataclass
class Trainer:
    """Trains `model` in place on lists of rolls, uint8 (T, V).  `average` is the running mean of theta, and kept.

    pace: what the step size is multiplied by, lowered in the last part of a run, when `cooling`: then validations no
    longer end it.
    """

    device = "cpu"
    model: RnnRbm
    train: list
    valid: list
    settings: object
    threads: int = 0
    state: State = field(default_factory=State)
    cooling: bool = False
    pace: float = 1.0

    @property
    def rate(self):
        """The step size now."""
        return self.settings.learning_rate * self.state.rate_scale * self.pace

    def __post_init__(self):
        self.threads = self.threads or usable_cores()
        self._pool, self._helpers = (
            ThreadPoolExecutor(self.threads),
            ThreadPoolExecutor(self.threads),
        )
        self.plan = Plan(self.train, self.model.grid, self.settings)
        self._means = note_moments(self.train, self.model.grid)[0]
        self.optimizer = Optimizer(self.model, self.settings, self._means)
        self.average = self.model.theta.copy()
        self.particles = (
            [self._pack(self.model.frames(roll)) for roll in self.train]
            if self.settings.sampler == "persistent"
            else []
        )
        self.carries = {}
        self._sums = []  # a gradient for each stream, in memory that stays: fresh memory costs a page fault every 4 KB

    def averaged(self):
        """The model that is validated and kept: the running mean of the weights."""
        return RnnRbm(self.model.config, self.model.grid, self.average, self.model.about)

    def run(self, epochs, stop):
        """Train until `epochs` are done, stop() is true or validation stops improving; yields the events above.

        state.finished then says so; it is None where there is more to gain.
        """
        state = self.state
        while state.epoch < epochs and (self.cooling or not state.finished):
            batches = self._epoch.batches
            while state.cursor < len(batches):
                if stop():
                    return
                rolled_back = self._batch(batches[state.cursor])
                if rolled_back:
                    yield rolled_back
                    continue
                state.cursor += 1
                yield Progress(
                    state.epoch, state.cursor / len(batches), state.frames, self.optimizer.steps
                )
            state.epoch, state.cursor = state.epoch + 1, 0
            if state.epoch % self.plan.validate_every == 0:
                event = self.look()
                self._judge(event)
                yield event

    @property
    def _epoch(self):
        """The plan of the epoch that state counts: the same after a resume."""
        return self.plan.epoch(self.state.epoch)

    @np.errstate(all="ignore")  # what is not finite is found below, and named
    def _batch(self, songs):
        """Train on one batch; returns a RolledBack event where values were not finite, else None."""
        state = self.state
        carries = {lane: carry.copy() for lane, carry in self.carries.items()}
        step = self._step_settings()
        lanes = [songs[lane::LANES] for lane in range(min(LANES, len(songs)))]
        streams = self._open_all(lanes, step)
        noise = self._noise(streams, step)
        frames = 0
        while any(not s.done for s in streams):
            gradient, count = self._mean_gradient(streams, noise)
            what = self._not_finite(gradient) or self._move(gradient)
            if what:
                self.carries = carries
                return self._roll_back(what)
            frames += count
        self._close_all(lanes, streams)
        state.frames += frames
        return None

    def _open_all(self, lanes, settings):
        """A stream for every lane, a list of song numbers."""
        return [self._open(lane, songs, settings) for lane, songs in enumerate(lanes)]

    def _close_all(self, lanes, streams):
        """Keep what the streams of a batch leave: particles, and carries where songs are one series."""
        for lane, (songs, stream) in enumerate(zip(lanes, streams, strict=True)):
            if stream.particles is not None:
                self._close(songs, stream)
            if self.settings.concatenate:
                self.carries[lane] = stream.carry

    def _mean_gradient(self, streams, noise):
        """The streams' gradient a frame, with that of the noise, up to the next move of the weights; and frames."""
        gradient, count = self._gradient(streams)
        gradient /= count
        if not all(
            s.done for s in noise
        ):  # songs that are longer than it may still be on their way
            own = gradient.copy()
            gradient, pushed = self._gradient(noise)
            gradient /= pushed
            gradient += own
        return gradient, count

    def _step_settings(self):
        """The settings of the next step: the slower the weights move, the more Gibbs steps, up to MOST_GIBBS times."""
        steps = round(self.settings.gibbs_steps / max(self.pace, 1 / MOST_GIBBS))
        return replace(self.settings, gibbs_steps=steps) if self.cooling else self.settings

    def _open(self, lane, songs, settings):
        """A stream of songs of the training set, each with its shift and its particles."""
        epoch, particles, pitches = self._epoch, None, self.model.grid.pitches
        if self.particles:
            particles = joined(
                [
                    shifted(self._unpack(self.particles[song]), epoch.shifts[song], pitches)
                    for song in songs
                ]
            )
        carry = self.carries.get(lane) if settings.concatenate else None
        return Stream(
            self.model,
            [shifted(self.train[song], epoch.shifts[song], pitches) for song in songs],
            carry or Carry.start(self.model),
            np.uint64((epoch.key + int(songs[0])) % 2**64),
            settings,
            particles,
        )

    def _close(self, songs, stream):
        """Keep the particles of a stream's songs."""
        at, shifts = 0, self._epoch.shifts
        for song in songs:
            end = at + len(self.train[song])
            back = shifted(stream.particles[at:end], -shifts[song], self.model.grid.pitches)
            self.particles[song] = self._pack(back)
            at = end

    def _pack(self, particles):
        """Particles (T, V) as they are kept: bits, or float32 for Gaussian units."""
        return (
            particles.astype(np.float32)
            if self.model.gaussian
            else np.packbits(particles.astype(np.uint8), axis=1)
        )

    def _unpack(self, packed):
        """What a stream moves on, a copy of what _pack kept."""
        return (
            packed.copy()
            if self.model.gaussian
            else np.unpackbits(packed, axis=1, count=self.model.config.visible)
        )

    def _noise(self, streams, settings):
        """Streams of random songs for one batch, as long as its songs on average."""
        if settings.negative == "off":
            return []
        frames = int(np.mean([len(s.v) for s in streams]))
        return [
            Stream(self.model, [song], Carry.start(self.model), key, settings, negative=True)
            for song, key in self._random_songs(frames, settings)
        ]

    def _random_songs(self, frames, settings):
        """Those of this batch, each with its key."""
        place = settings.seed, "noise", self.state.epoch, self.state.cursor
        rng = generator(*place)
        return [
            (
                random_song(rng, frames, self.model.config.visible, settings.negative_density),
                derive_key(*place, i),
            )
            for i in range(settings.negative_songs)
        ]

    def _gradient(self, streams):
        """Sum of the streams' gradients up to the next move of the weights, and its frame count.

        With `update` "block" that is one block of every stream, else the whole of every stream.  The next call writes
        over the sum.
        """
        whole = self.settings.update != "block"
        streams = [s for s in streams if not s.done]
        helpers = self._helpers if len(streams) < self.threads else None  # there are cores to spare
        while len(self._sums) < len(streams):
            self._sums.append(np.empty_like(self.model.theta))

        def job(stream, gradient):
            gradient[:], count = 0, 0
            while not stream.done:
                count += stream.step(gradient, helpers)
                if not whole:
                    break
            return count

        jobs = [self._pool.submit(job, *pair) for pair in zip(streams, self._sums, strict=False)]
        frames = sum(done.result() for done in jobs)
        total, *others = self._sums[: len(streams)]
        for gradient in others:
            total += gradient
        return total, frames

    def _not_finite(self, theta):
        """Names of the tensors of a theta-like vector that hold NaN or infinity, or ""."""
        if np.isfinite(np.dot(theta, theta)):
            return ""
        names = [
            name
            for name, tensor in self.model.tensors(theta).items()
            if not np.isfinite(tensor).all()
        ]
        return "gradient of " + (", ".join(names) or "all (it is too large)")

    def _decay(self):
        """How much the running mean keeps of itself: it forgets its first steps soon."""
        steps, limit = self.optimizer.steps, self.settings.average
        return min(limit, (1 + steps) / (10 + steps)) if limit else 0.0

    def _move(self, gradient):
        """One step of the optimizer and of the running mean; returns a name if theta is then not finite."""
        theta = self.model.theta
        self.optimizer.move(theta, gradient, self.rate)
        if not np.isfinite(np.dot(theta, theta)):
            return "weights after a step"
        average_step(self.average, theta, self._decay())
        return ""

    def _roll_back(self, what):
        """Go back to the running mean of the weights and halve the step size; Diverged after three times.

        One step back is not enough: weights whose gradient explodes have been on their way there for many.
        """
        state = self.state
        if state.rollbacks >= ROLLBACKS:
            raise Diverged(
                f"training diverged: {what} not finite, {state.rollbacks} smaller steps did not help; "
                f"try a lower --learning-rate than {self.settings.learning_rate:g}"
            )
        self._restore()
        state.rollbacks += 1
        state.rate_scale /= 2
        return RolledBack(what, self.rate, self.optimizer.steps)

    def _restore(self):
        """Back to the running mean, without moments."""
        self.model.theta[:] = self.average
        self.optimizer.forget()

    def fetch(self):
        """Make the arrays here those of the run: on the CPU they are."""

    def _scores(self, model, rolls):
        """The pseudo-log-likelihood of every frame of the rolls, a list of float64 (T,)."""
        return list(self._pool.map(model.pseudo_log_likelihood, rolls))

    def look(self):
        """Validate the averaged model; changes nothing in the run but a Gaussian model's levels.

        loss and validation are minus the pseudo-log-likelihood, nats a frame, of some training songs and of the
        held-out ones (of those training songs again, where none are held out).
        """
        self.fetch()
        state, model = self.state, self.averaged()

        def mean(rolls):
            return -float(np.concatenate(self._scores(model, rolls)).mean())

        ends = np.cumsum([len(roll) for roll in self.train])
        checked = self.train[: int(np.searchsorted(ends, CHECKED_FRAMES)) + 1]
        if model.gaussian:
            model.about["levels"] = self.model.about["levels"] = choose_levels(
                model, checked, self.settings.seed
            )
        loss = mean(checked)
        validation = mean(self.valid) if self.valid else loss
        sample = generate(model, seed=self.settings.seed, device=self.device, **SAMPLE)
        notes = float((sample[:, :, : model.grid.pitches] > 0).sum(axis=2).mean())
        return Validated(
            state.epoch,
            self.optimizer.steps,
            state.frames,
            loss,
            validation,
            math.isfinite(validation) and (state.best is None or validation < state.best),
            notes,
            self.rate,
        )

    def _judge(self, event):
        """Count the validations without a new best; `patience` of them end the run."""
        state = self.state
        if event.best:
            state.best, state.stale = event.validation, 0
        elif not self.cooling:
            state.stale += 1
            if state.stale >= self.settings.patience:
                state.finished = "early stop: validation has stopped improving"

    @property
    def epochs_done(self):
        """Passes over the songs so far, with a fraction."""
        return self.state.epoch + self.state.cursor / len(self._epoch.batches)


def trainer_kind(device):
    """The class of Trainer for a device, "cpu" or "cuda"."""
    if device == "cpu":
        return Trainer
    from midigen.training.cuda import CudaTrainer  # what it imports is slow, and needs Numba's CUDA

    return CudaTrainer
