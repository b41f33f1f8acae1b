"""Random songs whose gradient is subtracted.  Eq. (23)-(24)."""

import numpy as np
from numpy.typing import NDArray


def random_song(
    rng: np.random.Generator, frames: int, channels: int, density: float
) -> NDArray[np.uint8]:
    """Draw a song of noise, (frames, channels): every note is on with probability `density`."""
    return (rng.random((frames, channels)) < density).astype(np.uint8)
