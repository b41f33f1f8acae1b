"""Try what docs/reliability.md promises: kills, failing disks, hostile MIDI, damage, signals.

Run it as `python -m scripts.trials NAME --count N`; it ends with exit code 1 where a promise is
broken.  The tests run all of it in reduced number.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import errno
import io
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SONGS = Path(__file__).parents[1] / "songs"
SMALL = (
    *("--rbm-hidden", "4", "--recurrent", "4", "--hidden", "4", "--gibbs-steps", "2"),
    *("--context", "none", "--gates", "none", "--seed", "5", "-q"),
)
SCALE = 40  # by which the times between checkpoints are shortened
SAVE, LOST = 20 / SCALE, 30 / SCALE  # seconds
TRAIN = (
    "import sys; from midigen.training import run; from midigen.backends import cpu; "
    f"run.SAVE_SECONDS, run.LOST_SECONDS = {SAVE}, {LOST}; "
    "cpu.usable_cores = lambda: {threads}; "
    "from midigen.__main__ import main; sys.exit(main())"
)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)
SECONDS, MEGABYTES = 2, 256  # for a hostile file


# -- kills -----------------------------------------------------------------------------------------


def kills(count: int, seed: int = 0, threads: int = 1, epochs: int = 400) -> dict[str, Any]:
    """Kill a training at random instants and resume it, five kills a run.

    Parameters
    ----------
    count : int
        How many kills.
    seed : int
        Of the instants.
    threads : int
        Of the training.
    epochs : int
        Of each run.

    Returns
    -------
    dict
        "kills"; "most lost", seconds behind the last checkpoint, on the scale of 30 s; "other
        models", runs whose model was not byte for byte that of an uninterrupted one.
    """
    rng = random.Random(seed)
    most_lost, other, done = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _midigen(folder, "prepare", str(SONGS), "-o", "corpus", "-q")
        program = TRAIN.format(threads=threads)
        new = ["train", "corpus", "--epochs", f"{epochs}", *SMALL]
        straight = folder / "straight" / "run"
        subprocess.run(
            [sys.executable, "-c", program, *new, "-o", str(straight)],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        while done < count:
            run = folder / f"killed-{done}" / "run"
            for _ in range(min(5, count - done)):
                args = _next(run, new)
                if args is None:
                    break
                lost = _killed(folder, program, args, run, rng)
                most_lost, done = max(most_lost, lost), done + 1
            args = _next(run, new)
            if args is not None:
                subprocess.run(
                    [sys.executable, "-c", program, *args],
                    cwd=folder,
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            other += _model(run) != _model(straight)
    return {"kills": done, "most lost": most_lost * SCALE, "other models": other}


def _next(run: Path, new: list[str]) -> list[str] | None:
    """Return what begins a training or goes on with it; None where it has ended, kill or not.

    One that has ended would be trained for longer.
    """
    from midigen import files
    from midigen.training.checkpoint import CHECKPOINT_NAME, COOLING_NAME, KIND, VERSION

    if not (run / CHECKPOINT_NAME).exists():
        return [*new, "-o", str(run)]
    schedule = files.load_header(run / CHECKPOINT_NAME, KIND, VERSION)["schedule"]
    has_ended = schedule["ended"] and not (run / COOLING_NAME).exists()
    return None if has_ended else ["train", "--resume", str(run), "-q"]


def _model(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def _killed(folder: Path, program: str, args: list[str], run: Path, rng: random.Random) -> float:
    """Start a training, kill it, and return how long ago its last checkpoint was written."""
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if rng.random() < 0.7:  # while it trains, else perhaps before
        while process.poll() is None and not _written(run, began):
            time.sleep(0.02)
    time.sleep(rng.uniform(0, 2.5))
    process.kill()
    ended = time.time()
    process.wait()
    has_ended = process.returncode == 0
    written = _written(run, began)
    return ended - max(written) if written and not has_ended else 0.0


def _written(run: Path, began: float) -> list[float]:
    """Return when checkpoints were written by a process; older ones tell nothing of it."""
    times = []
    for path in run.glob("c*.safetensors"):
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return [moment for moment in times if moment > began]


def _midigen(folder: Path, *args: str) -> None:
    command = [sys.executable, "-m", "midigen", *args]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


# -- failing disks ---------------------------------------------------------------------------------


@dataclass
class Disk:
    """Fails at one of the calls that open, write, sync, rename or link in a folder.

    Parameters
    ----------
    folder : Path
    at : int
        Which call fails, from 0; -1 for none.
    error : int
        With which errno.

    Attributes
    ----------
    calls : int
        How many there have been.
    """

    folder: Path
    at: int = -1
    error: int = errno.EIO
    calls: int = 0

    def _call(self, path: Any) -> None:
        if isinstance(path, int) or self.folder in Path(os.path.abspath(os.fspath(path))).parents:
            self.calls += 1
            if self.calls - 1 == self.at:
                raise OSError(self.error, os.strerror(self.error))

    def _failing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **named: Any) -> Any:
            self._call(path)
            return function(path, *args, **named)

        return call

    def _write(self, path: Path, data: bytes) -> int:
        half = len(data) // 2
        with open(path, "wb") as f:
            f.write(data[:half])
            f.flush()
            self._call(path)  # the disk is full amid the file
            return half + f.write(data[half:])

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Fail within the block."""
        kept = {name: getattr(os, name) for name in ("open", "fsync", "replace", "link")}
        opened, written = builtins.open, Path.write_bytes
        for name, function in kept.items():
            setattr(os, name, self._failing(function))
        builtins.open = io.open = self._failing(opened)
        setattr(Path, "write_bytes", lambda path, data: self._write(path, data))  # noqa: B010
        try:
            yield
        finally:
            for name, function in kept.items():
                setattr(os, name, function)
            builtins.open = io.open = opened
            setattr(Path, "write_bytes", written)  # noqa: B010


