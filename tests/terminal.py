"""A terminal: runs a command under a pseudo-terminal, and tells what a person sees of it."""

import os
import select
import subprocess
import sys
import time

import pytest

ROWS = 200


def on_terminal(args, columns, cwd, keys=None, seconds=120):
    """Run `midigen ARGS` with stdin, stdout and stderr on one terminal.

    Parameters
    ----------
    args : list of str
        Behind `midigen`; or a str, a line for the shell.
    columns : int
        The terminal's width.
    cwd : path
    keys : tuple of (str, bytes), optional
        What is typed as soon as that text is on the screen.

    Returns
    -------
    code : int
        The exit code.
    lines : list of str
        The screen at the end.
    seen : str
        All that was drawn on it on the way.
    """
    if os.name == "nt":
        pytest.skip("Windows has no pseudo-terminals of this kind")
    import fcntl
    import pty
    import struct
    import termios

    import pyte

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = (
        ["sh", "-c", args] if isinstance(args, str) else [sys.executable, "-m", "midigen", *args]
    )
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**env, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen = pyte.Screen(columns, ROWS)
    stream, seen, end = pyte.ByteStream(screen), b"", time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other side is closed
                break
            if not data:
                break
            stream.feed(data)
            seen += data
            if keys and keys[0] in "\n".join(screen.display):
                os.write(ours, keys[1])
                keys = None
        return process.wait(10), _lines(screen), seen.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _lines(screen):
    return "\n".join(line.rstrip() for line in screen.display).rstrip().split("\n")
