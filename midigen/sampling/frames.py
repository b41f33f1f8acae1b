"""One frame of many particles: network, gates, and the RBM of what is open.  Eq. (26)-(33)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.model.placed import PlacedModel
from midigen.sampling.clamped import ClampedRbm, Pool
from midigen.sampling.density import Density, find_tilt
from midigen.sampling.given import Given, note_columns

ROWS = 32  # particles that one job takes
# samples from which Z is estimated, of as many particles or of fewer: more where there are more
POOL, MOST_POOL = 64, 256
TRIALS, TRIAL_ROW = 5, 1 << 26  # for tilts
WHOLE_ROW = 1 << 30  # of the draws for Z of all columns: others than those of what is open


class Particles:
    """N songs that go on side by side, from frame `first` on.

    Attributes
    ----------
    past : ndarray of uint8 (first, V)
        The frames before, of all of them.
    history : ndarray of uint8 (frames, N, V)
        What each has in the frames from `first` on.
    state : ndarray (N, R)
        r before the next frame.
    latest : ndarray of int64 (N, L)
        The latest frame in which each line had notes, -1 for none.
    log_weight : ndarray of float64 (N,)
        Since the particles were last resampled.
    settled : float
        The log of the product of the mean weights of each resampling.
    nats : ndarray of float64 (N,)
        log p of the frames of each, up to a constant that all share; 0 unless it is asked for.
    survivors : ndarray of int64 (frames,)
        How many different ones went on behind each frame; N where all did.
    """

    def __init__(
        self,
        past: NDArray[np.uint8],
        history: NDArray[np.uint8],
        state: NDArray[Any],
        latest: NDArray[np.int64],
    ) -> None:
        self.past, self.history, self.state, self.latest = past, history, state, latest
        self.log_weight, self.settled = np.zeros(len(state)), 0.0
        self.nats = np.zeros(len(state))
        self.survivors = np.full(len(history), len(state))

    @property
    def log_mean_weight(self) -> float:
        """The log of the mean weight, of all frames."""
        total = float(np.logaddexp.reduce(self.log_weight))
        return self.settled + total - math.log(len(self.log_weight))

    @property
    def effective(self) -> float:
        """The effective number, (sum w)^2 / sum w^2."""
        total, of_squares = (np.logaddexp.reduce(k * self.log_weight) for k in (1, 2))
        return math.exp(2 * total - of_squares)

    def choose(self, those: NDArray[np.int64], t: int) -> None:
        """Go on behind frame t with some particles (N,), all of one weight, in place of all."""
        self.settled = self.log_mean_weight
        self.log_weight[:] = 0
        self.survivors[t - len(self.past)] = len(np.unique(those))
        self.history[:] = self.history[:, those]
        self.state, self.latest = self.state[those], self.latest[those]
        self.nats[:] = self.nats[those]

    def frames(self, source: NDArray[np.int64], rows: slice) -> NDArray[np.uint8]:
        """Return frame source[i] of each particle, (n, V), silent where that is negative."""
        first, numbers = len(self.past), np.arange(rows.start, rows.stop)
        out = self.history[np.maximum(source - first, 0), numbers]
        if len(self.past):
            before = self.past[np.minimum(np.maximum(source, 0), first - 1)]
            out = np.where((source < first)[:, None], before, out)
        out[source < 0] = 0
        return out


class _Drawn(NamedTuple):
    """r (N, R), a' (N, V) and b (N, H) times beta, what is drawn of open columns, samples.

    tilted is a' with what keeps the number of notes.  own are samples of the RBMs of what is open,
    whole those of all columns, the same where all is open and weights are 1.
    """

    r: NDArray[Any]
    a: NDArray[Any]
    tilted: NDArray[Any]
    b: NDArray[Any]
    v: NDArray[Any]
    own: Pool
    whole: Pool
    is_free: bool


class FrameSampler:
    """What draws and weighs frames of particles, given some of a song.

    Parameters
    ----------
    placed : PlacedModel
    given : Given
    beta : float
        Inverse temperature.
    sweeps : int
        Of Gibbs sampling, for each frame.
    with_nats : bool
        Whether particles are told how likely they are.

    Attributes
    ----------
    is_open : ndarray of bool (T,)
        Which frames have columns to be drawn.
    wanted : ndarray of float64 (T, P) or None
        How many notes of each part are to sound in the mean of the particles, where some may not.
    """

    def __init__(
        self,
        placed: PlacedModel,
        given: Given,
        beta: float,
        sweeps: int,
        with_nats: bool = False,
    ) -> None:
        model, self.placed, self.given = placed.model, placed, given
        self._beta, self._sweeps, self._with_nats = beta, sweeps, with_nats
        dtype = model.network.dtype
        self._w = (beta * model.w.astype(np.float64)).astype(dtype)
        self._context = placed.context.rows(given.outline).astype(dtype)
        self._back = placed.context.back(given.outline).astype(np.int64)
        self._codes = placed.backend.borrow(model.network.codes)
        columns = columns_of(model.grid)
        self._softmax = columns.groups
        self._limited = columns.groups
        if given.at_most is not None:
            lines = {int(first) for first in columns.groups[:, 0]}
            limits = [
                (*place, most)
                for place, most in zip(
                    note_columns(model.grid), given.at_most.tolist(), strict=True
                )
                if place[0] not in lines
            ]
            single = [(first, stop, 1) for first, stop in columns.groups.tolist()]
            self._limited = np.array(sorted([*single, *limits]), np.int64).reshape(-1, 3)
        self._open, self._on = given.to_draw(model.grid), given.on
        self._free = replace(given, allowed=None).to_draw(model.grid)
        self.wanted: NDArray[np.float64] | None = None
        self._density = Density(model.grid)
        self.is_open: NDArray[np.bool_] = np.asarray(self._open.any(axis=1))
        self._made: dict[bytes, ClampedRbm] = {}
        none = np.zeros(model.config.visible, bool)
        self._whole = ClampedRbm(placed.backend, self._w, ~none, none, self._softmax)

    def unbound(self) -> FrameSampler:
        """Return a sampler of the same song of which all notes are allowed."""
        free = replace(self.given, allowed=None, keep_density=False)
        return FrameSampler(self.placed, free, self._beta, self._sweeps)

    def start(self, roll: NDArray[np.uint8], first: int, stop: int, count: int) -> Particles:
        """Begin with `count` particles before frame `first`, after the frames of a roll (T, V)."""
        placed, visible = self.placed, roll.shape[1]
        heard = placed.primed(self.given.outline, roll[:first])
        lines = placed.context.lines
        latest = np.full((count, len(lines)), -1, np.int64)
        for line, (low, high) in enumerate(lines.tolist()):
            begun = np.flatnonzero(roll[:first, low:high].any(axis=1))
            latest[:, line] = begun[-1] if len(begun) else -1
        return Particles(
            roll[:first].copy(),
            np.zeros((stop - first, count, visible), np.uint8),
            np.tile(heard[visible:], (count, 1)),
            latest,
        )

    def step(
        self,
        particles: Particles,
        t: int,
        key: Any,
        reference: NDArray[np.uint8] | None,
        whole: bool,
    ) -> None:
        """Draw frame t of every particle, weigh it, and go on.

        Parameters
        ----------
        particles : Particles
            Moved on in place.
        t : int
        key : uint64
            Of all random numbers of the frame.
        reference : ndarray of uint8 (T, V) or None
            Music that the first particle has.
        whole : bool
            Whether all have the reference's frame.
        """
        fixed = reference[t] if whole and reference is not None else None
        if fixed is None and not self.is_open[t]:
            fixed = self._on[t].astype(np.uint8)
        if fixed is None:
            rbm = self._clamped(self._open[t], self._on[t], self._limited)
        else:
            rbm = self._clamped(np.zeros_like(fixed, bool), fixed > 0, self._softmax)
        drawn = self._draw(particles, t, key, rbm)
        v = np.tile(self._on[t].astype(np.uint8) if fixed is None else fixed, (len(drawn.r), 1))
        v[:, rbm.columns] = drawn.v
        if reference is not None:
            v[0] = reference[t]
        self._weigh(particles, v, drawn, rbm, key, reference is None)
        particles.state = drawn.r
        particles.history[t - len(particles.past)] = v
        for line, (low, high) in enumerate(self.placed.context.lines.tolist()):
            particles.latest[v[:, low:high].any(axis=1), line] = t

    def _weigh(
        self,
        particles: Particles,
        v: NDArray[np.uint8],
        drawn: _Drawn,
        rbm: ClampedRbm,
        key: Any,
        with_constant: bool,
    ) -> None:
        """Weigh a frame v (N, V) of every particle, Eq. (32), and say how likely it is.

        with_constant is as in `ClampedRbm.log_z`: of music that is drawn again only how the
        particles stand to each other is wanted.
        """
        if drawn.is_free and not self._with_nats:
            return
        log_z = self._whole.log_z(drawn.a, drawn.b, drawn.whole, key, with_constant)
        if not drawn.is_free:
            own = rbm.log_z(drawn.tilted, drawn.b, drawn.own, key, with_constant)
            particles.log_weight += own - log_z
        if self._with_nats:
            particles.nats -= self._whole.free_energies(drawn.a, drawn.b, v) + log_z

    def _draw(self, particles: Particles, t: int, key: Any, rbm: ClampedRbm) -> _Drawn:
        """Draw what is open of frame t, and samples for both Z, on all cores."""
        count = len(particles.state)
        pool = np.unique(np.linspace(0, count - 1, min(count, MOST_POOL)).astype(np.int64))
        samples, is_free = -(-POOL // len(pool)), rbm.is_like(self._whole)
        taken = 1 if is_free and not self._with_nats else samples
        jobs = [slice(i, min(i + ROWS, count)) for i in range(0, count, ROWS)]

        def run(rows: slice, _: Callable[[], bool]) -> tuple[NDArray[Any], ...]:
            return self._biases(particles, t, rows)

        found = zip(*self.placed.backend.map(run, jobs), strict=True)
        before, r, a, b, notes = (np.concatenate(part) for part in found)
        tilted = a
        if self.wanted is not None and len(rbm.columns) and (self._free[t] & ~self._open[t]).any():
            tilted = self._tilted(before, a, b, notes, t, key, rbm, pool, samples)

        def job(rows: slice, _: Callable[[], bool]) -> tuple[NDArray[Any], ...]:
            own = before[rows], tilted[rows], b[rows]
            v = rbm.draw(own[1], own[2], own[0], self._sweeps, key, rows.start, taken)
            first, stop = np.searchsorted(pool, (rows.start, rows.stop)).tolist()
            some = pool[first:stop]
            if is_free or self._whole.exact:
                none = np.zeros((samples, 0, len(self._whole.columns)), a.dtype)
                return v[0], v[:, some - rows.start], none
            whole = self._whole.draw(
                a[some], b[some], before[some], self._sweeps, key, WHOLE_ROW + first, samples
            )
            return v[0], v[:, some - rows.start], whole

        drawn, own, whole = zip(*self.placed.backend.map(job, jobs), strict=True)
        samples_of_open = _pooled(own, pool)
        of_all = samples_of_open if is_free else _pooled(whole, pool)
        v = np.concatenate(drawn)
        return _Drawn(r, a, tilted, b, v, samples_of_open, of_all, is_free)

    def _tilted(
        self,
        before: NDArray[Any],
        a: NDArray[Any],
        b: NDArray[Any],
        notes: NDArray[np.float64],
        t: int,
        key: Any,
        rbm: ClampedRbm,
        pool: NDArray[np.int64],
        samples: int,
    ) -> NDArray[Any]:
        """Return a' at which as many notes sound as are wanted.  Eq. (35)."""
        assert self.wanted is not None
        density, on = self._density, self._on[t].astype(a.dtype)
        tilt, tilted, known = np.zeros(density.parts), a, np.tile(notes[pool], (samples, 1))
        for number in range(TRIALS):
            v = np.tile(on, (samples * len(pool), 1))
            arguments = b[pool], before[pool], self._sweeps, key, TRIAL_ROW << number, samples
            v[:, rbm.columns] = np.concatenate(rbm.draw(tilted[pool], *arguments))
            tilt = find_tilt(density.count(v, known), self.wanted[t], tilt)
            tilted = a + density.biases(tilt, notes).astype(a.dtype)
        return tilted

    def _clamped(
        self, open_columns: NDArray[np.bool_], on: NDArray[np.bool_], groups: NDArray[np.int64]
    ) -> ClampedRbm:
        name = open_columns.tobytes() + on.tobytes()
        if name not in self._made:
            self._made[name] = ClampedRbm(self.placed.backend, self._w, open_columns, on, groups)
        return self._made[name]

    def _biases(self, particles: Particles, t: int, rows: slice) -> tuple[NDArray[Any], ...]:
        """Run the network and open the gates.

        Returns the frames before, r, beta times a' and b, and what each column makes sound.
        """
        placed, context = self.placed, self.placed.context
        model, backend, gates = placed.model, placed.backend, placed.context.gates
        network, dtype, count = model.network, model.network.dtype, rows.stop - rows.start
        lines = len(context.lines)
        sources = np.empty((len(gates.sources), count, model.config.visible), dtype)
        for s in range(len(sources)):
            if s < lines:
                source = particles.latest[rows, s]
            else:
                back = self._back[t, s - lines]
                source = np.full(count, t - back if back > 0 else -1)
            sources[s] = particles.frames(source, rows)
        last = particles.frames(np.full(count, t - 1), rows)
        before = last.astype(dtype)
        notes = self._density.notes_of(last, list(sources[:lines]))
        heard = [
            sources[line, :, low:high]
            for line, (low, high) in enumerate(context.lines[: context.heard_lines].tolist())
        ]
        told = np.tile(self._context[t], (count, 1))
        x = np.concatenate([before, *heard, told, particles.state[rows]], axis=1)
        inputs = backend.empty((count * int((network.sizes[:-1] + 1).sum()),), dtype)
        u = backend.empty((count, int(network.sizes[-1])), dtype)
        backend.jacobian.forward_batch(
            network.sizes, self._codes, placed.params, backend.to_device(x), inputs, u
        )
        return before, *self._opened(u, sources), notes

    def _opened(
        self, u: Any, sources: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Read r and the biases from outputs u (n, R + Y), the gates opened; times beta."""
        placed, backend, tables = self.placed, self.placed.backend, self.placed.gates
        lines = self.placed.context.lines
        a, b = placed.bias_gradients(u)[:2]
        if placed.context.gates.count:
            part, on_device = placed.model.gate_part, backend.to_device(sources)
            last = backend.empty((len(lines), sources.shape[1]), np.int64)
            for line, (low, high) in enumerate(lines.tolist()):
                backend.gates.last_pitch(on_device[line], low, high, last[line])
            backend.gates.open_gates(
                backend.columns(u, part.start, part.stop - part.start),
                on_device,
                tables.part,
                tables.gate,
                tables.lines,
                tables.interval_gates,
                tables.intervals,
                last,
                a,
            )
        outputs, recurrent = backend.to_host(u), placed.model.config.recurrent
        of_a, of_b = placed.model.output_parts[:2]
        beta = outputs.dtype.type(self._beta)
        return (
            outputs[:, :recurrent].copy(),
            np.ascontiguousarray(outputs[:, of_a]) * beta,
            np.ascontiguousarray(outputs[:, of_b]) * beta,
        )


def _pooled(parts: Sequence[NDArray[Any]], pool: NDArray[np.int64]) -> Pool:
    """Put samples (samples, n, R) of some particles after some others in one pool."""
    states = np.concatenate(parts, axis=1)
    return Pool(np.concatenate(states), np.tile(pool, len(states)))
