"""The RBM of what is open in a frame, the rest being known.  Eq. (32)-(34).

With columns C known, v = [v^C; v^R], the energy of v^R is that of an RBM with fewer columns:

    Z(C) = e^(a_C^T v^C) Z(W_R, a_R, b + W_C v^C)

so that a clamped frame needs no kernel of its own, and a column that is off is not drawn at all.
Of a group, Eq. (29), (33), in which some are on, so many fewer may be on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Backend
from midigen.model.annealing import anneal_chain, log_odds, log_z_of_base, means_nearby
from midigen.model.exact import log_partition, units_summed, with_limits
from midigen.sampling.bennett import log_ratios

EXACT_UNITS = 8  # log2 of the states over which Z is summed: beyond them samples are faster
PAIRS = 1 << 11  # RBMs times samples whose free energies are one job
APART = 5  # sweeps between two samples of one chain
# of annealing, for the constant that all Z share: RBMs, moves, Gibbs sweeps before the base looks
CONSTANT_ROWS, MOVES, LOOKS = 8, 100, (6, *(2,) * 9)
CONSTANT_SWEEP = 1 << 20  # their draws are no others

Bools = NDArray[np.bool_]


class Pool(NamedTuple):
    """Samples of the RBMs of frames, v (S, R), and the numbers of those RBMs, of (S,)."""

    v: NDArray[Any]
    of: NDArray[np.int64]


class ClampedRbm:
    """The RBMs of frames in which the same columns are open, and the same others on.

    Parameters
    ----------
    backend : Backend
    w : ndarray (H, V)
        Weights of the whole RBM.
    open_columns, on : ndarray of bool (V,)
        Which columns are drawn, and which are known to be on.
    groups : ndarray of int64 (G, 2) or (G, 3)
        Of the whole RBM.

    Attributes
    ----------
    columns : ndarray of int64 (R,)
        Those that are drawn.
    exact : bool
        Whether Z is summed.
    """

    def __init__(
        self,
        backend: Backend,
        w: NDArray[Any],
        open_columns: Bools,
        on: Bools,
        groups: NDArray[np.int64],
    ) -> None:
        self._backend, self._rbm = backend, backend.rbm["bernoulli"]
        self.columns, self._on = np.flatnonzero(open_columns), on
        self._w = np.ascontiguousarray(w[:, self.columns])
        self._shift = w[:, on].sum(axis=1, dtype=np.float64)
        left = []
        for first, stop, most in with_limits(groups):
            begin, end = np.searchsorted(self.columns, (first, stop)).tolist()
            left.append((begin, end, max(most - int(on[first:stop].sum()), 0)))
        limits = [group for group in left if group[1] - group[0] > group[2]]
        self._groups = np.array(sorted(limits), np.int64).reshape(-1, 3)
        # of which at most one is on: what means know of
        self._single = np.ascontiguousarray(self._groups[self._groups[:, 2] == 1, :2])
        if len(self._single) == len(self._groups):
            self._groups = self._single
        units = units_summed(len(self.columns), len(w), self._groups)
        self.exact = units <= EXACT_UNITS
        self._device_w = backend.to_device(self._w)
        self._device_groups = backend.to_device(self._groups, np.int64)
        self._device_single = backend.to_device(self._single, np.int64)

    def is_like(self, other: ClampedRbm) -> bool:
        """Tell whether it is the same as another one: nothing is known ahead, or limited."""
        return len(self.columns) == len(other.columns) and np.array_equal(
            self._groups, other._groups
        )

    def _biases(
        self, a: NDArray[Any], b: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Return a_R (N, R), b + W_C v^C (N, H) and a_C^T v^C (N,)."""
        of_open = np.ascontiguousarray(a[:, self.columns])
        known = a[:, self._on].sum(axis=1, dtype=np.float64)
        return of_open, (b + self._shift).astype(b.dtype), known

    def draw(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        before: NDArray[Any],
        sweeps: int,
        key: Any,
        first_row: int,
        samples: int = 1,
    ) -> NDArray[Any]:
        """Draw the open columns of every row, by Gibbs sampling from the frame before.

        Parameters
        ----------
        a, before : ndarray (N, V)
        b : ndarray (N, H)
        sweeps : int
        key : uint64
            Of the draws; row n draws as row first_row + n.
        first_row : int
        samples : int
            How many are taken of each chain, APART sweeps apart.

        Returns
        -------
        ndarray (samples, N, R)
        """
        backend = self._backend
        a, b, _ = self._biases(a, b)
        found = [before[:, self.columns]]
        if not len(self.columns):
            return np.stack(found * samples)
        device_a, device_b = backend.to_device(a), backend.to_device(b)
        v, out = backend.to_device(found[0]), backend.empty(a.shape, a.dtype)
        keys = backend.per_series([key], np.uint64)
        rows = backend.per_series([first_row], np.int64)
        done = 0
        for count in [sweeps] + [APART] * (samples - 1):
            arguments = device_a, device_b, self._device_groups, count, 1.0, keys, done, rows
            self._rbm.gibbs_chain(v, self._device_w, *arguments, out)
            done += count
            backend.assign(v, out)
            found.append(np.array(backend.to_host(out)))
        return np.stack(found[1:])

    def log_z(
        self,
        a: NDArray[Any],
        b: NDArray[Any],
        pool: Pool,
        key: Any,
        with_constant: bool = True,
    ) -> NDArray[np.float64]:
        """Return log Z(C) of every row, (N,).

        Where Z is not summed, they are estimated from samples: their differences well, what they
        have in common less so.

        Parameters
        ----------
        a : ndarray (N, V)
        b : ndarray (N, H)
        pool : Pool
            Of some of the rows; not read where Z is summed.
        key : uint64
            Of further draws.
        with_constant : bool
            Whether what they have in common is estimated; else it is anything where Z is not
            summed.
        """
        a, b, known = self._biases(a, b)
        if not len(self.columns):
            return known + np.logaddexp(0, b.astype(np.float64)).sum(axis=1)
        rows = max(1, PAIRS // max(len(pool.v), 1))
        jobs = [slice(i, i + rows) for i in range(0, len(a), rows)]
        if self.exact:

            def job(part: slice, _: Callable[[], bool]) -> NDArray[np.float64]:
                return log_partition(self._w, a[part], b[part], groups=self._groups)

            return known + np.concatenate(list(self._backend.map(job, jobs)))

        def of_pairs(part: slice, _: Callable[[], bool]) -> NDArray[np.float64]:
            return self._minus_free_energies(a[part], b[part], pool.v)

        ratios = log_ratios(np.concatenate(list(self._backend.map(of_pairs, jobs))), pool.of)
        if not with_constant:
            return known + ratios
        some = np.linspace(0, len(a) - 1, min(len(a), CONSTANT_ROWS)).astype(int)
        annealed = self._annealed(a[some], b[some], pool.v[: len(some)], key)
        constant = np.logaddexp.reduce(annealed - ratios[some]) - math.log(len(some))
        return known + ratios + constant

    def free_energies(
        self, a: NDArray[Any], b: NDArray[Any], v: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Return F of each row's open columns in v (N, V), in its own RBM, (N,)."""
        backend = self._backend
        a, b, known = self._biases(a, b)
        out = backend.empty((len(a),), np.float64)
        states = backend.to_device(np.ascontiguousarray(v[:, self.columns]), a.dtype)
        self._rbm.free_energy(
            states, self._device_w, backend.to_device(a), backend.to_device(b), out
        )
        return backend.to_host(out) - known

    def _minus_free_energies(
        self, a: NDArray[Any], b: NDArray[Any], v: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Return -F of each RBM (n) at each state v (S, R): (n, S)."""
        backend = self._backend
        out = backend.empty((len(a), len(v)), np.float64)
        states, device_a, device_b = (backend.to_device(array) for array in (v, a, b))
        self._rbm.pair_energies(states, self._device_w, device_a, device_b, out)
        return -backend.to_host(out)

    def _annealed(
        self, a: NDArray[Any], b: NDArray[Any], near: NDArray[Any], key: Any
    ) -> NDArray[np.float64]:
        """Return estimates of log Z by a chain of annealing each, (n,); near (n, R) are states."""
        backend, w = self._backend, self._device_w
        device_a, device_b = backend.to_device(a), backend.to_device(b)
        keys = backend.per_series([key], np.uint64)
        rows = backend.per_series([0], np.int64)
        v = backend.to_device(near, a.dtype)
        near_rbm = device_a, device_b, v, LOOKS, keys, rows, CONSTANT_SWEEP
        means = means_nearby(backend, w, self._device_single, *near_rbm)
        base = log_odds(means, self._single, a.dtype)
        weights = backend.to_device(log_z_of_base(base, b, self._groups))
        chain = device_a, device_b, MOVES, key, CONSTANT_SWEEP, v, weights
        anneal_chain(backend, w, self._device_groups, backend.to_device(base), *chain)
        return backend.to_host(weights)
