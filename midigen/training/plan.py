"""What an epoch of training is, and how often a run looks up."""

from dataclasses import dataclass

import numpy as np

# trained on between validations, where the setting leaves it open: at least so many frames; and so many steps, which
# the running mean of the weights needs to show an improvement, but no more than so many frames
VALIDATED_FRAMES, VALIDATED_STEPS, MOST_FRAMES = 20_000, 200, 200_000


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch draws: batches of song numbers; a shift in semitones for each song; the key of the chains."""

    number: int
    batches: list
    shifts: np.ndarray
    key: int


def validation_interval(frames, batches):
    """Epochs between validations, of an epoch with so many frames and batches."""
    def epochs(wanted, had):
        return -(-wanted // max(had, 1))

    return max(epochs(VALIDATED_FRAMES, frames),
               min(epochs(VALIDATED_STEPS, batches), epochs(MOST_FRAMES, frames)))


def transposition_range(roll, grid, limits):
    """The shifts within limits (low, high) that keep every note of a roll in the grid's range."""
    sounding = np.flatnonzero(roll.reshape(len(roll), -1, grid.pitches).any(axis=(0, 1)))
    if not len(sounding):
        return 0, 0
    return max(limits[0], -int(sounding[0])), min(limits[1], grid.pitches - 1 - int(sounding[-1]))
