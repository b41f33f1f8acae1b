"""What every backend offers: the protocol, arrays, the order of work; and which one is taken."""

import inspect
import signal
import threading
import time

import numpy as np
import pytest

from midigen.backends import choose as choosing
from midigen.backends.choose import backend_of, choose
from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.backends.interface import Backend, RbmKernels
from midigen.config import TrainConfig
from midigen.errors import MidigenError, UsageError
from midigen.kernels.codes import SHIFT_BITS
from midigen.training.checkpoint import host_only

PROTOCOL = {name: thing for name, thing in vars(Backend).items() if not name.startswith("_")}
PROPERTIES = {name for name, thing in PROTOCOL.items() if isinstance(thing, property)}


@pytest.fixture(params=["cpu", "cuda"])
def kind(request):
    """The class of a backend, which needs no device."""
    if request.param == "cpu":
        return CpuBackend
    return pytest.importorskip("midigen.backends.cuda").CudaBackend


# -- the protocol ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(PROTOCOL.keys() - PROPERTIES))
def test_methods_take_what_the_protocol_says(kind, method):
    def parameters(function):
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in found]

    assert parameters(getattr(kind, method)) == parameters(PROTOCOL[method])


def test_a_backend_offers_no_more_than_the_protocol(kind):
    """But `threads` and `share`, with which the CPU's own kernels are called."""
    own = {name for name in vars(kind) if not name.startswith("_")}
    assert own - PROTOCOL.keys() == ({"share"} if kind is CpuBackend else set())


@pytest.mark.parametrize("name", sorted(PROPERTIES))
def test_a_backend_has_every_property(backend, name):
    assert getattr(backend, name) is not None


def test_both_kinds_of_rbm_have_their_kernels(backend):
    assert set(backend.rbm) == {"bernoulli", "gaussian"}
    wanted = {name for name in vars(RbmKernels) if not name.startswith("_")}
    for units, kernels in backend.rbm.items():
        of_bernoulli = {"visible_probability", "uniform_row", "pair_energies"}
        theirs = wanted - (of_bernoulli if units == "gaussian" else set())
        assert [name for name in sorted(theirs) if not callable(getattr(kernels, name))] == []


# -- arrays ----------------------------------------------------------------------------------------


def test_arrays_go_there_and_back(backend):
    values = np.arange(6.0).reshape(2, 3)
    there = backend.to_device(values.T, np.float32)
    values[:] = 7  # the device's is a copy
    back = backend.to_host(there)
    assert back.dtype == np.float32 and np.array_equal(back, [[0, 3], [1, 4], [2, 5]])
    assert np.array_equal(backend.to_host(backend.borrow(values)), values)
    assert backend.to_host(backend.to_device([1, 2], np.int64)).tolist() == [1, 2]


def test_arrays_are_made(backend):
    zeros = backend.zeros((2, 3), np.float64)
    assert not backend.to_host(zeros).any() and tuple(zeros.shape) == (2, 3)
    for array in (backend.empty((4, 2), np.uint8), backend.scratch("a", (4, 2), np.uint8)):
        assert tuple(array.shape) == (4, 2) and array.dtype == np.uint8 and array.size == 8


def test_arrays_are_copied_and_filled(backend):
    first = backend.to_device(np.arange(4.0))
    second = backend.copy(first)
    backend.fill(first, 2.5)
    assert backend.to_host(first).tolist() == [2.5] * 4
    assert backend.to_host(second).tolist() == [0, 1, 2, 3]
    backend.assign(first, second)
    backend.fill(second, 0)
    assert backend.to_host(first).tolist() == [0, 1, 2, 3]


def test_part_of_an_array_is_its_memory(backend):
    whole = backend.to_device(np.arange(12).reshape(6, 2), np.uint8)
    kept = backend.copy(whole[1:3])
    backend.fill(whole, 9)
    backend.assign(whole[4:6], kept)
    assert backend.to_host(whole).tolist() == [[9, 9]] * 4 + [[2, 3], [4, 5]]


