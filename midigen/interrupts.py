"""Ctrl-C and SIGTERM, which end a command as KeyboardInterrupt, but never while it starts or ends processes."""

import contextlib
import os
import signal
import threading


@contextlib.contextmanager
def held():
    """Keep Ctrl-C and SIGTERM until the block ends.  The processes that it starts never hear Ctrl-C, which is ours."""
    came = []
    ours = (
        (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is threading.main_thread()
        else ()
    )
    before = {
        number: signal.signal(number, lambda number, _: came.append(number)) for number in ours
    }
    mask = _deaf()
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(
                signal.SIG_SETMASK, mask
            )  # what has waited comes now, to the handler above
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)


def _deaf():
    """Block Ctrl-C in this thread, which threads and processes inherit; returns the mask before, None on Windows."""
    if os.name == "nt":
        return None
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # first: where it starts its own process it unblocks Ctrl-C
    return signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


@contextlib.contextmanager
def termination():
    """SIGTERM is taken as Ctrl-C within the block, so that what it began is ended in order."""
    usual = threading.current_thread() is threading.main_thread() and signal.getsignal(
        signal.SIGTERM
    )
    if usual == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if usual == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