def faults(stride: int = 1) -> dict[str, Any]:
    """Let every call to the disk fail, one at a time, in prepare, train, generate and evaluate.

    Parameters
    ----------
    stride : int
        Every how many calls one is tried.

    Returns
    -------
    dict
        "faults", how many; "broken", what was not exit code 1, one line, all files valid and none
        left over.
    """
    from midigen.cli import main

    broken: list[str] = []
    tried, failed = 0, 0
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        os.chdir(folder)
        try:
            song = sorted(SONGS.glob("*.mid"))[:6]
            names = [str(path) for path in song]
            _silent(main, ["prepare", *names, "-o", "corpus", "-q"])
            _silent(main, ["train", "corpus", "-o", "run", "--epochs", "2", *SMALL])
            play = ("--count", "1", "--length", "1 bar", "--seed", "1", "--best-of", "1", "-q")
            for command in (
                ["prepare", *names, "-o", "corpus", "-q"],
                ["train", "corpus", "-o", "RUN", "--epochs", "1", *SMALL],
                ["generate", "run", "--endings", "1", "--gibbs-steps", "2", *play, "-o", "out"],
                ["evaluate", "run", "--corpus", "corpus", "--chains", "2", "--json"],
            ):
                number, calls = -1, 0  # the first time they are counted
                while number < calls:
                    args = [f"run-{tried}" if arg == "RUN" else arg for arg in command]
                    disk = Disk(folder, number, ERRORS[tried % len(ERRORS)])
                    with disk.failing():
                        code, told = _silent(main, args)
                    calls = disk.calls if number < 0 else calls
                    number = number + stride if number >= 0 else 0
                    tried, failed = tried + 1, failed + (disk.at >= 0)
                    problem = _problem(folder, code, told, disk)
                    if problem:
                        broken.append(f"{command[0]}, call {disk.at}: {problem}")
        finally:
            os.chdir(before)
    return {"faults": failed, "broken": broken}


def _silent(main: Callable[[list[str]], int], args: list[str]) -> tuple[int, str]:
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = main(args)
    return code, told.getvalue()