def test_views_lie_in_their_arrays(backend):
    """Of columns, of a matrix and of a vector, each seen by multiplying it in place."""
    u = backend.to_device(np.ones((2, 3, 4)))
    backend.scale_in_place(backend.columns(u, 1, 2), 3.0)
    assert np.array_equal(backend.to_host(u), np.broadcast_to([1, 3, 3, 1], (2, 3, 4)))
    flat = backend.to_device(np.ones(12))
    backend.scale_in_place(backend.matrix(flat, 2, 2, 3), 2.0)
    assert backend.to_host(flat).tolist() == [1, 1] + [2] * 6 + [1] * 4
    flat = backend.to_device(np.ones(12))
    backend.scale_in_place(backend.vector(flat, 1, 3, 4), 5.0)
    assert np.flatnonzero(backend.to_host(flat) == 5).tolist() == [1, 5, 9]


def test_columns_are_written(backend):
    """From an array, from another's columns, and by kernels that read songs and context."""
    x = backend.to_device(np.full((2, 3, 5), 9.0))
    ones = backend.to_device(np.ones((6, 2)))
    backend.assign(backend.columns(x, 0, 2), ones)
    backend.assign(backend.columns(x, 4, 1), backend.columns(x, 0, 1))
    context = backend.to_device(np.array([[1, 0], [0, 1]], np.uint8))
    place = np.array([1, -1, 0, 1, 0, -1]) << SHIFT_BITS  # -1 stays under 0
    as_it_is = backend.to_device(np.arange(2)[None], np.int64)
    into = backend.columns(x, 2, 2)
    backend.rolls.take(context, 1, backend.to_device(place, np.int64), as_it_is, into)
    told = [[0, 1], [0, 0], [1, 0], [0, 1], [1, 0], [0, 0]]
    expected = [[1, 1, *row, 1] for row in told]
    assert backend.to_host(x).reshape(6, 5).tolist() == expected


def test_the_parts_of_an_array_of_sources_are_written(backend):
    """As kernels read one source after the other: each frames (N, V) and last pitches (N,)."""
    out = backend.scratch("some sources", (2, 3, 4), np.float64)
    last = backend.scratch("some pitches", (2, 3), np.int64)
    backend.fill(backend.columns(out, 0, 4), 0)
    kept = backend.to_device(np.eye(4, dtype=np.uint8)[[0, 2, 2, 3]])
    moves = backend.to_device(np.arange(4)[None], np.int64)
    place = backend.to_device(np.array([1, 0, -1]) << SHIFT_BITS, np.int64)
    backend.rolls.take(kept[1:], 1, place, moves, out[1])
    for source in range(2):
        backend.gates.last_pitch(out[source], 1, 4, last[source])
    expected = np.zeros((2, 3, 4))
    expected[1, [0, 1], 2] = 1
    assert np.array_equal(backend.to_host(out), expected)
    assert backend.to_host(last).tolist() == [[-1, -1, -1], [2, 2, -1]]
    x = backend.zeros((3, 6), np.float64)
    backend.gates.recall(out[1:], backend.to_device([[1, 4]], np.int64), 2, x)
    assert np.array_equal(backend.to_host(x)[:, 2:5], expected[1, :, 1:])


def test_arrays_without_lines_or_sources(backend):
    """Of models without gates; nothing is done with them, but they are there."""
    for shape in ((0, 3, 4), (0, 3)):
        assert tuple(backend.scratch("nothing", shape, np.float64).shape) == shape
        assert backend.to_host(backend.to_device(np.zeros(shape))).shape == shape


def test_log_variances_lie_between_their_bounds(backend):
    s = np.random.default_rng(0).random((2, 3, 5))
    z = backend.log_variances(backend.columns(backend.to_device(s), 1, 4), -3.0, 2.0)
    out = backend.empty((6,), np.float64)  # F(0) of units without weights is sum exp(-z) a^2 / 2
    a, b = backend.to_device(np.ones((6, 4))), backend.zeros((6, 1), np.float64)
    v, w = backend.zeros((6, 4), np.float64), backend.zeros((1, 4), np.float64)
    backend.rbm["gaussian"].free_energy(v, w, a, b, z, out)
    expected = np.exp(3 - 5 * s[..., 1:].reshape(6, 4)).sum(axis=1) / 2 - np.log(2)
    assert np.allclose(backend.to_host(out), expected, rtol=1e-12)


