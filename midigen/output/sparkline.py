"""A curve in one line of text."""

from collections.abc import Sequence

import numpy as np

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=*#"


def sparkline(values: Sequence[float | None], width: int, levels: str = BLOCKS) -> str:
    """Draw a curve.

    >>> sparkline([1, 2, None, 3, 8], 10)
    '▁▂ ▃█'

    Parameters
    ----------
    values : sequence of float or None
        The curve; None is a gap.
    width : int
        The most columns; of a longer curve each column is a mean.
    levels : str
        The characters, from the lowest to the highest.
    """
    if not values:
        return ""
    parts = np.array_split(np.array(values, np.float64), min(width, len(values)))
    known = [part[np.isfinite(part)] for part in parts]
    means = np.array([part.mean() if len(part) else np.nan for part in known])
    if not np.isfinite(means).any():
        return " " * len(means)
    low, high = np.nanmin(means), np.nanmax(means)
    places = (means - low) / ((high - low) or 1) * (len(levels) - 1)
    return "".join(levels[round(place)] if np.isfinite(place) else " " for place in places.tolist())
