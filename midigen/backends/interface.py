"""What a backend offers: the one line below which the CPU and a GPU differ.

Axes, everywhere above the kernels:

==========  ====================================================================================
h, B        frames of a block, and series that go through it side by side (a *group*)
N = h B     rows of what an RBM sees: row t B + b is frame t of series b
X, R, Y     the network's inputs from outside, its recurrent units, its other outputs
P, P_r      all parameters of the network, and those that can reach the recurrent units
n_cut       units of the layer whose activations the influence matrix J follows
V, H        visible and hidden units of the RBM
==========  ====================================================================================

Arrays are (frames, series, units).  A group on the CPU is one series, so that the middle axis is a
free reshape there.  What a backend calls an `Array` lies on its device; NumPy arrays are called so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Array(Protocol):
    """An array on a backend's device, contiguous unless said otherwise."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    def reshape(self, length: SupportsIndex, /, *others: SupportsIndex) -> Any: ...  # noqa: D102

    def __getitem__(self, key: Any, /) -> Any: ...  # noqa: D105


class NetworkShape(Protocol):
    """What a backend needs to know of a `midigen.model.network.Network`."""

    sizes: NDArray[np.int64]
    codes: NDArray[np.int8]
    plan: NDArray[np.int64]
    dtype: np.dtype[Any]
    inputs: int
    recurrent: int
    parameters: int
    influential: int
    cut: int
    cut_units: int


@dataclass(frozen=True)
class Block:
    """What a run over one block of frames leaves for its gradient.

    Attributes
    ----------
    inputs : Array, flat
        What every layer was given, a 1 behind it; layer k's part is (h, B, n_{k-1} + 1).
    u : Array (h, B, R + Y)
        The network's outputs.
    starts : uint8 (h, B), on the host
        1 where a series begins.
    """

    inputs: Array
    u: Array
    starts: NDArray[np.uint8]


@dataclass(frozen=True)
class Stretch:
    """Frames that have been, and the weights (P,) that made them."""

    block: Block
    params: Array


class Basis(NamedTuple):
    """Rows that span the rows of a propagator.

    rows is (B, k, n_cut), orthonormal in each series, k being the largest `rank` of a series; it
    is None where the propagator was not finite.
    """

    rank: int
    rows: Array | None


class PlayLevels(NamedTuple):
    """How a Gaussian value becomes a note: see `midigen.model.rnn_rbm.RnnRbm.roll`."""

    threshold: float
    gain: float
    offset: float
    loudest: float


class PlayGates(NamedTuple):
    """Copy gates as `midigen.kernels.cpu.gates` has them, the arrays int64 and on the device.

    part (V,), gate (S, P), lines (L, 2), of which the first `heard_lines` are inputs of the network
    too, interval_gates (L,), intervals (D,).
    """

    part: Any
    gate: Any
    lines: Any
    heard_lines: int
    interval_gates: Any
    intervals: Any


class RbmKernels(Protocol):
    """The kernels of one kind of RBM, as `midigen.kernels.cpu.rbm` and `gaussian` have them.

    Bernoulli and Gaussian units differ in the biases that follow w: a (N, V) and b (N, H), and of
    Gaussian units z (N, V).  groups, int64 (G, 2) on the device, of Bernoulli units alone, are the
    columns of which at most one is on.  Outputs come last and are overwritten, but gradient_w,
    which is added to.  key and first_row are made by `Backend.per_series`.  Eq. (15)-(22), (29).
    """

    def uniform_row(self, key: Any, sweep: int, row: int, out: Any, /) -> None:
        """Write the uniform numbers of one row of a draw to out (4 Q,), float32."""

    def corrupt(self, key: Any, noise: float, dropout: float, x: Any, first_row: Any, /) -> None:
        """Flip or shift notes of x (N, V), and drop some, in place."""

    def gibbs_chain(self, v: Any, w: Any, /, *arguments: Any) -> None:
        """Take steps of block Gibbs sampling.

        The arguments are the biases, (groups,) sweeps, beta, key, first_sweep, first_row, out
        (N, V).
        """

    def hidden_probability(self, v: Any, w: Any, /, *arguments: Any) -> None:
        """Write p(h = 1 | v); the arguments are b, (z,) and out (N, H)."""

    def visible_probability(self, h: Any, w: Any, a: Any, groups: Any, out: Any, /) -> None:
        """Write p(v = 1 | h), of Bernoulli units, to out (N, V)."""

    def free_energy(self, v: Any, w: Any, /, *arguments: Any) -> None:
        """Write F(v) of every row; the arguments are the biases and out (N,), float64."""

    def pair_energies(self, v: Any, w: Any, a: Any, b: Any, out: Any, /) -> None:
        """Write F_n(v_s) of Bernoulli units in RBM n, of every pair, to out (N, S), float64."""

    def contrast(self, v: Any, sample: Any, w: Any, /, *arguments: Any) -> None:
        """Write weight (dF(v) - dF(sample)).

        The arguments are the biases, weight (N,), an output for each bias, and gradient_w (H, V).
        """

    def pseudo_log_likelihood(self, v: Any, w: Any, /, *arguments: Any) -> None:
        """Write the sum over notes of log p(v_i | the others).

        The arguments are the biases, (groups,) and out (N,), float64.
        """


