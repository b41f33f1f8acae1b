"""A call of every launcher of midigen.kernels.cuda, at a small size, and of what uses them."""

from dataclasses import replace

import numpy as np

from midigen.backends.choose import backend_of
from midigen.backends.interface import PlayGates
from midigen.config import Grid, ModelConfig, Part, TrainConfig
from midigen.evaluation.accuracy import score_model
from midigen.evaluation.likelihood import teacher_forced
from midigen.evaluation.partition import estimate_log_z
from midigen.generation import generate
from midigen.kernels.cuda import (
    ais,
    gates,
    gaussian,
    jacobian,
    network,
    optimizer,
    rbm,
    rolls,
    rtrl,
    textbook,
)
from midigen.kernels.cuda.blas import gemm, matrix
from midigen.kernels.cuda.jit import TILE, Tile
from midigen.kernels.cuda.memory import upload
from midigen.model import influence
from midigen.model.network import Network
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.outline import Outline
from midigen.sampling import Given, sample_given
from midigen.training.schedule import FULL_PACE
from midigen.training.trainer import Trainer

N, V, H, X, R = 6, 5, 4, 3, 4
GROUPS = np.array([[1, 4]])  # of visible units
KEY, GRID = np.uint64(1), Grid(low=60, high=64)
PARTS = Grid(
    parts=(
        Part(name="lead", low=60, high=61, kind="line"),
        Part(name="drums", low=36, high=37, kind="drums"),
    )
)
TOLD = {"context": ("position", "form", "end"), "gates": ("hold", "lag", "form", "interval")}


def call_all(real):
    """Call each with arrays of a float type; nothing is looked at."""
    _rbm(real)
    _gaussian(real)
    _gates(real)
    _play(real)
    _network(real)
    _jacobians(real)
    _steps(real)
    _programs(real)
    gemm(True, True, 1, zeros((1024, 2), real), zeros((3, 1024), real), 0, zeros((2, 3), real))
    gemm(
        False,
        False,
        1,
        zeros((N, H), real),
        zeros((H, V), real),
        0,
        zeros((N, V), real),
        tile=replace(TILE, many=1),
    )


def zeros(shape, real):
    """An array on the device."""
    return upload(np.zeros(shape, real))


def _parts(real):
    """w (H, V), a (N, V), b (N, H), v (N, V), p (N, H)."""
    return (zeros(shape, real) for shape in ((H, V), (N, V), (N, H), (N, V), (N, H)))


def _rbm(real):
    w, a, b, v, p = _parts(real)
    rbm.uniform_row(KEY, 0, 0, zeros(4, np.float32))
    rbm.corrupt(KEY, 0.1, 0.1, v, 0)
    rbm.hidden_probability(v, w, b, p)
    rbm.free_energy(v, w, a, b, zeros(N, np.float64))
    rbm.pair_energies(v, w, a, b, zeros((N, N), np.float64))
    rbm.contrast(v, a, w, a, b, zeros(N, real), v, p, w)
    for groups in (upload(np.zeros((0, 2), np.int64)), upload(GROUPS)):
        for tile in (TILE, Tile(blocks=1)):  # with one row and with several in a thread
            rbm.gibbs_chain(v, w, a, b, groups, 1, 1.0, KEY, 0, 0, a, tile)
            ais.anneal(w, a, a, b, groups, 0, 2, 2, False, KEY, 0, v, zeros(N, np.float64), tile)
        rbm.visible_probability(p, w, a, groups, v)
        rbm.pseudo_log_likelihood(v, w, a, b, groups, zeros(N, np.float64))
        ais.draw_base(a, groups, KEY, 0, v)
    rbm.sample_groups(KEY, 0, 0, a, groups, v)


def _gaussian(real):
    w, a, b, v, p = _parts(real)
    gaussian.normal_row(KEY, 0, 0, zeros(4, np.float32))
    gaussian.corrupt(KEY, 0.1, 0.1, v, 0)
    gaussian.hidden_probability(v, w, b, a, p)
    gaussian.log_variance(matrix(a, 0, N, V), 0, 1, matrix(v, 0, N, V))
    for tile in (TILE, Tile(blocks=1)):
        gaussian.gibbs_chain(v, w, a, b, a, 1, 1.0, KEY, 0, 0, v, tile)
    gaussian.free_energy(v, w, a, b, a, zeros(N, np.float64))
    gaussian.contrast(v, v, w, a, b, a, zeros(N, real), a, b, a, w)
    gaussian.pseudo_log_likelihood(v, w, a, b, a, zeros(N, np.float64))


def _gates(real):
    tables = (zeros(shape, np.int64) for shape in (V, (2, 1), (1, 2), 1, 3, (1, N)))
    part, gate, lines, interval_gates, intervals, last = tables
    arguments = zeros((2, N, V), real), part, gate, lines, interval_gates, intervals, last
    gates.open_gates(zeros((N, 4), real), *arguments, zeros((N, V), real))
    gates.gate_gradient(zeros((N, V), real), *arguments, zeros((N, 4), real))
    gates.recall(zeros((2, N, V), real), lines, 0, zeros((N, V), real))
    for kind in (real, np.uint8):
        gates.last_pitch(zeros((N, V), kind), 0, V, zeros(N, np.int64))


