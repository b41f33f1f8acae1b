"""Work on files from anywhere, in worker processes with limits: what goes wrong with a file is that file's verdict."""

import contextlib
import copy
import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from midigen.errors import MidigenError
from midigen.interrupts import held
from midigen.midi.inputs import printable

SECONDS = 10.0
MEGABYTES = 256
WINDOW = 8  # tasks a worker that wait or are done but not yet asked for


@dataclass(frozen=True)
class Verdict:
    """Why there is no result: a few words, then perhaps a detail in brackets, e.g. "too long (15 hours)"."""

    reason: str


def guarded(function, items, *, seconds=SECONDS, megabytes=MEGABYTES, workers=None, preload=()):
    """Yield (item, function(item) or Verdict) in the order of `items`.

    function: importable by its name, as it runs in other processes.  seconds: wall-clock limit of a call.
    megabytes: limit on what a call may allocate, where the system can enforce one (Linux).  workers: number of
    processes, by default as many as there are cores.  preload: modules to import once, ahead of the calls.
    """
    items = list(items)
    workers = max(1, min(workers or os.cpu_count() or 1, len(items)))
    run = _Run(function, items, seconds, megabytes, workers, preload)
    try:
        for index, item in enumerate(items):
            yield item, run.outcome(index)
    finally:
        run.stop()


class _Run:
    """The calls of one `guarded`: a pool, and the calls that it has been given ahead of time."""

    def __init__(self, function, items, seconds, megabytes, workers, preload):
        self.function, self.items, self.limits = function, items, (seconds, megabytes)
        self.workers, self.preload = workers, preload
        self.pool, self.waiting = None, deque()  # futures of the items from the next one on

    def outcome(self, index):
        """The outcome of item `index`, to be asked for in order."""
        for _ in range(2):
            try:
                with held():
                    self._schedule(index)
                return _outcome(self.waiting.popleft(), self.limits[0])
            except (
                RuntimeError
            ):  # a worker died between two calls, and pebble's pool with it: once more
                self.stop()
        return Verdict("crashed its reader")

    def _schedule(self, index):
        """Give the pool the items from `index` on that it does not have, up to a window."""
        if self.pool is None:
            self.pool = _start_pool(self.workers, self.preload)
        for item in self.items[index + len(self.waiting) : index + WINDOW * self.workers]:
            call = (self.function, item, *self.limits)
            self.waiting.append(self.pool.schedule(_call, call, timeout=self.limits[0]))

    def stop(self):
        """End the workers, whatever they do."""
        with held():
            self.waiting.clear()
            if self.pool is not None:
                self.pool.stop()
                self.pool.join()
                self.pool = None


def _outcome(future, seconds):
    from pebble import ProcessExpired

    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except TimeoutError:
        return Verdict(f"took too long (over {seconds:g} s)")
    except ProcessExpired as e:
        return Verdict(f"crashed its reader (exit code {e.exitcode})")
    except Exception as e:  # noqa: BLE001  whatever came back through the pipe, it concerns this item only
        return Verdict(f"failed ({type(e).__name__}: {printable(str(e))})")


def _call(function, item, seconds, megabytes):
    """In the worker: one call under its limits."""
    try:
        with _limits(seconds, megabytes):
            return function(item)
    except MidigenError as e:
        return Verdict(printable(str(e)))
    except MemoryError:
        return Verdict(f"needs too much memory (over {megabytes} MB)")
    except Exception as e:  # noqa: BLE001  a defect of ours, too, costs one file
        return Verdict(f"failed ({type(e).__name__}: {printable(str(e))})")


@contextlib.contextmanager
def _limits(seconds, megabytes):
    """Bound the address space, over what the process has mapped already, and the processor time of the block."""
    try:
        import resource

        with open("/proc/self/statm") as f:
            mapped = int(f.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux: the time limit alone
        yield
        return
    # a timer, which counts from now, and not RLIMIT_CPU, which counts from the process's start by ticks: on a virtual
    # machine that is kept waiting those run ahead of what getrusage tells, by any amount
    signal.setitimer(signal.ITIMER_PROF, seconds + 2)
    space = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + megabytes * 2**20, space[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, space)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _start_pool(workers, preload):
    from pebble import ProcessPool

    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        _start_server(context, ["midigen.midi.guard", *preload])
    return ProcessPool(max_workers=workers, context=_keeping_locks(context))


def _keeping_locks(context):
    """A copy of a context of multiprocessing that keeps its locks.

    A pool that stops lets go of them before it ends its workers, and one that just starts would not find them.
    """
    locks, keeping = [], copy.copy(context)

    def make():
        locks.append(context.RLock())
        return locks[-1]

    keeping.RLock = make
    return keeping


def _start_server(context, preload):
    """Start the process that workers are forked from, with one BLAS thread."""
    from multiprocessing.forkserver import ensure_running

    context.set_forkserver_preload(preload)
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        ensure_running()
    finally:
        if threads is None:
            del os.environ["OPENBLAS_NUM_THREADS"]
        else:
            os.environ["OPENBLAS_NUM_THREADS"] = threads
