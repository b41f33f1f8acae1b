"""Memory of exact RTRL on one long series, beside backpropagation over all of it.

    python benchmarks/memory.py

midigen's RTRL reads the series in blocks and keeps J; backpropagation, midigen's own and PyTorch's
nn.RNN, keeps every frame.  R = 100, 88 inputs, 238 outputs; peak memory above what the imports
took, each in a process of its own.  The gradients agree: the last column is RTRL's error to
backpropagation in float64.  Needs the extra bench.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from rtrl import DENSITY, NOTES, OUTPUTS, expected, in_blocks

RECURRENT, BLOCK, CHECKED = 100, 4096, 100_000


def chunks(frames):
    """The series, block by block: inputs and dE/dy, the same for every method."""
    for start in range(0, frames, BLOCK):
        rng = np.random.default_rng(start)
        count = min(BLOCK, frames - start)
        yield (
            (rng.random((count, NOTES)) < DENSITY).astype(np.float32),
            rng.standard_normal((count, OUTPUTS)).astype(np.float32),
        )


def whole(frames):
    """The series in one piece."""
    return (np.concatenate(parts) for parts in zip(*chunks(frames), strict=True))


def measure(method, frames, checked):
    """Peak MB, seconds and, where `checked`, the error to float64, of one pass, as a dict."""
    from midigen.model.network import Network

    if method == "torch":
        import torch  # noqa: F401  ahead of the memory that is counted
    network = Network(NOTES, (), RECURRENT, OUTPUTS)
    params = network.initial(np.random.default_rng(0))
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    if method == "rtrl":
        runner = in_blocks(network, params, "adaptive")
        for x, c in chunks(frames):
            runner.block(x, c)
        gradient = runner.gradient
    elif method == "torch":
        import peers

        gradient = peers.torch_rnn(network, params)(*whole(frames))
    else:
        runner = in_blocks(network, params, "backward")
        runner.block(*whole(frames))
        gradient = runner.gradient
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    found = {"mb": memory / 1024, "seconds": time.perf_counter() - begun}
    if checked:
        exact = expected(network, params, *whole(frames))
        found["error"] = float(np.linalg.norm(gradient - exact) / np.linalg.norm(exact))
    return found


def in_a_process(*task):
    """measure(*task) in a new process, or None where it failed."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(task)], capture_output=True, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

        print(json.dumps(measure(*json.loads(args.one))))
        return
    print(
        "| frames | RTRL, MB | midigen's backpropagation, MB | PyTorch nn.RNN, MB | RTRL, s | "
        "RTRL's error |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for frames in args.frames:
        rtrl, *others = (
            in_a_process(method, frames, method == "rtrl" and frames <= CHECKED)
            for method in ("rtrl", "backward", "torch")
        )
        memory = " | ".join(f"{cell['mb']:.0f}" if cell else "failed" for cell in (rtrl, *others))
        error = f"{rtrl['error']:.0e}" if "error" in rtrl else "-"
        print(f"| {frames:,} | {memory} | {rtrl['seconds']:.1f} | {error} |", flush=True)


if __name__ == "__main__":
    main()
