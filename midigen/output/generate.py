"""What `midigen generate` says on stderr: how far it is, and whether the songs are worth hearing."""

import contextlib

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from midigen.output.console import make_console, warn

CHAOS = 3.0  # times the corpus's notes a frame
LONGEST_HOLD = 8.0  # beats


@contextlib.contextmanager
def progress(frames, quiet=False):
    """Show a bar of `frames`, of all songs together, on a terminal; yields the callable(more_frames) that moves it."""
    console = make_console(quiet)
    columns = TextColumn("generating"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=frames)
        yield lambda more_frames: bar.advance(task, more_frames)


def report(rolls, grid, bpm, corpus_density=None, quiet=False):
    """Print `findings`: the figures, and what went wrong as warnings."""
    console = make_console(quiet)
    figures, *faults = findings(rolls, grid, bpm, corpus_density)
    console.print(figures, soft_wrap=True)
    for fault in faults:
        warn(console, fault)


def findings(rolls, grid, bpm, corpus_density=None):
    """A line of figures on new songs, then a line for each thing that went wrong, with its remedy.

    rolls (count, T, grid.channels) uint8; bpm quarter notes a minute; corpus_density the notes a frame of the corpus
    that the model learned from, None where it is not known.
    """
    notes = rolls[:, :, :grid.pitches]
    density = notes.sum(axis=(1, 2), dtype=np.int64) / rolls.shape[1]
    corpus = "" if corpus_density is None else f" (the corpus has {corpus_density:.2f})"
    lines = [f"{len(rolls)} song{'s'[:len(rolls) > 1]}: {density.mean():.2f} notes a frame{corpus}, "
             f"{np.count_nonzero(notes.any(axis=(0, 1)))} different pitches"]
    silent = density == 0
    dense = density > CHAOS * corpus_density if corpus_density else np.zeros(len(rolls), bool)
    frame_beats = grid.frame_seconds(bpm) * bpm / 60
    stuck = np.array([_longest_hold(roll) * frame_beats > LONGEST_HOLD for roll in rolls]) & ~silent
    if silent.any():
        lines.append(f"silence in {_which(silent)}: train longer, raise --temperature or try another --seed")
    if dense.any():
        lines.append(f"chaos, over {CHAOS:g} times the corpus's notes a frame, in {_which(dense)}: "
                     "train longer or lower --temperature")
    if stuck.any():
        lines.append(f"nothing changes for over {LONGEST_HOLD:g} beats in {_which(stuck)}: "
                     "train longer, raise --temperature or try another --seed")
    return lines


def _longest_hold(roll):
    """Length, in frames, of the longest run of equal rows of a roll (T, V)."""
    changes = np.flatnonzero((roll[1:] != roll[:-1]).any(axis=1)) + 1
    return np.diff(changes, prepend=0, append=len(roll)).max()


def _which(found):
    """ "the song", "song 2", "songs 2, 5": found (count,) bool."""
    if len(found) == 1:
        return "the song"
    numbers = [str(i + 1) for i in np.flatnonzero(found)]
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"song{'s'[:len(numbers) > 1]} {', '.join(numbers[:10])}{more}"
