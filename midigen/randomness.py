"""Keys for the counter-based random numbers: one seed, and a path that says what a draw is for."""

import zlib

import numpy as np


def derive_key(seed: int, *path: str | int) -> np.uint64:
    """Derive the key of one stream of random numbers.

    Parameters
    ----------
    seed : int
        The user's seed, 0 or more.
    *path : str or int
        What the draws are for, such as "train", epoch, song.

    Returns
    -------
    np.uint64
        The key, for `midigen.kernels.scalar.philox`.
    """
    parts = [zlib.crc32(p.encode()) if isinstance(p, str) else int(p) for p in path]
    return np.random.SeedSequence([int(seed), *parts]).generate_state(1, np.uint64)[0]


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Make a NumPy generator, itself counter-based, for draws that no kernel makes.

    Takes what `derive_key` takes.
    """
    return np.random.Generator(np.random.Philox(derive_key(seed, *path)))
