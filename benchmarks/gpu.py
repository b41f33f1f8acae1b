"""RTRL on the GPU: ms a frame, and the share of the device's own float32 product.

    python benchmarks/gpu.py

V = 88, H = 150, no hidden layer, float32.  A frame is the forward pass, backpropagation and, at the block's end, J
carried on.  The device's rate is cuBLAS's, through PyTorch, in the same run, TF32 off; the operations are those
of J, Eq. (11)-(12).  Beside it: the CPU kernels, and PyTorch's backpropagation of the same network on the same GPU.
Needs a GPU, midigen[cuda] and, for the comparisons, torch.  A Markdown table on stdout; - is what was not measured.
"""

import argparse
import time

import midigen.kernels  # noqa: F401  ahead of NumPy's BLAS threads
import numpy as np

from midigen.model.network import Network

NOTES, OUTPUTS, SQUARE = 88, 238, 8192


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
    """The same job of one lane on the CPU, strictly exact as well."""
    x, du = np.ascontiguousarray(x[:, 0]), np.ascontiguousarray(du[:, 0])
    state, gradient = np.zeros(network.recurrent, np.float32), np.zeros_like(params)
    old = network.influence(params, network.forward(params, x, state), None)

    def job():
        block = network.forward(params, x, state)
        network.influence_gradient(network.backward(params, block, du, gradient), old, gradient)
        network.influence(params, block, old)

    return job


def torch_bptt(torch, network, x, du):
    """PyTorch's nn.RNN, the rows of y behind it, and its backpropagation."""
    rnn = torch.nn.RNN(NOTES, network.recurrent).cuda()
    y, x = torch.nn.Linear(network.recurrent, OUTPUTS).cuda(), torch.from_numpy(x).cuda()
    c = torch.from_numpy(np.ascontiguousarray(du[..., network.recurrent:])).cuda()
    return lambda: (y(rnn(x)[0]) * c).sum().backward()


def main():
    from numba import cuda

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recurrent", type=int, nargs="+", default=[100, 256, 512, 1024, 2048])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--frames", type=int, default=256)
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        torch = None
    rate, rng = device_rate(torch) if torch else None, np.random.default_rng(0)
    print("| R | batch | ms a frame | of cuBLAS | CPU / GPU | PyTorch BPTT / GPU |\n|---|---|---|---|---|---|")
    for recurrent in args.recurrent:
        network = Network(NOTES, (), recurrent, OUTPUTS)
        params = network.initial(rng)
        for batch in args.batch:
            x = (rng.random((args.frames, batch, NOTES)) < 0.045).astype(np.float32)
            du = rng.standard_normal((args.frames, batch, recurrent + OUTPUTS)).astype(np.float32)
            try:
                taken = best(ours(network, params, x, du), cuda.synchronize)
            except cuda.cudadrv.driver.CudaAPIError as e:
                print(f"| {recurrent} | {batch} | {e} | - | - | - |")
                continue
            operations = 2 * batch * recurrent**2 * (args.frames * (2 * recurrent + NOTES + 1) + network.influential)
            share = f"{operations / taken / rate:.0%}" if rate else "-"
            cpu = batch * best(on_the_cpu(network, params, x, du), int, 1) / taken if recurrent <= 512 else None
            peer = best(torch_bptt(torch, network, x, du), torch.cuda.synchronize) / taken if torch else None
            ratios = " | ".join("-" if ratio is None else f"{ratio:.2f}" for ratio in (cpu, peer))
            print(f"| {recurrent} | {batch} | {1000 * taken / args.frames:.4f} | {share} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
