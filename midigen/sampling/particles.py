"""Conditional sampling over time by particles.  Eq. (32), section 13 of docs/mathematics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.config import GIBBS_STEPS_GIVEN, PARTICLES, Grid
from midigen.errors import MidigenError
from midigen.generation import temperature_for
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.randomness import derive_key, generator
from midigen.sampling.density import count_sounding
from midigen.sampling.frames import FrameSampler, Particles
from midigen.sampling.given import Given

LOOK_AHEAD_BARS, ROUNDS = 4, 2
BLOCK = 16  # frames that a round rewrites at once where there are no bars
# there is a warning where fewer survive than FEW, behind a larger share of the frames than HARD
FEW, HARD = 4, 0.05
UNBOUND = 32  # songs by which bound ones have as many notes
MOST_NAMED = 6  # places in a warning
REMEDY = "take fewer particles, or --device cpu"


class Fit(NamedTuple):
    """How well particles fit what is given.

    Parameters
    ----------
    survivors : int or None
        How many different particles went on behind the frame that left the fewest, in the first
        pass.  None where nothing was open.
    bar : int or None
        The bar of that frame, counted from 1, a pickup as the first; None without bars, and where
        all went on.
    warning : str
        Empty, or in one line what is the matter with few survivors in many places.
    """

    survivors: int | None = None
    bar: int | None = None
    warning: str = ""


class Drawn(NamedTuple):
    """A song whose open notes have been drawn.

    Parameters
    ----------
    roll : NDArray[np.uint8], shape (T, V)
        What was fixed is as it was.
    fit : Fit
    log_weight : float
        An estimate of the log of how probable the model finds what is given where weights are
        taken: fixed notes among open ones, what is not allowed being off, and the frames of
        look-ahead; at the temperature.
    particles : int
        How many there were.
    """

    roll: NDArray[np.uint8]
    fit: Fit
    log_weight: float
    particles: int


def sample_given(
    model: RnnRbm,
    given: Given,
    *,
    particles: int = PARTICLES,
    gibbs_steps: int = GIBBS_STEPS_GIVEN,
    temperature: float | None = None,
    seed: int = 0,
    look_ahead: int | None = None,
    rounds: int | None = None,
    best_of: int = 1,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
) -> Drawn:
    """Draw what is open of a song, given the rest of it: before, at the same time, and after.

    The same arguments give the same song on any number of threads.

    Parameters
    ----------
    model : RnnRbm
        Of Bernoulli units.
    given : Given
    particles : int
        Songs that are drawn side by side, and weighed.  One alone goes by what was before.
    gibbs_steps : int
        Sweeps for each frame.
    temperature : float, optional
        What all energies are divided by; what suits the model if left out.
    seed : int
    look_ahead : int, optional
        Fixed frames behind each stretch with open ones that weigh the particles; left out, those
        of LOOK_AHEAD_BARS bars.
    rounds : int, optional
        Times that every bar is drawn again, given both sides; left out, what `rounds_for` says.
    best_of : int
        Of so many particles the one is taken in which the song is likeliest, and of the music that
        is drawn again, too: a choice then, and no draw from the conditional.
    progress : callable, optional
        Told now and then how many more frames have been gone through.
    backend : Backend, optional
        The CPU's if left out.

    Returns
    -------
    Drawn

    Raises
    ------
    ValueError
        For settings out of range, and what `Given.check` refuses.
    MidigenError
        For a model of Gaussian units.
    """
    if min(particles, gibbs_steps, best_of) < 1 or (rounds or 0) < 0 or (look_ahead or 0) < 0:
        raise ValueError(
            "particles, gibbs_steps and best_of must be at least 1, rounds and look_ahead 0"
        )
    temperature = temperature_for(model) if temperature is None else temperature
    if not temperature > 0:
        raise ValueError(f"temperature must be over 0, not {temperature}")
    if model.gaussian:
        raise MidigenError("a model of velocities cannot be steered: train one of notes alone")
    given.check(model.grid)
    backend = backend or cpu_backend()
    with backend.guarded(REMEDY):
        placed = PlacedModel(model, backend)
        sampler = FrameSampler(placed, given, 1 / temperature, gibbs_steps, best_of > 1)
        run = _Run(sampler, particles, seed, best_of, progress)
        if look_ahead is None:
            look_ahead = look_ahead_of(given.outline, model.grid)
        if rounds is None:
            rounds = rounds_for(sampler.is_open)
        return run.draw(look_ahead, rounds)


def count_frames(is_open: NDArray[np.bool_], outline: Outline, grid: Grid) -> int:
    """Return how many frames `sample_given` goes through, unless it is told otherwise.

    Parameters
    ----------
    is_open : ndarray of bool (T,)
        Frames in which something is drawn.
    outline : Outline
    grid : Grid
    """
    look_ahead = look_ahead_of(outline, grid)
    first = sum(stop - begin for begin, stop in stretches_of(is_open, look_ahead))
    again = sum(
        min(end + look_ahead, len(is_open)) - begin
        for begin, end in blocks_of(is_open, outline, grid)
    )
    return first + rounds_for(is_open) * again


def rounds_for(is_open: NDArray[np.bool_]) -> int:
    """Return how often bars are drawn again: never where nothing is given whole behind open frames.

    Rounds are for gaps, which must lead to what follows.  Where some of every frame is given the
    particles are weighed in each, and rounds did not help (docs/results.md).
    """
    opens = np.flatnonzero(is_open)
    is_gap = len(opens) > 0 and not is_open[opens[0] :].all()
    return ROUNDS if is_gap else 0


def stretches_of(is_open: NDArray[np.bool_], look_ahead: int) -> Iterator[tuple[int, int]]:
    """Yield first frame, and the one behind the last, of stretches with open columns.

    Each ends with frames of look-ahead, or where the song does.
    """
    opens, first = np.flatnonzero(is_open).tolist(), 0
    for i, frame in enumerate(opens):
        if i + 1 == len(opens) or opens[i + 1] > frame + look_ahead:
            yield opens[first], min(frame + 1 + look_ahead, len(is_open))
            first = i + 1


def blocks_of(
    is_open: NDArray[np.bool_], outline: Outline, grid: Grid
) -> Iterator[tuple[int, int]]:
    """Yield first frame, and the one behind the last, of bars, from open ones to open ones."""
    frames, starts = len(is_open), outline.bar_starts(grid)
    ends = starts[1:] if len(starts) > 1 else np.arange(BLOCK, frames + BLOCK, BLOCK)
    before = 0
    for end in np.minimum(ends, frames).tolist():
        opens = before + np.flatnonzero(is_open[before:end])
        if len(opens):
            yield int(opens[0]), int(opens[-1]) + 1
        before = end


def look_ahead_of(outline: Outline, grid: Grid) -> int:
    """Return the frames of LOOK_AHEAD_BARS bars, the longest of the song."""
    starts = outline.bar_starts(grid)
    return LOOK_AHEAD_BARS * (int(np.diff(starts).max()) if len(starts) > 1 else BLOCK)


class _Run:
    """One call of `sample_given`."""

    def __init__(
        self,
        sampler: FrameSampler,
        particles: int,
        seed: int,
        best_of: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.sampler, self.count, self.seed, self.best_of = sampler, particles, seed, best_of
        self.progress = progress or (lambda _: None)
        self.roll = np.where(sampler.given.fixed, sampler.given.roll > 0, False).astype(np.uint8)
        grid = sampler.placed.model.grid
        self.blocks = list(blocks_of(sampler.is_open, sampler.given.outline, grid))
        self.survivors = np.full(len(self.roll), particles)
        self.gone = 0  # frames of the first pass
        self.log_weight = 0.0

    def draw(self, look_ahead: int, rounds: int) -> Drawn:
        """Draw all stretches, then bar by bar in rounds."""
        stretches = list(stretches_of(self.sampler.is_open, look_ahead))
        given = self.sampler.given
        if given.keep_density and given.allowed is not None:
            self.sampler.wanted = self._wanted(stretches)
        for number, (first, stop) in enumerate(stretches):
            self.survivors[first:stop] = self._pass(("first", number), first, stop)
            self.gone += stop - first
        for number in range(rounds):
            for block, (first, end) in enumerate(self.blocks):
                stop = min(end + look_ahead, len(self.roll))
                self._pass(("round", number, block), first, stop, end)
        return Drawn(self.roll, self._fit(), self.log_weight, self.count)

    def _wanted(self, stretches: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """Count the notes of each part in every frame of songs in which all may sound, (T, P)."""
        sampler, grid = self.sampler.unbound(), self.sampler.placed.model.grid
        found = count_sounding(self.roll, grid)
        for number, (first, stop) in enumerate(stretches):
            path = "unbound", number
            songs = run_particles(sampler, self.roll, first, stop, UNBOUND, self.seed, path)
            whole = [np.concatenate([songs.past, roll]) for roll in songs.history.swapaxes(0, 1)]
            counts = np.stack([count_sounding(roll, grid)[first:] for roll in whole])
            weights = np.exp(songs.log_weight - songs.log_weight.max())
            found[first:stop] = np.average(counts, axis=0, weights=weights)
        return found

    def _fit(self) -> Fit:
        if not self.gone:
            return Fit()
        bars = self.sampler.given.outline.bar_starts(self.sampler.placed.model.grid)
        hardest = int(np.argmin(self.survivors))
        fewest, bar = int(self.survivors[hardest]), None
        if len(bars) and fewest < self.count:
            bar = int(np.searchsorted(bars, hardest, side="right"))
        few = min(FEW, self.count)
        hard = np.flatnonzero(self.survivors < few)
        if len(hard) <= HARD * self.gone:
            return Fit(fewest, bar)
        where = f"behind {len(hard)} of {self.gone} frames"
        if len(bars):
            where = f"in {_listed(np.unique(np.searchsorted(bars, hard, side='right')).tolist())}"
        return Fit(
            fewest,
            bar,
            f"fewer than {few} of {self.count} particles survived {where}: what is given is "
            "improbable there after most of them, and the rest may fit it badly; take more "
            "particles",
        )

    def _pass(
        self,
        path: tuple[str | int, ...],
        first: int,
        stop: int,
        rewritten: int | None = None,
    ) -> NDArray[np.int64]:
        """Draw frames first..stop-1 by particles, and settle on one of them.

        rewritten is as in `run_particles`.  Returns how many survived each frame.
        """
        particles = run_particles(
            self.sampler,
            self.roll,
            first,
            stop,
            self.count,
            self.seed,
            path,
            rewritten,
            self.progress,
        )
        if rewritten is None:
            self.log_weight += particles.log_mean_weight
        rng = generator(self.seed, "given", "settle", *path)
        is_there = particles.nats[0] if rewritten is not None and self.best_of > 1 else -np.inf
        particles.choose(_systematic(particles.log_weight, rng), stop - 1)
        # all are of one weight now
        some = rng.integers(self.count, size=self.best_of)
        best = int(some[np.argmax(particles.nats[some])])
        if particles.nats[best] > is_there:
            self.roll[first:stop] = particles.history[:, best]
        return particles.survivors


def run_particles(
    sampler: FrameSampler,
    roll: NDArray[np.uint8],
    first: int,
    stop: int,
    count: int,
    seed: int,
    path: tuple[str | int, ...] = (),
    rewritten: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Particles:
    """Draw frames first..stop-1 by particles: sequential Monte Carlo.

    Particles are resampled when their effective number, (sum w)^2 / sum w^2, is under half.

    Parameters
    ----------
    sampler : FrameSampler
    roll : ndarray of uint8 (T, V)
        The song: its frames before `first` are heard.
    first, stop : int
    count : int
        Particles.
    seed : int
    path : tuple of str and int
        What tells these random numbers from others of the seed.
    rewritten : int, optional
        Conditional sequential Monte Carlo, for particle Gibbs: frames first..rewritten-1 are drawn
        again, the first particle being what the roll has, and those behind are fixed as they are.
        Left out, the roll is read before `first` alone.
    progress : callable
        Told of every frame.

    Returns
    -------
    Particles
        With weights.
    """
    particles = sampler.start(roll, first, stop, count)
    reference = None if rewritten is None else roll
    for t in range(first, stop):
        if particles.effective < count / 2:
            rng = generator(seed, "given", "choose", *path, t)
            particles.choose(_resampled(particles.log_weight, rng, rewritten is not None), t - 1)
        key = derive_key(seed, "given", *path, t)
        sampler.step(particles, t, key, reference, rewritten is not None and t >= rewritten)
        progress(1)
    return particles


def _resampled(log_weight: NDArray[Any], rng: np.random.Generator, again: bool) -> NDArray[Any]:
    """Return which particles go on, (N,); the first one does where `again`, by itself."""
    if not again:
        return _systematic(log_weight, rng)
    p = np.exp(log_weight - np.logaddexp.reduce(log_weight))
    others = rng.choice(len(p), len(p) - 1, p=p / p.sum())
    return np.concatenate([[0], others])


def _systematic(log_weight: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return N particles by systematic resampling."""
    count = len(log_weight)
    reached = np.cumsum(np.exp(log_weight - np.logaddexp.reduce(log_weight)))
    found = np.searchsorted(reached, (rng.random() + np.arange(count)) / count, side="right")
    return np.minimum(found, count - 1)


def _listed(bars: list[int]) -> str:
    """Say bars in words.

    >>> _listed([3]), _listed([1, 2, 3, 7])
    ('bar 3', 'bars 1-3, 7')
    """
    runs: list[tuple[int, int]] = []
    for bar in bars:
        first = runs.pop()[0] if runs and runs[-1][1] == bar - 1 else bar
        runs.append((first, bar))
    named = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    more = " and others" if len(named) > MOST_NAMED else ""
    return f"bar{'s'[: len(bars) > 1]} {', '.join(named[:MOST_NAMED])}{more}"
