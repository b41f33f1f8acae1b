"""Every gradient of midigen against finite differences, at small size, on the machine at hand.

A check is a function of a backend and a dtype that returns a relative error: the kernels in that
dtype against central differences of values (never of gradients) in float64 on the CPU.  To add one,
write it and give it a line in CHECKS.
"""

from __future__ import annotations

import multiprocessing
import platform
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing.queues import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen import __version__
from midigen.backends.choose import available, backend_of, gpu_names
from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Array, Backend
from midigen.interrupts import held
from midigen.kernels import devices
from midigen.model import exact
from midigen.model.influence import Influence, advance_influence, influence_gradient
from midigen.model.mlp import Mlp
from midigen.model.network import Network
from midigen.model.policy import Affine, policy_gradient
from midigen.model.recurrent import RecurrentNetwork
from midigen.progress import Stages, unseen

Floats = NDArray[Any]
Dtype = type[np.float64] | type[np.float32]

DTYPES: dict[str, Dtype] = {"float64": np.float64, "float32": np.float32}
TOLERANCE = {np.float64: 1e-6, np.float32: 1e-4}
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")
N, FRAMES, X, R, Y, V, H = 3, 20, 3, 4, 2, 5, 4
NAMES = ["tanh", "sigmoid", "softplus", "leaky", "linear"]
BIASES = {"bernoulli": 2, "gaussian": 3}
GROUPS = np.array([(0, 3)])  # of V notes
DRAWS = 20
SECONDS = 0.1  # between looks at how far the processes are
# of key 0 and counters 0, as Random123 publishes it
PHILOX = (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)

Check = Callable[[Backend, Dtype], float]


@dataclass(frozen=True)
class Result:
    """One check on one backend: passed where the relative error is at most the tolerance."""

    check: str
    equation: str
    backend: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; False for NaN too."""
        return bool(self.error <= self.tolerance)


def environment() -> dict[str, str]:
    """Return versions and devices, {name: text}."""
    return {
        "midigen": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "system": platform.platform(),
        "cpu": devices.cpu_name(),
        "gpu": ", ".join(gpu_names()) or "none that Numba can use",
    }


def backends() -> list[str]:
    """Name the backends that work here, in every precision: "cpu float64", ..."""
    return [f"{device} {dtype}" for device in available() for dtype in DTYPES]


def checks_of(backend: str) -> list[str]:
    """Name the checks of one of `backends`."""
    return [check for check in CHECKS if backend.startswith("cpu") or check not in ON_THE_HOST]


def run(progress: Stages = unseen) -> list[Result]:
    """Run every check on every backend, each in a process: compiling takes most time."""
    context = multiprocessing.get_context("spawn")
    names = backends()
    pools: list[Any] = []
    with progress("checking", sum(len(checks_of(name)) for name in names)) as advance:
        try:
            with held():
                done = context.SimpleQueue()
                pools.append(context.Pool(len(names), _begin, (done,)))
            results = pools[0].map_async(run_backend, names)
            while not results.ready():
                results.wait(SECONDS)
                while not done.empty():
                    done.get()
                    advance(1)
            return [result for found in results.get() for result in found]
        finally:
            with held():
                for pool in pools:
                    pool.terminate()


_done: SimpleQueue[str] | None = None  # in a process of `run`: gets the name of every check done


def _begin(done: SimpleQueue[str]) -> None:
    """Make a process ready: the terminal's Ctrl-C is for the one that started it (on Windows)."""
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_backend(name: str) -> list[Result]:
    """Run every check on one of `backends`, in this process."""
    device, precision = name.split()
    backend, dtype = backend_of(device), DTYPES[precision]
    results = []
    with np.errstate(all="ignore"):  # what is not finite fails the check
        for check in checks_of(name):
            equation, function = CHECKS[check]
            error = float(function(backend, dtype))
            results.append(Result(check, equation, name, error, TOLERANCE[dtype]))
            if _done is not None:
                _done.put(check)
    return results


def _error(got: Floats, expected: Floats) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def _differences(f: Callable[[Floats], Any], x: Floats, step: float = 1e-6) -> Floats:
    """Return central differences of f, a number or an array, at x (n,): their axis is the last."""
    x = x.astype(np.float64)
    directions = np.eye(len(x))
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in directions]
    return np.stack(columns, axis=-1)


def _random(rng: np.random.Generator, dtype: Dtype, *shape: int) -> Floats:
    return rng.normal(size=shape).astype(dtype)


