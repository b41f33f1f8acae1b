"""Every gradient of midigen against finite differences, at small size, on the machine at hand.

A check is a function of a dtype that returns a relative error: the kernels in that dtype against central differences of
values (never of gradients) in float64.  To add one, write it and give it a line in CHECKS.
"""

import multiprocessing
import platform
import signal
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np

from midigen import __version__
from midigen.interrupts import held
from midigen.kernels import devices
from midigen.kernels.cpu import gaussian, rbm
from midigen.model import exact
from midigen.model.mlp import Mlp
from midigen.model.network import Network
from midigen.model.policy import Affine, policy_gradient
from midigen.model.recurrent import RecurrentNetwork

BACKENDS = {"cpu float64": np.float64, "cpu float32": np.float32}
GPU_BACKENDS = {"cuda float64": np.float64, "cuda float32": np.float32}
TOLERANCE = {np.float64: 1e-6, np.float32: 1e-4}
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")
N, FRAMES, X, R, Y, V, H = 3, 20, 3, 4, 2, 5, 4
NAMES = ["tanh", "sigmoid", "softplus", "leaky", "linear"]
PHILOX = (
    0x6627E8D5,
    0xE169C58D,
    0xBC57AC4C,
    0x9B00DBD8,
)  # of key 0 and counters 0, as Random123 publishes it


@dataclass(frozen=True)
class Result:
    """One check on one backend: passed where the relative error is at most the tolerance."""

    check: str
    equation: str
    backend: str
    error: float
    tolerance: float

    @property
    def passed(self):
        """False for NaN too."""
        return bool(self.error <= self.tolerance)


def environment():
    """Versions and devices, {name: text}."""
    gpus = devices.gpu_names()
    return {
        "midigen": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "system": platform.platform(),
        "cpu": devices.cpu_name(),
        "gpu": ", ".join(gpus) or "none that Numba can use",
    }


def run():
    """The Result of every check on every backend, a list.  A process for each backend: compiling takes most time."""
    context = multiprocessing.get_context("spawn")
    backends = [*BACKENDS, *([] if devices.missing() else GPU_BACKENDS)]
    pools = []
    try:
        with held():
            pools.append(
                context.Pool(len(backends), signal.signal, (signal.SIGINT, signal.SIG_IGN))
            )  # for Windows
        return [result for results in pools[0].map(run_backend, backends) for result in results]
    finally:
        with held():
            for pool in pools:
                pool.terminate()


def run_backend(backend):
    """The Result of every check on one backend, a list."""
    dtype, checks = {**BACKENDS, **GPU_BACKENDS}[backend], CHECKS
    if backend in GPU_BACKENDS:
        from midigen.gpu_checks import CHECKS as checks  # needs Numba's CUDA
    with np.errstate(all="ignore"):  # what is not finite fails the check
        return [
            Result(name, equation, backend, float(check(dtype)), TOLERANCE[dtype])
            for name, (equation, check) in checks.items()
        ]


