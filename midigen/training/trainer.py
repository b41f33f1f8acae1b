"""Training: epochs, batches of songs, validation, early stop.  It yields events, prints nothing.

Every random number comes from (seed, what it is for, epoch, place); every series' gradient is
summed by itself, and these sums are added in a fixed order: a run is the same on any number of
threads, stopped or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Array, Backend
from midigen.config import TrainConfig
from midigen.generation import choose_levels, generate, generate_songs
from midigen.midi.roll import sounding
from midigen.model.hearing import Hiding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm, note_moments
from midigen.model.songs import AnySong, Songs, Told, told
from midigen.outline import Outline
from midigen.randomness import derive_key, generator
from midigen.training.events import Diverged, Progress, RolledBack, Validated
from midigen.training.negative import random_song
from midigen.training.optimizer import Optimizer
from midigen.training.plan import Epoch, Plan
from midigen.training.schedule import FULL_PACE, NextPace
from midigen.training.series import CarriedState, Series, SeriesGroup
from midigen.training.state import Counters, TrainerState

ROLLBACKS = 3
CHECKED_FRAMES = 1000  # of training songs, for the loss beside the validation figure
MOST_SERIES = 8  # that the songs of a batch are dealt to: fewer and longer ones cost less Python
# what a validation looks at in passing: fewer sweeps than of songs that are kept
SAMPLE: dict[str, Any] = {"frames": 64, "count": 4, "temperature": 1.0, "gibbs_steps": 25}
OWN: dict[str, Any] = {"temperature": 1.0, "gibbs_steps": 25}  # songs that are looked at
RUNAWAY = 1.5  # times the corpus's notes a frame
GO_ON = "the last checkpoint is whole, go on from it with --resume, or with --device cpu as well"

Event = Progress | Validated | RolledBack


class Trainer:
    """Trains a model on rolls, uint8 (T, V) each.

    Parameters
    ----------
    model : RnnRbm
        What training starts from; it stays as it is but for a Gaussian model's levels.
    train, valid : sequence of SongLike, or of ndarray
        Songs to learn from, and held-out ones.
    settings : TrainConfig
    backend : Backend, optional
        The CPU's if left out.

    Attributes
    ----------
    state : TrainerState
        All that changes.
    plan : Plan
        The epochs.
    pace : Pace
        That of the last batch.
    """

    def __init__(
        self,
        model: RnnRbm,
        train: Sequence[AnySong],
        valid: Sequence[AnySong],
        settings: TrainConfig,
        backend: Backend | None = None,
    ) -> None:
        self.model, self.settings = model, settings
        self.backend = backend or cpu_backend()
        self.train, self.valid = [told(song) for song in train], [told(song) for song in valid]
        rolls = [song.roll for song in self.train]
        theta = self.backend.to_device(model.theta)
        self._placed = PlacedModel(model, self.backend, theta)
        self._optimizer = Optimizer(self._placed, settings, note_moments(rolls, model.grid)[0])
        persistent = settings.sampler == "persistent"
        self._songs = Songs(self.backend, model, self.train, with_particles=persistent)
        self.state = TrainerState(
            theta,
            self.backend.copy(theta),
            self._optimizer.moments(theta),
            0,
            self._songs.particles,
        )
        self.plan, self.pace = Plan(rolls, model.grid, settings), FULL_PACE
        self._hiding: tuple[int, Hiding] | None = None
        ends = self._songs.begins[1:]
        checked = self.train[: int(np.searchsorted(ends, CHECKED_FRAMES)) + 1]
        self._checked = [song.roll for song in checked], self._placed.place(checked)
        self._held_out = self._placed.place(self.valid) if self.valid else None

    @property
    def counters(self) -> Counters:
        """How far the run has come."""
        return self.state.counters

    @property
    def rate(self) -> float:
        """The step size now."""
        return self.settings.learning_rate * self.counters.rate_scale * self.pace.factor

    @property
    def epochs_done(self) -> float:
        """Passes over the songs so far, with a fraction."""
        return self.counters.epoch + self.counters.cursor / len(self._epoch.batches)

    def current(self) -> RnnRbm:
        """Return the model with the weights as they are now."""
        return self._with(self.state.theta)

    def averaged(self) -> RnnRbm:
        """Return the model that is validated and kept: with the running mean of the weights."""
        return self._with(self.state.average)

    def _with(self, theta: Array) -> RnnRbm:
        host = self.backend.to_host(theta).copy()
        return RnnRbm(self.model.config, self.model.grid, host, replace(self.model.card))

    def run(self, next_pace: NextPace) -> Iterator[Event]:
        """Train until next_pace() is None or validation stops improving.

        counters.finished then says so; it is None where there is more to gain.

        Parameters
        ----------
        next_pace : callable
            Gives the `Pace` of the next batch, or None ahead of the one to stop at.

        Yields
        ------
        Progress, Validated, RolledBack
        """
        while True:
            batches = self._epoch.batches
            while self.counters.cursor < len(batches):
                pace = next_pace()
                if pace is None or (self.counters.finished and not pace.cooling):
                    return
                self.pace = pace
                rolled_back = self._batch(batches[self.counters.cursor])
                if rolled_back:
                    yield rolled_back
                    continue
                counters = self.counters
                counters.cursor += 1
                position = counters.cursor / len(batches)
                yield Progress(counters.epoch, position, counters.frames, self.state.steps)
            self.counters.epoch, self.counters.cursor = self.counters.epoch + 1, 0
            if self.counters.epoch % self.plan.validate_every == 0:
                event = self.validate()
                self._judge(event)
                yield event

    @property
    def _epoch(self) -> Epoch:
        """The plan of the epoch that the counters are in: the same after a resume."""
        return self.plan.epoch(self.counters.epoch)

    @np.errstate(all="ignore")  # what is not finite is found below, and named
    def _batch(self, songs: NDArray[np.int64]) -> RolledBack | None:
        """Train on one batch; returns an event where values were not finite."""
        with self.backend.guarded(GO_ON):
            before = self.state.snapshot(self.backend, songs)
            settings = self.settings
            steps = self.pace.gibbs_steps(settings.gibbs_steps)
            if steps != settings.gibbs_steps:  # `replace` checks all settings, which takes time
                settings = replace(settings, gibbs_steps=steps)
            groups, frames = self._groups(songs, settings), 0
            noise = self._noise(songs, settings)
            while any(not group.done for group in groups):
                gradient, count = self._mean_gradient(groups, noise)
                what = self._move(gradient)
                if what:
                    self.state.restore(self.backend, before)
                    return self._roll_back(what)
                frames += count
            if settings.concatenate:
                self.state.carries.update(
                    (i, group.carried) for i, group in enumerate(groups) if group.carried
                )
            self.counters.frames += frames
        return None

    def _groups(self, songs: NDArray[np.int64], settings: TrainConfig) -> list[SeriesGroup]:
        """Deal the songs of a batch to series, and these to groups."""
        dealt = [songs[i::MOST_SERIES] for i in range(min(MOST_SERIES, len(songs)))]
        behind_one_another = settings.update == "block" or settings.concatenate
        series: list[Series] = []
        for some in dealt:
            series += self._series(some, self.backend.series_alone and not behind_one_another)
        if settings.concatenate:  # each goes on from a state of its own
            together = [[i] for i in range(len(series))]
        else:
            together = self.backend.split([min(len(one), settings.block) for one in series])
        silent = CarriedState.silent(self.backend, self.model) if settings.concatenate else None
        return [
            SeriesGroup(
                self._placed,
                settings,
                self._songs,
                self.state.particles,
                self._hidden(),
                [series[i] for i in some],
                self.state.carries.get(some[0], silent) if settings.concatenate else None,
            )
            for some in together
        ]

    def _hidden(self) -> Hiding:
        """Say what of the past is hidden in this epoch."""
        epoch, settings = self.counters.epoch, self.settings
        if self._hiding is None or self._hiding[0] != epoch:
            rng = generator(settings.seed, "hiding", epoch)
            names = self._placed.context.gates.sources
            hiding = Hiding.draw(rng, self._songs, names, settings)
            self._hiding = epoch, hiding
        return self._hiding[1]

    def _series(self, songs: NDArray[np.int64], alone: bool) -> list[Series]:
        """Put songs behind one another in a series or, with the same draws, each in its own."""
        epoch = self._epoch
        key = (epoch.key + int(songs[0])) % 2**64
        places = [self._songs.places(int(song), int(epoch.shifts[song])) for song in songs]
        firsts = [0, *accumulate(len(place) for place in places)]
        if alone:
            return [
                Series(place, np.zeros(len(place), np.uint8), key, first)
                for place, first in zip(places, firsts, strict=False)
            ]
        starts = np.zeros(firsts[-1], np.uint8)
        if not self.settings.concatenate:
            starts[firsts[1:-1]] = 1
        return [Series(np.concatenate(places), starts, key)]

    def _noise(self, songs: NDArray[np.int64], settings: TrainConfig) -> list[SeriesGroup]:
        """Make the songs that one batch pushes away, as long as its series are on average."""
        if settings.negative == "off":
            return []
        total = sum(len(self.train[song].roll) for song in songs)
        frames = total // min(MOST_SERIES, len(songs))
        place = settings.seed, "noise", self.counters.epoch, self.counters.cursor
        rng, columns = generator(*place), self._placed.context.columns
        count, visible = settings.negative_songs, self.model.config.visible
        outlines = [
            replace(self.train[int(song)].outline, frames=frames)
            for song in rng.choice(songs, count)
        ]
        if settings.negative_source == "own":
            pushed = self._runaway(outlines, int(derive_key(*place)))
        else:
            density = settings.negative_density
            pushed = [
                Told(random_song(rng, frames, visible, density, columns.groups), outline)
                for outline in outlines
            ]
        if not pushed:
            return []
        noise, count = Songs(self.backend, self.model, pushed), len(pushed)
        hiding = Hiding.draw(rng, noise, self._placed.context.gates.sources, settings)
        series = [
            Series(noise.places(i), np.zeros(frames, np.uint8), int(derive_key(*place, i)))
            for i in range(count)
        ]
        return [
            SeriesGroup(
                self._placed,
                settings,
                noise,
                None,
                hiding,
                [series[i] for i in some],
                negative=True,
            )
            for some in self.backend.split([min(frames, settings.block)] * count)
        ]

    def _runaway(self, outlines: list[Outline], seed: int) -> list[Told]:
        """Play songs with the weights as they are; return those that ran away."""
        grid = self.model.grid
        played = generate_songs(
            self.current(),
            0,
            len(outlines),
            outlines=outlines,
            **OWN,
            seed=seed,
            backend=self.backend,
        )
        songs = [Told(roll, outline) for roll, outline in zip(played, outlines, strict=True)]
        most = RUNAWAY * (self.model.card.notes_per_frame or math.inf)
        return [song for song in songs if sounding(song.roll, grid).sum(axis=1).mean() > most]

    def _mean_gradient(
        self, groups: list[SeriesGroup], noise: list[SeriesGroup]
    ) -> tuple[Array, int]:
        """Return the gradient a frame, noise's with it, up to the next move of the weights."""
        gradient, count = self._gradient("gradient", groups)
        if all(group.done for group in noise):  # songs that are longer may still be on their way
            self.backend.optimizer.scale(gradient, count)
        else:
            pushed, frames = self._gradient("pushed", noise)
            self.backend.optimizer.mean_gradient(gradient, count, pushed, frames)
        return gradient, count

    def _gradient(self, name: str, groups: list[SeriesGroup]) -> tuple[Array, int]:
        """Sum the groups' gradients up to the next move of the weights, and their frames.

        With `update` "block" that is one block of every group, else the whole of every group.
        """
        once = self.settings.update == "block"

        def job_of(group: SeriesGroup) -> Callable[[Array], int]:
            def job(gradient: Array) -> int:
                count = group.step(gradient)
                while not (once or group.done):
                    count += group.step(gradient)
                return count

            return job

        jobs = [job_of(group) for group in groups if not group.done]
        theta = self.state.theta
        return self.backend.accumulate(name, jobs, theta.size, theta.dtype)

    def _move(self, gradient: Array) -> str:
        """Step, and move the running mean; returns what is not finite, or ""."""
        state, kernels = self.state, self.backend.optimizer
        if not self._optimizer.move(state, gradient, self.rate):
            return "gradient of " + (self._not_finite(gradient) or "all (it is too large)")
        if not math.isfinite(self.backend.norm(state.theta)):
            return "weights after a step"
        kernels.average_step(state.average, state.theta, self._average_decay())
        return ""

    def _average_decay(self) -> float:
        """Say how much the running mean keeps of itself: it forgets its first steps soon."""
        steps, limit = self.state.steps, self.settings.average
        return min(limit, (1 + steps) / (10 + steps)) if limit else 0.0

    def _not_finite(self, gradient: Array) -> str:
        """Name the tensors of a gradient that hold NaN or infinity."""
        tensors = self.model.tensors(self.backend.to_host(gradient))
        names = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
        return ", ".join(names)

    def _roll_back(self, what: str) -> RolledBack:
        """Go back to the running mean of the weights and halve the step size.

        One step back is not enough: weights whose gradient explodes have been on their way there
        for many.  Diverged after three times.
        """
        state, counters = self.state, self.counters
        if counters.rollbacks >= ROLLBACKS:
            raise Diverged(
                f"training diverged: {what} not finite, {counters.rollbacks} smaller steps did "
                f"not help; try a lower --learning-rate than {self.settings.learning_rate:g}"
            )
        self.backend.assign(state.theta, state.average)
        self._optimizer.forget(state)
        counters.rollbacks += 1
        counters.rate_scale /= 2
        return RolledBack(what, self.rate, state.steps)

    def validate(self) -> Validated:
        """Validate the averaged model; changes nothing in the run but a Gaussian model's levels.

        loss and validation are minus the pseudo-log-likelihood, nats a frame, of some training
        songs and of the held-out ones (of those training songs again, where none are held out).
        """
        with self.backend.guarded(GO_ON):
            return self._validate()

    def _validate(self) -> Validated:
        counters, model = self.counters, self.averaged()
        placed = PlacedModel(model, self.backend, self.state.average)

        def mean(songs: Songs) -> float:
            frames = placed.of_every_song(songs, placed.pseudo_log_likelihood)
            return -float(np.concatenate(frames).mean())

        rolls, checked = self._checked
        if model.gaussian:
            levels = choose_levels(placed, rolls, self.settings.seed, checked)
            model.card.levels = self.model.card.levels = levels
        loss = mean(checked)
        validation = mean(self._held_out) if self._held_out else loss
        sample = generate(model, seed=self.settings.seed, backend=self.backend, **SAMPLE)
        notes = float(np.mean([sounding(song, model.grid).sum(axis=1).mean() for song in sample]))
        is_best = counters.best is None or validation < counters.best
        return Validated(
            counters.epoch,
            self.state.steps,
            counters.frames,
            loss,
            validation,
            math.isfinite(validation) and is_best,
            notes,
            self.rate,
        )

    def _judge(self, event: Validated) -> None:
        """Count the validations without a new best; `patience` of them end the run."""
        counters = self.counters
        if event.best:
            counters.best, counters.stale = event.validation, 0
        elif not self.pace.cooling:
            counters.stale += 1
            if counters.stale >= self.settings.patience:
                counters.finished = "early stop: validation has stopped improving"
