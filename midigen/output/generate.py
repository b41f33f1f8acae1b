"""What `midigen generate` says on stderr: figures of the new songs, and whether they went wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from midigen.composition import Composed, Plan
from midigen.config import PARTICLES, Grid
from midigen.corpus import longest_hold, velocity_moments
from midigen.evaluation.score import HeldOut, Score
from midigen.midi.roll import sounding
from midigen.model.card import ModelCard
from midigen.output.console import make_console, say, warn

CHAOS = 3.0  # times the corpus's notes a frame
LONGEST_HOLD = 8.0  # beats


def show(
    rolls: Sequence[NDArray[np.uint8]],
    grid: Grid,
    bpm: float,
    card: ModelCard,
    quiet: bool = False,
) -> None:
    """Show the `findings`: the figures, and what went wrong as warnings."""
    console = make_console(quiet)
    figures, *faults = findings(rolls, grid, bpm, card)
    say(console, figures)
    for fault in faults:
        warn(console, fault)


def particles_of(plan: Plan) -> int | None:
    """Return how many particles draw the songs of a plan; None where nothing is given of them."""
    if plan.task is None and not plan.steer.is_bound:
        return None
    return plan.steer.particles or PARTICLES


def remarks(plan: Plan, songs: Sequence[Composed]) -> list[str]:
    """Return in lines what of what is given does not fit, and where too few particles survived."""
    several = len(songs) > 1
    return [
        *plan.remarks,
        *(
            f"song {number}: {song.fit.warning}" if several else song.fit.warning
            for number, song in enumerate(songs, start=1)
            if song.fit.warning
        ),
    ]


def show_given(plan: Plan, songs: Sequence[Composed], quiet: bool = False) -> None:
    """Show how many particles survived, where something is given, and the `remarks`."""
    console, fits = make_console(quiet), [song.fit for song in songs]
    fewest = [fit.survivors for fit in fits if fit.survivors is not None]
    if fewest:
        bar = fits[0].bar if len(fits) == 1 else None
        where = "" if bar is None else f", bar {bar}"
        say(
            console,
            f"particles: {_span(fewest)} of {particles_of(plan)} survived at the hardest "
            f"place{where}",
        )
    for line in remarks(plan, songs):
        warn(console, line)


def show_scores(
    plan: Plan, songs: Sequence[Composed], held_out: HeldOut, quiet: bool = False
) -> None:
    """Show the score of each song, where it was chosen among several, beside held-out songs."""
    if plan.tries < 2:
        return
    console, several = make_console(quiet), len(songs) > 1
    for number, song in enumerate(songs, start=1):
        name = f"song {number}, the best" if several else "the best"
        known = _score(song.score, held_out)
        if known:
            say(console, f"{name} of {plan.tries}: {known}")
        if song.score.copies:
            warn(
                console,
                f"{name} of {plan.tries} copies more than held-out songs do, and so did all "
                "others: try another --seed",
            )


def _score(score: Score, held_out: HeldOut) -> str:
    """Say a score, as far as it is known, and in brackets what held-out songs have."""
    deviation = "" if held_out.deviation is None else f" ± {held_out.deviation:.2f}"
    rows = [
        ("distance ", score.distance, ".2f", "", held_out.distance, ""),
        ("", score.nats, ".2f", " nats a frame", held_out.nats, deviation),
        ("longest copied run ", score.copied_beats, ".3g", " beats", held_out.copied, ""),
    ]
    found = []
    for before, value, spec, unit, usual, spread in rows:
        if value is not None:
            beside = "" if usual is None else f" (held out {usual:{spec}}{spread})"
            found.append(f"{before}{value:{spec}}{unit}{beside}")
    return "; ".join(found)


def score_figures(score: Score) -> dict[str, float | bool | None]:
    """Return a score for `midigen generate --json`."""
    return {
        "distance": score.distance,
        "nats_a_frame": score.nats,
        "copied_beats": score.copied_beats,
        "copies_too_much": score.copies,
    }


def song_figures(
    rolls: Sequence[NDArray[np.uint8]], grid: Grid, bpm: float
) -> list[dict[str, float | int]]:
    """Measure each new song, for `midigen generate --json`; the arguments are those of `findings`.

    Returns
    -------
    list of dict
        "frames"; "seconds"; "notes_per_frame", in the mean; "pitches", how many different ones;
        "longest_hold", the most frames in a row that are alike.
    """
    frame, heard = grid.frame_seconds(bpm), [sounding(roll, grid) for roll in rolls]
    return [
        {
            "frames": len(song),
            "seconds": round(len(song) * frame, 3),
            "notes_per_frame": round(float(song.sum()) / len(song), 4),
            "pitches": int(song.any(axis=0).sum()),
            "longest_hold": longest_hold(song),
        }
        for song in heard
    ]


def findings(
    rolls: Sequence[NDArray[np.uint8]], grid: Grid, bpm: float, card: ModelCard
) -> list[str]:
    """Measure new songs.

    Parameters
    ----------
    rolls : sequence of NDArray[np.uint8], each of shape (T, grid.channels)
        The songs.
    grid : Grid
        What their frames and columns stand for.
    bpm : float
        Quarter notes a minute.
    card : ModelCard
        The model's, with the figures of the corpus that it learned from.

    Returns
    -------
    list of str
        A line of figures, then a line for each thing that went wrong, with its remedy.
    """
    songs = song_figures(rolls, grid, bpm)
    density = np.array([song["notes_per_frame"] for song in songs])
    holds = np.array([song["longest_hold"] for song in songs])
    pitches = [song["pitches"] for song in songs]
    figures = [
        _with_corpus(f"{density.mean():.2f} notes a frame", card.notes_per_frame, ".2f"),
        f"{_span(pitches)} different pitches a song",
        _with_corpus(f"longest hold {holds.max()} frames", card.longest_hold, "d"),
    ]
    if grid.values == "velocity":
        figures.append(_velocities([roll[:, : grid.pitches] for roll in rolls], card))
    line = f"{len(rolls)} song{'s'[: len(rolls) > 1]}: " + "; ".join(figures)
    beats = holds * grid.frame_seconds(bpm) * bpm / 60
    return [line, *_faults(density, beats, card.notes_per_frame)]


def _velocities(notes: Sequence[NDArray[np.uint8]], card: ModelCard) -> str:
    counts = np.bincount(np.concatenate(notes).ravel(), minlength=128)
    mean, deviation = velocity_moments(counts)
    figure = f"velocity {mean:.0f} ± {deviation:.0f}"
    if card.velocity_mean is not None:
        figure += f" (corpus {card.velocity_mean:.0f} ± {card.velocity_deviation:.0f})"
    return figure


def _faults(
    density: NDArray[np.float64], holds: NDArray[np.float64], corpus_density: float | None
) -> list[str]:
    """Return a line for each kind of fault, of songs with these notes a frame and longest holds."""
    silent = density == 0
    dense = np.zeros(len(density), bool)
    if corpus_density:
        dense = density > CHAOS * corpus_density
    stuck = (holds > LONGEST_HOLD) & ~silent
    lines = []
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


def _with_corpus(text: str, value: float | None, spec: str) -> str:
    return text if value is None else f"{text} (corpus {value:{spec}})"


def _span(values: Sequence[float]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _which(found: NDArray[np.bool_]) -> str:
    """Name the songs that are meant, e.g. "the song", "song 2" or "songs 2, 5"; found (count,)."""
    if len(found) == 1:
        return "the song"
    numbers = [str(i + 1) for i in np.flatnonzero(found)]
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"song{'s'[: len(numbers) > 1]} {', '.join(numbers[:10])}{more}"
