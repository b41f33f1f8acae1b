"""Frames a second of training: midigen beside an equivalent PyTorch program, on the same songs.

    python benchmarks/training.py CORPUS

Both train the same RNN-RBM (150 tanh units, R = 100, H = 150) by CD-5 with Adam, without
augmentation, on every core.  PyTorch's program is written for speed: songs of like length side by
side, padded; one product for all that does not wait for the recurrent units; all Gibbs chains of a
batch at once; and whichever number of threads suits it best.  The two take turns; medians.  Needs
the extra bench.
"""

import argparse
import os
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

# isort: split
import numpy as np

from midigen.config import ModelConfig, TrainConfig
from midigen.corpus import Corpus
from midigen.evaluation.baselines import note_means
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.schedule import FULL_PACE
from midigen.training.trainer import Trainer

STEPS, RATE = 5, 1.5e-3


def ours(corpus, batch):
    """An endless generator: trains on one batch at a time and yields its frames."""
    train = corpus.rolls("train")
    model = RnnRbm.initial(ModelConfig(corpus.grid.channels), corpus.grid, note_means(train))
    settings = TrainConfig(
        batch=batch,
        sampler="cd",
        gibbs_steps=STEPS,
        dropout=0.0,
        weight_decay=0.0,
        transpose=(0, 0),
        validate_every=1 << 30,
    )
    seen = 0
    for event in Trainer(model, train, [], settings).run(lambda: FULL_PACE):
        yield event.frames - seen
        seen = event.frames


class Peer:
    """The RNN-RBM in PyTorch."""

    def __init__(self, corpus, batch):
        import torch

        self.torch = torch
        start = RnnRbm.initial(
            ModelConfig(corpus.grid.channels), corpus.grid, note_means(corpus.rolls("train"))
        )
        network, config = start.network, start.config
        (first, last), visible = network.layers(start.params), config.visible
        self.r, self.visible, self.hidden = config.recurrent, visible, config.rbm_hidden
        arrays = [
            first[:, :visible].T,
            first[:, visible:-1].T,
            first[:, -1],
            last[: self.r, :-1].T,
            last[: self.r, -1],
            last[self.r :, :-1].T,
            last[self.r :, -1],
            start.w,
        ]
        self.tensors = [torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in arrays]
        self.optimizer = torch.optim.Adam(self.tensors, lr=RATE, fused=True)
        songs = sorted(
            (torch.tensor(roll, dtype=torch.float32) for roll in corpus.rolls("train")), key=len
        )
        self.batches = [self._padded(songs[i : i + batch]) for i in range(0, len(songs), batch)]

    def _padded(self, songs):
        v = self.torch.nn.utils.rnn.pad_sequence(songs)  # (T, B, V)
        mask = self.torch.zeros(v.shape[:2], dtype=self.torch.bool)
        for i, song in enumerate(songs):
            mask[: len(song), i] = True
        return v, mask

    def step(self, v, mask):
        torch = self.torch
        w_x, w_r, b, w_rr, b_r, w_y, b_y, w = self.tensors
        x = torch.cat([torch.zeros(1, *v.shape[1:]), v[:-1]])
        field, r, below = torch.matmul(x, w_x) + b, torch.zeros(v.shape[1], self.r), []
        for frame in field:
            z = torch.tanh(torch.addmm(frame, r, w_r))
            r = torch.tanh(torch.addmm(b_r, z, w_rr))
            below.append(z)
        y = torch.addmm(b_y, torch.stack(below)[mask], w_y)
        a, b = y[:, : self.visible], y[:, self.visible :]
        v = v[mask]
        with torch.no_grad():
            sample, turned = v, w.T.contiguous()
            for _ in range(STEPS):
                h = torch.bernoulli(torch.sigmoid(torch.addmm(b, sample, turned)))
                sample = torch.bernoulli(torch.sigmoid(torch.addmm(a, h, w)))

        def energy(v):
            return -(a * v).sum() - torch.nn.functional.softplus(torch.addmm(b, v, w.T)).sum()

        self.optimizer.zero_grad()
        ((energy(v) - energy(sample)) / len(v)).backward()
        torch.nn.utils.clip_grad_norm_(self.tensors, 5.0)
        self.optimizer.step()
        return len(v)

    def run(self, threads):
        """As `ours`."""
        rng = np.random.default_rng(0)
        while True:
            self.torch.set_num_threads(threads)
            yield self.step(*self.batches[rng.integers(len(self.batches))])


def frames_a_second(batches, seconds):
    """Over at least so many seconds."""
    frames, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        frames += next(batches)
    return frames / spent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()
    corpus, cores = Corpus.load(args.corpus), len(os.sched_getaffinity(0))
    print(
        f"{cores} cores, CD-{STEPS}\n\n"
        "| songs a batch | midigen, frames/s | PyTorch, frames/s | its threads | ratio |\n"
        "|---|---|---|---|---|",
        flush=True,
    )
    for batch in args.batches:
        peer = Peer(corpus, batch)
        runs = [ours(corpus, batch)] + [peer.run(threads) for threads in sorted({1, cores})]
        for run in runs:
            next(run)
        rounds = [[frames_a_second(run, args.seconds) for run in runs] for _ in range(args.rounds)]
        own, *theirs = np.median(rounds, axis=0)
        best = int(np.argmax(theirs))
        print(
            f"| {batch} | {own:,.0f} | {theirs[best]:,.0f} | {sorted({1, cores})[best]} | "
            f"{own / theirs[best]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
