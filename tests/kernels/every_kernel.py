"""A call of every launcher of midigen.kernels.cuda, at a small size."""

import numpy as np

from midigen.kernels.cuda import network, rbm, rtrl
from midigen.kernels.cuda.blas import as_matrix

N, V, H, X, R = 6, 5, 4, 3, 4


def call_all(real):
    """Call each with arrays of a float type; nothing is looked at."""
    _rbm(real)
    _network(real)


def _rbm(real):
    w, a, b, v, p = (np.zeros(shape, real) for shape in ((H, V), (N, V), (N, H), (N, V), (N, H)))
    key, weight = np.uint64(1), np.ones(N, real)
    rbm.uniform_row(key, 0, 0, np.zeros(4, np.float32))
    rbm.corrupt(key, 0.1, 0.1, v)
    rbm.gibbs_chain(v, w, a, b, 1, 1.0, key, 0, 0, a)
    rbm.hidden_probability(v, w, b, p)
    rbm.free_energy(v, w, a, b, np.zeros(N))
    rbm.contrast(v, a, w, as_matrix(a), b, weight, np.zeros_like(a), np.zeros_like(b), np.zeros_like(w))


def _network(real):
    from midigen.model.lanes import LaneNetwork
    from midigen.model.network import Network

    lanes = LaneNetwork(Network(X, (3, 6), R, 2, real))
    params, starts = np.zeros(lanes.network.parameters, real), np.zeros((3, 2), np.uint8)
    block = lanes.forward(params, np.zeros((3, 2, X), real), np.zeros((2, R), real), starts)
    adjoint = lanes.backward(params, block, np.zeros_like(block.u), params)
    influence = lanes.influence(params, block, None)
    lanes.influence(params, block, influence)
    lanes.influence_gradient(adjoint, influence, params)
