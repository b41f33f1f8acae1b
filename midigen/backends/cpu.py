"""The backend of the processor: Numba kernels over one series at a time, on a pool of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from midigen.backends.interface import (
    Array,
    Basis,
    Block,
    NetworkShape,
    PlayGates,
    PlayLevels,
    Stretch,
)
from midigen.kernels.cpu import (
    ais,
    gates,
    gaussian,
    jacobian,
    optimizer,
    rbm,
    rolls,
    rtrl,
    textbook,
)
from midigen.kernels.cpu import network as network_kernels
from midigen.kernels.cpu import play as playing
from midigen.kernels.jit import usable_cores

CHAINS = 128  # Gibbs chains, at most, that one thread moves on at a time
ROWS = 64  # of J, at most, that one thread carries back over the frames at a time
COLUMNS = 1 << 14  # of J, at most, that one thread makes in a product


class _RbmKernels:
    """The kernels of one kind of RBM; Gibbs chains are dealt to the threads that are free.

    So many of the arguments behind w are biases, with a row for each chain.
    """

    def __init__(self, kernels: Any, biases: int, share: Callable[..., None]) -> None:
        self._kernels, self._biases, self._share = kernels, biases, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernels, name)

    def gibbs_chain(self, v: Array, w: Any, *others: Any) -> None:
        """Take steps of block Gibbs sampling: `gibbs_chain` of the kernels."""
        biases, (*settings, first_row, out) = others[: self._biases], others[self._biases :]

        def chains(part: slice) -> None:
            own = (bias[part] for bias in biases)
            self._kernels.gibbs_chain(
                v[part], w, *own, *settings, first_row + part.start, out[part]
            )

        self._share(v.shape[0], CHAINS, chains)


class CpuBackend:
    """The backend `midigen.backends.interface.Backend` on the CPU.

    Parameters
    ----------
    threads : int
        Threads that share the work, 0 for one a core.  They change no bit of a result.
    """

    name = "cpu"
    series_alone = False
    rows_at_once = 64  # the states of so many frames stay in the core's own cache
    annealing = ais
    optimizer = optimizer
    rolls = rolls
    gates = gates
    jacobian = jacobian

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or usable_cores()
        self._jobs = ThreadPoolExecutor(self.threads)
        self._helpers = ThreadPoolExecutor(self.threads)
        self._spare_cores = self.threads > 1
        self._kept = threading.local()  # sums of gradients, for each thread that trains
        self.rbm = {
            "bernoulli": _RbmKernels(rbm, 2, self.share),
            "gaussian": _RbmKernels(gaussian, 3, self.share),
        }

    # -- arrays --------------------------------------------------------------------------------

    def to_device(self, values: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
        return np.array(values, dtype, order="C")

    def borrow(self, values: NDArray[Any]) -> NDArray[Any]:
        return values

    def to_host(self, array: Any) -> NDArray[Any]:
        return np.asarray(array)

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        return np.zeros(shape, dtype)

    def scratch(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        return np.empty(shape, dtype)  # threads would share what is kept

    def copy(self, array: Any) -> NDArray[Any]:
        return np.array(array)

    def assign(self, target: Any, source: Any) -> None:
        target[...] = source

    def fill(self, target: Any, value: float) -> None:
        target[...] = value

    def columns(self, array: Any, first: int, count: int) -> NDArray[Any]:
        return array.reshape(-1, array.shape[-1])[:, first : first + count]

    def matrix(self, array: Any, offset: int, rows: int, columns: int) -> NDArray[Any]:
        return array[offset : offset + rows * columns].reshape(rows, columns)

    def vector(self, array: Any, offset: int, count: int, stride: int) -> NDArray[Any]:
        return array[offset : offset + (count - 1) * stride + 1 : stride]

    def per_series(self, values: Sequence[Any], dtype: DTypeLike) -> Any:
        (value,) = values
        return np.dtype(dtype).type(value)

    def norm(self, array: Any) -> float:
        return float(np.sqrt(np.dot(array, array)))

    # -- the network, Eq. (8), (11)-(13) ---------------------------------------------------------

    def forward(
        self,
        network: NetworkShape,
        params: Any,
        x: Any,
        starts: NDArray[np.uint8],
        state: Any,
    ) -> Block:
        h = len(starts)
        inputs = np.empty(h * int((network.sizes[:-1] + 1).sum()), network.dtype)
        u = np.empty((h, int(network.sizes[-1])), network.dtype)
        network_kernels.forward_block(
            network.sizes,
            network.codes,
            params,
            network.recurrent,
            x.reshape(h, -1),
            starts[:, 0],
            state[0],
            inputs,
            u,
        )
        return Block(inputs, u[:, None], starts)

    def backward(
        self,
        network: NetworkShape,
        params: Any,
        block: Block,
        du: Any,
        gradient: Any,
        later: Any = None,
    ) -> NDArray[Any]:
        h = len(block.starts)
        adjoint = np.zeros((1, network.recurrent), network.dtype) if later is None else later.copy()
        deltas = np.empty(h * int(network.sizes[1:].sum()), network.dtype)
        network_kernels.backward_block(
            network.sizes,
            network.codes,
            params,
            network.recurrent,
            block.inputs,
            _rows(block.u),
            block.starts[:, 0],
            _rows(du),
            adjoint[0],
            deltas,
            gradient,
        )
        return adjoint

    def propagate(
        self,
        network: NetworkShape,
        stretch: Stretch,
        ahead: Stretch | None,
        first: int,
        stop: int,
        accumulate: bool,
        s: Any,
        out: Any,
    ) -> None:
        block, before = stretch.block, ahead or stretch
        begun = np.flatnonzero(block.starts)
        known = ahead is not None and not len(begun)
        origin = int(begun[-1]) if len(begun) else 0

        def carry(rows: slice) -> None:
            rtrl.influence_stage(
                network.plan,
                network.cut,
                network.inputs,
                network.codes,
                stretch.params,
                block.inputs,
                _rows(block.u),
                before.params,
                before.block.inputs,
                _rows(before.block.u),
                known,
                origin,
                first,
                stop,
                accumulate,
                s[0, rows],
                None if out is None else out[0, rows],
            )

        self.share(s.shape[1], ROWS, carry)

    def propagator_rows(self, network: NetworkShape, series: int, rows: Any) -> NDArray[Any]:
        rows = np.eye(network.cut_units) if rows is None else np.asarray(rows)
        rows = rows.reshape(-1, network.cut_units)
        s = np.zeros((1, len(rows), max(network.cut_units, network.recurrent)), network.dtype)
        s[0, :, : network.cut_units] = rows
        return s

    def orthonormal_rows(self, network: NetworkShape, s: Any, tolerance: float) -> Basis:
        wide = s[0, :, : network.cut_units].astype(np.float64)
        if not np.isfinite(wide).all():
            return Basis(len(wide), None)
        _, sigma, rows = np.linalg.svd(wide, full_matrices=False)
        rank = int((sigma > tolerance * max(1.0, sigma[0])).sum())
        return Basis(rank, rows[None, :rank].astype(network.dtype))

    def expand(self, network: NetworkShape, s: Any, rows: Any, matrix: Any, out: Any) -> None:
        left = s[0, :, : network.cut_units]
        left = np.ascontiguousarray(left if rows is None else left @ rows[0].T)

        def expand(part: slice) -> None:
            rtrl.influence_expand(left, matrix[0], part.start, part.stop, out[0])

        self.share(network.influential, COLUMNS, expand)

    def influence_gradient(
        self,
        network: NetworkShape,
        ahead: Stretch,
        adjoint: Any,
        matrix: Any,
        rows: Any,
        gradient: Any,
    ) -> None:
        rtrl.influence_gradient(
            network.plan,
            network.cut,
            network.inputs,
            network.codes,
            ahead.params,
            ahead.block.inputs,
            _rows(ahead.block.u),
            adjoint[0],
            None if matrix is None else matrix[0],
            gradient,
            None if rows is None else rows[0],
        )

    def textbook(
        self,
        network: NetworkShape,
        params: Any,
        block: Block,
        du: Any,
        influence: Any,
        gradient: Any,
    ) -> NDArray[Any]:
        shape = block.u.shape[-1], network.parameters
        whole = (
            np.zeros(shape, network.dtype) if influence is None else influence.reshape(shape).copy()
        )
        textbook.textbook_block(
            network.sizes,
            network.codes,
            params,
            network.recurrent,
            block.inputs,
            _rows(block.u),
            block.starts[:, 0],
            _rows(du),
            whole,
            gradient[: network.parameters],
        )
        return whole.ravel()

    def tail(self, network: NetworkShape, block: Block, frames: int, behind: int = 0) -> Block:
        h = len(block.starts)
        kept, at = slice(h - behind - frames, h - behind), 0
        parts = []
        for width in (network.sizes[:-1] + 1).tolist():
            layer: Any = block.inputs[at : at + h * width]
            parts.append(layer.reshape(h, width)[kept].ravel())
            at += h * width
        return Block(np.concatenate(parts), block.u[kept].copy(), block.starts[kept].copy())

    # -- the RBM and songs ---------------------------------------------------------------------

    def log_variances(self, s: Any, low: float, high: float) -> NDArray[Any]:
        return low + (high - low) * s

    def scale_in_place(self, array: Any, factor: float) -> None:
        array *= factor

    def play(
        self,
        network: NetworkShape,
        params: Any,
        w: Any,
        log_variances: NDArray[Any] | None,
        levels: PlayLevels | None,
        groups: Any,
        gates: PlayGates,
        sweeps: int,
        beta: float,
        keys: Any,
        first: int,
        stop: int,
        context: Any,
        back: Any,
        heard: Any,
        songs: Any,
    ) -> None:
        playing.play(
            network.sizes,
            network.codes,
            params,
            network.recurrent,
            w,
            log_variances,
            levels,
            groups,
            gates,
            sweeps,
            beta,
            keys,
            first,
            stop,
            context,
            back,
            heard,
            songs,
        )

    # -- the order of work -----------------------------------------------------------------------

    def split(self, lengths: Sequence[int]) -> list[list[int]]:
        return [[i] for i in range(len(lengths))]

    def share(self, count: int, most: int, job: Callable[[slice], None]) -> None:
        """Call job(slice) for pieces of at most `most` of `count` rows, on cores that are free.

        They are cut the same way whatever the number of threads.
        """
        pieces = max(1, -(-count // most))
        ends = [count * i // pieces for i in range(pieces + 1)]
        parts = [slice(a, b) for a, b in zip(ends, ends[1:], strict=False)]
        for _ in (self._helpers.map if self._spare_cores and pieces > 1 else map)(job, parts):
            pass

    def map(
        self, job: Callable[[Any, Callable[[], bool]], Any], items: Iterable[Any]
    ) -> Iterator[Any]:
        stopped = threading.Event()
        futures = [self._jobs.submit(job, item, stopped.is_set) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:  # also when the caller stops early: jobs that run end soon
            stopped.set()
            for future in futures:
                future.cancel()
            wait(futures)

    def accumulate(
        self, name: str, jobs: Sequence[Callable[[Any], int]], size: int, dtype: DTypeLike
    ) -> tuple[NDArray[Any], int]:
        # memory that stays: fresh memory costs a page fault every 4 KB
        sums = self._kept.__dict__.setdefault(name, [])
        if sums and (sums[0].size, sums[0].dtype) != (size, dtype):
            sums.clear()
        while len(sums) < len(jobs):
            sums.append(np.empty(size, dtype))
        self._spare_cores = len(jobs) < self.threads  # jobs may then share out parts of theirs

        def add(job: Callable[[Any], int], own: NDArray[Any]) -> int:
            own[:] = 0
            return job(own)

        pairs = zip(jobs, sums, strict=False)
        running = [self._jobs.submit(add, job, own) for job, own in pairs]
        count = sum(one.result() for one in running)
        self._spare_cores = self.threads > 1
        total, *others = sums[: len(jobs)]
        for own in others:
            total += own
        return total, count

    def guarded(self, remedy: str) -> AbstractContextManager[None]:
        return nullcontext()


def _rows(array: Any) -> NDArray[Any]:
    """(h, 1, n) as (h, n)."""
    return array.reshape(array.shape[0], array.shape[-1])


@cache
def cpu_backend() -> CpuBackend:
    """Return the one CPU backend that is used where none is named."""
    return CpuBackend()
