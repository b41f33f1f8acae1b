"""What changes while a model is trained: a checkpoint keeps it, a rollback goes back to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from midigen.backends.interface import Array, Backend
from midigen.model.songs import Particles
from midigen.training.series import CarriedState


@dataclass
class Counters:
    """How far a run has come.

    Attributes
    ----------
    epoch, cursor : int
        Epochs done, and batches of the one under way.
    frames : int
        Trained on so far.
    rate_scale : float
        Halved at every rollback.
    rollbacks : int
    stale : int
        Validations since the best one.
    best : float or None
        The lowest validation, nats a frame.
    finished : str or None
        Why there is nothing more to gain.
    """

    epoch: int = 0
    cursor: int = 0
    frames: int = 0
    rate_scale: float = 1.0
    rollbacks: int = 0
    stale: int = 0
    best: float | None = None
    finished: str | None = None


@dataclass(frozen=True)
class Weights:
    """theta, its running mean, the optimizer's moments, each (P + H V,), and its steps."""

    theta: Array
    average: Array
    moments: tuple[Array, ...]
    steps: int


@dataclass(frozen=True)
class Snapshot:
    """A copy of a TrainerState, or of a part of it, that later steps cannot change.

    particles are (first row, last row + 1, rows of `Particles.kept`); weights is None where they
    were left out.
    """

    counters: Counters
    carries: dict[int, CarriedState]
    particles: tuple[tuple[int, int, Array], ...]
    weights: Weights | None


@dataclass
class TrainerState:
    """The state of a run, on a backend.

    Attributes
    ----------
    theta : Array (P + H V,)
        All parameters.
    average : Array (P + H V,)
        Their running mean, which is validated and kept.
    moments : list of Array
        Of the optimizer.
    steps : int
        The optimizer's, so far.
    particles : Particles or None
        Persistent Markov chains, one for every training frame.
    carries : dict
        By number of a series, where songs are one series.
    counters : Counters
    """

    theta: Array
    average: Array
    moments: list[Array]
    steps: int
    particles: Particles | None
    carries: dict[int, CarriedState] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)

    def snapshot(self, backend: Backend, songs: Iterable[int] | None = None) -> Snapshot:
        """Copy all, or what a batch of `songs` changes but for the weights.

        Carried states are not copied: every step makes new ones.
        """
        parts, weights = [], None
        if self.particles is not None:
            begins = self.particles.begins
            ranges = [(0, int(begins[-1]))]
            if songs is not None:
                ranges = [(int(begins[song]), int(begins[song + 1])) for song in songs]
            kept = self.particles.kept
            parts = [(first, stop, backend.copy(kept[first:stop])) for first, stop in ranges]
        if songs is None:
            moments = tuple(backend.copy(moment) for moment in self.moments)
            theta, average = backend.copy(self.theta), backend.copy(self.average)
            weights = Weights(theta, average, moments, self.steps)
        return Snapshot(replace(self.counters), dict(self.carries), tuple(parts), weights)

    def restore(self, backend: Backend, snapshot: Snapshot) -> None:
        """Go back to a snapshot, as far as it goes."""
        self.counters, self.carries = replace(snapshot.counters), dict(snapshot.carries)
        if self.particles is not None:
            for first, stop, rows in snapshot.particles:
                backend.assign(self.particles.kept[first:stop], rows)
        if snapshot.weights is not None:
            weights = snapshot.weights
            pairs = zip(self.moments, weights.moments, strict=True)
            targets = [(self.theta, weights.theta), (self.average, weights.average), *pairs]
            for target, source in targets:
                backend.assign(target, source)
            self.steps = weights.steps
