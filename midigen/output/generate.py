"""What `midigen generate` says on stderr: how far it is, and whether the songs are worth hearing."""

import numpy as np

from midigen.corpus import longest_hold, velocity_moments
from midigen.output.console import make_console, warn

CHAOS = 3.0  # times the corpus's notes a frame
LONGEST_HOLD = 8.0  # beats


def report(rolls, grid, bpm, about, quiet=False):
    """Print `findings`: the figures, and what went wrong as warnings."""
    console = make_console(quiet)
    figures, *faults = findings(rolls, grid, bpm, about)
    console.print(figures, soft_wrap=True)
    for fault in faults:
        warn(console, fault)


def findings(rolls, grid, bpm, about):
    """A line of figures on new songs, then a line for each thing that went wrong, with its remedy.

    rolls: uint8 (T, grid.channels) each; bpm quarter notes a minute; about: the model's, with the figures of the corpus
    that it learned from (notes_per_frame, longest_hold, velocity_mean, velocity_deviation), which may be missing.
    """
    corpus_density = about.get("notes_per_frame")
    notes = [roll[:, : grid.pitches] for roll in rolls]
    density = np.array([(song > 0).sum() / len(song) for song in notes])
    pitches = [int(song.any(axis=0).sum()) for song in notes]
    holds = np.array([longest_hold(roll) for roll in rolls])
    figures = [
        _with_corpus(f"{density.mean():.2f} notes a frame", corpus_density, ".2f"),
        f"{_span(pitches)} different pitches a song",
        _with_corpus(f"longest hold {holds.max()} frames", about.get("longest_hold"), "d"),
    ]
    if grid.values == "velocity":
        mean, deviation = velocity_moments(
            np.bincount(np.concatenate(notes).ravel(), minlength=128)
        )
        figures.append(f"velocity {mean:.0f} ± {deviation:.0f}")
        if "velocity_mean" in about:
            figures[-1] += (
                f" (corpus {about['velocity_mean']:.0f} ± {about['velocity_deviation']:.0f})"
            )
    lines = [f"{len(rolls)} song{'s'[: len(rolls) > 1]}: " + "; ".join(figures)]
    silent = density == 0
    dense = density > CHAOS * corpus_density if corpus_density else np.zeros(len(rolls), bool)
    frame_beats = grid.frame_seconds(bpm) * bpm / 60
    stuck = (holds * frame_beats > LONGEST_HOLD) & ~silent
    if silent.any():
        lines.append(
            f"silence in {_which(silent)}: train longer, raise --temperature or try another --seed"
        )
    if dense.any():
        lines.append(
            f"chaos, over {CHAOS:g} times the corpus's notes a frame, in {_which(dense)}: "
            "train longer or lower --temperature"
        )
    if stuck.any():
        lines.append(
            f"nothing changes for over {LONGEST_HOLD:g} beats in {_which(stuck)}: "
            "train longer, raise --temperature or try another --seed"
        )
    return lines


def _with_corpus(text, value, spec):
    return text if value is None else f"{text} (corpus {value:{spec}})"


def _span(values):
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _which(found):
    """ "the song", "song 2", "songs 2, 5": found (count,) bool."""
    if len(found) == 1:
        return "the song"
    numbers = [str(i + 1) for i in np.flatnonzero(found)]
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"song{'s'[: len(numbers) > 1]} {', '.join(numbers[:10])}{more}"
