"""The backend of an NVIDIA GPU: Numba's CUDA kernels over many series side by side.

A function queues its work in the device's one stream and returns at once; memory that is used
again (`scratch`) waits for what was queued before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
from midigen.errors import MidigenError
from midigen.kernels.cuda import (
    ais,
    gates,
    gaussian,
    jacobian,
    optimizer,
    rank,
    rbm,
    rolls,
    rtrl,
    textbook,
)
from midigen.kernels.cuda import network as network_kernels
from midigen.kernels.cuda import play as playing
from midigen.kernels.cuda.blas import (
    StridedMatrix,
    as_matrix,
    copy,
    fill,
    flat,
    gemm,
    scratch_matrix,
)
from midigen.kernels.cuda.blas import matrix as view
from midigen.kernels.cuda.jit import is_gpu_error
from midigen.kernels.cuda.memory import empty, scratch, upload

MOST_ROWS = 1 << 17  # frames of a group, about: bounds the memory


class CudaBackend:
    """The backend `midigen.backends.interface.Backend` on a GPU."""

    name = "cuda"
    series_alone = True
    rows_at_once = 8192
    rbm = {"bernoulli": rbm, "gaussian": gaussian}
    annealing = ais
    optimizer = optimizer
    rolls = rolls
    gates = gates
    jacobian = jacobian

    def __init__(self) -> None:
        self._uploaded: dict[bytes, Array] = {}  # activation codes of networks

    # -- arrays --------------------------------------------------------------------------------

    def to_device(self, values: Any, dtype: DTypeLike | None = None) -> Array:
        return upload(values, dtype)

    def borrow(self, values: NDArray[Any]) -> Array:
        return upload(values)

    def to_host(self, array: Any) -> NDArray[Any]:
        return array if isinstance(array, np.ndarray) else array.copy_to_host()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        return empty(tuple(shape), dtype)

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        return upload(np.zeros(shape, dtype))

    def scratch(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        return scratch.shaped(name, tuple(shape), np.dtype(dtype).type)

    def copy(self, array: Any) -> Array:
        out = empty(tuple(array.shape), array.dtype)
        copy(array, out)
        return out

    def assign(self, target: Any, source: Any) -> None:
        copy(source, target)

    def fill(self, target: Any, value: float) -> None:
        fill(target, value)

    def columns(self, array: Any, first: int, count: int) -> StridedMatrix:
        width = tuple(array.shape)[-1]
        return view(flat(array), first, array.size // width, count, width)

    def matrix(self, array: Any, offset: int, rows: int, columns: int) -> StridedMatrix:
        return view(array, offset, rows, columns)

    def vector(self, array: Any, offset: int, count: int, stride: int) -> StridedMatrix:
        return StridedMatrix(array, offset, 1, count, 0, stride)

    def per_series(self, values: Sequence[Any], dtype: DTypeLike) -> Array:
        return upload(np.array(values, dtype))  # as integers: NumPy may take a mix for floats

    def norm(self, array: Any) -> float:
        return math.sqrt(optimizer.squared_norm(array))

    # -- the network, Eq. (8), (11)-(13) ---------------------------------------------------------

    def _codes(self, network: NetworkShape) -> Array:
        key = network.codes.tobytes()
        if key not in self._uploaded:
            self._uploaded[key] = upload(network.codes)
        return self._uploaded[key]

    def forward(
        self,
        network: NetworkShape,
        params: Any,
        x: Any,
        starts: NDArray[np.uint8],
        state: Any,
    ) -> Block:
        widths, real = int((network.sizes[:-1] + 1).sum()), network.dtype
        inputs = self.scratch("inputs", (starts.size * widths,), real)
        u = self.scratch("u", (*starts.shape, int(network.sizes[-1])), real)
        network_kernels.forward_block(
            network.sizes,
            self._codes(network),
            params,
            network.recurrent,
            x,
            upload(starts),
            state,
            inputs,
            u,
        )
        return Block(inputs, u, starts)

    def backward(
        self,
        network: NetworkShape,
        params: Any,
        block: Block,
        du: Any,
        gradient: Any,
        later: Any = None,
    ) -> Array:
        adjoint = self.zeros((block.starts.shape[1], network.recurrent), network.dtype)
        if later is not None:
            copy(later, adjoint)
        size = block.starts.size * int(network.sizes[1:].sum())
        network_kernels.backward_block(
            network.sizes,
            self._codes(network),
            params,
            network.recurrent,
            block.inputs,
            block.u,
            upload(block.starts),
            du,
            adjoint,
            self.scratch("deltas", (size,), network.dtype),
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
        begun = block.starts.any(axis=0)
        known = np.where(begun | (ahead is None), 0, 1)
        last = len(block.starts) - 1 - block.starts[::-1].argmax(axis=0)
        rtrl.influence_stage(
            network.plan,
            network.cut,
            network.inputs,
            self._codes(network),
            stretch.params,
            block.inputs,
            block.u,
            before.params,
            before.block.inputs,
            before.block.u,
            known,
            np.where(begun, last, 0),
            first,
            stop,
            accumulate,
            s,
            out,
        )

    def propagator_rows(self, network: NetworkShape, series: int, rows: Any) -> Array:
        units = network.cut_units
        rows = np.eye(units) if rows is None else rows
        count, width = tuple(rows.shape)[-2], max(units, network.recurrent)
        if isinstance(rows, np.ndarray):  # the same ones for every series
            on_device = upload(rows, network.dtype)
            rows = view(on_device, 0, series * count, units, rows_per_group=count, group_stride=0)
        s = empty((series, count, width), network.dtype)
        copy(rows, view(s, 0, series * count, units, width))
        return s

    def orthonormal_rows(self, network: NetworkShape, s: Any, tolerance: float) -> Basis:
        series, count, _ = tuple(s.shape)
        units = network.cut_units
        basis = self.scratch("basis", (series, count, units), s.dtype)
        ranks = self.scratch("ranks", (series,), np.int64)
        rank.orthonormal_rows(s, units, tolerance, basis, ranks)
        found = int(self.to_host(ranks).max())
        rows = empty((series, max(found, 1), units), s.dtype)
        first_rows = StridedMatrix(
            flat(basis),
            0,
            series * found,
            units,
            units,
            rows_per_group=max(found, 1),
            group_stride=count * units,
        )
        copy(first_rows, view(rows, 0, series * found, units))
        return Basis(found, rows)

    def expand(self, network: NetworkShape, s: Any, rows: Any, matrix: Any, out: Any) -> None:
        series, count, width = tuple(s.shape)
        if rows is not None:
            found, units = tuple(rows.shape)[1:]
            met = empty((series, count, found), network.dtype)
            gemm(
                False,
                True,
                1,
                view(s, 0, count, units, width, batch_strides=(count * width, 0)),
                view(rows, 0, found, units, batch_strides=(found * units, 0)),
                0,
                view(met, 0, count, found, batch_strides=(count * found, 0)),
                batches=(series, 1),
            )
            s = met
        rtrl.influence_expand(s, matrix, 0, network.influential, out)

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
            self._codes(network),
            ahead.params,
            ahead.block.inputs,
            ahead.block.u,
            adjoint,
            matrix,
            gradient,
            rows,
        )

    def textbook(
        self,
        network: NetworkShape,
        params: Any,
        block: Block,
        du: Any,
        influence: Any,
        gradient: Any,
    ) -> Array:
        h, _, outputs = tuple(block.u.shape)
        size = outputs * network.parameters
        whole = self.zeros((size,), network.dtype) if influence is None else self.copy(influence)
        textbook.textbook_block(
            network.sizes,
            self._codes(network),
            params,
            network.recurrent,
            block.inputs,
            block.u.reshape(h, outputs),
            block.starts[:, 0],
            du.reshape(h, outputs),
            whole.reshape(outputs, network.parameters),
            gradient[: network.parameters],
        )
        return whole

    def tail(self, network: NetworkShape, block: Block, frames: int, behind: int = 0) -> Block:
        h, series = block.starts.shape
        first, at = h - behind - frames, 0
        widths, real = (network.sizes[:-1] + 1).tolist(), network.dtype
        inputs = empty((frames * series * sum(widths),), real)
        for width in widths:
            source = view(block.inputs, (h * at + first * width) * series, frames * series, width)
            copy(source, view(inputs, frames * at * series, frames * series, width))
            at += width
        outputs = int(network.sizes[-1])
        u = empty((frames, series, outputs), real)
        copy(view(flat(block.u), first * series * outputs, frames * series, outputs), u)
        return Block(inputs, u, block.starts[first : first + frames])

    # -- the RBM and songs ---------------------------------------------------------------------

    def log_variances(self, s: Any, low: float, high: float) -> StridedMatrix:
        z = scratch_matrix("z", s.rows, s.columns, s.scalar_type)
        gaussian.log_variance(s, low, high, z)
        return z

    def scale_in_place(self, array: Any, factor: float) -> None:
        array = as_matrix(array)
        number = upload(np.array([factor], array.scalar_type))
        copy(array, array, scale=StridedMatrix(number, 0, array.rows, array.columns, 0, 0))

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
            self._codes(network),
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
        # by falling length: shorter series fill the groups up
        order, start, groups = np.argsort(lengths)[::-1].tolist(), 0, []
        while start < len(order):
            stop = start + max(1, MOST_ROWS // max(int(lengths[order[start]]), 1))
            groups.append(order[start:stop])
            start = stop
        return groups

    def map(
        self, job: Callable[[Any, Callable[[], bool]], Any], items: Iterable[Any]
    ) -> Iterator[Any]:
        for item in items:
            yield job(item, lambda: False)

    def accumulate(
        self, name: str, jobs: Sequence[Callable[[Array], int]], size: int, dtype: DTypeLike
    ) -> tuple[Array, int]:
        total = self.scratch(name, (size,), dtype)
        fill(total, 0)
        return total, sum(job(total) for job in jobs)

    def guarded(self, remedy: str) -> AbstractContextManager[None]:
        return _guarded(remedy)


@contextmanager
def _guarded(remedy: str) -> Iterator[None]:
    try:
        yield
    except Exception as e:
        if not is_gpu_error(e):
            raise
        raise MidigenError(f"the GPU failed ({' '.join(str(e).split())}): {remedy}") from None
