"""A bit to be remembered over 200 frames, learnt in blocks of 20: RTRL against truncated backpropagation.

    python docs/examples/long_lag.py

The first frame holds a bit, +1 or -1, on its own input; a second input is noise in every frame.  At the last frame the
network has to say which bit it was.  The network starts blind: its weights from the bit's input are 0, so that nothing
of the bit is in the state to begin with, and only a gradient that reaches back over the whole lag can open that input.
With --start random they are random like the others; then the bit echoes in the state of the untrained network, and
learning to read the echo out needs no long gradient.

Both learners run the same code on the same series with the same weights to begin with: one carries the influence
matrix J from block to block, Eq. (12)-(13), the other drops it.
"""

import argparse
import time

import numpy as np

from midigen.kernels.cpu.optimizer import adam_step
from midigen.model import Network, RecurrentNetwork

BLOCK, RECURRENT, NOISE, BATCH, RATE = 20, 16, 0.3, 8, 3e-3


def series(rng, lag):
    """Inputs (lag, 2) and the bit."""
    bit = rng.choice([-1.0, 1.0])
    xs = np.stack([np.zeros(lag), rng.normal(0, NOISE, lag)], axis=1)
    xs[0, 0] = bit
    return xs, bit


def initial(rng, network, start):
    """Orthogonal recurrent weights, so that what is in the state stays there for a while; blind to the bit, or not."""
    params = network.initial(rng, output_scale=0.1)
    weights = network.layers(params)[0]
    weights[:RECURRENT, 2:2 + RECURRENT] = np.linalg.qr(rng.normal(size=(RECURRENT, RECURRENT)))[0]
    if start == "blind":
        weights[:, 0] = 0
    return params


def answer(rnn, xs, bit=None):
    """The output at the last frame, block by block; with a bit its loss log(1 + exp(-bit y)) is learnt from."""
    def loss_gradient(t, y):
        return -bit / (1 + np.exp(bit * y)) * (t == len(xs) - 1)

    rnn.reset()
    for i in range(0, len(xs), BLOCK):
        last = i + BLOCK >= len(xs)
        y = rnn.block(xs[i:i + BLOCK], loss_gradient if last and bit is not None else None)
    return y[-1, 0]


def learn(seed, truncate, start="blind", lag=200, steps=600):
    """Share of 200 new series that are answered rightly, before and after `steps` steps of Adam on batches of 8."""
    rng = np.random.default_rng(seed)
    network = Network(2, (), RECURRENT, 1, np.float64)
    params = initial(rng, network, start)
    rnn = RecurrentNetwork(network, params, truncate)
    tests = [series(rng, lag) for _ in range(200)]
    mean, square = np.zeros_like(params), np.zeros_like(params)
    shares = []
    for step in range(1, steps + 2):
        if step in (1, steps + 1):
            shares.append(np.mean([answer(rnn, xs) * bit > 0 for xs, bit in tests]))
        for xs, bit in (series(rng, lag) for _ in range(BATCH)):
            answer(rnn, xs, bit)
        gradient = rnn.take_gradient() / BATCH
        gradient /= max(1.0, np.linalg.norm(gradient))
        adam_step(params, gradient, mean, square, RATE, 0.9, 0.999, step, 1e-8)
    return shares


def main():
    parser = argparse.ArgumentParser(description="RTRL and truncated backpropagation on a lag longer than the block.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--start", choices=("blind", "random"), default="blind")
    parser.add_argument("--lag", type=int, default=200)
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    print(f"share of 200 new series answered rightly; lag {args.lag}, blocks of {BLOCK}, start {args.start}")
    print("seed  untrained  RTRL   truncated")
    learnt, began = np.zeros(2, int), time.perf_counter()
    for seed in range(args.seeds):
        (before, exact), (_, cut) = (learn(seed, truncate, args.start, args.lag, args.steps)
                                     for truncate in (False, True))
        learnt += np.array([exact, cut]) >= 0.95
        print(f"{seed:4}  {before:9.3f}  {exact:.3f}  {cut:.3f}", flush=True)
    print(f"at least 0.95: RTRL {learnt[0]} of {args.seeds}, truncated {learnt[1]} of {args.seeds}; "
          f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
