"""Songs drawn given some of them, against the exact conditional by enumeration."""

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.errors import MidigenError
from midigen.model.placed import PlacedModel
from midigen.sampling import clamped, frames
from midigen.sampling.clamped import ClampedRbm
from midigen.sampling.frames import FrameSampler
from midigen.sampling.particles import run_particles, sample_given
from tests import reference
from tests.sampling.toy import (
    PARTS,
    PLAIN,
    distance,
    given,
    possible_frames,
    toy_model,
    twin,
)

ALLOWED = np.random.default_rng(8).random((3, 6)) < 0.7
# model, what is given, temperature
CASES = {
    "a gap": (toy_model(PLAIN), given(PLAIN, 5, [1, 2]), 1.0),
    "a gap, colder": (toy_model(PLAIN), given(PLAIN, 5, [1, 2]), 0.6),
    "a gap, with gates": (toy_model(PLAIN, True), given(PLAIN, 5, [1, 2]), 1.0),
    "from the start, with gates": (toy_model(PARTS, True), given(PARTS, 4, [0]), 0.8),
    "a line, given the chords": (toy_model(PARTS, True), given(PARTS, 3, range(3), [0, 1, 2]), 1.0),
    "chords, given the line": (toy_model(PARTS), given(PARTS, 3, range(1, 3), [3, 4, 5]), 1.0),
    "allowed notes alone": (
        toy_model(PARTS, True),
        given(PARTS, 3, range(3), allowed=ALLOWED),
        0.9,
    ),
    "at most one note": (
        toy_model(PLAIN, seed=3),
        given(PLAIN, 3, range(3), at_most=np.array([1])),
        1.0,
    ),
    "at most two notes": (
        toy_model(PLAIN, True, seed=3),
        given(PLAIN, 3, range(1, 3), at_most=np.array([2])),
        0.8,
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def sampler_of(model, song, temperature, moves=100, sweeps=40):
    placed = PlacedModel(model, cpu_backend())
    return FrameSampler(placed, song, 1 / temperature, moves, sweeps)


def exact(model, song, temperature):
    return reference.conditional(
        twin(model, song, 1 / temperature), possible_frames(song, model.grid)
    )


def off_by(case, count):
    """Total variation of that many particles from the exact conditional."""
    model, song, temperature = case
    sampler = sampler_of(*case)
    particles = run_particles(sampler, song.roll, 0, len(song.roll), count, 0)
    weights = np.exp(particles.log_weight - particles.log_weight.max())
    return distance(*exact(*case), particles.history.transpose(1, 0, 2), weights)


@pytest.fixture
def many_rows(monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 1 << 16)


def test_particles_have_the_exact_conditional(case, many_rows):
    assert off_by(case, 100_000) < 0.02


def test_without_weights_they_have_another(case, many_rows, monkeypatch):
    """The test itself: every case would show it."""
    true = ClampedRbm.log_z

    def no_weight(self, a, b, before, draws):
        log_z, start = true(self, a, b, before, draws)
        return 0 * log_z, start

    monkeypatch.setattr(ClampedRbm, "log_z", no_weight)
    assert off_by(case, 20_000) > 0.05
