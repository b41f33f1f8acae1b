"""Where the time of a training step goes.

    python benchmarks/step.py CORPUS
    python benchmarks/step.py CORPUS --compare

One thread; the kernels are timed from outside.  With --told the model is told all that it can be
and has all gates; --compare lets both kinds, of the same sizes, take turns, and prints the median
of how much longer a step with context and gates takes.
"""

import argparse
import statistics
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads
from midigen.backends.cpu import CpuBackend
from midigen.config import ModelConfig, TrainConfig
from midigen.corpus import Corpus
from midigen.kernels.cpu import gates, network, optimizer, rbm, rolls, rtrl
from midigen.model.rnn_rbm import RnnRbm, note_moments
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
    (gates, "open_gates", "copy gates"),
    (gates, "gate_gradient", "copy gates"),
    (rolls, "unpack", "reading of songs, and of what is copied"),
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


def trainer_of(corpus, batch, told):
    """A Trainer on one thread, and its steps."""
    train = corpus.of_split("train")
    kinds = ("context", "gates") if told else ()
    asked = {kind: ModelConfig.setting_of(kind).choices for kind in kinds}
    means, _ = note_moments([song.roll for song in train], corpus.grid)
    model = RnnRbm.initial(ModelConfig(corpus.grid.channels, **asked), corpus.grid, means)
    settings = TrainConfig(batch=batch, validate_every=1 << 30, self_fed=0.25 if told else 0.0)
    backend = CpuBackend(threads=1)
    backend._jobs = Inline()
    trainer = Trainer(model, train, [], settings, backend)
    steps = trainer.run(lambda: FULL_PACE)
    for _ in range(5):
        next(steps)  # these compile
    return trainer, steps


def rate_of(trainer, steps, seconds):
    """Frames a second of processor time, and that time."""
    seen, begun = trainer.counters.frames, time.thread_time()
    while (total := time.thread_time() - begun) < seconds:
        next(steps)
    return (trainer.counters.frames - seen) / total, total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--told", action="store_true")
    parser.add_argument("--compare", action="store_true")
    args = parser.parse_args()
    corpus, spent = Corpus.load(args.corpus), {}
    if args.compare:
        kinds = [trainer_of(corpus, args.batch, told) for told in (False, True)]
        rates = [[rate_of(*kind, args.seconds / 5)[0] for kind in kinds] for _ in range(9)]
        ratio = statistics.median(bare / told for bare, told in rates)
        print(f"a step with context and gates takes {ratio:.2f} times as long")
        return
    watch(spent)
    trainer, steps = trainer_of(corpus, args.batch, args.told)
    spent.clear()
    rate, total = rate_of(trainer, steps, args.seconds)
    spent[REST] = total - sum(spent.values())
    print(f"{rate:,.0f} frames a second of one core\n\n| part | share |\n|---|---|")
    for part, own in sorted(spent.items(), key=lambda row: -row[1]):
        print(f"| {part} | {own / total:.1%} |")


if __name__ == "__main__":
    main()
