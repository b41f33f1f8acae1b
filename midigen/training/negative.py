"""Random songs whose gradient is subtracted.  Eq. (23)-(24)."""

import numpy as np
from numpy.typing import NDArray


def random_song(
    rng: np.random.Generator,
    frames: int,
    channels: int,
    density: float,
    groups: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Draw a song of noise, (frames, channels): every note is on with probability `density`.

    Of a part that sings one note, columns [first, stop) of a row of groups (G, 2), one is on with
    that probability, each as likely as the others.
    """
    roll = (rng.random((frames, channels)) < density).astype(np.uint8)
    for first, stop in groups:
        roll[:, first:stop] = 0
        sung = np.flatnonzero(rng.random(frames) < density)
        roll[sung, rng.integers(first, stop, len(sung))] = 1
    return roll
