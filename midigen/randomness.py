"""Keys for the counter-based random numbers: one seed, and a path that says what a draw is for."""

import zlib

import numpy as np


def derive_key(seed, *path):
    """A 64-bit key (np.uint64) from a seed and a path of words and numbers, such as ("train", epoch, song)."""
    parts = [zlib.crc32(p.encode()) if isinstance(p, str) else int(p) for p in path]
    return np.random.SeedSequence([int(seed), *parts]).generate_state(1, np.uint64)[0]


def generator(seed, *path):
    """A NumPy generator (itself counter-based) for the few draws that no kernel makes."""
    return np.random.Generator(np.random.Philox(derive_key(seed, *path)))
