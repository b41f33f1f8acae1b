"""Hide music, write it anew given the rest, and measure what is written.

    python benchmarks/filling.py RUN CORPUS --hide bars --split test
    python benchmarks/filling.py RUN CORPUS --hide harmony --split test

`bars` hides bars 5-8 of each song, and fills them in these ways: by particles given both sides, of
several the likeliest, as `midigen generate --fill` does; by a draw of them; by going on from what
is before alone; by copying the bar before; and by a Markov chain.  `harmony` hides all but the top
line, and writes the rest by particles, with and without rounds, and by one particle, which clamps
the line but does not weigh what the frames before do to it.

Nats are beside those of the song itself, at temperature 1, of the whole song and of what follows
the hidden bars; `over` is by how much they are over those of going on from what is before alone,
with the standard error over songs, the share of songs whose mean over the seeds is over it, and in
brackets that of single fillings.  F1 is of the pitches that sound in hidden frames.

What the model is told of the form of hidden bars, and of bars that repeat them, is left out, for
the measure as well.  A Markdown table on stdout, all figures of all songs as JSON with -o.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.config import BEST_OF
from midigen.corpus import Corpus
from midigen.evaluation.likelihood import TeacherForced, estimate_log_likelihood, teacher_forced
from midigen.evaluation.markov import Chains
from midigen.figures.measure import measure
from midigen.figures.piece import Piece
from midigen.midi.notes import NoteTable, Track
from midigen.midi.roll import notes_to_roll, roll_to_notes, sounding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.randomness import generator
from midigen.sampling import Given, sample_given

FIRST, BARS = 5, 4  # of the hidden bars, counted from 1 behind a pickup
ORDER = 2  # of the Markov chain
CAUSAL = {"particles": 1, "rounds": 0, "look_ahead": 0}


def untold(outline, bars):
    """The outline without the form of some bars, and of bars that repeat them."""
    form = outline.form.copy()
    if form.size:
        rows = np.arange(len(form))
        hidden = np.isin(rows, list(bars))
        form[np.isin(rows[:, None] - form, list(bars)) | hidden[:, None]] = 0
    return replace(outline, form=form)


def hide_bars(song, grid):
    """Say which frames are hidden, with the outline; None of a song that is too short."""
    starts = song.outline.bar_starts(grid)
    first = FIRST - 1 + (song.outline.pickup > 0)
    if len(starts) < first + BARS + 2:
        return None
    frames = slice(int(starts[first]), int(starts[first + BARS]))
    return frames, untold(song.outline, range(first, first + BARS))


def top_line(song, grid):
    """Which columns of which frames tell the top line, bool (T, V)."""
    fixed = np.zeros(song.roll.shape, bool)
    if grid.parts:
        fixed[:, : grid.parts[0].channels] = True
        return fixed
    pitches = np.arange(grid.pitches)
    on = song.roll[:, : grid.pitches] > 0
    highest = np.where(on.any(axis=1), grid.pitches - 1 - on[:, ::-1].argmax(axis=1), 0)
    fixed[:, : grid.pitches] = pitches >= highest[:, None]
    fixed[:, grid.pitches :] = fixed[:, : fixed.shape[1] - grid.pitches]
    return fixed


def by_chain(chains, song, frames, grid, rng):
    """The hidden frames (n, V) by a Markov chain from what is before, its top line the melody."""
    length, whole = frames.stop - frames.start, Piece.of_song(song, grid)
    before = replace(
        whole, notes=roll_to_notes(song.roll[: frames.start], grid), frames=frames.start
    )
    notes = chains.go_on(ORDER, before, length, rng)
    notes[:, :2] += 1  # behind a frame with a note, so that no silence at the start is cut
    notes = np.concatenate([[[0, 1, 60]], notes])
    top = [not any((notes[:, 0] <= s) & (notes[:, 1] > s) & (notes[:, 2] > p)) for s, _, p in notes]
    table = NoteTable(
        notes=np.column_stack([notes, np.full(len(notes), 80)]),
        ticks_per_beat=grid.steps_per_beat,
        bpm=song.bpm,
        metre=song.metre,
        seconds=notes[:, :2] * grid.frame_seconds(song.bpm),
        name="",
        tracks=(Track("melody"), Track("chords")),
        track=np.where(top, 0, 1),
    )
    roll, _ = notes_to_roll(table, replace(grid, tonic="kept", outside="octave"))
    out = np.zeros((length, grid.channels), np.uint8)
    out[: len(roll) - 1] = roll[1 : length + 1]
    return out


def put(roll, frames, filling):
    """A song with a filling in place of some frames."""
    return np.concatenate([roll[: frames.start], filling, roll[frames.stop :]])


def filled(model, chains, song, seed, settings):
    """Rolls by the name of the way, and the outline; the seconds of the first way; survivors."""
    grid, found = model.grid, hide_bars(song, model.grid)
    if found is None:
        return None
    frames, outline = found
    fixed = np.ones(song.roll.shape, bool)
    fixed[frames] = False
    given, begun = Given(song.roll, fixed, outline), time.perf_counter()
    drawn = sample_given(model, given, seed=seed, best_of=BEST_OF, **settings)
    seconds = time.perf_counter() - begun
    bar = (frames.stop - frames.start) // BARS
    rolls = {
        "the song itself": song.roll,
        "likeliest": drawn.roll,
        "a draw": sample_given(model, given, seed=seed, **settings).roll,
        "a draw, no rounds": sample_given(
            model, given, seed=seed, **{**settings, "rounds": 0}
        ).roll,
        "continued": sample_given(model, given, seed=seed, **CAUSAL).roll,
        "bar before": put(
            song.roll, frames, np.tile(song.roll[frames.start - bar : frames.start], (BARS, 1))
        ),
        "Markov chain": put(
            song.roll, frames, by_chain(chains, song, frames, grid, generator(seed, "chain"))
        ),
    }
    return rolls, outline, frames, seconds, drawn.fit.survivors


def harmonised(model, song, seed, settings):
    """The same of songs whose top line alone is given."""
    outline, fixed = untold(song.outline, ()), top_line(song, model.grid)
    given, begun = Given(song.roll, fixed, outline), time.perf_counter()
    drawn = sample_given(model, given, seed=seed, **settings)
    seconds = time.perf_counter() - begun
    rolls = {
        "the song itself": song.roll,
        "particles": drawn.roll,
        "particles, two rounds": sample_given(
            model, given, seed=seed, **{**settings, "rounds": 2}
        ).roll,
        "clamped": sample_given(model, given, seed=seed, **CAUSAL).roll,
    }
    return rolls, outline, slice(0, len(song.roll)), seconds, drawn.fit.survivors


def f1(roll, true, frames, grid):
    """F1 of the pitches that sound in some frames."""
    found, expected = (sounding(r, grid)[frames] for r in (roll, true))
    return 2 * float((found & expected).sum()) / max(float(found.sum() + expected.sum()), 1)


def log_likelihoods(model, songs, first, means, temperatures):
    """Of each of some (roll, outline) the nats of every frame from `first` on."""
    placed = PlacedModel(model, cpu_backend())
    forced = teacher_forced(placed, [Told(*song) for song in songs])
    lengths = [len(roll) for roll, _ in songs]
    wanted = np.concatenate([np.arange(length) >= first for length in lengths])
    forced = TeacherForced(*(array[wanted] for array in forced))
    found = estimate_log_likelihood(placed, forced, temperatures, 2, means=means).frames
    return np.split(found, np.cumsum([length - first for length in lengths])[:-1])


def figures_of(model, corpus, args, settings):
    """A dict for each song and seed."""
    grid, rows = model.grid, []
    train = corpus.of_split("train")
    chains = Chains([Piece.of_song(song, grid) for song in train])
    means = model.frames(np.concatenate([song.roll for song in train])).mean(axis=0)
    for song in corpus.of_split(args.split)[: args.songs]:
        for seed in range(args.seeds):
            if args.hide == "bars":
                made = filled(model, chains, song, seed, settings)
            else:
                made = harmonised(model, song, seed, settings)
            if made is None:
                continue
            rolls, outline, frames, seconds, survivors = made
            songs, first = [(roll, outline) for roll in rolls.values()], frames.start
            likely = log_likelihoods(model, songs, first, means, args.temperatures)
            ways = {}
            for (name, roll), nats in zip(rolls.items(), likely, strict=True):
                piece = Piece.of_song(replace(song, roll=roll[frames]), grid)
                ways[name] = {
                    "nats": float(nats.sum()),
                    "after": float(nats[frames.stop - first :].sum()),
                    "f1": f1(roll, song.roll, frames, grid),
                    "chordal": measure(piece)["chordal frames"],
                    "notes": float(sounding(roll, grid)[frames].sum(axis=1).mean()),
                }
            rows.append({"song": song.name, "seed": seed, "ways": ways})
            rows[-1] |= {"seconds": seconds, "survivors": survivors, "frames": len(song.roll)}
            print(f"{song.name} {seed} {seconds:.1f} s", file=sys.stderr)
    return rows


def over(rows, name, rival, what):
    """How much higher than the rival's, with its standard error over songs; and how often."""
    songs = {}
    for row in rows:
        pair = [row["ways"][way][what] for way in (name, rival)]
        songs.setdefault(row["song"], []).append(pair[0] - pair[1])
    means = np.array([np.mean(differences) for differences in songs.values()])
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    every = np.concatenate(list(songs.values()))
    return f"{means.mean():+.1f} ± {error:.1f}; {np.mean(means > 0):.0%} ({np.mean(every > 0):.0%})"


