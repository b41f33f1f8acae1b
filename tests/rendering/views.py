"""Songs to be shown, made by hand."""

import numpy as np

from midigen.midi.view import SongView, TrackView


def track(notes, part="chords", name="", program=0):
    """A track of rows (start, end, pitch) or (start, end, pitch, velocity)."""
    rows = [(*row, 80)[:4] for row in notes]
    return TrackView(name, program, part == "drums", np.array(rows, np.float64), part)


def song(*tracks, bars=4, seconds=2.0, name="song.mid", **more):
    """A song of 4/4 at 120 quarter notes a minute, so that a bar has 2 s."""
    end = max(float(one.notes[:, 1].max()) for one in tracks)
    starts = np.arange(bars) * seconds
    view = SongView(name, tracks, starts, end, 120.0, (4, 4), None, "", "", (4.0,) * bars)
    return view._replace(**more)


def tune(bars=4, part="melody"):
    """A track of a quarter note C5 on every beat."""
    return track([(beat / 2, beat / 2 + 0.5, 72) for beat in range(4 * bars)], part)
