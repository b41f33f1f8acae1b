"""Call a function on files from anywhere, in worker processes with limits on time and memory.

What goes wrong with a file, be it a crash of the process that reads it, concerns that file only.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import LifoQueue
from typing import Any, TypeVar

from midigen.config import PrepareConfig
from midigen.errors import MidigenError
from midigen.interrupts import held
from midigen.midi.inputs import printable
from midigen.midi.worker import TOO_LONG, Failure, Setup, read_message, write_message

HANG = 20  # times the limit on processor time: what takes so long, busy machine or not, hangs
WINDOW = 8  # calls per worker that wait or are done and not yet asked for
# the arguments are sys.path: a worker finds all that its caller can import
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from midigen.midi.worker import serve; serve()"

T = TypeVar("T")
R = TypeVar("R")


def map_guarded(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    seconds: float = PrepareConfig.time_limit,
    megabytes: int = PrepareConfig.memory_limit,
    workers: int | None = None,
    preload: Iterable[str] = (),
) -> Generator[tuple[T, R | Failure], None, None]:
    """Call a function on every item, in worker processes that a call may end or fill as it likes.

    The workers end with the generator: close it where it is not used up.

    Parameters
    ----------
    function : callable
        What to call; importable by its name from a module other than the main one.
    items : iterable
        The arguments; they and the results are pickled.
    seconds : float
        Limit on the processor time of a call, so that no verdict depends on what else the machine
        does; on the clock it may take HANG times as long.
    megabytes : int
        Limit on what a call may allocate, where the system can enforce one (Linux).
    workers : int, optional
        Number of processes, by default as many as there are cores.
    preload : iterable of str
        Modules to import ahead of the calls, so that no call's time counts them.

    Yields
    ------
    tuple
        An item and its result, or a Failure that says why there is none, in the order of `items`.

    Raises
    ------
    MidigenError
        Where no worker can be started.
    """
    items = list(items)
    count = max(1, min(workers or os.cpu_count() or 1, len(items)))
    pool = _Pool(count, Setup(function, seconds, megabytes, tuple(preload)))
    waiting: deque[Future] = deque()
    try:
        for index, item in enumerate(items):
            for ahead in items[index + len(waiting) : index + WINDOW * count]:
                waiting.append(pool.submit(ahead))
            yield item, waiting.popleft().result()
    finally:
        pool.stop()


class _Pool:
    """Workers, and a thread for each that waits for its answers."""

    def __init__(self, count: int, setup: Setup) -> None:
        self._workers = [_Worker(setup) for _ in range(count)]
        self._idle: LifoQueue[_Worker] = LifoQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(count)

    def submit(self, item: object) -> Future:
        """Make a call as soon as a worker has time for it."""
        return self._threads.submit(self._call, item)

    def _call(self, item: object) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(item)
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """End the processes, whatever they do."""
        with held(starting=False):
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.stop()
            self._threads.shutdown()
            for worker in self._workers:
                worker.close()


class _Worker:
    """A process that makes one call after the other; another takes its place when it has ended."""

    def __init__(self, setup: Setup) -> None:
        self._seconds = setup.seconds
        self._setup = pickle.dumps(setup)
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()  # no process starts once `stop` has had it
        self._stopped = False

    def call(self, item: object) -> Any:
        """Make one call; return its result or a Failure."""
        process, expired = self._ready_process(), threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(HANG * self._seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            return _exchange(process, pickle.dumps(item))
        except (EOFError, OSError):  # the pipe has ended, and so has the process
            code = _end(process, patience=1)
            if expired.is_set():
                return Failure(f"hung (for {HANG * self._seconds:g} s)")
            if code == TOO_LONG:
                return Failure(f"took too long (over {self._seconds:g} s of processor time)")
            return Failure(f"crashed its reader (exit code {code})")
        except Exception as e:  # a result that cannot be unpickled concerns this item only
            return Failure(f"failed ({type(e).__name__}: {printable(str(e))})")
        finally:
            timer.cancel()
            timer.join()
            if expired.is_set():  # perhaps just after the answer: the process is gone all the same
                _end(process)

    def stop(self) -> None:
        """Kill the process, which ends a call in another thread, and let no other one start."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Release the process and its pipes."""
        if self._process is not None:
            _end(self._process)

    def _ready_process(self) -> "subprocess.Popen[bytes]":
        """Return a process that waits for a call."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            with self._starting:
                if self._stopped:
                    raise MidigenError("stopped")
                self._process = _start()
            try:
                _exchange(self._process, self._setup)
            except (EOFError, OSError):
                code = _end(self._process, patience=1)
                raise MidigenError(
                    f"cannot start a process to read files (exit code {code})"
                ) from None
        return self._process


def _start() -> "subprocess.Popen[bytes]":
    """Start a worker, in a process group of its own, to which no terminal sends Ctrl-C."""
    path = [entry for entry in sys.path if isinstance(entry, str)]
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",  # each thread would take address space from the limit
        "PYTHONUTF8": str(sys.flags.utf8_mode),  # names of files mean the same in both
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            process_group=None if os.name == "nt" else 0,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as e:
        raise MidigenError(f"cannot start a process to read files ({e.strerror or e})") from None


def _exchange(process: "subprocess.Popen[bytes]", message: bytes) -> Any:
    """Send a pickled object to a worker and return its answer."""
    assert process.stdin is not None and process.stdout is not None
    write_message(process.stdin, message)
    return pickle.loads(read_message(process.stdout))


def _end(process: "subprocess.Popen[bytes]", patience: float = 0) -> int:
    """End a process, which has so many seconds to do so by itself; return its exit code."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    process.kill()
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    return code