def _problem(folder: Path, code: int, told: str, disk: Disk) -> str | None:
    from midigen.corpus import Corpus
    from midigen.errors import MidigenError
    from midigen.model.rnn_rbm import RnnRbm

    left = [path.name for path in folder.rglob("*.tmp")]
    if left:
        return f"left over: {left}"
    try:
        Corpus.load(folder / "corpus")
        for path in folder.rglob("model.safetensors"):
            RnnRbm.load(path)
    except MidigenError as e:
        return str(e)
    songs = [path for path in folder.rglob("*.mid") if path.read_bytes()[:4] != b"MThd"]
    if songs:
        return f"half a song: {songs}"
    failed = 0 <= disk.at < disk.calls
    if failed and not (code == 1 and told.count("\n") == 1 and "unexpectedly" not in told):
        return f"exit code {code}, told {told!r}"
    return None


# -- hostile MIDI ----------------------------------------------------------------------------------


def mutant(number: int, seed: int = 0) -> bytes:
    """Make a MIDI file of a starter song: some of its bytes or its structure are changed."""
    rng = random.Random(f"{seed} {number}")
    paths = sorted(SONGS.glob("*.mid"))
    data = bytearray(rng.choice(paths).read_bytes())
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = (
            rng.randrange(len(data)) if rng.random() < 0.7 else rng.randrange(min(60, len(data)))
        )
        kind = rng.randrange(6)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[place : place + rng.choice((1, 2, 5, 100))]
        elif kind == 3:
            data[place:place] = rng.randbytes(rng.choice((1, 3, 9)))
        elif kind == 4:
            at = data.find(b"MTrk")
            if 0 <= at <= len(data) - 8:
                struct.pack_into(
                    ">I", data, at + 4, rng.choice((0, 1, 2**31, rng.randrange(2**32)))
                )
        else:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + rng.choice((4, 30, 300))]
        data = data if len(data) > 1 else bytearray(b"MT")
    return bytes(data)


def read_mutant(number: int) -> bool:
    """Read a mutant as `midigen prepare` does; return whether it holds notes."""
    from midigen.midi.read import parse

    return len(parse(mutant(number), "mutant").notes) > 0


def mutants(count: int) -> dict[str, Any]:
    """Read so many mutants within limits on processor time and memory.

    Returns
    -------
    dict
        How many gave notes, how many a reason in words, and "broken": other reasons.
    """
    from midigen.midi.guard import map_guarded
    from midigen.midi.worker import Failure
    from scripts.trials import read_mutant  # whose name a worker can import

    found: Counter[str] = Counter()
    broken = []
    for number, result in map_guarded(
        read_mutant,
        range(count),
        seconds=SECONDS,
        megabytes=MEGABYTES,
        preload=["midigen.midi.read"],
    ):
        if not isinstance(result, Failure):
            found["read"] += 1
        elif result.reason.startswith(("failed", "crashed", "took too", "needs too", "hung")):
            broken.append(f"mutant {number}: {result.reason}")
        else:
            found["refused"] += 1
    return {**found, "broken": broken}


# -- damage ----------------------------------------------------------------------------------------


