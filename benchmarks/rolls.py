"""Piano rolls of songs, in one picture: new ones beside those of a corpus.

    python benchmarks/rolls.py rolls.png --rows 10 songs/*.mid -- output/songs/*.mid

One column for each list of files, of which the first --rows are drawn; a colour for each track, a
line for each bar.  Needs matplotlib.
"""

import argparse
import sys

import pretty_midi

COLOURS = ["#c0392b", "#2471a3", "#1e8449", "#7f8c8d"]


def draw(axes, path, beats):
    """Draw one song, up to so many quarter notes."""
    midi = pretty_midi.PrettyMIDI(path)
    metre = midi.time_signature_changes[0] if midi.time_signature_changes else None
    bar = 4 * metre.numerator / metre.denominator if metre else 4

    def beat(seconds):
        return midi.time_to_tick(seconds) / midi.resolution

    for number, instrument in enumerate(midi.instruments):
        colour = COLOURS[number % len(COLOURS)]
        for note in instrument.notes:
            start, end = beat(note.start), beat(note.end)
            axes.barh(note.pitch, max(end - start - 0.05, 0.1), left=start, height=1, color=colour)
    for number in range(int(beats / bar) + 1):
        dark = "0.6" if number % 4 == 0 else "0.9"
        axes.axvline(number * bar, color=dark, linewidth=0.5, zorder=0)
    axes.set(xlim=(0, beats), ylim=(34, 90), xticks=[], yticks=[])
    axes.set_title(path.rsplit("/", 1)[-1], fontsize=6, loc="left", pad=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture")
    parser.add_argument("songs", nargs="+", help="lists of files, -- between them")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--beats", type=float, default=128)
    before = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    behind = sys.argv[len(before) + 2 :]
    args = parser.parse_args(before)
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lists = [some[: args.rows] for some in (args.songs, behind) if some]
    figure, grid = plt.subplots(
        args.rows, len(lists), figsize=(7 * len(lists), args.rows), squeeze=False
    )
    for column, some in enumerate(lists):
        for row in range(args.rows):
            axes = grid[row][column]
            if row < len(some):
                draw(axes, some[row], args.beats)
            else:
                axes.axis("off")
    figure.tight_layout(pad=0.3)
    figure.savefig(args.picture, dpi=80)


if __name__ == "__main__":
    main()