def _mlp(backend: Backend, dtype: Dtype) -> tuple[Mlp, Mlp, Floats, Floats]:
    """Make a network with every activation, here and in float64, its parameters and inputs."""
    rng = np.random.default_rng(0)
    sizes, activations = [X, 5, Y], [NAMES, "linear"]
    tested, wide = Mlp(sizes, activations, dtype, backend), Mlp(sizes, activations)
    return tested, wide, _random(rng, dtype, tested.parameters), _random(rng, dtype, N, X)


def _weight_jacobian(backend: Backend, dtype: Dtype) -> float:
    tested, wide, params, x = _mlp(backend, dtype)
    numeric = _differences(lambda p: wide.forward(p, x), params)
    return _error(tested.weight_jacobian(params, x), numeric)


def _input_jacobian(backend: Backend, dtype: Dtype) -> float:
    tested, wide, params, x = _mlp(backend, dtype)
    numeric = _differences(lambda row: wide.forward(params, row[None])[0], x[0])
    return _error(tested.input_jacobian(params, x)[0], numeric)


def _vector_jacobian(backend: Backend, dtype: Dtype) -> float:
    tested, wide, params, x = _mlp(backend, dtype)
    target = np.ones((N, Y), dtype)

    def loss(p: Floats) -> Any:
        return 0.5 * ((wide.forward(p, x) - target) ** 2).sum()

    gradient, _ = tested.vector_jacobian(params, x, tested.forward(params, x) - target)
    return _error(gradient, _differences(loss, params))


def _policy(backend: Backend, dtype: Dtype) -> float:
    rng = np.random.default_rng(1)
    shapes = {
        "before_policy": (3, X),
        "after_policy": (2, Y),
        "before_critic": (4, X + 2),
        "after_critic": (1, 2),
    }
    maps = {
        name: Affine(_random(rng, dtype, *shape), _random(rng, dtype, shape[0]))
        for name, shape in shapes.items()
    }
    activations = ["tanh", "linear"]
    mu, q = (Mlp(sizes, activations, dtype, backend) for sizes in ([3, 5, Y], [4, 5, 2]))
    wide_mu, wide_q = (Mlp(sizes, activations) for sizes in ([3, 5, Y], [4, 5, 2]))
    mu_params, q_params = (_random(rng, dtype, net.parameters) for net in (mu, q))
    x = _random(rng, dtype, N, X)

    def value(p: Floats) -> Any:
        return policy_gradient(wide_mu, p, wide_q, q_params, x, **maps)[0].sum()

    _, gradient = policy_gradient(mu, mu_params, q, q_params, x, **maps)
    return _error(gradient, _differences(value, mu_params))


def _series(dtype: Dtype, frames: int = FRAMES) -> tuple[Network, Floats, Floats, Floats]:
    """Make a recurrent network, its parameters, inputs, and the differences of sum cos(y)."""
    rng = np.random.default_rng(2)
    activations = [NAMES, ["tanh"] * R + ["linear"] * Y]
    tested, wide = (Network(X, (5,), R, Y, d, activations) for d in (dtype, np.float64))
    params, xs = 0.5 * _random(rng, dtype, tested.parameters), _random(rng, dtype, frames, X)

    def loss(p: Floats) -> Any:
        return np.cos(RecurrentNetwork(wide, p).block(xs)).sum()

    return tested, params, xs, _differences(loss, params)


def _rtrl(
    block: int,
    backend: Backend,
    dtype: Dtype,
    frames: int = FRAMES,
    tolerance: float = 0.0,
) -> float:
    """Take two equal series side by side where the backend does, in blocks."""
    network, params, xs, expected = _series(dtype, frames)
    series = 2 if backend.series_alone else 1
    weights, state = backend.to_device(params), backend.zeros((series, R), dtype)
    gradient = backend.zeros(params.shape, dtype)
    influence: Influence | None = None
    for start in range(0, frames, block):
        x = np.repeat(xs[start : start + block, None], series, axis=1)
        starts = np.zeros(x.shape[:2], np.uint8)
        done = backend.forward(network, weights, backend.to_device(x), starts, state)
        du = backend.to_device(_loss_gradient(backend.to_host(done.u)))
        adjoint = backend.backward(network, weights, done, du, gradient)
        if influence is not None:
            influence_gradient(backend, network, adjoint, influence, gradient)
        influence = advance_influence(backend, network, weights, done, influence, tolerance)
    return _error(backend.to_host(gradient) / series, expected)


def _loss_gradient(u: Floats) -> Floats:
    """Return the gradient of sum cos(y) in u = [r; y]."""
    du = np.zeros_like(u)
    du[..., R:] = -np.sin(u[..., R:])
    return du


def _rank(backend: Backend, dtype: Dtype) -> float:
    tolerance = {np.float64: 1e-8, np.float32: 1e-6}[dtype]
    return _rtrl(80, backend, dtype, 100, tolerance)


