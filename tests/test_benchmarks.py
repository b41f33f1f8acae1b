"""What the benchmarks compare gives one gradient; the peers where they are installed."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from midigen.config import Grid
from midigen.corpus import Song
from midigen.midi.roll import roll_to_notes
from midigen.model.network import Network

FOLDER = Path(__file__).parents[1] / "benchmarks"
FRAMES, INPUTS, OUTPUTS = 24, 7, 5


@pytest.fixture
def modules(monkeypatch):
    """The modules rtrl and peers of the benchmarks."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("rtrl"), importlib.import_module("peers")
    for name in ("rtrl", "peers"):
        sys.modules.pop(name, None)


@pytest.fixture(params=[(), (6,)], ids=["no hidden layer", "a hidden layer"])
def problem(request):
    """A Network, its parameters, inputs and dE/dy."""
    rng = np.random.default_rng(0)
    network = Network(INPUTS, request.param, 4, OUTPUTS)
    x = (rng.random((FRAMES, INPUTS)) < 0.3).astype(np.float32)
    return (
        network,
        network.initial(rng, 0.5),
        x,
        rng.standard_normal((FRAMES, OUTPUTS)).astype(np.float32),
    )


def error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("kind", ["textbook", "exact", "adaptive"])
def test_every_way_of_ours_gives_the_gradient(modules, problem, kind):
    rtrl, _ = modules
    network, params, x, c = problem
    runner = rtrl.in_blocks(network, params, kind)
    for start in range(0, FRAMES, 8):
        runner.block(x[start : start + 8], c[start : start + 8])
    assert error(runner.gradient, rtrl.expected(network, params, x, c)) < 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", ["torch_loop", "torch_rnn", "jax_bptt", "jax_rtrl"])
def test_every_peer_gives_the_gradient(modules, problem, peer):
    pytest.importorskip(peer.split("_")[0], reason="the extra bench is not installed")
    rtrl, peers = modules
    network, params, x, c = problem
    if peer == "torch_rnn" and len(network.shapes) > 1:
        pytest.skip("nn.RNN has no hidden layer")
    assert (
        error(getattr(peers, peer)(network, params)(x, c), rtrl.expected(network, params, x, c))
        < 1e-5
    )


@pytest.mark.filterwarnings("ignore")
def test_jax_adds_the_gradients_of_series_side_by_side(modules, problem):
    pytest.importorskip("jax", reason="the extra bench is not installed")
    rtrl, peers = modules
    network, params, x, c = problem
    halves = [np.stack(np.split(rows, 2), axis=1) for rows in (x, c)]
    expected = sum(
        rtrl.expected(network, params, halves[0][:, i], halves[1][:, i]) for i in range(2)
    )
    assert error(peers.jax_rtrl(network, params, batched=True)(*halves), expected) < 1e-5


@pytest.fixture
def choosing(monkeypatch):
    """The module choosing of the benchmarks."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("choosing")
    sys.modules.pop("choosing", None)


def test_songs_are_spoiled_as_it_is_said(choosing):
    grid, rng = Grid(steps_per_beat=2, low=48, high=83), np.random.default_rng(0)
    roll = np.zeros((64, grid.pitches), np.uint8)
    for bar in range(8):
        roll[8 * bar : 8 * bar + 6, 10 + bar] = 1
    song = Song("song", "test", "0" * 64, 120.0, (4, 4), roll)

    def notes(entry):
        return roll_to_notes(entry.roll, grid)

    own = roll_to_notes(roll, grid)
    moved = notes(choosing.transposed(song, grid, rng))[:, 2] - own[:, 2]
    assert {1, 2, 3} >= set(np.abs(moved).tolist()) and len(set(moved.tolist())) > 2
    jittered = notes(choosing.jittered(song, grid, rng))[:, :2]
    late = jittered - own[-len(jittered) :, :2]  # the first may be ahead of the song then
    assert len(late) >= 7 and set(late.ravel().tolist()) <= {-1, 0, 1} and late.any()
    mixed = choosing.shuffled(song, grid, rng)
    pitches = notes(mixed)[:, 2]
    assert sorted(pitches) == sorted(own[:, 2]) and (pitches != own[:, 2]).any()
    assert len(mixed.outline.form) == 8


def test_a_score_that_knows_nothing_is_right_by_half(choosing):
    assert choosing.better([1.0, 2.0], [1.0, 2.0]) == 0.5
    assert choosing.better([1.0, 2.0], [3.0, np.inf]) == 1
