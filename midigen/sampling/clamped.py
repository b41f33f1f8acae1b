"""The RBM of what is open in a frame, the rest being known.  Eq. (30)-(31).

With columns C known, v = [v^C; v^R], the energy of v^R is that of an RBM with fewer columns:

    Z(C) = e^(a_C^T v^C) Z(W_R, a_R, b + W_C v^C)

so that a clamped frame needs no kernel of its own, and a column that is off is not drawn at all.
Of a group, Eq. (29), (31), in which some are on, so many fewer may be on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Array, Backend
from midigen.model.annealing import anneal_chain, log_odds, log_z_of_base, means_nearby
from midigen.model.exact import log_partition, units_summed, with_limits

EXACT_UNITS = 8  # log2 of the states over which Z is summed: beyond them annealing is faster
BASE_SWEEPS, BASE_SAMPLES = 6, 10  # Gibbs sweeps before annealing's base looks, samples 2 apart

Bools = NDArray[np.bool_]


class Draws(NamedTuple):
    """How some rows are drawn: key of all their random numbers, number of the first, chains' moves.

    key uint64; row n draws as row first_row + n.
    """

    key: Any
    first_row: int
    moves: int
    sweeps: int


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
        self._backend = backend
        self.columns, self._on = np.flatnonzero(open_columns), on
        self._w = np.ascontiguousarray(w[:, self.columns])
        self._shift = w[:, on].sum(axis=1, dtype=np.float64)
        left = []
        for first, stop, most in with_limits(groups):
            begin, end = np.searchsorted(self.columns, (first, stop)).tolist()
            left.append((begin, end, max(most - int(on[first:stop].sum()), 0)))
        limits = [group for group in left if group[1] - group[0] > group[2]]
        self._groups = np.array(sorted(limits), np.int64).reshape(-1, 3)
        # of which at most one is on: what a mean field knows of
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

    def biases(
        self, a: NDArray[Any], b: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Return a_R (N, R), b + W_C v^C (N, H) and a_C^T v^C (N,)."""
        of_open = np.ascontiguousarray(a[:, self.columns])
        known = a[:, self._on].sum(axis=1, dtype=np.float64)
        return of_open, (b + self._shift).astype(b.dtype), known

    def log_z(
        self, a: NDArray[Any], b: NDArray[Any], before: NDArray[Any], draws: Draws
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Return log Z(C) of every row, and states from which to go on drawing.

        Where Z is not summed, it is estimated, and the states are those of the chains.

        Parameters
        ----------
        a : ndarray (N, V)
        b : ndarray (N, H)
        before : ndarray (N, V)
            States near which the RBMs' own lie: the frames before.
        draws : Draws

        Returns
        -------
        ndarray of float64 (N,), ndarray (N, R)
        """
        a, b, known = self.biases(a, b)
        start = before[:, self.columns]
        if not len(self.columns):
            return known + np.logaddexp(0, b.astype(np.float64)).sum(axis=1), start
        if self.exact:
            return known + log_partition(self._w, a, b, groups=self._groups), start
        backend = self._backend
        base = self._base(a, b, start, draws)
        weights = backend.to_device(log_z_of_base(base, b, self._groups))
        v = backend.empty(a.shape, a.dtype)
        anneal_chain(
            backend,
            self._device_w,
            self._device_groups,
            backend.to_device(base),
            backend.to_device(a),
            backend.to_device(b),
            draws.moves,
            draws.key,
            draws.first_row,
            v,
            weights,
        )
        return known + backend.to_host(weights), backend.to_host(v)

    def _base(
        self, a: NDArray[Any], b: NDArray[Any], start: NDArray[Any], draws: Draws
    ) -> NDArray[Any]:
        """Return visible biases (N, R) of bases with about the RBMs' means."""
        backend = self._backend
        means = means_nearby(
            backend,
            self._device_w,
            self._device_single,
            backend.to_device(a),
            backend.to_device(b),
            backend.to_device(start),
            [BASE_SWEEPS] + [2] * (BASE_SAMPLES - 1),
            backend.per_series([draws.key], np.uint64),
            backend.per_series([draws.first_row], np.int64),
            draws.moves + draws.sweeps + 1,
        )
        return log_odds(means, self._single, a.dtype)

    def draw(
        self, a: NDArray[Any], b: NDArray[Any], start: NDArray[Any], draws: Draws
    ) -> NDArray[Any]:
        """Draw every row's open columns by Gibbs sampling from states `start`, (N, R)."""
        if not len(self.columns):
            return start
        backend = self._backend
        a, b, _ = self.biases(a, b)
        out = backend.empty(a.shape, a.dtype)
        key: Array = backend.per_series([draws.key], np.uint64)
        row: Array = backend.per_series([draws.first_row], np.int64)
        backend.rbm["bernoulli"].gibbs_chain(
            backend.to_device(start),
            self._device_w,
            backend.to_device(a),
            backend.to_device(b),
            self._device_groups,
            draws.sweeps,
            1.0,
            key,
            draws.moves + 1,  # its numbers are no others of the chains'
            row,
            out,
        )
        return backend.to_host(out)
