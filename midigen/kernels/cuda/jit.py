"""How kernels are compiled and launched: the same source for a GPU and for Numba's simulator."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from numba import cuda, float32, float64

from midigen.kernels.scalar import f32, f64

Scalar: TypeAlias = Any  # np.float32 or np.float64: mypy finds that type[..] has no hash

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
_GPU_ONLY = ("forceinline", "launch_bounds")  # the simulator's jit does not know them
if not SIMULATED:
    from numba.cuda import dispatcher

    # a lone song has few blocks of threads: no news to a user
    dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
# what arrays in shared and local memory are declared with
NUMBA_TYPE = {f32: float32, f64: float64}
MOST_BLOCKS = 2 if SIMULATED else 65535  # of a grid's second and third axis
MOST_BATCHES = 65535  # of products in one launch, and series
# bytes of shared memory for a block of threads, of the 48 KiB of any GPU: the rest is for keys
SHARED = 47 << 10


class TooWideError(Exception):
    """A model has more units than fit into a block's shared memory."""


def shared_bytes(count: int, real: Scalar, what: str) -> int:
    """Count the bytes of `count` numbers in shared memory.

    Parameters
    ----------
    count : int
        Numbers.
    real : float type
        Theirs.
    what : str
        What they are of, for the message.

    Raises
    ------
    TooWideError
        Where there are too many.
    """
    size = int(count) * real().itemsize
    if size > SHARED:
        raise TooWideError(
            f"{what} takes {size} bytes of shared memory, of which there are {SHARED}: "
            "too many units"
        )
    return size


def is_gpu_error(error: BaseException) -> bool:
    """Tell whether an exception is of the GPU: of Numba's driver, of cuda-core, or TooWideError."""
    module = type(error).__module__
    return isinstance(error, TooWideError) or ".cudadrv." in module or module.startswith("cuda.")


def jit(**options: Any) -> Callable[..., Any]:
    """Return cuda.jit with those of the options that this backend knows."""
    if SIMULATED:
        options = {name: value for name, value in options.items() if name not in _GPU_ONLY}
    return cuda.jit(**options)


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a device function; in the simulator, which is slow to call one, `function` itself.

    So one that uses `cuda` has to be in its kernel's own module, which is where the simulator puts
    its own `cuda`.
    """
    return function if SIMULATED else cuda.jit(device=True, forceinline=True)(function)


@dataclass(frozen=True)
class Tile:
    """Sizes that kernels are built or launched with.

    Attributes
    ----------
    rows, columns, depth : int
        Of a product, what a block of threads takes at a time; depth is 4 or 8.
    each : int
        Each thread of a product has `each` (4 or 8) squared numbers in registers.
    enlarged, many : int
        rows and columns are `enlarged` times as long where that still makes `many` tiles.
    threads, most : int
        Of a block that does a serial part by itself; up to `most` where a lone series has more
        units.
    walked : int
        Rows of J that such a block takes along.
    across, down : int
        Threads of a block that goes over a matrix, number by number.
    chains, blocks : int
        Markov chains in a block of threads, fewer where that makes less than `blocks` of them.
    crew : tuple of two int
        Of a serial part by the whole grid, rows and columns of threads that share a tile.
    parts : int
        Such crews, which share each sum.
    """

    rows: int = 64
    columns: int = 64
    depth: int = 8
    each: int = 8
    enlarged: int = 2
    many: int = 256  # two for each multiprocessor of a large GPU
    threads: int = 256
    most: int = 512
    walked: int = 8
    across: int = 32
    down: int = 8
    chains: int = 16
    blocks: int = 128
    crew: tuple[int, int] = (8, 4)
    parts: int = 16


# a simulated thread costs 50 us and more whatever it does
TILE = Tile(8, 8, 4, 4, 2, 256, 4, 8, 2, 4, 2, 8, 2, (2, 1), 2) if SIMULATED else Tile()


def over(kernel: Any, rows: int, columns: int, *arguments: Any, tile: Tile = TILE) -> None:
    """Launch a kernel over a matrix: x goes along columns, y over rows, in strides.

    Parameters
    ----------
    kernel : CUDA kernel
        Takes rows, columns and the arguments.
    rows, columns : int
        Of the matrix.
    *arguments
        Others of the kernel.
    tile : Tile
        Sizes.
    """
    if rows and columns:
        blocks = -(-columns // tile.across), min(MOST_BLOCKS, -(-rows // tile.down))
        kernel[blocks, (tile.across, tile.down)](rows, columns, *arguments)


def along(kernel: Any, count: int, *arguments: Any, tile: Tile = TILE) -> None:
    """Launch a kernel with a thread for each of `count` numbers.

    Parameters
    ----------
    kernel : CUDA kernel
        Takes the count and the arguments.
    count : int
        Numbers.
    *arguments
        Others of the kernel.
    tile : Tile
        Sizes.
    """
    threads = tile.across * tile.down
    if count:
        kernel[-(-int(count) // threads), threads](int(count), *arguments)
