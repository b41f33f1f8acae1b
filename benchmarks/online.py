"""Online learning: what carrying J costs where the weights move after every block.

    python benchmarks/online.py CORPUS

The songs of a corpus are one running series (`midigen train --concatenate --update block
--batch 1`), default settings else, processor time of one core.  "Truncated" is the same program
without J: backpropagation that ends at the block.  Rank-adaptive J, strictly exact J and none take
turns; medians.  What J does for learning is in docs/examples/long_lag.py --update block.
"""

import argparse
import os
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

# isort: split
import numpy as np

from midigen.backends.cpu import CpuBackend
from midigen.config import ModelConfig, TrainConfig
from midigen.corpus import Corpus
from midigen.evaluation.baselines import note_means
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.schedule import FULL_PACE
from midigen.training.trainer import Trainer

# the tolerance; None: no J
WAYS = {"rank-adaptive": 1e-6, "strictly exact": 0.0, "truncated": None}


class Truncated(Trainer):
    """A trainer whose series carry no J from block to block."""

    def _groups(self, songs, settings):
        groups = super()._groups(songs, settings)
        for group in groups:
            group._goes_on = lambda: False
        return groups


class Online:
    """A run that goes on for ever: `train(seconds)` goes on with it."""

    def __init__(self, corpus, recurrent, hidden, block, tolerance):
        train = corpus.rolls("train")
        config = ModelConfig(corpus.grid.channels, recurrent=recurrent, hidden=hidden)
        settings = TrainConfig(
            block=block,
            update="block",
            batch=1,
            concatenate=True,
            transpose=(0, 0),
            rank_tolerance=tolerance or 0.0,
            validate_every=1 << 30,
        )
        model = RnnRbm.initial(config, corpus.grid, note_means(train))
        kind = Truncated if tolerance is None else Trainer
        self.trainer = kind(model, train, [], settings, CpuBackend(threads=1))
        self.steps = self.trainer.run(lambda: FULL_PACE)
        next(self.steps)  # compiles
        self.train(0.2)

    def train(self, seconds):
        """Frames and moves of the weights a second, over at least so many seconds."""
        state = self.trainer.state
        frames, moves, begun = state.counters.frames, state.steps, time.process_time()
        while (spent := time.process_time() - begun) < seconds:
            next(self.steps)
        return (state.counters.frames - frames) / spent, (state.steps - moves) / spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--blocks", type=int, nargs="+", default=[8, 32, 128, 512])
    parser.add_argument("--recurrent", type=int, default=ModelConfig.recurrent)
    parser.add_argument("--hidden", type=int, nargs="*", default=list(ModelConfig.hidden))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    corpus = Corpus.load(args.corpus)
    print(
        f"| frames a block | {' | '.join(f'{way}, frames/s' for way in WAYS)} | moves/s | "
        f"of truncated |\n|{'---|' * (len(WAYS) + 3)}",
        flush=True,
    )
    for block in args.blocks:
        runs = [
            Online(corpus, args.recurrent, tuple(args.hidden), block, tolerance)
            for tolerance in WAYS.values()
        ]
        rounds = np.array([[run.train(args.seconds) for run in runs] for _ in range(args.rounds)])
        frames, moves = np.median(rounds, axis=0).T
        ratio = np.median(rounds[:, 0, 0] / rounds[:, -1, 0])
        print(
            f"| {block} | {' | '.join(f'{rate:,.0f}' for rate in frames)} | {moves[0]:,.0f} | "
            f"{ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