def test_norm(backend):
    assert backend.norm(backend.to_device([3.0, 0.0, -4.0])) == pytest.approx(5, rel=1e-12)
    assert not np.isfinite(backend.norm(backend.to_device([3.0, np.nan])))


def test_keys_of_series_keep_all_their_bits(backend):
    """On both sides of 2^63, which NumPy would read as float64."""
    series = 2 if backend.series_alone else 1
    for keys in ([16930793548237125131, 846320984076082983][:series], [3, 2**64 - 1][-series:]):
        rows = [0] * series
        key = backend.per_series(keys, np.uint64), backend.per_series(rows, np.int64)
        x = backend.to_device(np.full((64 * series, 8), 0.5))
        backend.rbm["bernoulli"].corrupt(key[0], 0.5, 0.0, x, key[1])
        side_by_side = backend.to_host(x).reshape(64, series, 8)
        for i, one in enumerate(keys):
            alone = np.full((64, 8), 0.5)
            cpu_backend().rbm["bernoulli"].corrupt(np.uint64(one), 0.5, 0.0, alone, 0)
            assert np.array_equal(side_by_side[:, i], alone)


# -- the order of work -----------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[], [3], [5, 9, 1, 9, 2]])
def test_every_series_is_in_one_group(backend, monkeypatch, lengths):
    if backend.name == "cuda":
        monkeypatch.setattr("midigen.backends.cuda.MOST_ROWS", 18)
    groups = backend.split(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    most = 18 if backend.series_alone else 9
    assert all(group and len(group) * max(lengths[i] for i in group) <= most for group in groups)


def test_results_come_in_order(backend):
    def job(item, stopped):
        time.sleep(0.01 * (item == 0))
        assert not stopped()
        return 10 * item

    assert list(backend.map(job, range(5))) == [0, 10, 20, 30, 40]
    assert list(backend.map(job, [])) == []


def test_a_map_stops_when_its_caller_stops(backend):
    begun, ended = [], []

    def job(item, stopped):
        begun.append(item)
        while item and not stopped():
            time.sleep(0.001)
        ended.append(item)
        return item

    results = backend.map(job, range(1000))
    assert next(results) == 0
    results.close()
    assert sorted(begun) == sorted(ended) and len(begun) < 1000  # those that ran have ended


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_in_a_job_ends_the_others(error):
    def job(item, stopped):
        if item:
            raise error
        deadline = time.monotonic() + 20
        while not stopped():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    start = time.monotonic()
    with pytest.raises(error):
        list(CpuBackend(2).map(job, [1, 0, 0, 0]))
    assert time.monotonic() - start < 10


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
def test_ctrl_c_while_the_caller_waits_ends_the_jobs():
    backend, waiting = CpuBackend(2), threading.Event()
    ended, deadline = [], time.monotonic() + 20

    def job(item, stopped):
        waiting.set()
        while not stopped() and time.monotonic() < deadline:
            time.sleep(0.001)
        ended.append(item)

    results = backend.map(job, range(4))

    def interrupt():
        waiting.wait(10)
        time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    # what a script starts in the background ignores the signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            next(results)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 1 <= len(ended) <= 2


def jobs(backend, count=5, size=1000):
    """Jobs that each add numbers of their own to an array, whose sum hangs on its order."""

    def job_of(number):
        values = np.random.default_rng(number).standard_normal(size) * 10.0**number

        def job(gradient):
            added = backend.to_device(values, np.float32)
            backend.optimizer.mix(1, gradient, 1, added)
            return number

        return job

    return [job_of(number) for number in range(count)]


def test_a_sum_is_the_same_on_any_number_of_threads():
    found = []
    for threads in (1, 2, 3):
        backend = CpuBackend(threads)
        for _ in range(2):  # in memory that holds the last sum
            total, count = backend.accumulate("a", jobs(backend), 1000, np.float32)
            assert count == 10
            found.append(total.copy())
    assert all(np.array_equal(total, found[0]) for total in found)


def test_sums_are_of_their_jobs_alone(backend):
    expected = sum(
        np.random.default_rng(number).standard_normal(1000) * 10.0**number for number in range(5)
    )
    first, count = backend.accumulate("a", jobs(backend), 1000, np.float32)
    other, _ = backend.accumulate("b", jobs(backend, 2, 30), 30, np.float32)
    assert count == 10 and tuple(other.shape) == (30,)
    assert np.allclose(backend.to_host(first), expected, rtol=1e-5)
    again, _ = backend.accumulate("b", jobs(backend, 3, 20), 20, np.float32)  # of another size
    assert tuple(again.shape) == (20,)
    assert np.allclose(backend.to_host(first), expected, rtol=1e-5)


def test_pieces_are_cut_the_same_whatever_the_threads():
    for count, most in ((0, 5), (5, 5), (6, 5), (130, 64)):
        found = []
        for threads in (1, 3):
            parts = []
            CpuBackend(threads).share(count, most, parts.append)
            found.append(sorted((part.start, part.stop) for part in parts))
        assert found[0] == found[1]
        assert found[0][0][0] == 0 and found[0][-1][1] == count
        assert all(stop - start <= most for start, stop in found[0])


# -- failures, and the choice ----------------------------------------------------------------------


def test_other_errors_are_let_through(backend):
    with pytest.raises(KeyError, match="mine"), backend.guarded("take another"):
        raise KeyError("mine")


@pytest.mark.cuda
def test_a_failure_of_the_gpu_is_said_in_one_line():
    from numba.cuda.cudadrv.driver import CudaAPIError

    with pytest.raises(MidigenError) as caught, backend_of("cuda").guarded("take --device cpu"):
        raise CudaAPIError(2, "out of memory")
    said = str(caught.value)
    assert "out of memory" in said and said.endswith(": take --device cpu") and "\n" not in said


@pytest.mark.parametrize(
    "changes, names",
    [
        ({}, []),
        ({"sampler": "exact"}, ["--exact"]),
        ({"gradient": "textbook"}, ["--gradient textbook"]),
        ({"sampler": "exact", "gradient": "textbook"}, ["--exact", "--gradient textbook"]),
    ],
)
def test_what_the_gpu_cannot_do_is_said_in_one_line(changes, names):
    asked, said = host_only(TrainConfig(**changes)), []
    assert asked == names
    if not names:
        return
    with pytest.raises(UsageError, match=f"{names[0]} yet: take --device cpu"):
        choose("cuda", asked)
    assert choose("auto", asked, said.append) == "cpu"
    assert len(said) == 1 and names[0] in said[0] and "\n" not in said[0]


def test_a_device_that_is_missing(monkeypatch):
    monkeypatch.setattr(choosing, "_missing", lambda: "it is out for lunch")
    said = []
    assert choose("cpu", say=said.append) == "cpu" and said == []
    assert choose("auto", say=said.append) == "cpu" and said[0].endswith(": it is out for lunch")
    with pytest.raises(MidigenError, match="--device cuda: it is out for lunch"):
        choose("cuda")
    assert choosing.available() == ["cpu"]


def test_a_device_that_is_there(monkeypatch):
    monkeypatch.setattr(choosing, "_missing", lambda: "")
    said = []
    assert choose("cpu", say=said.append) == "cpu" and said == []
    assert choose("auto", say=said.append) == choose("cuda") == "cuda"
    assert len(said) == 1 and "on the GPU" in said[0]
    assert choosing.available() == ["cpu", "cuda"]


def test_there_is_one_backend_of_a_device(backend):
    assert backend_of(backend.name) is backend