def table(rows, rival):
    """The table in Markdown, and a line on time and survivors."""
    columns = {"nats": "nats, whole song"}
    if any(row["ways"][rival]["after"] for row in rows):
        columns["after"] = "nats, what follows"
    head = ["", *(cell for name in columns.values() for cell in (name, f"over {rival}"))]
    head += ["note F1", "chordal", "notes"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name in rows[0]["ways"]:
        of = [row["ways"][name] for row in rows]
        cells = [name]
        for what in columns:
            own = [row["ways"]["the song itself"][what] for row in rows]
            cells.append(f"{np.mean([way[what] for way in of]) - np.mean(own):+.1f}")
            cells.append("" if name == rival else over(rows, name, rival, what))
        cells.append(f"{np.mean([way['f1'] for way in of]):.2f}")
        chordal = [way["chordal"] for way in of if way["chordal"] is not None]
        cells.append(f"{np.mean(chordal):.2f}" if chordal else "")
        cells.append(f"{np.mean([way['notes'] for way in of]):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    seconds, survivors = [row["seconds"] for row in rows], [row["survivors"] for row in rows]
    songs = len({row["song"] for row in rows})
    lines.append(
        f"\n{songs} songs, {len(rows)} fillings; median {np.median(seconds):.1f} s, most "
        f"{max(seconds):.1f} s; survivors median {np.median(survivors):.0f}, least {min(survivors)}"
    )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("corpus")
    parser.add_argument("--hide", choices=("bars", "harmony"), default="bars")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--songs", type=int, help="the first so many")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--temperatures", type=int, default=200, help="of the likelihood")
    parser.add_argument("-o", "--output", type=Path)
    for name in ("particles", "rounds", "look-ahead", "gibbs-steps"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--temperature", type=float)
    args = parser.parse_args()
    names = "particles", "rounds", "look_ahead", "gibbs_steps", "temperature"
    settings = {n: getattr(args, n) for n in names if getattr(args, n) is not None}
    if "temperature" in settings:
        CAUSAL["temperature"] = settings["temperature"]
    model, corpus = RnnRbm.load(args.run), Corpus.load(args.corpus)
    rows = figures_of(model, corpus, args, settings)
    if args.output:
        args.output.write_text(json.dumps(rows, indent=1))
    print(table(rows, "continued" if args.hide == "bars" else "clamped"))


if __name__ == "__main__":
    main()
