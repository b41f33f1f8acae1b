"""Which backend a run gets: --device auto, cpu or cuda."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from midigen.errors import MidigenError, UsageError

if TYPE_CHECKING:
    from midigen.backends.interface import Backend

DEVICES = ("auto", "cpu", "cuda")


def choose(
    name: str,
    host_only: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
) -> str:
    """Decide between "cpu" and "cuda".

    Parameters
    ----------
    name : str
        One of `DEVICES`.
    host_only : sequence of str
        What of the work at hand is done on the CPU alone, as a user would name it.
    say : callable, optional
        Told, in a line, why auto takes the CPU, or what the GPU will take.

    Raises
    ------
    UsageError, MidigenError
        In one line, where cuda is asked for and cannot be.
    """
    if name == "cpu":
        return "cpu"
    if host_only and name == "cuda":
        raise UsageError(f"--device cuda does not know {host_only[0]} yet: take --device cpu")
    obstacle = host_only[0] if host_only else _missing()
    if not obstacle:
        if say:
            say("on the GPU, for which every run compiles its kernels anew: some 10 seconds")
        return "cuda"
    if name == "cuda":
        raise MidigenError(f"--device cuda: {obstacle}")
    if say:
        say(f"--device auto takes the CPU: {obstacle}")
    return "cpu"


def backend_of(device: str) -> Backend:
    """Return the backend of "cpu" or "cuda"; its import takes time."""
    if device == "cpu":
        from midigen.backends.cpu import cpu_backend

        return cpu_backend()
    return _gpu_backend()


@cache
def _gpu_backend() -> Backend:
    from midigen.backends.cuda import CudaBackend

    return CudaBackend()


def available() -> list[str]:
    """Name the devices that work on this machine, the CPU first."""
    return ["cpu"] if _missing() else ["cpu", "cuda"]


def gpu_names() -> list[str]:
    """Name the GPUs that can be used, [] for none."""
    try:
        from midigen.kernels.cuda import devices
    except ModuleNotFoundError:
        return []
    return devices.gpu_names()


def _missing() -> str:
    """Say what the GPU lacks here, in a line with the remedy, or ""."""
    try:
        from midigen.kernels.cuda import devices  # asks the driver, which takes time
    except ModuleNotFoundError:
        return "this installation was made without kernels for a GPU"
    return devices.missing()
