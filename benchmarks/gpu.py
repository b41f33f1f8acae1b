"""RTRL on the GPU: ms a frame, and the share of the device's own float32 product.

    python benchmarks/gpu.py

V = 88, H = 150, no hidden layer, float32, random contracting networks.  A frame is the forward
pass, backpropagation, what J of the block before adds to the gradient and, at the block's end, J
carried on: the rank of the propagator followed as `midigen train` does (--rank-tolerance),
Eq. (12a), or strictly exact.  The device's rate is cuBLAS's, through PyTorch, in the same run, TF32
off; the operations that are held to it are those of strictly exact J, Eq. (12).  Beside it: the CPU
kernels on two cores, rank followed; on the same GPU, of the same network, PyTorch's backpropagation
and RTRL by a scan in JAX, over fewer frames (--jax-frames): each frame costs it the same.

Needs a GPU, the extra cuda and, for the comparisons, torch and jax with CUDA.  A Markdown table on
stdout; - is what was not measured, for want of a library, of memory or, on the CPU, of time
(--cpu-up-to).
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads

# isort: split
import numpy as np

from midigen.backends.choose import backend_of
from midigen.backends.cpu import CpuBackend
from midigen.kernels.cuda.jit import is_gpu_error
from midigen.model.influence import advance_influence, influence_gradient
from midigen.model.network import Network

NOTES, OUTPUTS, SQUARE, CORES, TOLERANCE = 88, 238, 8192, 2, 1e-6


def best(job, wait, rounds=5):
    """Seconds of the fastest of some runs, the first of which compiles and is not counted."""
    times = []
    for _ in range(rounds + 1):
        wait()
        begun = time.perf_counter()
        job()
        wait()
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def device_rate(torch):
    """Operations a second of cuBLAS's float32 product."""
    torch.backends.cuda.matmul.allow_tf32 = False
    a = torch.randn(SQUARE, SQUARE, device="cuda")
    return 2 * SQUARE**3 / best(lambda: a @ a, torch.cuda.synchronize)


def ours(backend, network, params, x, du, tolerance):
    """A job on a backend: one block of every series, J carried on from one before."""
    h, count = x.shape[:2]
    params, x, du = (backend.to_device(array) for array in (params, x, du))
    starts = np.zeros((h, count), np.uint8)
    state = backend.zeros((count, network.recurrent), network.dtype)
    gradient = backend.zeros((network.parameters,), network.dtype)
    block = backend.forward(network, params, x, starts, state)
    old = advance_influence(backend, network, params, block, None, tolerance)

    def job():
        block = backend.forward(network, params, x, starts, state)
        adjoint = backend.backward(network, params, block, du, gradient)
        influence_gradient(backend, network, adjoint, old, gradient)
        advance_influence(backend, network, params, block, old, tolerance)

    return job


def torch_bptt(torch, network, x, du):
    """PyTorch's nn.RNN, the rows of y behind it, and its backpropagation."""
    rnn = torch.nn.RNN(NOTES, network.recurrent).cuda()
    y, x = torch.nn.Linear(network.recurrent, OUTPUTS).cuda(), torch.from_numpy(x).cuda()
    c = torch.from_numpy(np.ascontiguousarray(du[..., network.recurrent :])).cuda()
    return lambda: (y(rnn(x)[0]) * c).sum().backward()


def jax_rtrl(network, params, x, c):
    """RTRL by a scan."""
    import peers

    gradient = peers.jax_rtrl(network, params, batched=True)
    return lambda: gradient(x, c)


def jax_seconds(network, params, x, c):
    """Seconds of it; for a process of its own, since JAX keeps the memory that it has had."""
    return measured(lambda: jax_rtrl(network, params, x, c), int)


def measured(make, wait, rounds=5):
    """Seconds of the job that make() gives, or None for want of a library or of memory."""
    try:
        return best(make(), wait, rounds)
    except Exception as e:  # those of PyTorch and JAX are RuntimeErrors
        if not (isinstance(e, (ImportError, MemoryError, RuntimeError)) or is_gpu_error(e)):
            raise
        print(f"{type(e).__name__}: {str(e).splitlines()[0]}", file=sys.stderr)
        return None


def quotient(a, b):
    """a / b, or None where one of them was not measured."""
    return None if a is None or b is None else a / b


def row(args, network, params, x, du, torch, rate, cpu):
    """A line of the table; cpu: seconds of one series on the CPU, or None."""
    from numba import cuda

    gpu = backend_of("cuda")
    taken, strict = (
        measured(lambda: ours(gpu, network, params, x, du, tolerance), cuda.synchronize)  # noqa: B023
        for tolerance in (TOLERANCE, 0.0)
    )
    peer = torch and measured(lambda: torch_bptt(torch, network, x, du), torch.cuda.synchronize)
    if torch:
        torch.cuda.empty_cache()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        scan = pool.submit(
            jax_seconds,
            network,
            params,
            x[: args.jax_frames],
            np.ascontiguousarray(du[: args.jax_frames, :, network.recurrent :]),
        ).result()
    (frames, batch), units = x.shape[:2], network.recurrent
    operations = 2 * batch * units**2 * (frames * (2 * units + NOTES + 1) + network.influential)
    found = [
        ("{:.4f}", quotient(taken, frames / 1000)),
        ("{:.4f}", quotient(strict, frames / 1000)),
        ("{:.0%}", quotient(quotient(operations, strict), rate)),
        ("{:.1f}", quotient(cpu, quotient(taken, batch))),
        ("{:.2f}", quotient(taken, peer or None)),
        ("{:.1f}", quotient(quotient(scan, args.jax_frames), quotient(taken, frames))),
    ]
    return " | ".join(["-" if value is None else form.format(value) for form, value in found])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recurrent", type=int, nargs="+", default=[100, 256, 512, 1024, 2048])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--frames", type=int, default=1024, help="of a block")
    parser.add_argument("--jax-frames", type=int, default=8)
    parser.add_argument("--cpu-up-to", type=int, default=1024, help="largest R for the CPU")
    args = parser.parse_args()
    try:
        import torch

        torch = torch if torch.cuda.is_available() else None
    except ImportError:
        torch = None
    rate, rng = device_rate(torch) if torch else None, np.random.default_rng(0)
    if torch:
        torch.cuda.empty_cache()
    print(
        "| R | batch | ms a frame | strictly exact, ms | of cuBLAS | two cores / GPU | "
        "to PyTorch BPTT | JAX RTRL / GPU |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    cores = CpuBackend(CORES)
    for recurrent in args.recurrent:
        network = Network(NOTES, (), recurrent, OUTPUTS)
        params = network.initial(rng)
        cpu = None  # of one series, which is how many at a time two cores do best
        for batch in args.batch:
            x = (rng.random((args.frames, batch, NOTES)) < 0.045).astype(np.float32)
            du = rng.standard_normal((args.frames, batch, recurrent + OUTPUTS)).astype(np.float32)
            if cpu is None and recurrent <= args.cpu_up_to:
                one = cores, network, params, x[:, :1], du[:, :1], TOLERANCE
                cpu = measured(lambda: ours(*one), int, 1)  # noqa: B023  called at once
            cells = row(args, network, params, x, du, torch, rate, cpu)
            print(f"| {recurrent} | {batch} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
