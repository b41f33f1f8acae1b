"""Ctrl-C and SIGTERM: they end a command as KeyboardInterrupt, but not while processes start."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

ORDER_SECONDS = 0.9  # that a command may take to end in order, and then its threads
# of an import, what is raised in its callbacks is lost: the signal is sent again a little later
IMPORTING, AGAIN_SECONDS = "<frozen importlib._bootstrap>", 0.01


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


def exit_code(stop: BaseException) -> int:
    """Return the exit code of a command that was stopped: 130 by Ctrl-C, 143 by SIGTERM."""
    is_terminated = isinstance(stop, Terminated) or isinstance(stop.__cause__, Terminated)
    return 128 + (signal.SIGTERM if is_terminated else signal.SIGINT)


@contextlib.contextmanager
def held(starting: bool = True) -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the block ends.

    Parameters
    ----------
    starting : bool
        Whether the block starts processes; these then never hear Ctrl-C, which a terminal sends to
        all processes of a command.
    """
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        received.append(number)

    main = threading.current_thread() is threading.main_thread()  # only there signals are handled
    handlers = {
        signum: signal.signal(signum, receive)
        for signum in ((signal.SIGINT, signal.SIGTERM) if main else ())
    }
    mask = _block_interrupt() if starting else None
    try:
        yield
    finally:
        if mask is not None:  # what has waited comes now, to the handlers above
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        for number in received[:1]:
            signal.raise_signal(number)


def _block_interrupt() -> set[int | signal.Signals] | None:
    """Block Ctrl-C in this thread, which its processes inherit; return the mask before, if any."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return None
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # first: where it starts its own process it unblocks Ctrl-C
    return signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


@contextlib.contextmanager
def termination(bounded: bool = False) -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C and Terminated at SIGTERM within the block.

    What it began is thus ended in order.

    Parameters
    ----------
    bounded : bool
        Whether the whole process ends after ORDER_SECONDS where that lasts longer, as it does while
        kernels compile. Nothing is lost: files are written atomically, what is left over in
        temporary ones is removed at the next start, and worker processes end with their pipes.
    """
    main = threading.current_thread() is threading.main_thread()  # only there signals are handled
    at_last: list[threading.Timer] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == IMPORTING:
            threading.Timer(AGAIN_SECONDS, signal.raise_signal, [number]).start()
            return
        if bounded:
            at_last.append(end_later(exit_code(stopped_by(number)), b"midigen: stopped\n"))
        raise stopped_by(number)

    handlers = {
        number: signal.signal(number, stop)
        for number in ((signal.SIGINT, signal.SIGTERM) if main else ())
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for timer in at_last:
            timer.cancel()


def stopped_by(number: int) -> KeyboardInterrupt:
    """Return what a signal raises."""
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


def end_later(code: int, line: bytes = b"") -> threading.Timer:
    """End this process in ORDER_SECONDS, whatever its threads do, unless that is cancelled.

    Parameters
    ----------
    code : int
        The exit code.
    line : bytes
        What is told then on stderr.
    """
    timer = threading.Timer(ORDER_SECONDS, _end, [code, line])
    timer.daemon = True
    timer.start()
    return timer


def _end(code: int, line: bytes) -> None:
    with contextlib.suppress(OSError):
        # of what shows progress: the cursor, where it has hidden that
        os.write(2, (b"\x1b[?25h\n" if os.isatty(2) else b"") + line)
    os._exit(code)
