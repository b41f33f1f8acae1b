"""How near the kernels come to what the processor can do: products of exact RTRL, and random bits.

    python benchmarks/kernels.py

One core, float32.  The rate of exact blocks counts the multiplications and additions that
Eq. (11)-(12) need, notes that are off left out, over the time of `advance_influence` with no rank
dropped; it is held to NumPy's own product of two square matrices, timed in turns with it.  A
Markdown table on stdout.
"""

import argparse
import os
import statistics
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

# isort: split
import numpy as np

from midigen.backends.cpu import CpuBackend
from midigen.kernels.cpu.rbm import sample_bernoulli
from midigen.model.influence import advance_influence
from midigen.model.network import Network

NOTES, OUTPUTS, DENSITY, FRAMES, SQUARE = 88, 238, 0.045, 1024, 1024


def seconds(job):
    """Processor time of job()."""
    begun = time.process_time()
    job()
    return time.process_time() - begun


def exact_blocks(recurrent):
    """A function that moves J over one block, and the operations it needs."""
    rng, backend = np.random.default_rng(0), CpuBackend(threads=1)
    network = Network(NOTES, (), recurrent, OUTPUTS)
    params, state = network.initial(rng), np.zeros((1, recurrent), np.float32)
    x = (rng.random((FRAMES, 1, NOTES)) < DENSITY).astype(np.float32)
    block = backend.forward(network, params, x, np.zeros((FRAMES, 1), np.uint8), state)
    old = advance_influence(backend, network, params, block, None)
    # S A_t; Q x of r, of the 1, of the notes
    a_frame = recurrent**2 * (recurrent + recurrent + 1 + x.sum() / FRAMES)
    operations = 2 * (FRAMES * a_frame + recurrent**2 * network.influential)
    return lambda: advance_influence(backend, network, params, block, old), operations


def product_rate(square, out):
    """Operations a second of NumPy's product."""
    taken = seconds(lambda: [np.dot(square, square, out) for _ in range(10)])
    return 2 * SQUARE**3 * 10 / taken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recurrent", type=int, nargs="+", default=[100, 256, 512])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    square = np.random.default_rng(0).random((SQUARE, SQUARE), np.float32)
    out = np.empty_like(square)
    print("| what | rate | of NumPy's product |\n|---|---|---|")
    for recurrent in args.recurrent:
        job, operations = exact_blocks(recurrent)
        job()
        repeats = max(1, int(2e10 / operations))
        rates, ratios = [], []
        for _ in range(args.rounds):
            product = product_rate(square, out)
            rates.append(operations * repeats / seconds(lambda: [job() for _ in range(repeats)]))  # noqa: B023
            ratios.append(rates[-1] / product)
        print(
            f"| strictly exact blocks of {FRAMES}, R = {recurrent} | "
            f"{statistics.median(rates) / 1e9:.0f} GFLOP/s | {statistics.median(ratios):.0%} |",
            flush=True,
        )
    for width in (88, 152):
        field, bits = np.zeros((4096, width), np.float32), np.empty((4096, width), np.float32)
        noise = np.empty(width + 3, np.float32)
        sample_bernoulli(np.uint64(1), 0, 0, field, noise, bits)

        def draw(field=field, noise=noise, bits=bits):
            for key in range(10):
                sample_bernoulli(np.uint64(key), 0, 0, field, noise, bits)

        rates = [field.size * 10 / seconds(draw) for _ in range(args.rounds)]
        print(
            f"| Bernoulli units, Philox and sigmoid, rows of {width} | "
            f"{statistics.median(rates) / 1e9:.2f} G/s | |"
        )


if __name__ == "__main__":
    main()
