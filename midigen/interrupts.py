"""Ctrl-C and SIGTERM: they end a command as KeyboardInterrupt, but not while processes start."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


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
def termination() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C within the block, so that what it began is ended in order."""
    main = threading.current_thread() is threading.main_thread()
    default = main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if default:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
