"""How many notes do songs have that are bound to chords or a key?

    python benchmarks/bound.py RUN

Songs of eight bars, one draw each, by `midigen.sampling.sample_given`: with all notes allowed; with
those of the chords, or of the key, alone; and the same with as many notes as without, Eq. (35),
which is what `midigen generate` does.  Notes a frame in the mean over songs, the standard error
over songs, the median of the particles that survived the hardest place, and seconds a song.
"""

import argparse
import time

import numpy as np

from midigen.config import SteerConfig
from midigen.generation import draw_outlines
from midigen.midi.roll import sounding
from midigen.model.rnn_rbm import RnnRbm
from midigen.sampling import Given, sample_given
from midigen.steering.constraints import columns_allowed, read_constraints

BARS = 8.0
BOUND = {
    "C Am F G7": SteerConfig(chords="C Am F G7"),
    "Dm G7 C A7": SteerConfig(chords="Dm G7 C A7"),
    "D minor": SteerConfig(key="D minor"),
    "A blues": SteerConfig(scale="blues:A"),
}


def measured(model, asked, keep_density, songs):
    """Notes a frame of each song, survivors, seconds."""
    grid = model.grid
    constraints = read_constraints(asked, grid)
    densities, survivors, begun = [], [], time.perf_counter()
    for seed, drawn in enumerate(draw_outlines(model, BARS, songs, 0)):
        outline = constraints.tell(drawn, grid)
        roll = np.zeros((outline.frames, grid.channels), np.uint8)
        allowed = constraints.allow(outline, grid)
        mask = columns_allowed(allowed, roll > 0, roll > 0, grid)
        given = Given(roll, roll > 0, outline, mask, keep_density=keep_density)
        made = sample_given(model, given, seed=seed)
        densities.append(float(sounding(made.roll, grid).sum(axis=1).mean()))
        survivors.append(made.fit.survivors)
    return densities, survivors, (time.perf_counter() - begun) / songs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--songs", type=int, default=10)
    args = parser.parse_args()
    model = RnnRbm.load(args.run)
    rows = [("all notes", SteerConfig(), False)]
    for name, asked in BOUND.items():
        rows += [(f"{name}, masks alone", asked, False), (name, asked, True)]
    print("|  | notes a frame | survivors | seconds |\n|---|---|---|---|")
    for name, asked, keep in rows:
        found, survivors, seconds = measured(model, asked, keep, args.songs)
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        print(
            f"| {name} | {np.mean(found):.2f} ± {error:.2f} | {np.median(survivors):.0f} "
            f"| {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
