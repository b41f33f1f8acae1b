"""Exact RTRL beside backpropagation, here and in PyTorch and JAX: time, memory, and the error.

    python benchmarks/rtrl.py                                   random contracting networks
    python benchmarks/rtrl.py --trained JSB_Chorales.corpus     networks that `midigen train` made

The latter are given the songs that they were trained on.  One core, float32, inputs of 88 notes,
238 outputs (88 + 150 biases).  A frame costs forward pass, gradient and, where the method has one,
J.  Every method runs in a process of its own; its gradient is held to backpropagation in float64
over the same frames.  Needs the extra bench.  A Markdown table on stdout.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NOTES, OUTPUTS, DENSITY = 88, 238, 0.045
RTRL, BACKPROPAGATION = "rtrl", "backpropagation"
# name -> (kind, frames of a block, blocks); 8192 frames in all, the same for all, but for those
# that are too slow.  "textbook" is Eq. (9) as the source note has it, on BLAS
METHODS = {
    "the note's recursion": ("textbook", 1, 4),
    "R rows a frame": ("exact", 1, 16),
    "blocks of 1024": ("exact", 1024, 8),
    "rank-adaptive blocks of 1024": ("adaptive", 1024, 8),
    "rank-adaptive blocks of 4096": ("adaptive", 4096, 2),
    "JAX RTRL, scan": ("jax_rtrl", 16, 1),
    "midigen's backpropagation": ("backward", 8192, 1),
    "PyTorch nn.RNN": ("torch_rnn", 8192, 1),
    "PyTorch loop": ("torch_loop", 8192, 1),
    "JAX scan": ("jax_bptt", 8192, 1),
}
# what the ratio is to: the first of them that the network allows
REFERENCE = "PyTorch nn.RNN", "PyTorch loop"


def problem(recurrent, hidden, trained, frames):
    """A Network, its parameters, inputs x (T, X) and dE/dy (T, Y), all float32."""
    from midigen.model.network import Network

    rng = np.random.default_rng(0)
    network = Network(NOTES, (hidden,) if hidden else (), recurrent, OUTPUTS)
    if trained:
        from midigen.corpus import Corpus
        from midigen.model.rnn_rbm import RnnRbm

        params = RnnRbm.load(trained["model"]).params.copy()
        x = np.concatenate(Corpus.load(trained["corpus"]).rolls("train"))
        x = np.resize(x, (frames, NOTES)).astype(np.float32)
    else:
        params = network.initial(rng)
        x = (rng.random((frames, NOTES)) < DENSITY).astype(np.float32)
    return network, params, x, rng.standard_normal((frames, OUTPUTS)).astype(np.float32)


def in_blocks(network, params, kind):
    """A function block(x, c) that adds to its `gradient`, from a silent start."""
    from midigen.backends.cpu import CpuBackend
    from midigen.model.recurrent import RecurrentNetwork

    backend = CpuBackend(threads=1)
    if kind == "textbook":
        return Textbook(backend, network, params)
    tolerance = 1e-6 if kind == "adaptive" else 0.0
    return RecurrentNetwork(network, params, kind == "backward", tolerance, backend)


class Textbook:
    """The note's recursion, Eq. (9), with the interface of RecurrentNetwork."""

    def __init__(self, backend, network, params):
        self.backend, self.network, self.params = backend, network, params
        self.gradient, self.influence = np.zeros_like(params), None
        self.state = np.zeros((1, network.recurrent), params.dtype)

    def block(self, x, c):
        starts = np.zeros((len(x), 1), np.uint8)
        block = self.backend.forward(self.network, self.params, x[:, None], starts, self.state)
        du = np.concatenate([np.zeros((len(x), self.network.recurrent), c.dtype), c], axis=1)
        self.influence = self.backend.textbook(
            self.network, self.params, block, du[:, None], self.influence, self.gradient
        )


def expected(network, params, x, c):
    """The gradient by backpropagation in float64."""
    from midigen.model.network import Network

    hidden = [int(n) for n in network.sizes[1:-1]]
    wide = Network(network.inputs, hidden, network.recurrent, network.outputs, np.float64)
    runner = in_blocks(wide, params.astype(np.float64), "backward")
    runner.block(x, c)
    return runner.gradient