def damage(stride: int = 1) -> dict[str, Any]:
    """Flip every bit of a small model, checkpoint and corpus, and cut them short anywhere.

    Parameters
    ----------
    stride : int
        Every how many bits and lengths one is tried.

    Returns
    -------
    dict
        "tried", and "broken": what was read as something else than before, or raised what is no
        MidigenError.
    """
    from midigen import files
    from midigen.cli import main
    from midigen.corpus import Corpus
    from midigen.errors import MidigenError
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.training.checkpoint import KIND, VERSION, Checkpoint

    broken, tried = [], 0
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            songs = [str(path) for path in sorted(SONGS.glob("*.mid"))[:3]]
            _silent(main, ["prepare", *songs, "-o", "corpus", "-q"])
            _silent(main, ["train", "corpus", "-o", "run", "--epochs", "1", *SMALL])
            readers: dict[str, Callable[[Path], Any]] = {
                "corpus": lambda path: Corpus.load(path).digest,
                "run/model.safetensors": lambda path: RnnRbm.load(path).card.to_json(),
                "run/checkpoint.safetensors": lambda path: (
                    Checkpoint(path.parent, path.name).header,
                    files.load_header(path, KIND, VERSION),
                ),
            }
            for file, read in readers.items():
                data, path = Path(file).read_bytes(), Path(file)
                sound = read(path)
                for changed in _damaged(data, stride):
                    path.write_bytes(changed)
                    tried += 1
                    try:
                        if read(path) != sound:
                            broken.append(f"{file}: read as something else")
                    except MidigenError:
                        continue
                    except Exception as e:
                        broken.append(f"{file}: {type(e).__name__}: {e}")
                path.write_bytes(data)
        finally:
            os.chdir(before)
    return {"tried": tried, "broken": broken}


def _damaged(data: bytes, stride: int) -> Iterator[bytes]:
    for bit in range(0, 8 * len(data), stride):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
    for length in range(0, len(data), stride):
        yield data[:length]


# -- signals ---------------------------------------------------------------------------------------


def signals(count: int, seed: int = 0, compiling: bool = True) -> dict[str, Any]:
    """Send Ctrl-C and SIGTERM to commands at random moments, with nothing compiled yet.

    Returns
    -------
    dict
        "signals"; "longest", seconds until the process had ended, before anything was saved;
        "broken", exit codes other than 130 and 143.
    """
    rng = random.Random(seed)
    longest, broken = 0.0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _midigen(folder, "prepare", str(SONGS), "-o", "corpus", "-q")
        _midigen(folder, "train", "corpus", "-o", "run", "--epochs", "2", *SMALL)
        for number in range(count):
            args = rng.choice(
                (
                    ["train", "corpus", "-o", f"run-{number}", "--minutes", "5", *SMALL],
                    ["generate", "run", "--count", "500", "--length", "64 bars", "-q"],
                    ["evaluate", "run", "--corpus", "corpus"],
                    ["check"],
                )
            )
            stop = rng.choice((signal.SIGINT, signal.SIGTERM))
            cache = {"XDG_CACHE_HOME": str(folder / f"cache-{number}")} if compiling else {}
            process = subprocess.Popen(
                [sys.executable, "-m", "midigen", *args],
                cwd=folder,
                env={**os.environ, **cache},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(rng.uniform(0.5, 8))
            process.send_signal(stop)
            began = time.monotonic()
            _, told = process.communicate()
            if "and saved" not in told:  # where it is, that says how long
                longest = max(longest, time.monotonic() - began)
            if process.returncode not in (128 + stop, 0) or "Traceback" in told:
                broken.append(f"{args[0]}, {stop.name}: {process.returncode}, {told[-200:]!r}")
    return {"signals": count, "longest": longest, "broken": broken}


def main() -> int:
    """Run one trial, and print what it found; exit code 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("kills", "faults", "mutants", "damage", "signals"))
    parser.add_argument("--count", type=int, default=50, help="of kills, mutants or signals")
    parser.add_argument("--stride", type=int, default=1, help="of faults and damage")
    parser.add_argument("--threads", type=int, default=1, help="of a training that is killed")
    given = parser.parse_args()
    began = time.monotonic()
    if given.name == "kills":
        found = kills(given.count, threads=given.threads)
    elif given.name in ("faults", "damage"):
        found = {"faults": faults, "damage": damage}[given.name](given.stride)
    else:
        found = {"mutants": mutants, "signals": signals}[given.name](given.count)
    for key, value in found.items():
        print(f"{key}: {value}")
    print(f"{time.monotonic() - began:.0f} s")
    broken = found.get("broken") or found.get("other models") or found.get("most lost", 0) > 31
    return int(bool(broken) or found.get("longest", 0) > 2)


if __name__ == "__main__":
    sys.exit(main())
