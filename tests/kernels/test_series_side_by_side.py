"""The network and RTRL on the GPU, series by series against the CPU."""

import numpy as np
import pytest

from midigen.backends.cpu import cpu_backend
from midigen.model.network import Network
from tests.kernels.blocks import adjoint_times_j, error, lively, run_in_blocks

X, R, Y = 3, 4, 3
HIDDEN = [(), (6,), (3,), (6, 2, 5)]
TOLERANCE = {np.float64: 1e-11, np.float32: 2e-5}


@pytest.mark.cuda
@pytest.mark.parametrize(
    "hidden, dtype, series, tolerance, products, grid",
    [
        *((hidden, np.float64, 2, 0.0, False, False) for hidden in HIDDEN),
        ((3,), np.float32, 1, 0.0, False, False),
        *(
            (hidden, np.float64, 2, tolerance, True, False)
            for hidden in HIDDEN[::3]
            for tolerance in (0.0, 1e-12)
        ),
        ((3,), np.float64, 2, 1e-12, False, True),
        ((), np.float64, 3, 0.0, False, True),
        ((6, 2, 5), np.float32, 9, 0.0, False, True),
    ],
)
def test_series_side_by_side_are_those_of_the_cpu(
    monkeypatch, hidden, dtype, series, tolerance, products, grid
):
    """Weights move between blocks, and one series begins in mid-block.

    J is whole or in parts; both ways of walking over time and of taking rows back are taken.
    """
    from midigen.backends.choose import backend_of
    from midigen.kernels.cuda import network as walks
    from midigen.kernels.cuda import rtrl
    from midigen.model import influence as module

    monkeypatch.setattr(walks, "CACHE", 0 if grid else 1 << 19)
    monkeypatch.setattr(rtrl, "_worth_products", lambda *_: products)
    monkeypatch.setattr(rtrl, "WIDE", 1 if products else 1000)
    monkeypatch.setattr(module, "FIRST_SEARCH", 1)
    rng, gpu, cpu = np.random.default_rng(0), backend_of("cuda"), cpu_backend()
    ends = [0, 1, 8, 15] if tolerance else [0, 1, 5, 8]
    network = Network(X, hidden, R, Y, dtype)
    params = lively(network, rng)
    xs, du = (rng.standard_normal((ends[-1], series, n)).astype(dtype) for n in (X, R + Y))
    adjoints = rng.standard_normal((series, R)).astype(dtype)
    if tolerance:  # a network that soon forgets
        network.layers(params)[0][:, X : X + R] *= 0.01
    starts = np.zeros((ends[-1], series), np.uint8)
    starts[3, -1] = 1
    weights = [params * dtype(1 - 0.1 * i) for i in range(3)]

    def run(backend, some, tolerance):
        def loss(first, u):
            return du[first : first + len(u), some]

        arguments = weights, xs[:, some], ends, loss, starts[:, some], tolerance
        return run_in_blocks(backend, network, *arguments)

    us, gradient, influence = run(gpu, slice(None), tolerance)
    whole = np.zeros_like(gradient)
    for i in range(series):
        one = slice(i, i + 1)
        u, own, alone = run(cpu, one, 0.0)
        whole += own
        lone = np.where(np.arange(series)[:, None] == i, adjoints, 0)
        last = adjoint_times_j(gpu, network, lone, influence)
        expected = adjoint_times_j(cpu, network, adjoints[one], alone)
        assert error(us[:, one], u) < TOLERANCE[dtype]
        assert error(last, expected) < TOLERANCE[dtype]
    assert error(gradient, whole) < TOLERANCE[dtype]