def measure(method, recurrent, hidden, trained, seconds):
    """ms a frame, peak MB above what the imports took, and the relative error, as a dict.

    For a process of its own.
    """
    kind, length, blocks = METHODS[method]
    if kind in ("jax_bptt", "jax_rtrl"):
        import jax  # noqa: F401  ahead of the memory that is counted
    elif kind.startswith("torch"):
        import torch  # noqa: F401
    network, params, x, c = problem(recurrent, hidden, trained, length * blocks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    started = time.monotonic()
    if kind in ("textbook", "exact", "adaptive", "backward"):
        compiled = in_blocks(network, params, kind)
        # a short block would keep J in another form
        warm_up, count = (length, 2) if kind == "adaptive" else (2, 1)
        for start in range(0, count * warm_up, warm_up):
            stop = start + warm_up
            compiled.block(x[start:stop], c[start:stop])
        del compiled
        while len(times) < 2 or (time.monotonic() - started < seconds and len(times) < 50):
            runner = in_blocks(network, params, kind)
            for i in range(blocks):
                rows = slice(i * length, (i + 1) * length)
                begun = time.process_time()
                runner.block(x[rows], c[rows])
                if i or blocks == 1:  # a first block has no J to move on
                    times.append(time.process_time() - begun)
        gradient = runner.gradient
    else:
        import peers

        run = getattr(peers, kind)(network, params)
        run(x, c)
        while not times or (time.monotonic() - started < seconds and len(times) < 50):
            begun = time.process_time()
            gradient = run(x, c)
            times.append(time.process_time() - begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    exact = expected(network, params, x, c)
    return {
        "ms": 1000 * float(np.median(times)) / length,
        "mb": memory / 1024,
        "error": float(np.linalg.norm(gradient - exact) / np.linalg.norm(exact)),
    }


def train(corpus, recurrent, hidden, epochs, folder):
    """The path of a model with these sizes, trained by midigen with all else as it comes."""
    path = Path(folder, f"{recurrent}-{hidden}")
    sizes = ["--recurrent", str(recurrent), "--hidden", str(hidden) if hidden else "none"]
    options = ["-o", path, "-q", "--epochs", str(epochs), *sizes]
    command = [sys.executable, "-m", "midigen", "train", corpus, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return str(path)


def in_a_process(*task):
    """measure(*task) in a new process on one core, or None where it failed."""
    flags = {
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(task)],
        env={**os.environ, **flags},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{task[0]}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def table(args, recurrent, hidden, trained):
    """Print the rows of one network."""
    found = {}
    for name in args.methods:
        if name == "PyTorch nn.RNN" and hidden:
            continue
        slow = name == "the note's recursion" or name == "JAX RTRL, scan"
        if not (slow and recurrent > args.slow_up_to):
            found[name] = in_a_process(name, recurrent, hidden, trained, args.seconds)
    peer = next((found[name]["ms"] for name in REFERENCE if found.get(name)), None)
    for name, row in found.items():
        if row:
            ratio = f"{row['ms'] / peer:.2f}" if peer else "-"
            print(
                f"| {recurrent} | {hidden or 'none'} | {name} | {row['ms']:.4f} | {ratio} | "
                f"{row['mb']:.0f} | {row['error']:.0e} |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recurrent", type=int, nargs="+", default=[32, 100, 256, 512])
    parser.add_argument("--hidden", type=int, nargs="+", default=[0, 128], help="0 for none")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--trained", metavar="CORPUS", help="train the networks on a corpus first")
    parser.add_argument("--epochs", type=int, default=100, help="of that training")
    parser.add_argument("--seconds", type=float, default=3, help="time for each figure, at least")
    parser.add_argument(
        "--slow-up-to", type=int, default=512, help="largest R for the two slowest methods"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

        print(json.dumps(measure(*json.loads(args.one))))
        return
    print(
        "| R | hidden | method | ms a frame | to PyTorch | MB | error |\n"
        "|---|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        for hidden in args.hidden:
            for recurrent in args.recurrent:
                trained = None
                if args.trained:
                    model = train(args.trained, recurrent, hidden, args.epochs, folder)
                    trained = {"model": model, "corpus": args.trained}
                table(args, recurrent, hidden, trained)


if __name__ == "__main__":
    main()