def _textbook(backend: Backend, dtype: Dtype) -> float:
    network, params, xs, expected = _series(dtype)
    weights, gradient = backend.to_device(params), backend.zeros(params.shape, dtype)
    state, starts = backend.zeros((1, R), dtype), np.zeros((FRAMES, 1), np.uint8)
    block = backend.forward(network, weights, backend.to_device(xs[:, None]), starts, state)
    du = backend.to_device(_loss_gradient(backend.to_host(block.u)))
    backend.textbook(network, weights, block, du, None, gradient)
    return _error(backend.to_host(gradient), expected)


def _rbms(
    dtype: Dtype, kind: str
) -> tuple[Floats, Callable[[Floats], list[Floats]], np.random.Generator]:
    """Make flat parameters of N RBMs, W (H, V) and biases, and what takes them apart."""
    rng = np.random.default_rng(3)
    shapes = [(H, V), (N, V), (N, H), (N, V)][: 1 + BIASES[kind]]
    ends = np.cumsum([n * m for n, m in shapes])[:-1]
    flat = 0.7 * _random(rng, dtype, sum(n * m for n, m in shapes))

    def split(x: Floats) -> list[Floats]:
        return [part.reshape(s) for part, s in zip(np.split(x, ends), shapes, strict=True)]

    return flat, split, rng


def _free_energy(kind: str, v: Floats, parts: list[Floats]) -> Floats:
    """Return F(v) in float64, by the CPU."""
    energy = np.empty(N)
    cpu_backend().rbm[kind].free_energy(v.astype(np.float64), *parts, energy)
    return energy


def _free_energy_gradients(kind: str, backend: Backend, dtype: Dtype) -> float:
    """Check dF(v) - dF(v') in all parameters, v binary or, with variances, real."""
    flat, split, rng = _rbms(dtype, kind)
    v, sample = (_random(rng, dtype, N, V) for _ in range(2))
    if kind == "bernoulli":
        v, sample = (v > 0).astype(dtype), (sample > 0).astype(dtype)
    w, *biases = split(flat)
    outs: list[Array] = [backend.zeros(part.shape, dtype) for part in (*biases, w)]
    arguments = [backend.to_device(part) for part in (v, sample, w, *biases, np.ones(N, dtype))]
    backend.rbm[kind].contrast(*arguments, *outs)
    *of_biases, of_w = (backend.to_host(out).ravel() for out in outs)

    def difference(x: Floats) -> Any:
        return (_free_energy(kind, v, split(x)) - _free_energy(kind, sample, split(x))).sum()

    return _error(np.concatenate([of_w, *of_biases]), _differences(difference, flat))


def _log_partition(
    kind: str, backend: Backend, dtype: Dtype, groups: NDArray[np.int64] = exact.NO_GROUPS
) -> float:
    """Check the gradient of -log p(v), summed over all states, against log Z and F."""
    flat, split, rng = _rbms(dtype, kind)
    v = (_random(rng, dtype, N, V) > 0).astype(dtype)
    for first, stop in groups:  # of which one note is on
        v[:, first + 1 : stop] = 0
    w, *biases = split(flat)
    gradient_w, outs = np.zeros_like(w), [np.empty_like(b) for b in biases]
    exact.contrast(v, w, biases, outs, gradient_w, groups)

    def loss(x: Floats) -> Any:
        w, *biases = split(x)
        log_z = exact.log_partition(w, *biases, groups=groups)
        return _free_energy(kind, v, split(x)).sum() + log_z.sum()

    return _error(
        np.concatenate([g.ravel() for g in (gradient_w, *outs)]), _differences(loss, flat)
    )


def _groups(backend: Backend, dtype: Dtype) -> float:
    """Check p(v_i = 1 | h) as the derivative of the log of the sum over the states of v."""
    flat, split, _ = _rbms(dtype, "bernoulli")
    w, a, h = split(flat)
    out, there = backend.zeros((N, V), dtype), backend.to_device
    kernels = backend.rbm["bernoulli"]
    kernels.visible_probability(there(h), there(w), there(a), there(GROUPS), out)

    def log_sum(x: Floats) -> Any:
        field = h.astype(np.float64) @ w + x.reshape(N, V)
        return exact.log_sum_on(field, GROUPS).sum()

    return _error(backend.to_host(out).ravel(), _differences(log_sum, a.ravel()))


