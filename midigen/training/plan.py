"""What an epoch of training is, and how often a run looks up."""

from dataclasses import dataclass

import numpy as np

# trained on between validations, where the setting leaves it open: at least so many frames; and so many steps, which
# the running mean of the weights needs to show an improvement, but no more than so many frames
VALIDATED_FRAMES, VALIDATED_STEPS, MOST_FRAMES = 20_000, 200, 200_000

# where so many songs are in one key, and there are so many frames that they need not be multiplied, this share of the
# songs is transposed
ONE_KEY, ONE_KEY_FRAMES, ONE_KEY_SHARE = 0.75, 10_000, 0.5


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


def share_to_transpose(rolls, grid):
    """The share of the songs that an epoch should transpose: all, or fewer where they have a key in common.

    A song's key is taken from the others: that transposition in which its pitch classes fit their mean best.  Where
    most songs fit best as they are, most new ones will; a few are transposed for the sake of those that do not.
    """
    if sum(map(len, rolls)) < ONE_KEY_FRAMES:
        return 1.0
    notes = np.array([(roll > 0).reshape(len(roll), -1, grid.pitches).sum(axis=(0, 1)) for roll in rolls], float)
    pitch_class = (np.arange(grid.pitches) + grid.low) % 12
    classes = np.stack([notes[:, pitch_class == i].sum(axis=1) for i in range(12)], axis=1)
    classes /= np.maximum(classes.sum(axis=1, keepdims=True), 1)
    others = classes.sum(axis=0) - classes
    fit = np.stack([(np.roll(classes, shift, axis=1) * others).sum(axis=1) for shift in range(12)])
    return ONE_KEY_SHARE if (fit.argmax(axis=0) == 0).mean() >= ONE_KEY else 1.0


def transposition_range(roll, grid, limits):
    """The shifts within limits (low, high) that keep every note of a roll in the grid's range."""
    sounding = np.flatnonzero(roll.reshape(len(roll), -1, grid.pitches).any(axis=(0, 1)))
    if not len(sounding):
        return 0, 0
    return max(limits[0], -int(sounding[0])), min(limits[1], grid.pitches - 1 - int(sounding[-1]))
