"""RTRL on the GPU: ms a frame, and the share of the device's own float32 product.

    python benchmarks/gpu.py

V = 88, H = 150, no hidden layer, float32.  A frame is the forward pass, backpropagation and, at the block's end, J
carried on.  The device's rate is cuBLAS's, through PyTorch, in the same run, TF32 off; the operations are those
of J, Eq. (11)-(12).  Beside it: the CPU kernels on two cores; on the same GPU, of the same network, PyTorch's
backpropagation and RTRL by a scan in JAX, over fewer frames (--jax-frames): each frame costs it the same.
Needs a GPU, midigen[cuda] and, for the comparisons, torch and jax with CUDA.  A Markdown table on stdout; - is what was
not measured, for want of a library, of memory or, on the CPU, of time (--cpu-up-to).
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads
import numpy as np

from midigen.kernels.cuda.jit import GpuError
from midigen.model.network import Network

NOTES, OUTPUTS, SQUARE, CORES = 88, 238, 8192, 2


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


def ours(network, params, x, du):
    """A job on the GPU: one block of every lane, J carried on from one before."""
    from midigen.kernels.cuda.memory import upload
    from midigen.model.lanes import LaneNetwork

    lanes, (h, count) = LaneNetwork(network), x.shape[:2]
    params, x, du, starts = upload(params), upload(x), upload(du), np.zeros((h, count), np.uint8)
    state, gradient = (upload(np.zeros(n, np.float32)) for n in ((count, network.recurrent), network.parameters))
    old = lanes.influence(params, lanes.forward(params, x, state, starts), None)

    def job():
        block = lanes.forward(params, x, state, starts)
        lanes.influence_gradient(lanes.backward(params, block, du, gradient), old, gradient)
        lanes.influence(params, block, old)

    return job


def on_the_cpu(network, params, x, du):
    """The same job of one lane on two cores, strictly exact as well."""
    pool = ThreadPoolExecutor(CORES)
    x, du = np.ascontiguousarray(x[:, 0]), np.ascontiguousarray(du[:, 0])
    state, gradient = np.zeros(network.recurrent, np.float32), np.zeros_like(params)
    old = network.influence(params, network.forward(params, x, state), None, pool=pool)

    def job():
        block = network.forward(params, x, state)
        network.influence_gradient(network.backward(params, block, du, gradient), old, gradient)
        network.influence(params, block, old, pool=pool)

    return job


def torch_bptt(torch, network, x, du):
    """PyTorch's nn.RNN, the rows of y behind it, and its backpropagation."""
    rnn = torch.nn.RNN(NOTES, network.recurrent).cuda()
    y, x = torch.nn.Linear(network.recurrent, OUTPUTS).cuda(), torch.from_numpy(x).cuda()
    c = torch.from_numpy(np.ascontiguousarray(du[..., network.recurrent:])).cuda()
    return lambda: (y(rnn(x)[0]) * c).sum().backward()


def jax_rtrl(network, params, x, du, frames):
    """RTRL by a scan over the first frames."""
    import peers

    gradient = peers.jax_rtrl(network, params, lanes=True)
    x, c = x[:frames], np.ascontiguousarray(du[:frames, :, network.recurrent:])
    return lambda: gradient(x, c)


def measured(make, wait, rounds=5):
    """Seconds of the job that make() gives, or None where there is no library or not enough memory for it."""
    try:
        return best(make(), wait, rounds)
    except (ImportError, MemoryError, RuntimeError, GpuError) as e:  # those of PyTorch and JAX are RuntimeErrors
        print(f"{type(e).__name__}: {str(e).splitlines()[0]}", file=sys.stderr)
        return None


def main():
    from numba import cuda

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recurrent", type=int, nargs="+", default=[100, 256, 512, 1024, 2048])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--jax-frames", type=int, default=8)
    parser.add_argument("--cpu-up-to", type=int, default=1024, help="largest R for the CPU: half a minute there")
    args = parser.parse_args()
    try:
        import torch
        torch = torch if torch.cuda.is_available() else None
    except ImportError:
        torch = None
    rate, rng = device_rate(torch) if torch else None, np.random.default_rng(0)
    print("| R | batch | ms a frame | of cuBLAS | two cores / GPU | PyTorch BPTT / GPU | JAX RTRL / GPU |\n"
          "|---|---|---|---|---|---|---|", flush=True)
    for recurrent in args.recurrent:
        network = Network(NOTES, (), recurrent, OUTPUTS)
        params = network.initial(rng)
        cpu = None  # of one song, which is how many at a time two cores do best
        for batch in args.batch:
            x = (rng.random((args.frames, batch, NOTES)) < 0.045).astype(np.float32)
            du = rng.standard_normal((args.frames, batch, recurrent + OUTPUTS)).astype(np.float32)
            taken = measured(lambda: ours(network, params, x, du), cuda.synchronize)  # noqa: B023  called at once
            if taken is None:
                print(f"| {recurrent} | {batch} | - | - | - | - | - |", flush=True)
                continue
            operations = 2 * batch * recurrent**2 * (args.frames * (2 * recurrent + NOTES + 1) + network.influential)
            if cpu is None and recurrent <= args.cpu_up_to:
                cpu = measured(lambda: on_the_cpu(network, params, x, du), int, 1)  # noqa: B023
            peer = torch and measured(lambda: torch_bptt(torch, network, x, du), torch.cuda.synchronize)  # noqa: B023
            scan = measured(lambda: jax_rtrl(network, params, x, du, args.jax_frames), int)  # noqa: B023
            ratios = (cpu and batch * cpu, peer, scan and scan * args.frames / args.jax_frames)
            print(f"| {recurrent} | {batch} | {1000 * taken / args.frames:.4f} | "
                  + (f"{operations / taken / rate:.0%}" if rate else "-") + " | "
                  + " | ".join(f"{other / taken:.2f}" if other else "-" for other in ratios) + " |", flush=True)


if __name__ == "__main__":
    main()
