"""How long music lasts: lengths as users write them, tempi, and frames of a grid."""

from __future__ import annotations

import math
import re

from midigen.config import GenerateConfig, Grid

# how a unit is written -> the unit that it counts, and how many of it
UNITS = {
    **dict.fromkeys(("", "beat", "beats"), ("beats", 1)),
    **dict.fromkeys(("bar", "bars"), ("bars", 1)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("seconds", 1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("seconds", 60)),
}


def parse_length(text: str | float) -> tuple[float, str]:
    """Read an amount of music.

    Parameters
    ----------
    text : str or number
        "32 bars", "64beats", "90 s", "3 minutes", "1:30" (minutes and seconds), or a bare number
        of beats.

    Returns
    -------
    float, str
        The amount and its unit, "beats", "bars" or "seconds".

    Raises
    ------
    ValueError
        With what to write instead.

    Examples
    --------
    >>> parse_length("32 bars")
    (32.0, 'bars')
    >>> parse_length("1:30")
    (90.0, 'seconds')
    """
    word = str(text).strip().lower()
    clock = re.fullmatch(r"([0-9]{1,6}):([0-5][0-9])", word)
    if clock:
        return 60.0 * int(clock[1]) + int(clock[2]), "seconds"
    match = re.fullmatch(r"([0-9]*\.?[0-9]+) *([a-z]*)", word)
    if match and match[2] in UNITS:
        unit, times = UNITS[match[2]]
        return float(match[1]) * times, unit
    either = " (b may be bars or beats: write the word)" if match and match[2] == "b" else ""
    raise ValueError(
        f"{text!r} is no length{either}: write 32 bars, 64 beats, 90 seconds (90s), 3 minutes (3m) "
        "or 1:30"
    )


def length_in_frames(
    length: tuple[float, str], grid: Grid, bpm: float, metre: tuple[int, int]
) -> int:
    """Return a length in frames of the grid, at least 1.

    Bars follow the metre (n, d); bars and beats follow the bpm, on a grid in seconds as well.
    ValueError for less than one frame, and for what has no end.

    >>> length_in_frames((2.0, "bars"), Grid(), 120.0, (3, 4))
    24
    """
    amount, unit = length
    beats = {
        "bars": amount * 4 * metre[0] / metre[1],
        "beats": amount,
        "seconds": amount * bpm / 60,
    }[unit]
    frames = beats * 60 / bpm / grid.frame_seconds(bpm)
    if frames <= 0.5:  # round(0.5) is 0
        raise ValueError(f"{amount:g} {unit} is less than one frame of the model")
    if not math.isfinite(frames):
        raise ValueError(f"{amount:g} {unit} has no end")
    return round(frames)


def playable_bpm(bpm: float) -> float:
    """Return a tempo within what can be played: that of some files is not."""
    tempo = GenerateConfig.setting_of("bpm")
    assert tempo.low is not None and tempo.high is not None
    return min(max(bpm, tempo.low), tempo.high)
