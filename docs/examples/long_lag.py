"""A bit to be remembered over 200 frames, learnt in blocks of 20, with RTRL and without.

    python docs/examples/long_lag.py

The first frame holds a bit, +1 or -1, on its own input; a second input is noise in every frame.  At
the last frame the network has to say which bit it was.  The network starts blind: its weights from
the bit's input are 0, so that nothing of the bit is in the state to begin with, and only a gradient
that reaches back over the whole lag can open that input.  With --start random they are random like
the others; then the bit echoes in the state of the untrained network, and learning to read the echo
out needs no long gradient.

Both learners run the same code on the same series with the same weights to begin with: one carries
the influence matrix J from block to block, Eq. (12)-(13), the other drops it.  With --update block
the weights move after every block while the series go on, as in online learning: J, made with
weights that have moved since, is then approximate.
"""

import argparse
import itertools
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
    """Parameters, blind to the bit or not.

    Recurrent weights are orthogonal, so that what is in the state stays there for a while.
    """
    params = network.initial(rng, output_scale=0.1)
    weights = network.layers(params)[0]
    orthogonal = np.linalg.qr(rng.normal(size=(RECURRENT, RECURRENT)))[0]
    weights[:RECURRENT, 2 : 2 + RECURRENT] = orthogonal
    if start == "blind":
        weights[:, 0] = 0
    return params


def answers(rnns, batch, move=None, every_block=False):
    """The outputs at the last frame of a batch of (xs, bit), a network for each, block by block.

    With `move` the loss log(1 + exp(-bit y)) of the last frame is learnt from: move() is called at
    the end or, online, after every block, with J carried across the move.
    """
    lag = len(batch[0][0])
    for rnn in rnns:
        rnn.reset()

    def loss_gradient(bit):
        return lambda t, y: -bit / (1 + np.exp(bit * y)) * (t == lag - 1)

    for i in range(0, lag, BLOCK):
        last = i + BLOCK >= lag
        ys = [
            rnn.block(xs[i : i + BLOCK], loss_gradient(bit) if last and move else None)[-1, 0]
            for rnn, (xs, bit) in zip(rnns, batch, strict=True)
        ]
        if move and (last or every_block):
            move()
    return np.array(ys)


def learn(seed, truncate, start="blind", lag=200, steps=600, update="series"):
    """Share of 200 new series that are answered rightly, before and after `steps` batches of 8.

    They are learnt from with Adam.
    """
    rng = np.random.default_rng(seed)
    network = Network(2, (), RECURRENT, 1, np.float64)
    params = initial(rng, network, start)
    rnns = [RecurrentNetwork(network, params, truncate) for _ in range(BATCH)]
    tests = [[series(rng, lag) for _ in range(BATCH)] for _ in range(200 // BATCH)]
    moments = np.zeros((2, params.size))
    moves = itertools.count(1)

    def move():
        gradient = sum(rnn.take_gradient() for rnn in rnns) / BATCH
        gradient /= max(1.0, np.linalg.norm(gradient))
        adam_step(params, gradient, *moments, RATE, 0.9, 0.999, next(moves), 1e-8)

    def share():
        return np.mean([answers(rnns, batch) * [bit for _, bit in batch] > 0 for batch in tests])

    before = share()
    for _ in range(steps):
        answers(rnns, [series(rng, lag) for _ in range(BATCH)], move, update == "block")
    return before, share()


def main():
    parser = argparse.ArgumentParser(
        description="RTRL and truncated backpropagation on a lag longer than the block."
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--start", choices=("blind", "random"), default="blind")
    parser.add_argument("--lag", type=int, default=200)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument(
        "--update", choices=("series", "block"), default="series", help="when the weights move"
    )
    args = parser.parse_args()
    print(
        f"share of 200 new series answered rightly; lag {args.lag}, blocks of {BLOCK}, "
        f"start {args.start}, moves after every {args.update}"
    )
    print("seed  untrained  RTRL   truncated")
    learnt, began = np.zeros(2, int), time.perf_counter()
    for seed in range(args.seeds):
        (before, exact), (_, cut) = (
            learn(seed, truncate, args.start, args.lag, args.steps, args.update)
            for truncate in (False, True)
        )
        learnt += np.array([exact, cut]) >= 0.95
        print(f"{seed:4}  {before:9.3f}  {exact:.3f}  {cut:.3f}", flush=True)
    print(
        f"at least 0.95: RTRL {learnt[0]} of {args.seeds}, truncated {learnt[1]} of {args.seeds}; "
        f"{time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
