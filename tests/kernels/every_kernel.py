"""A call of every launcher of midigen.kernels.cuda, at a small size."""

import numpy as np

from midigen.kernels.cuda import ais, gaussian, jacobian, optimizer, rbm, rolls
from midigen.kernels.cuda.blas import gemm, matrix
from midigen.kernels.cuda.jit import TILE, Tile

N, V, H, X, R = 6, 5, 4, 3, 4


def call_all(real):
    """Call each with arrays of a float type; nothing is looked at."""
    _rbm(real)
    _network(real)
    _jacobians(real)
    _steps(real)
    gemm(True, True, 1, np.zeros((1024, 2), real), np.zeros((3, 1024), real), 0, np.zeros((2, 3), real))


def _rbm(real):
    w, a, b, v, p = (np.zeros(shape, real) for shape in ((H, V), (N, V), (N, H), (N, V), (N, H)))
    key, weight = np.uint64(1), np.ones(N, real)
    rbm.uniform_row(key, 0, 0, np.zeros(4, np.float32))
    rbm.corrupt(key, 0.1, 0.1, v)
    for tile in (TILE, Tile(blocks=1)):  # with one row and with several in a thread
        rbm.gibbs_chain(v, w, a, b, 1, 1.0, key, 0, 0, a, tile)
        gaussian.gibbs_chain(v, w, a, b, a, 1, 1.0, key, 0, 0, v, tile)
        ais.anneal(w, a, a, b, 0, 2, 2, key, 0, v, np.zeros(N), tile)
    rbm.hidden_probability(v, w, b, p)
    rbm.free_energy(v, w, a, b, np.zeros(N))
    rbm.contrast(v, a, w, a, b, weight, np.zeros_like(a), np.zeros_like(b), np.zeros_like(w))


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


def _jacobians(real):
    sizes, codes, params = np.array([X, H, 2]), np.zeros(H + 2, np.int8), np.zeros(H * (X + 1) + 2 * (H + 1), real)
    x, inputs, y, d = (np.zeros(shape, real) for shape in ((N, X), N * (X + H + 2), (N, 2), 2 * (H + 2)))
    network = sizes, codes, params
    jacobian.forward_batch(*network, x, inputs, y)
    jacobian.local_gradients(*network, inputs, y, 1, d)
    jacobian.weight_jacobian(sizes, inputs, d, N, 1, np.zeros((2, params.size), real))
    jacobian.input_jacobian(sizes, params, d, np.zeros((2, X), real))
    jacobian.weight_jacobians(*network, inputs, y, np.zeros((N, 2, params.size), real))
    jacobian.input_jacobians(*network, inputs, y, np.zeros((N, 2, X), real))
    jacobian.vector_jacobian(*network, inputs, y, y, np.zeros_like(params), x)


def _steps(real):
    w, a, b = np.zeros((H, V), real), np.zeros((N, V), real), np.zeros((N, H), real)
    x, y, z, decay = np.zeros((4, 20), real)
    optimizer.adam_step(x, y, z, decay, 0.1, 0.9, 0.999, 1, 1e-8)
    optimizer.momentum_step(x, y, z, 0.1, 0.9)
    optimizer.shorten_and_decay(x, y, 1, decay)
    optimizer.average_step(x, y, 0.9)
    optimizer.squared_norm(x)
    parts = matrix(w.ravel(), 0, H, V), matrix(a.ravel(), 0, 1, V), matrix(b.ravel(), 0, 1, H)
    optimizer.centre_shift(*parts, np.zeros(V, real), 0.5, 1)
    optimizer.centre_gradient(*parts, np.zeros(V, real), 0.5)
    ais.draw_base(a, np.uint64(1), 0, a)
    packed, place = np.zeros((N, 1), np.uint8), np.zeros(N, np.int64)
    rolls.unpack(packed, place, V, a)
    rolls.pack(a, place, V, packed)
    rolls.weigh(place, 1, np.zeros(N, real))
