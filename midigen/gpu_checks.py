"""The gradient checks of midigen.checks for the kernels of the GPU; those of blocks on two lanes."""

from functools import partial

import numpy as np

from midigen.checks import (
    FRAMES,
    PHILOX,
    H,
    N,
    R,
    V,
    X,
    Y,
    _differences,
    _error,
    _mlp,
    _rbms,
    _series,
)
from midigen.kernels.cpu import gaussian as gaussian_on_cpu
from midigen.kernels.cpu import rbm as rbm_on_cpu
from midigen.kernels.cuda import gaussian, jacobian, rbm, textbook
from midigen.kernels.cuda.memory import upload
from midigen.model.lanes import LaneNetwork

LANES, RANK = 2, {np.float64: 1e-8, np.float32: 1e-6}


def _zeros(dtype, *shape):
    return upload(np.zeros(shape, dtype))


def _forward(tested, params, x):
    """What the Jacobian kernels take: the network, what its layers were given, and its outputs (N, Y)."""
    network = tested.sizes, upload(tested.codes), upload(params)
    inputs, y = upload(tested.empty_inputs(N)), _zeros(x.dtype, N, Y)
    jacobian.forward_batch(*network, upload(x), inputs, y)
    return *network, inputs, y


def _weight_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    out = _zeros(dtype, N, Y, params.size)
    jacobian.weight_jacobians(*_forward(tested, params, x), out)
    return _error(out.copy_to_host(), _differences(lambda p: wide.forward(p, x), params))


def _input_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    out = _zeros(dtype, N, Y, X)
    jacobian.input_jacobians(*_forward(tested, params, x), out)
    return _error(
        out.copy_to_host()[0], _differences(lambda row: wide.forward(params, row[None])[0], x[0])
    )


def _vector_jacobian(dtype):
    tested, wide, params, x = _mlp(dtype)
    target, gradient = np.ones((N, Y), dtype), _zeros(dtype, params.size)
    run = _forward(tested, params, x)
    jacobian.vector_jacobian(
        *run, upload(run[-1].copy_to_host() - target), gradient, _zeros(dtype, N, X)
    )
    return _error(
        gradient.copy_to_host(),
        _differences(lambda p: 0.5 * ((wide.forward(p, x) - target) ** 2).sum(), params),
    )


def _textbook(dtype):
    network, params, xs, expected = _series(dtype)
    lanes, on_device, gradient = LaneNetwork(network), upload(params), _zeros(dtype, params.size)
    block = lanes.forward(
        on_device, upload(xs[:, None]), _zeros(dtype, 1, R), np.zeros((FRAMES, 1), np.uint8)
    )
    u = block.u.copy_to_host()[:, 0]
    du = np.concatenate([np.zeros((FRAMES, R), dtype), -np.sin(u[:, R:])], axis=1)
    textbook.textbook_block(
        network.sizes,
        upload(network.codes),
        on_device,
        R,
        block.inputs,
        upload(u),
        block.starts[:, 0],
        upload(du),
        _zeros(dtype, R + Y, params.size),
        gradient,
    )
    return _error(gradient.copy_to_host(), expected)


def _rtrl(block, dtype, frames=FRAMES, tolerance=0.0):
    network, params, xs, expected = _series(dtype, frames)
    lanes, params = LaneNetwork(network), upload(params)
    state, gradient, influence = _zeros(dtype, LANES, R), _zeros(dtype, params.size), None
    for start in range(0, frames, block):
        x = np.repeat(xs[start : start + block, None], LANES, axis=1)
        done = lanes.forward(params, upload(x), state, np.zeros(x.shape[:2], np.uint8))
        u = done.u.copy_to_host()
        du = np.zeros_like(u)
        du[..., R:] = -np.sin(u[..., R:])
        adjoint = lanes.backward(params, done, upload(du), gradient)
        if influence is not None:
            lanes.influence_gradient(adjoint, influence, gradient)
        influence = (
            lanes.influence(params, done, influence, tolerance) if start + block < frames else None
        )
    return _error(gradient.copy_to_host() / LANES, expected)


def _rank(dtype):
    return _rtrl(30, dtype, 40, RANK[dtype])


def _free_energy_gradients(kernels, on_cpu, count, dtype):
    flat, split, rng = _rbms(dtype, count)
    v, sample = (rng.normal(size=(N, V)) for _ in range(2))
    if count == 2:
        v, sample = v > 0, sample > 0
    v, sample, (w, *biases) = v.astype(dtype), sample.astype(dtype), split(flat)
    out = [_zeros(dtype, *bias.shape) for bias in biases] + [_zeros(dtype, H, V)]
    kernels.contrast(*(upload(x) for x in (v, sample, w, *biases, np.ones(N, dtype))), *out)
    *of_biases, of_w = (array.copy_to_host().ravel() for array in out)

    def difference(x):
        energies = np.empty((2, N))
        for energy, frames in zip(energies, (v, sample), strict=True):
            on_cpu.free_energy(frames.astype(np.float64), *split(x), energy)
        return (energies[0] - energies[1]).sum()

    return _error(np.concatenate([of_w, *of_biases]), _differences(difference, flat))


def _philox(dtype):
    row = upload(np.empty(4, np.float32))
    rbm.uniform_row(np.uint64(0), 0, 0, row)
    return np.abs(row.copy_to_host() - np.array([word >> 8 for word in PHILOX]) / 2**24).max()


CHECKS = {  # those of midigen.checks that have kernels here
    "network, dy/dw": ("(2)-(4)", _weight_jacobian),
    "network, dy/dx": ("(5)", _input_jacobian),
    "network, backpropagation": ("(6)", _vector_jacobian),
    "RTRL, textbook": ("(9)-(10)", _textbook),
    "RTRL, blocks of 7": ("(11)-(13)", partial(_rtrl, 7)),
    "RTRL, one block": ("(13)", partial(_rtrl, FRAMES)),
    "RTRL, rank followed": ("(12a)", _rank),
    "Bernoulli free energy": ("(17)", partial(_free_energy_gradients, rbm, rbm_on_cpu, 2)),
    "Gaussian free energy": ("(21)", partial(_free_energy_gradients, gaussian, gaussian_on_cpu, 3)),
    "Philox, known answer": ("", _philox),
}
