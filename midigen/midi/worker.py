"""What the processes of `midigen.midi.guard` run: calls come in on a pipe, results go out.

It is started as a program of its own and not by multiprocessing, whose processes import the
caller's main module again: that fails in a script without an `if __name__ == "__main__"`, and in
one that comes on standard input.

A message on a pipe is a pickled object with its length, 8 bytes, ahead of it.
"""

import contextlib
import importlib
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, Any

from midigen.errors import MidigenError
from midigen.midi.inputs import printable

LENGTH = struct.Struct("<Q")
TOO_LONG = 124  # exit code of a process whose call has used up its time


@dataclass(frozen=True)
class Failure:
    """Why a call has no result.

    Parameters
    ----------
    reason : str
        A few words, then perhaps a detail in brackets: "too long (15 hours; at most 12 are read)".
    """

    reason: str


@dataclass(frozen=True)
class Setup:
    """What a worker is told once, ahead of its calls.

    Parameters
    ----------
    function : callable
        What to call with every item; importable by its name.
    seconds : float
        Limit on the processor time of a call.
    megabytes : int
        Limit on what a call may allocate, where the system can enforce one (Linux).
    preload : sequence of str
        Modules to import ahead of the first call, so that its time does not count them.
    """

    function: Callable[[Any], Any]
    seconds: float
    megabytes: int
    preload: tuple[str, ...] = ()


def write_message(stream: IO[bytes], message: bytes) -> None:
    """Write the bytes of a pickled object to a pipe, after their length."""
    stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()


def read_message(stream: IO[bytes]) -> bytes:
    """Read what `write_message` wrote; raise EOFError where the pipe ends before that does."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    message = stream.read(length)
    if len(message) < length:
        raise EOFError
    return message


def serve() -> None:
    """Answer calls until the pipe ends: the first message is a Setup, each later one an item.

    The Setup is answered with None as soon as calls can be made, an item with the result of its
    call or a Failure.
    """
    requests, replies = _take_pipes()
    try:
        setup: Setup = pickle.loads(read_message(requests))
        for module in setup.preload:
            with contextlib.suppress(ImportError):  # the call that needs it will say so
                importlib.import_module(module)
        write_message(replies, pickle.dumps(None))
        items: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=_receive, args=(requests, items), daemon=True).start()
        while True:
            item = pickle.loads(items.get())
            write_message(replies, _pickle_result(call_with_limits(setup, item)))
    except (EOFError, BrokenPipeError):  # the caller is gone
        return


def call_with_limits(setup: Setup, item: object) -> Any:
    """Make one call in this process.

    Parameters
    ----------
    setup : Setup
        The function and its limits.
    item : object
        Its argument.

    Returns
    -------
    object
        What the function returns, or a Failure where it raises anything.
    """
    try:
        with _limits(setup.seconds, setup.megabytes):
            return setup.function(item)
    except MidigenError as e:
        return Failure(printable(str(e)))
    except MemoryError:
        return Failure(f"needs too much memory (over {setup.megabytes} MB)")
    except Exception as e:  # a defect of midigen's own, too, costs one file
        return Failure(f"failed ({type(e).__name__}: {printable(str(e))})")


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Return stdin and stdout for messages alone: what else is printed goes to stderr."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _receive(requests: IO[bytes], items: "SimpleQueue[bytes]") -> None:
    """Take items off the pipe; end this process with it, even amid a call: the caller is gone."""
    try:
        while True:
            items.put(read_message(requests))
    finally:
        os._exit(0)


def _pickle_result(result: object) -> bytes:
    try:
        return pickle.dumps(result)
    except Exception as e:
        return pickle.dumps(Failure(f"failed ({type(e).__name__}: {printable(str(e))})"))


@contextlib.contextmanager
def _limits(seconds: float, megabytes: int) -> Iterator[None]:
    """Limit the processor time of the block, which ends this process, and the memory it maps."""
    done = threading.Event()
    threading.Thread(target=_watch, args=(seconds, done), daemon=True).start()
    try:
        with _memory_limit(megabytes):
            yield
    finally:
        done.set()


def _watch(seconds: float, done: threading.Event) -> None:
    """End this process where it uses so much processor time until something is done.

    The clock is that of getrusage: RLIMIT_CPU and ITIMER_PROF count by ticks, which on a virtual
    machine that is kept waiting run ahead of it.
    """
    end = time.process_time() + seconds
    while not done.wait(max(end - time.process_time(), 0.01)):
        if time.process_time() >= end:
            os._exit(TOO_LONG)


@contextlib.contextmanager
def _memory_limit(megabytes: int) -> Iterator[None]:
    """Limit the memory that the block maps, on Linux."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as f:
            mapped = int(f.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    space = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + megabytes * 2**20, space[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, space)
