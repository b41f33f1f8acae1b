"""Does pushing random songs away keep the model from chaos?

    python benchmarks/random_songs.py CORPUS --minutes 1 --seeds 3

Trains with and without, and follows long new songs.  For each way of treating random songs:
held-out log-likelihood, and the notes a frame of new songs, in their first tenth, over all, and in
their last tenth (drift to chaos raises the last, drift to silence lowers it).  "CD-1" is plain
training: chains of one step from the data, nothing dropped, no running mean of the weights; three
ways add to it one thing that the defaults have.  A Markdown table on stdout; with --plot FILE.svg
also a picture of the notes a frame over time (needs matplotlib).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.config import TrainConfig
from midigen.corpus import Corpus
from midigen.evaluation.likelihood import estimate_log_likelihood, teacher_forced
from midigen.generation import generate
from midigen.midi.roll import sounding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.run import Run
from midigen.training.schedule import Budget

# as the source note trains
PLAIN = {
    "sampler": "cd",
    "gibbs_steps": 1,
    "dropout": 0.0,
    "average": 0.0,
    "lag_dropout": 0.0,
    "interval_dropout": 0.0,
    "form_dropout": 0.0,
    "self_fed": 0.0,
}
BARE = {"context": (), "gates": (), "hidden": (150,), "recurrent": 100, "rbm_hidden": 150}
CHAINS = 2  # of annealing, for each frame
WAYS = {
    "off": {},
    "bounded 1": {"negative": "bounded", "negative_weight": 1.0},
    "literal 0.01": {"negative": "literal", "negative_weight": 0.01},
    "literal 0.1": {"negative": "literal", "negative_weight": 0.1},
    "own, bounded 1": {
        "negative": "bounded",
        "negative_weight": 1.0,
        "negative_source": "own",
    },
    "own, literal 0.1": {
        "negative": "literal",
        "negative_weight": 0.1,
        "negative_source": "own",
    },
    "CD-1, own, bounded 1": {
        **PLAIN,
        "negative": "bounded",
        "negative_weight": 1.0,
        "negative_source": "own",
    },
    "literal 1": {"negative": "literal", "negative_weight": 1.0},
    "CD-1, off": PLAIN,
    "CD-1, dropout": {**PLAIN, "dropout": TrainConfig.dropout},
    "CD-1, running mean": {**PLAIN, "average": TrainConfig.average},
    "persistent alone": {"dropout": 0.0, "average": 0.0},
    "CD-1, bounded 1": {**PLAIN, "negative": "bounded", "negative_weight": 1.0},
    "CD-1, literal 0.01": {**PLAIN, "negative": "literal", "negative_weight": 0.01},
    "CD-1, literal 0.1": {**PLAIN, "negative": "literal", "negative_weight": 0.1},
}


def train(corpus, path, minutes, epochs, seed, way, sizes):
    """The best model of one run, and the epochs that were done."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.new(lambda: Path(folder), corpus, path, sizes, {"seed": seed, **way})
        for _ in run.events(Budget(epochs, minutes), lambda: False):
            pass
        return RnnRbm.load(run.model_path), run.trainer.counters.epoch


def some(songs, frames):
    """The first songs, with at most `frames` frames in all but always one."""
    kept = np.cumsum([len(song.roll) for song in songs]) <= frames
    return songs[: max(1, int(kept.sum()))]


def likelihood(model, held_out, temperatures, seed):
    """Held-out log-likelihood, nats a frame."""
    placed = PlacedModel(model, cpu_backend())
    songs = teacher_forced(placed, held_out)
    return estimate_log_likelihood(placed, songs, temperatures, CHAINS, seed).mean


def density(model, songs, frames, seed):
    """Notes in every frame of new songs, (songs, frames)."""
    rolls = generate(model, frames, count=songs, seed=seed, temperature=1.0, gibbs_steps=25)
    return np.stack([sounding(roll, model.grid).sum(axis=1) for roll in rolls])


def row(name, epochs, likelihoods, notes):
    """One line of the table: mean and spread over the seeds."""
    tenth = notes.shape[-1] // 10
    parts = (notes[..., :tenth], notes, notes[..., -tenth:])
    silent = (notes.sum(axis=-1) == 0).mean()
    figures = " | ".join(f"{part.mean():.2f}" for part in parts)
    return (
        f"| {name} | {np.mean(epochs):.0f} | {np.mean(likelihoods):.2f} ± "
        f"{np.std(likelihoods):.2f} | {figures} | {notes.max()} | {silent:.0%} |"
    )


def plot(path, curves, target):
    """Notes a frame over time, a line for each way."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4))
    for name, notes in curves.items():
        mean = notes.reshape(-1, notes.shape[-1]).mean(axis=0)
        width = max(1, len(mean) // 40)
        smooth = mean[: len(mean) // width * width].reshape(-1, width).mean(axis=1)
        axes.plot(np.arange(len(smooth)) * width, smooth, label=name)
    axes.axhline(target, color="black", linewidth=0.8, linestyle="--", label="corpus")
    axes.set(xlabel="frame", ylabel="notes a frame", ylim=(0, None))
    axes.legend(frameon=False, ncols=2)
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--minutes", type=float, help="training time of each run")
    parser.add_argument(
        "--epochs", type=int, help="or epochs: the same number of steps for every way"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--temperatures", type=int, default=500)
    parser.add_argument(
        "--bare", action="store_true", help="models without context and gates, as they once were"
    )
    parser.add_argument(
        "--valid-frames", type=int, default=4000, help="held-out frames that are scored"
    )
    parser.add_argument("--plot", metavar="FILE.svg")
    args = parser.parse_args()
    corpus = Corpus.load(args.corpus)
    held_out = some(corpus.of_split("valid"), args.valid_frames)
    target = corpus.statistics()["notes_per_frame"]
    print(
        "| random songs | epochs | held out, nats a frame | first tenth | "
        f"notes a frame (corpus {target:.2f}) | last tenth | most | silent songs |\n"
        "|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    curves = {}
    for name in args.ways:
        epochs, likelihoods, notes = [], [], []
        for seed in range(args.seeds):
            way, budget = WAYS[name], (args.minutes, args.epochs)
            model, done = train(corpus, args.corpus, *budget, seed, way, BARE if args.bare else {})
            epochs.append(done)
            likelihoods.append(likelihood(model, held_out, args.temperatures, seed))
            notes.append(density(model, args.songs, args.frames, seed))
            print(f"{name}, seed {seed}: {likelihoods[-1]:.3f}", file=sys.stderr)
        curves[name] = np.array(notes)
        print(row(name, epochs, likelihoods, curves[name]), flush=True)
    if args.plot:
        plot(args.plot, curves, target)


if __name__ == "__main__":
    main()
