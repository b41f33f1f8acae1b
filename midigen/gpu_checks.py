"""The gradient checks of midigen.checks for the kernels of the GPU, on two lanes."""

from functools import partial

import numpy as np

from midigen.checks import FRAMES, H, N, PHILOX, R, V, _differences, _error, _rbms, _series
from midigen.kernels.cpu import rbm as on_cpu
from midigen.kernels.cuda import rbm
from midigen.kernels.cuda.memory import upload
from midigen.model.lanes import LaneNetwork

LANES = 2


def _rtrl(block, dtype):
    network, params, xs, expected = _series(dtype)
    lanes, params = LaneNetwork(network), upload(params)
    state, gradient, influence = upload(np.zeros((LANES, R), dtype)), upload(np.zeros(params.size, dtype)), None
    for start in range(0, FRAMES, block):
        x = np.repeat(xs[start:start + block, None], LANES, axis=1)
        done = lanes.forward(params, upload(x), state, np.zeros(x.shape[:2], np.uint8))
        u = done.u.copy_to_host()
        du = np.zeros_like(u)
        du[..., R:] = -np.sin(u[..., R:])
        adjoint = lanes.backward(params, done, upload(du), gradient)
        if influence is not None:
            lanes.influence_gradient(adjoint, influence, gradient)
        influence = lanes.influence(params, done, influence) if start + block < FRAMES else None
    return _error(gradient.copy_to_host() / LANES, expected)


def _free_energy_gradient(dtype):
    flat, split, rng = _rbms(dtype, 2)
    v, sample = ((rng.normal(size=(N, V)) > 0).astype(dtype) for _ in range(2))
    w, a, b = split(flat)
    out = [upload(np.zeros(shape, dtype)) for shape in ((N, V), (N, H), (H, V))]
    rbm.contrast(*(upload(x) for x in (v, sample, w, a, b, np.ones(N, dtype))), *out)
    of_a, of_b, of_w = (array.copy_to_host().ravel() for array in out)

    def difference(x):
        energies = np.empty((2, N))
        for energy, frames in zip(energies, (v, sample), strict=True):
            on_cpu.free_energy(frames.astype(np.float64), *split(x), energy)
        return (energies[0] - energies[1]).sum()

    return _error(np.concatenate([of_w, of_a, of_b]), _differences(difference, flat))


def _philox(dtype):
    row = upload(np.empty(4, np.float32))
    rbm.uniform_row(np.uint64(0), 0, 0, row)
    return np.abs(row.copy_to_host() - np.array([word >> 8 for word in PHILOX]) / 2**24).max()


CHECKS = {  # names and equations of midigen.checks, where it has them
    "RTRL, blocks of 7": ("(11)-(13)", partial(_rtrl, 7)),
    "RTRL, one block": ("(13)", partial(_rtrl, FRAMES)),
    "Bernoulli free energy": ("(17)", _free_energy_gradient),
    "Philox, known answer": ("", _philox),
}