def _error(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


def _differences(f, x, step=1e-6):
    """Central differences of f, a number or an array, at x (n,): their axis is the last."""
    x = x.astype(np.float64)
    return np.stack(
        [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(len(x))], axis=-1
    )


def _random(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)


def _mlp(dtype):
    """A network with every activation in `dtype` and in float64, its parameters and inputs."""
    rng = np.random.default_rng(0)
    tested, wide = (Mlp([X, 5, Y], [NAMES, "linear"], d) for d in (dtype, np.float64))
    return tested, wide, _random(rng, dtype, tested.parameters), _random(rng, dtype, N, X)


def _weight_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    return _error(
        tested.weight_jacobian(params, x), _differences(lambda p: wide.forward(p, x), params)
    )


def _input_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    return _error(
        tested.input_jacobian(params, x)[0],
        _differences(lambda row: wide.forward(params, row[None])[0], x[0]),
    )


def _vector_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    target = np.ones((N, Y), dtype)
    gradient, _ = tested.vector_jacobian(params, x, tested.forward(params, x) - target)
    return _error(
        gradient, _differences(lambda p: 0.5 * ((wide.forward(p, x) - target) ** 2).sum(), params)
    )


def _policy(dtype):
    rng = np.random.default_rng(1)
    maps = {
        name: Affine(_random(rng, dtype, *shape), _random(rng, dtype, shape[0]))
        for name, shape in (
            ("before_policy", (3, X)),
            ("after_policy", (2, Y)),
            ("before_critic", (4, X + 2)),
            ("after_critic", (1, 2)),
        )
    }
    (mu, wide_mu), (q, wide_q) = (
        [Mlp(sizes, ["tanh", "linear"], d) for d in (dtype, np.float64)]
        for sizes in ([3, 5, Y], [4, 5, 2])
    )
    mu_params, q_params, x = (
        _random(rng, dtype, *s) for s in ((mu.parameters,), (q.parameters,), (N, X))
    )
    _, gradient = policy_gradient(mu, mu_params, q, q_params, x, **maps)
    return _error(
        gradient,
        _differences(
            lambda p: policy_gradient(wide_mu, p, wide_q, q_params, x, **maps)[0].sum(), mu_params
        ),
    )


def _series(dtype, frames=FRAMES):
    """A recurrent network in `dtype`, its parameters, inputs, and the differences of sum cos(y) over all frames."""
    rng = np.random.default_rng(2)
    tested, wide = (
        Network(X, (5,), R, Y, d, [NAMES, ["tanh"] * R + ["linear"] * Y])
        for d in (dtype, np.float64)
    )
    params, xs = 0.5 * _random(rng, dtype, tested.parameters), _random(rng, dtype, frames, X)
    return (
        tested,
        params,
        xs,
        _differences(lambda p: np.cos(RecurrentNetwork(wide, p).block(xs)).sum(), params),
    )


def _rtrl(block, dtype, frames=FRAMES, tolerance=0.0):
    network, params, xs, expected = _series(dtype, frames)
    rnn = RecurrentNetwork(network, params, tolerance=tolerance)
    for i in range(0, frames, block):
        rnn.block(xs[i : i + block], lambda t, y: -np.sin(y))
    return _error(rnn.gradient, expected)


def _rank(dtype):
    return _rtrl(80, dtype, 100, {np.float64: 1e-8, np.float32: 1e-6}[dtype])


def _textbook(dtype):
    network, params, xs, expected = _series(dtype)
    block = network.forward(params, xs, np.zeros(R, dtype))
    du, gradient = np.zeros_like(block.u), np.zeros_like(params)
    du[:, R:] = -np.sin(block.u[:, R:])
    network.textbook(params, block, du, None, gradient)
    return _error(gradient, expected)


def _rbms(dtype, count):
    """Flat parameters of N RBMs, W (H, V) and then `count` arrays of biases, and the function that takes them apart."""
    rng = np.random.default_rng(3)
    shapes = [(H, V), (N, V), (N, H), (N, V)][: 1 + count]
    ends = np.cumsum([n * m for n, m in shapes])[:-1]
    flat = 0.7 * _random(rng, dtype, sum(n * m for n, m in shapes))
    return (
        flat,
        lambda x: [part.reshape(s) for part, s in zip(np.split(x, ends), shapes, strict=True)],
        rng,
    )


def _free_energy_gradients(kernels, count, dtype):
    """dF(v) - dF(v') in all parameters, v binary or, with variances, real."""
    flat, split, rng = _rbms(dtype, count)
    v, sample = (_random(rng, dtype, N, V) for _ in range(2))
    if count == 2:
        v, sample = (v > 0).astype(dtype), (sample > 0).astype(dtype)
    w, *biases = split(flat)
    gradient_w, out = np.zeros_like(w), [np.empty_like(b) for b in biases]
    kernels.contrast(v, sample, w, *biases, np.ones(N, dtype), *out, gradient_w)

    def difference(x):
        energies = np.empty((2, N))
        for energy, frames in zip(energies, (v, sample), strict=True):
            kernels.free_energy(frames.astype(np.float64), *split(x), energy)
        return (energies[0] - energies[1]).sum()

    return _error(
        np.concatenate([g.ravel() for g in (gradient_w, *out)]), _differences(difference, flat)
    )


def _log_partition(kernels, count, dtype):
    """The gradient of -log p(v), summed over all states, against log Z and the free energy."""
    flat, split, rng = _rbms(dtype, count)
    v = (_random(rng, dtype, N, V) > 0).astype(dtype)
    w, *biases = split(flat)
    gradient_w, out = np.zeros_like(w), [np.empty_like(b) for b in biases]
    exact.contrast(v, w, biases, out, gradient_w)

    def loss(x):
        energy = np.empty(N)
        kernels.free_energy(v.astype(np.float64), *split(x), energy)
        return energy.sum() + exact.log_partition(*split(x)).sum()

    return _error(np.concatenate([g.ravel() for g in (gradient_w, *out)]), _differences(loss, flat))


def _philox(dtype):
    row = np.empty(4, np.float32)
    rbm.uniform_row(np.uint64(0), 0, 0, row)
    return np.abs(row - np.array([word >> 8 for word in PHILOX]) / 2**24).max()


CHECKS = {  # name -> (equation, check)
    "network, dy/dw": ("(2)-(4)", _weight_jacobian),
    "network, dy/dx": ("(5)", _input_jacobian),
    "network, backpropagation": ("(6)", _vector_jacobian),
    "policy gradient": ("(7)", _policy),
    "RTRL, textbook": ("(9)-(10)", _textbook),
    "RTRL, blocks of 1": ("(11)-(13)", partial(_rtrl, 1)),
    "RTRL, blocks of 7": ("(11)-(13)", partial(_rtrl, 7)),
    "RTRL, one block": ("(13)", partial(_rtrl, FRAMES)),
    "RTRL, rank followed": ("(12a)", _rank),
    "Bernoulli free energy": ("(17)", partial(_free_energy_gradients, rbm, 2)),
    "Bernoulli -log p, exact": ("(15)", partial(_log_partition, rbm, 2)),
    "Gaussian free energy": ("(21)", partial(_free_energy_gradients, gaussian, 3)),
    "Gaussian -log p, exact": ("(15)", partial(_log_partition, gaussian, 3)),
    "Philox, known answer": ("", _philox),
}