class Backend(Protocol):
    """Everything that is done on a device."""

    @property
    def name(self) -> str:
        """What `--device` calls it."""

    @property
    def series_alone(self) -> bool:
        """Whether every song should be a series of its own.

        Else a batch is dealt to a few series, songs behind one another, which costs less Python.
        """

    @property
    def rows_at_once(self) -> int:
        """Frames that annealing takes in one job."""

    @property
    def rbm(self) -> Mapping[str, RbmKernels]:
        """The kernels of each kind of visible unit, "bernoulli" and "gaussian"."""

    @property
    def annealing(self) -> Any:
        """Kernels of annealed importance sampling: `midigen.kernels.cpu.ais` and its twin."""

    @property
    def optimizer(self) -> Any:
        """Kernels of a step of the weights: `midigen.kernels.cpu.optimizer` and its twin."""

    @property
    def rolls(self) -> Any:
        """Kernels that read and write songs: `midigen.kernels.cpu.rolls` and its twin."""

    @property
    def gates(self) -> Any:
        """Kernels of the copy gates: `midigen.kernels.cpu.gates` and its twin."""

    @property
    def jacobian(self) -> Any:
        """Kernels of the general gradients, Eq. (2)-(6), as in `midigen.kernels.cpu.jacobian`."""

    # -- arrays --------------------------------------------------------------------------------

    def to_device(self, values: Any, dtype: DTypeLike | None = None) -> Array:
        """Copy values to the device: an array of its own memory, contiguous."""

    def borrow(self, values: NDArray[Any]) -> Array:
        """Give values on the device, without a copy where that is the host: not to be written."""

    def to_host(self, array: Any) -> NDArray[Any]:
        """Give an array as NumPy's, to be read: on the CPU it is the array itself."""

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Make an array that holds anything."""

    def zeros(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Make an array of zeros."""

    def scratch(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Make an array that is good until `scratch` is asked for that name again."""

    def copy(self, array: Array) -> Array:
        """Copy an array."""

    def assign(self, target: Array, source: Array) -> None:
        """Copy the numbers of source into target, of the same shape."""

    def fill(self, target: Array, value: float) -> None:
        """Set all of an array."""

    def columns(self, array: Array, first: int, count: int) -> Any:
        """View columns first..first+count-1 of (.., n) as (N, count): what kernels take."""

    def matrix(self, array: Array, offset: int, rows: int, columns: int) -> Any:
        """View a contiguous part of a flat array as (rows, columns)."""

    def vector(self, array: Array, offset: int, count: int, stride: int) -> Any:
        """View `count` numbers of a flat array, `stride` apart."""

    def per_series(self, values: Sequence[Any], dtype: DTypeLike) -> Any:
        """Give numbers, one for each series of a group, as kernels take them (keys, rows)."""

    def norm(self, array: Array) -> float:
        """Return the Euclidean length of a flat array."""

    # -- the network, Eq. (8), (11)-(13) ---------------------------------------------------------

    def forward(
        self,
        network: NetworkShape,
        params: Array,
        x: Array,
        starts: NDArray[np.uint8],
        state: Array,
    ) -> Block:
        """Run h frames x (h, B, X) from state (B, R), which is moved on in place.

        starts (h, B), on the host, is 1 where a series begins, from a silent state.  The Block may
        lie in scratch memory: it is good until the next `forward`.
        """

    def backward(
        self,
        network: NetworkShape,
        params: Array,
        block: Block,
        du: Array,
        gradient: Array,
        later: Array | None = None,
    ) -> Array:
        """Backpropagate over a block: gradient (P,) += that of its losses, du (h, B, R + Y).

        later (B, R) is dE/dr at the block's end from what follows, None for 0.  Returns dE/dr
        before the block, (B, R).
        """

    def propagate(
        self,
        network: NetworkShape,
        stretch: Stretch,
        ahead: Stretch | None,
        first: int,
        stop: int,
        accumulate: bool,
        s: Array,
        out: Array | None,
    ) -> None:
        """Carry rows s (B, M, .) of the propagator back over frames first..stop-1 of a stretch.

        ahead is the frame before the stretch, None where there is none.  out (B, M, P_r) is the
        sum of what the rows meet on the way, added to where `accumulate`; None sums nothing.
        Eq. (11)-(12).
        """

    def propagator_rows(self, network: NetworkShape, series: int, rows: Any) -> Array:
        """Make rows s (B, M, .) for `propagate`.

        They come from rows (M, n_cut) on the host, for each series, or from (B, M, n_cut) on the
        device; None stands for those of the identity.
        """

    def orthonormal_rows(self, network: NetworkShape, s: Array, tolerance: float) -> Basis:
        """Find orthonormal rows that span s up to tolerance times max(1, its largest).

        Where s is not finite the rank is M, the number of its rows.
        """

    def expand(
        self, network: NetworkShape, s: Array, rows: Array | None, matrix: Array, out: Array
    ) -> None:
        """Add S J to out (B, M, P_r); J is `matrix` or, with rows Z, Z^T times it.  Eq. (12a)."""

    def influence_gradient(
        self,
        network: NetworkShape,
        ahead: Stretch,
        adjoint: Array,
        matrix: Array | None,
        rows: Array | None,
        gradient: Array,
    ) -> None:
        """Add (dE/dr)^T dr/dw, the second term of Eq. (13), to gradient (P,).

        adjoint (B, R) is dE/dr at the frame `ahead`, matrix and rows are J's there.
        """

    def textbook(
        self,
        network: NetworkShape,
        params: Array,
        block: Block,
        du: Array,
        influence: Array | None,
        gradient: Array,
    ) -> Array:
        """Run Eq. (9)-(10) as they stand over a block of one series; du is (h, 1, R + Y).

        influence is the whole du/dw before the block, flat, or None for 0; returned is that at its
        end.  gradient (P, or longer) is added to.
        """

    def tail(self, network: NetworkShape, block: Block, frames: int, behind: int = 0) -> Block:
        """Copy the last frames of a block but `behind` to a Block in memory of its own."""

    # -- the RBM and songs ---------------------------------------------------------------------

    def log_variances(self, s: Any, low: float, high: float) -> Any:
        """Return z = low + (high - low) s, (N, V), of the network's sigmoid outputs s."""

    def scale_in_place(self, array: Any, factor: float) -> None:
        """Multiply what `columns` has given by a number, in place."""

    def play(
        self,
        network: NetworkShape,
        params: Array,
        w: Any,
        log_variances: NDArray[Any] | None,
        levels: PlayLevels | None,
        groups: Array,
        gates: PlayGates,
        sweeps: int,
        beta: float,
        keys: Any,
        first: int,
        stop: int,
        context: Array,
        back: Array,
        heard: Array,
        songs: Array,
    ) -> None:
        """Make frames first..stop-1 of songs (B, T, V), uint8, side by side, in place.

        The frames before `first` are there.  context (B, T, C) is what the network is told of every
        frame, back (B, T, S - L), int64, how many frames before it each source of the gates lies, 0
        for none, behind the lines' own, which are found in the songs.  heard (B, V + R), the frame
        before and r, is what the network hears first and is moved on in place; frame t of a song
        draws as row t of its key.
        """

    # -- the order of work -----------------------------------------------------------------------

    def split(self, lengths: Sequence[int]) -> list[list[int]]:
        """Put series of these lengths in groups that go side by side: lists of their numbers."""

    def map(
        self, job: Callable[[Any, Callable[[], bool]], Any], items: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield job(item, stopped) of every item in order, on all cores where there are several.

        stopped() is true once the caller has gone: a job may then return anything.
        """

    def accumulate(
        self, name: str, jobs: Sequence[Callable[[Array], int]], size: int, dtype: DTypeLike
    ) -> tuple[Array, int]:
        """Sum what jobs add to a flat array of zeros, and the counts that they return.

        The order of the sum is that of the jobs.  The array is good until the next call with that
        name.
        """

    def guarded(self, remedy: str) -> AbstractContextManager[None]:
        """Say failures of the device inside this context in one line, with the remedy."""
