"""Where the time of a training step goes.

    python benchmarks/step.py CORPUS

One thread, default settings; the kernels are timed from outside.
"""

import argparse
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads
from midigen.backends.cpu import CpuBackend
from midigen.config import ModelConfig, TrainConfig
from midigen.corpus import Corpus
from midigen.evaluation.baselines import note_means
from midigen.kernels.cpu import network, optimizer, rbm, rtrl
from midigen.model.rnn_rbm import RnnRbm
from midigen.training.schedule import FULL_PACE
from midigen.training.trainer import Trainer

SERIAL = "the serial recurrence, and products"
MOVE = "clipping, weight decay, Adam, running mean"
PARTS = [
    (network, "forward_block", f"forward pass of the network: {SERIAL}"),
    (network, "backward_block", f"backward pass of the network: {SERIAL}"),
    (rbm, "gibbs_chain", "Gibbs chains: products and sampling"),
    (rbm, "contrast", "contrast of data and samples: products and sigmoids"),
    (rbm, "corrupt", "dropout of the input: sampling"),
    (rtrl, "influence_stage", "J: products"),
    (rtrl, "influence_expand", "J: products"),
    (optimizer, "shorten_and_decay", MOVE),
    (optimizer, "adam_step", MOVE),
    (optimizer, "average_step", MOVE),
]
REST = "all else: Python and small array operations"


def watch(spent):
    """Have every kernel in PARTS add its time to `spent`."""

    def timed(kernel, part):
        def run(*args):
            begun = time.thread_time()
            kernel(*args)
            spent[part] = spent.get(part, 0.0) + time.thread_time() - begun

        return run

    for module, name, part in PARTS:
        setattr(module, name, timed(getattr(module, name), part))


class Inline:
    """An executor that does its work at once, in the thread whose time is measured."""

    class Done:
        def __init__(self, value):
            self.value = value

        def result(self):
            return self.value

    def submit(self, job, *args):
        return self.Done(job(*args))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    args = parser.parse_args()
    corpus, spent = Corpus.load(args.corpus), {}
    watch(spent)
    train = corpus.rolls("train")
    model = RnnRbm.initial(ModelConfig(corpus.grid.channels), corpus.grid, note_means(train))
    settings = TrainConfig(batch=args.batch, validate_every=1 << 30)
    backend = CpuBackend(threads=1)
    backend._jobs = Inline()
    trainer = Trainer(model, train, [], settings, backend)
    steps = trainer.run(lambda: FULL_PACE)
    for _ in range(5):
        next(steps)  # these compile
    spent.clear()
    seen, begun = trainer.counters.frames, time.thread_time()
    while (total := time.thread_time() - begun) < args.seconds:
        next(steps)
    spent[REST] = total - sum(spent.values())
    rate = (trainer.counters.frames - seen) / total
    print(f"{rate:,.0f} frames a second of one core\n\n| part | share |\n|---|---|")
    for part, own in sorted(spent.items(), key=lambda row: -row[1]):
        print(f"| {part} | {own / total:.1%} |")


if __name__ == "__main__":
    main()
