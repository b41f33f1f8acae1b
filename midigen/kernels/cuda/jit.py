"""How kernels are compiled and launched: the same source for a GPU and for Numba's simulator."""

import os
from dataclasses import dataclass

from numba import cuda, float32, float64

from midigen.kernels.scalar import f32, f64

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
_GPU_ONLY = ("forceinline", "launch_bounds")  # the simulator's jit does not know them
if not SIMULATED:
    from numba.cuda import dispatcher

    dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = (
        0  # a lone song has few blocks of threads: no news to a user
    )
NUMBA_TYPE = {
    f32: float32,
    f64: float64,
}  # what arrays in shared and local memory are declared with
MOST_BLOCKS = 2 if SIMULATED else 65535  # of a grid's second and third axis
SHARED = (
    47 << 10
)  # bytes of shared memory for a block of threads, of the 48 KiB that any GPU gives: kernels keep keys
MOST_BATCHES = 65535  # of products in one launch, and series


class TooWideError(Exception):
    """A model has more units than a block of threads has shared memory for."""


def shared_bytes(count, real, what):
    """Bytes of `count` numbers in shared memory.  TooWideError, which says `what` they are of, where there are too many."""
    size = int(count) * real().itemsize
    if size > SHARED:
        raise TooWideError(
            f"{what} takes {size} bytes of shared memory, of which there are {SHARED}: too many units"
        )
    return size


def is_gpu_error(error):
    """Whether an exception tells of the GPU: it is of Numba's driver, of cuda-core, which launches kernels, or TooWideError."""
    module = type(error).__module__
    return isinstance(error, TooWideError) or ".cudadrv." in module or module.startswith("cuda.")


def jit(**options):
    """cuda.jit with the options that this backend knows."""
    if SIMULATED:
        options = {name: value for name, value in options.items() if name not in _GPU_ONLY}
    return cuda.jit(**options)


def device(function):
    """A device function; in the simulator, which takes its time to call one, itself.

    So one that uses `cuda` has to be in its kernel's own module, which is where the simulator puts its own `cuda`.
    """
    return function if SIMULATED else cuda.jit(device=True, forceinline=True)(function)


@dataclass(frozen=True)
class Tile:
    """Sizes that kernels are built or launched with.

    rows, columns, depth (4 or 8): of a product, what a block of threads takes at a time; each of its threads has `each`
    (4 or 8) squared numbers in registers.  enlarged: rows and columns are so many times as long where that still makes
    `many` tiles.  threads: of a block that walks over time by itself, up to `most` where a lone series has more units.
    walked: rows of J that it takes along.  chains: Markov chains that such a block moves on, fewer where that makes
    less than `blocks` of them.  across, down: threads of a block that goes over a matrix, number by number.
    crew: of a walk by the whole grid, rows and columns of threads that share a tile of numbers; `parts` such crews
    share each sum.
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
    crew: tuple = (8, 4)
    parts: int = 16


# a simulated thread costs 50 us and more whatever it does
TILE = Tile(8, 8, 4, 4, 2, 256, 4, 8, 2, 4, 2, 8, 2, (2, 1), 2) if SIMULATED else Tile()


def over(kernel, rows, columns, *arguments, tile=TILE):
    """Launch a kernel over a matrix: x goes along columns, y over rows, which the kernel strides over."""
    if rows and columns:
        blocks = -(-columns // tile.across), min(MOST_BLOCKS, -(-rows // tile.down))
        kernel[blocks, (tile.across, tile.down)](rows, columns, *arguments)


def along(kernel, count, *arguments, tile=TILE):
    """Launch a kernel with a thread for each of `count` numbers."""
    threads = tile.across * tile.down
    if count:
        kernel[-(-int(count) // threads), threads](int(count), *arguments)
