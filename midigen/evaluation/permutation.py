"""Exact tests of whether two groups of ratings differ, and Holm's correction for several tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HUNDREDTHS = 100  # ratings are compared to a hundredth
MOST_RATINGS = 60  # of both groups together: the ways to share out more overflow 64 bits


def permutation_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the exact two-sided p-value of the difference of two means.

    It is the share of all ways to share out the ratings among groups of these sizes, each as likely
    as the other where the group makes no difference, whose means are as far apart or farther.
    They are counted by their sums, and not drawn.

    Parameters
    ----------
    first, second : sequence of float
        Ratings, 0 or more, taken to a hundredth; one at least in each, MOST_RATINGS together.

    Returns
    -------
    float
        Over 0, at most 1.

    >>> round(permutation_test([4, 5, 5], [1, 2, 1]), 3)  # 2 of 20 ways
    0.1
    """
    values = np.rint(HUNDREDTHS * np.asarray([*first, *second], float)).astype(np.int64)
    if not len(first) or not len(second) or len(values) > MOST_RATINGS:
        raise ValueError(f"two groups of {len(first)} and {len(second)} ratings")
    ways = _ways(values, len(first))
    sums, total = np.arange(len(ways)), int(values.sum())
    # the difference of the means, times both sizes
    apart = np.abs(len(values) * sums - len(first) * total)
    observed = apart[values[: len(first)].sum()]
    return float(ways[apart >= observed].sum() / ways.sum())


def _ways(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return in how many ways `size` of the values have each sum, 0 to that of all: (S + 1,)."""
    ways = np.zeros((size + 1, int(values.sum()) + 1), np.int64)
    ways[0, 0] = 1
    for value in values:
        # from above, so that each value is taken once
        ways[1:, value:] += ways[:-1, : ways.shape[1] - value].copy()
    return ways[size]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for there being several, by Holm's step-down procedure (1979).

    Returns
    -------
    list of float
        In the order of `p_values`; the chance that any below a level is wrong is at most the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