def _play(real):
    """A song with groups, gates, a line that is heard, and context."""
    net = Network(V + 3 + 2, (), R, V + H + 4, real)
    tables = (zeros(shape, np.int64) for shape in (V, (2, 1), (1, 2), 1, 3))
    part, gate, lines, interval_gates, intervals = tables
    backend_of("cuda").play(
        net,
        zeros(net.parameters, real),
        matrix(zeros(H * V, real), 0, H, V),
        None,
        None,
        upload(GROUPS),
        PlayGates(part, gate, lines, 1, interval_gates, intervals),
        1,
        1.0,
        zeros(1, np.uint64),
        0,
        2,
        zeros((1, 3, 2), real),
        zeros((1, 3, 1), np.int64),
        zeros((1, V + R), real),
        zeros((1, 3, V), np.uint8),
    )


def _network(real):
    backend, net = backend_of("cuda"), Network(X, (3, 6), R, 2, real)
    params, alone = zeros(net.parameters, real), network.CACHE
    # by the whole grid, with several series a thread and with one; by a block of threads alone
    for network.CACHE, count in ((0, 9), (0, 2), (alone, 2)):
        starts, x = np.zeros((3, count), np.uint8), zeros((3, count, X), real)
        block = backend.forward(net, params, x, starts, zeros((count, R), real))
        adjoint = backend.backward(net, params, block, zeros(block.u.shape, real), params)
    influence.FIRST_SEARCH = 1  # looks at the rank after a frame
    for products in (False, True):
        rtrl._worth_products = lambda *_: products  # noqa: B023  called at once
        j = influence.advance_influence(backend, net, params, block, None)
        influence.advance_influence(backend, net, params, block, j, 1e-6)
        influence.influence_gradient(backend, net, adjoint, j, params)


def _jacobians(real):
    sizes, codes = np.array([X, H, 2]), zeros(H + 2, np.int8)
    params = zeros(H * (X + 1) + 2 * (H + 1), real)
    shapes = (N, X), N * (X + H + 2), (N, 2), 2 * (H + 2)
    x, inputs, y, d = (zeros(shape, real) for shape in shapes)
    network = sizes, codes, params
    jacobian.forward_batch(*network, x, inputs, y)
    jacobian.local_gradients(*network, inputs, y, 1, d)
    jacobian.weight_jacobian(sizes, inputs, d, N, 1, zeros((2, params.size), real))
    jacobian.input_jacobian(sizes, params, d, zeros((2, X), real))
    jacobian.weight_jacobians(*network, inputs, y, zeros((N, 2, params.size), real))
    jacobian.input_jacobians(*network, inputs, y, zeros((N, 2, X), real))
    jacobian.vector_jacobian(*network, inputs, y, y, zeros(params.size, real), x)
    textbook.textbook_block(
        *network, 1, inputs, y, np.zeros(N), y, zeros((2, params.size), real), params
    )


def _steps(real):
    w, a, b, *_ = _parts(real)
    x, y, z, decay = (zeros(20, real) for _ in range(4))
    optimizer.adam_step(x, y, z, decay, 0.1, 0.9, 0.999, 1, 1e-8)
    optimizer.momentum_step(x, y, z, 0.1, 0.9)
    optimizer.shorten_and_decay(x, y, 1, decay)
    optimizer.average_step(x, y, 0.9)
    optimizer.squared_norm(x)
    optimizer.mix(1, x, 1, y)
    optimizer.scale(x, 2)
    optimizer.mean_gradient(x, 2, y, 3)
    parts = matrix(w, 0, H, V), matrix(a, 0, 1, V), matrix(b, 0, 1, H)
    optimizer.centre_shift(*parts, zeros(V, real), 0.5, 1)
    optimizer.centre_gradient(*parts, zeros(V, real), 0.5)
    packed, place, moves = zeros((N, 1), np.uint8), zeros(N, np.int64), zeros((1, V), np.int64)
    rolls.unpack(packed, place, moves, a)
    rolls.pack(a, place, moves, packed)
    rolls.take(a, 1, place, moves, a)
    rolls.put(a, place, moves, a)
    rolls.weigh(place, 1, zeros(N, real))
    rolls.lessen(0, zeros(N, np.float64), zeros(N, np.float64), zeros(N, real))


def _programs(real):
    """Training with all that it keeps on the GPU, songs and likelihoods, of small models."""
    backend, paces = backend_of("cuda"), [FULL_PACE] * 2
    songs = [np.ones((n, V), np.uint8) for n in (9, 7, 4)]
    for kind, grid, told, changes in (
        ("gaussian", GRID, TOLD, {"self_fed": 0.0}),
        ("bernoulli", PARTS, TOLD, {"self_fed": 0.5}),
        ("gaussian", GRID, {}, {"concatenate": True}),
        ("bernoulli", GRID, {}, {"negative": "bounded"}),
    ):
        dtype = np.dtype(real).name
        config = ModelConfig(V, rbm_hidden=H, recurrent=R, dtype=dtype, visible_model=kind, **told)
        model = RnnRbm.initial(config, grid, np.full(V, 0.3))
        settings = TrainConfig(block=4, batch=2, validate_every=1, **changes)
        trainer = Trainer(model, songs, [], settings, backend)
        list(trainer.run(iter([*paces, None]).__next__))
        trainer.averaged()
        generate(model, 2, count=2, primer=songs[0], backend=backend)
        placed = PlacedModel(model, backend)
        placed.of_every_song(songs, placed.pseudo_log_likelihood)
    forced = teacher_forced(placed, songs)
    estimate_log_z(placed, forced.a, forced.b, forced.v.mean(axis=0), 2, 1, 0)
    score_model(placed, forced)
    fixed = np.zeros(songs[0].shape, bool)
    most = np.full(placed.context.columns.parts, 2)
    given = Given(songs[0] * 0, fixed, Outline(len(fixed)), at_most=most)
    sample_given(model, given, particles=3, gibbs_steps=2, rounds=0, backend=backend)
