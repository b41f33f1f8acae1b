"""Programs that play a sound file, as this machine has them."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from midigen.errors import MidigenError

# name -> its arguments ahead of the file: first what comes with a system, and needs no window
PROGRAMS: dict[str, list[str]] = {
    "afplay": [],
    "pw-play": [],
    "paplay": [],
    "aplay": ["-q"],
    "ffplay": ["-nodisp", "-autoexit", "-loglevel", "error"],
    "mpv": ["--no-video", "--no-terminal"],
    "cvlc": ["--quiet", "--play-and-exit"],
    "play": ["-q"],
}
STEP = 0.25  # seconds between looks at a player

Moved = Callable[[float], None]
Play = Callable[[Path, float, Moved], None]


def find_players() -> dict[str, Play]:
    """Find what can play a .wav file here.

    Returns
    -------
    dict
        Name -> play(path, seconds, moved): it plays a file that is so long, and calls
        moved(seconds) as it goes; MidigenError where that fails.  Where KeyboardInterrupt comes,
        the sound stops.
    """
    found: dict[str, Play] = {}
    if sys.platform == "win32":
        found["Windows"] = _play_on_windows
    for name, arguments in PROGRAMS.items():
        if program := shutil.which(name):
            found[name] = _player([program, *arguments])
    return found


def _player(command: list[str]) -> Play:
    def play(path: Path, seconds: float, moved: Moved) -> None:
        with subprocess.Popen(
            [*command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                errors = _wait(process, moved)
            except BaseException:  # Ctrl-C above all
                process.kill()
                raise
        if process.returncode:
            words = errors.decode(errors="replace").split()
            raise MidigenError(" ".join(words)[:200] or f"exit code {process.returncode}")

    return play


def _wait(process: subprocess.Popen[bytes], moved: Moved) -> bytes:
    """Wait for a player's end, and return what it has said."""
    while True:
        try:
            return process.communicate(timeout=STEP)[1]
        except subprocess.TimeoutExpired:
            moved(STEP)


def _play_on_windows(path: Path, seconds: float, moved: Moved) -> None:
    winsound = importlib.import_module("winsound")  # which other systems lack
    try:
        winsound.PlaySound(str(path), winsound.SND_FILENAME | winsound.SND_ASYNC)
    except RuntimeError as e:
        raise MidigenError(str(e)) from None
    try:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP, left))
            moved(STEP)
    finally:
        winsound.PlaySound(None, winsound.SND_PURGE)