def _group_draws(backend: Backend, dtype: Dtype) -> float:
    """Check draws of a group, W being 0, against shares of the uniform number that makes each."""
    rng, kernels, (first, stop) = np.random.default_rng(5), backend.rbm["bernoulli"], GROUPS[0]
    a, key = _random(rng, dtype, DRAWS, V), np.uint64(6)
    out, uniforms = backend.zeros(a.shape, dtype), backend.to_device(np.empty(8, np.float32))
    v, w, b = (backend.zeros(shape, dtype) for shape in ((DRAWS, V), (H, V), (DRAWS, H)))
    keys, rows = backend.per_series([key], np.uint64), backend.per_series([0], np.int64)
    groups, fields = backend.to_device(GROUPS), backend.to_device(a)
    kernels.gibbs_chain(v, w, fields, b, groups, 1, 1.0, keys, 0, rows, out)
    expected = np.zeros((DRAWS, stop - first))
    for n in range(DRAWS):
        kernels.uniform_row(key, 1, n, uniforms)
        shares = np.exp(np.append(0, a[n, first:stop].astype(np.float64)))
        x = backend.to_host(uniforms)[first] * shares.sum()
        chosen = int(np.searchsorted(shares.cumsum(), x, side="right"))
        if chosen:  # else none
            expected[n, chosen - 1] = 1
    return _error(backend.to_host(out)[:, first:stop], expected)


def _gates(backend: Backend, dtype: Dtype) -> float:
    """Check dE/dg of E = sum cos(a'), a' being the biases behind gates of 2 sources and a line."""
    rng, gates = np.random.default_rng(4), 6
    tables = (
        np.arange(V) // 3,  # the parts of the notes
        np.array([(0, 1), (2, -1)]),
        np.array([(0, 4)]),
        np.array([3]),
        np.array([-1, 0, 2]),  # intervals
        np.array([[0, 2, -1]]),  # last pitches
    )
    g, a, rows = (_random(rng, dtype, *shape) for shape in ((N, gates), (N, V), (2, N, V)))

    def opened(backend: Backend, x: Floats, dtype: Dtype) -> Floats:
        biases = backend.to_device(a, dtype)
        known = [backend.to_device(rows, dtype), *(backend.to_device(table) for table in tables)]
        backend.gates.open_gates(backend.to_device(x.reshape(N, gates), dtype), *known, biases)
        return backend.to_host(biases)

    out = backend.zeros((N, gates), dtype)
    da = backend.to_device(-np.sin(opened(backend, g, dtype)))
    known = [backend.to_device(rows), *(backend.to_device(table) for table in tables)]
    backend.gates.gate_gradient(da, *known, out)

    def loss(x: Floats) -> Any:
        return np.cos(opened(cpu_backend(), x, np.float64)).sum()

    return _error(backend.to_host(out).ravel(), _differences(loss, g.ravel()))


def _philox(backend: Backend, dtype: Dtype) -> float:
    row = backend.to_device(np.empty(4, np.float32))
    backend.rbm["bernoulli"].uniform_row(np.uint64(0), 0, 0, row)
    expected = np.array([word >> 8 for word in PHILOX]) / 2**24
    return float(np.abs(backend.to_host(row) - expected).max())


CHECKS: dict[str, tuple[str, Check]] = {  # name -> (equation, check)
    "network, dy/dw": ("(2)-(4)", _weight_jacobian),
    "network, dy/dx": ("(5)", _input_jacobian),
    "network, backpropagation": ("(6)", _vector_jacobian),
    "policy gradient": ("(7)", _policy),
    "RTRL, textbook": ("(9)-(10)", _textbook),
    "RTRL, blocks of 1": ("(11)-(13)", partial(_rtrl, 1)),
    "RTRL, blocks of 7": ("(11)-(13)", partial(_rtrl, 7)),
    "RTRL, one block": ("(13)", partial(_rtrl, FRAMES)),
    "RTRL, rank followed": ("(12a)", _rank),
    "Bernoulli free energy": ("(17)", partial(_free_energy_gradients, "bernoulli")),
    "Bernoulli -log p, exact": ("(15)", partial(_log_partition, "bernoulli")),
    "Bernoulli -log p, groups": (
        "(15), (29)",
        partial(_log_partition, "bernoulli", groups=GROUPS),
    ),
    "groups, p(v|h)": ("(29)", _groups),
    "groups, draws": ("(29)", _group_draws),
    "copy gates": ("(27)-(28)", _gates),
    "Gaussian free energy": ("(21)", partial(_free_energy_gradients, "gaussian")),
    "Gaussian -log p, exact": ("(15)", partial(_log_partition, "gaussian")),
    "Philox, known answer": ("", _philox),
}
ON_THE_HOST = (  # whatever the backend
    "Bernoulli -log p, exact",
    "Bernoulli -log p, groups",
    "Gaussian -log p, exact",
)
