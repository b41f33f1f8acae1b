"""Songs drawn given some of them, against the exact conditional by enumeration."""

import numpy as np
import pytest

from midigen.backends.cpu import CpuBackend, cpu_backend
from midigen.errors import MidigenError
from midigen.model.placed import PlacedModel
from midigen.sampling import clamped, frames, particles
from midigen.sampling.clamped import ClampedRbm
from midigen.sampling.frames import FrameSampler
from midigen.sampling.given import Given
from midigen.sampling.particles import Fit, run_particles, sample_given
from tests import reference
from tests.sampling.toy import (
    PARTS,
    PLAIN,
    distance,
    given,
    outline,
    possible_frames,
    some_song,
    toy_model,
    twin,
)

ALLOWED = np.zeros((3, 6), bool)
ALLOWED[[0, 0, 0, 1, 1, 2, 2], [0, 2, 4, 1, 3, 2, 5]] = True
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


SOME = ["a gap, with gates", "chords, given the line", "at most two notes"]


def sampler_of(model, song, temperature, sweeps=25):
    placed = PlacedModel(model, cpu_backend())
    return FrameSampler(placed, song, 1 / temperature, sweeps)


def exact(model, song, temperature):
    """All songs that can be, and their probabilities."""
    return reference.conditional(
        twin(model, song, 1 / temperature), possible_frames(song, model.grid)
    )


def off_by(case, count):
    """Total variation of that many particles from the exact conditional."""
    song = case[1]
    found = run_particles(sampler_of(*case), song.roll, 0, len(song.roll), count, 0)
    weights = np.exp(found.log_weight - found.log_weight.max())
    return distance(*exact(*case), found.history.transpose(1, 0, 2), weights)


def without_weights(monkeypatch):
    true = ClampedRbm.log_z

    monkeypatch.setattr(ClampedRbm, "log_z", lambda *arguments: 0 * true(*arguments))


@pytest.fixture
def many_rows(monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 1 << 16)


# -- what is drawn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_particles_have_the_exact_conditional(name, many_rows, monkeypatch):
    assert off_by(CASES[name], 40_000) < 0.02
    without_weights(monkeypatch)  # every case would show it
    assert off_by(CASES[name], 10_000) > 0.05


@pytest.mark.parametrize("name", SOME)
def test_so_they_have_with_weights_from_samples(name, monkeypatch):
    """With as many particles as are usual, in many runs."""
    monkeypatch.setattr(clamped, "EXACT_UNITS", -1)
    song, sampler = CASES[name][1], sampler_of(*CASES[name])
    drawn, shares = [], []
    for seed in range(150):
        found = run_particles(sampler, song.roll, 0, len(song.roll), 64, seed)
        weights = np.exp(found.log_weight - found.log_weight.max())
        shares.append(weights / weights.sum())
        drawn.append(found.history.transpose(1, 0, 2))
    assert distance(*exact(*CASES[name]), np.concatenate(drawn), np.concatenate(shares)) < 0.035


@pytest.mark.parametrize("name", SOME[1:])
def test_the_reference_s_own_particles_have_it(name):
    model, song, temperature = CASES[name]
    drawn, log_weight = reference.particle_filter(
        twin(model, song, 1 / temperature),
        possible_frames(song, model.grid),
        1500,
        np.random.default_rng(0),
    )
    assert distance(*exact(model, song, temperature), drawn, np.exp(log_weight)) < 0.08


def off_by_when_rewritten(case, runs, count=12):
    """Total variation from the exact conditional after a round, of songs that had it before."""
    songs, p = exact(*case)
    sampler, rng = sampler_of(*case, sweeps=20), np.random.default_rng(0)
    first, *_, last = np.flatnonzero(sampler.is_open).tolist()
    drawn, weights = [], []
    for run in range(runs):
        roll = songs[rng.choice(len(p), p=p)].astype(np.uint8)
        found = run_particles(sampler, roll, first, len(roll), count, 1, (run,), last + 1)
        weights.append(np.exp(found.log_weight - found.log_weight.max()))
        drawn.append(np.tile(roll, (count, 1, 1)))
        drawn[-1][:, first:] = found.history.transpose(1, 0, 2)
    shares = [weight / weight.sum() for weight in weights]
    return distance(songs, p, np.concatenate(drawn), np.concatenate(shares))


@pytest.mark.parametrize("name", ["a gap, with gates", "at most two notes"])
def test_rounds_leave_the_conditional_as_it_is(name, monkeypatch):
    assert off_by_when_rewritten(CASES[name], 300) < 0.045
    without_weights(monkeypatch)
    assert off_by_when_rewritten(CASES[name], 200) > 0.06


def test_the_song_that_is_kept_has_the_conditional_too():
    """Of single songs the first open frame alone: there are too few of them for more."""
    model, song, temperature = CASES["a gap, with gates"]
    songs, p = exact(model, song, temperature)
    kinds = 2 ** np.arange(3)
    expected = np.bincount([int(s[1] @ kinds) for s in songs], p, 8)
    settings = {"particles": 24, "gibbs_steps": 10, "temperature": temperature, "look_ahead": 2}
    drawn = [sample_given(model, song, seed=n, rounds=n % 2, **settings).roll for n in range(300)]
    found = np.bincount([int(roll[1] @ kinds) for roll in drawn], minlength=8) / len(drawn)
    assert 0.5 * np.abs(found - expected).sum() < 0.09


def test_z_of_what_is_given_comes_out():
    """The mean weights multiply to the probability of the given notes."""
    model, song, temperature = CASES["a gap, with gates"]
    every = twin(model, song, 1 / temperature)
    log_p = [every.log_probability(s) for s in exact(model, song, temperature)[0]]
    before = every.log_probability(song.roll[:1].astype(float))
    settings = {"particles": 4000, "temperature": temperature, "look_ahead": 2, "rounds": 0}
    found = sample_given(model, song, **settings).log_weight
    assert abs(found - (np.logaddexp.reduce(log_p) - before)) < 0.1


# -- what is promised ------------------------------------------------------------------------------


def test_what_is_given_is_kept_and_what_is_forbidden_never_sounds():
    rng = np.random.default_rng(0)
    song = given(PARTS, 12, range(2, 9), [0, 3, 4], at_most=np.array([1, 1]), seed=4)
    crowded = song.on[:, 3:5].sum(axis=1) > 1
    song.roll[crowded, 3] = 0
    allowed = (rng.random(song.roll.shape) < 0.6) | song.on
    song = Given(song.roll, song.fixed, song.outline, allowed, song.at_most)
    drawn = [
        sample_given(toy_model(PARTS, True), song, seed=seed, rounds=1, particles=8, gibbs_steps=3)
        for seed in range(12)
    ]
    for roll in (one.roll for one in drawn):
        assert np.array_equal(roll[song.fixed], song.roll[song.fixed])
        assert not roll[~allowed].any()
        assert roll[:, :3].sum(axis=1).max() == 1 and roll[:, 3:5].sum(axis=1).max() == 1
    assert len({one.roll.tobytes() for one in drawn}) > 6


def test_a_song_of_which_nothing_is_given_or_all():
    model, roll = toy_model(PLAIN, True), some_song(PLAIN, 9)
    nothing = Given(roll, np.zeros(roll.shape, bool), outline(PLAIN, 9))
    free = sample_given(model, nothing, rounds=0, particles=8)
    assert free.roll.any() and free.fit == (8, None, "") and free.log_weight == 0
    whole = sample_given(model, Given(roll, np.ones(roll.shape, bool), outline(PLAIN, 9)))
    assert np.array_equal(whole.roll, roll) and whole.fit == Fit()


@pytest.mark.parametrize("name", ["a gap, with gates", "a line, given the chords"])
def test_a_seed_gives_the_same_song_on_any_number_of_threads(name, monkeypatch):
    monkeypatch.setattr(frames, "ROWS", 8)
    monkeypatch.setattr(clamped, "EXACT_UNITS", -1)
    model, song, _ = CASES[name]

    def make(seed, threads):
        return sample_given(
            model, song, seed=seed, particles=30, gibbs_steps=5, backend=CpuBackend(threads)
        )

    one, three = make(1, 1), make(1, 3)
    assert np.array_equal(one.roll, three.roll) and one[1:] == three[1:]
    assert len({make(seed, 2).roll.tobytes() for seed in range(8)}) > 1


def test_stretches_are_gone_through_with_their_look_ahead_alone():
    song = given(PLAIN, 40, [3, 5, 20])
    counted = []
    settings = {"particles": 4, "gibbs_steps": 2, "look_ahead": 4, "progress": counted.append}
    sample_given(toy_model(PLAIN), song, rounds=0, **settings)
    assert sum(counted) == (1 + 2 + 4) + (1 + 4)
    sample_given(toy_model(PLAIN), song, rounds=1, **settings)  # bars of one frame
    assert sum(counted) == 2 * 12 + 3 * 5


def test_few_survivors_are_warned_of():
    """The frame behind the gap is all but impossible after most fillings."""
    model = toy_model(PLAIN, scale=4)
    song = given(PLAIN, 12, range(2, 8), seed=5)
    drawn = sample_given(model, song, particles=30, rounds=0, look_ahead=4, gibbs_steps=5)
    assert drawn.fit.survivors < particles.FEW and drawn.fit.bar > 8  # bars of one frame
    assert f"of 30 particles survived in bar {drawn.fit.bar}:" in drawn.fit.warning
    calm = sample_given(toy_model(PLAIN, scale=0.1), song, particles=30, rounds=0)
    assert calm.fit.survivors >= particles.FEW and not calm.fit.warning


def test_one_hard_place_among_many_is_no_fault(monkeypatch):
    model = toy_model(PLAIN, scale=4)
    song = given(PLAIN, 12, range(2, 8), seed=5)
    monkeypatch.setattr(particles, "HARD", 0.5)
    drawn = sample_given(model, song, particles=30, rounds=0, look_ahead=4, gibbs_steps=5)
    assert drawn.fit.survivors < particles.FEW and not drawn.fit.warning


def test_gaps_are_drawn_in_rounds_and_what_is_given_throughout_is_not():
    opens = np.zeros(12, bool)
    assert particles.rounds_for(opens) == 0
    opens[4:6] = True
    assert particles.rounds_for(opens) == particles.ROUNDS
    opens[4:] = True
    assert particles.rounds_for(opens) == 0


@pytest.mark.parametrize("name", ["a gap, with gates", "chords, given the line"])
@pytest.mark.parametrize("exact_units", [8, -1], ids=["summed", "from samples"])
def test_particles_know_how_likely_they_are(name, exact_units, monkeypatch):
    monkeypatch.setattr(clamped, "EXACT_UNITS", exact_units)
    model, song, temperature = CASES[name]
    sampler = FrameSampler(
        PlacedModel(model, cpu_backend()), song, 1 / temperature, 25, with_nats=True
    )
    found = run_particles(sampler, song.roll, 0, len(song.roll), 64, 0)
    songs = found.history.transpose(1, 0, 2)
    true = np.array([twin(model, song, 1 / temperature).log_probability(roll) for roll in songs])
    off = found.nats - true
    assert np.ptp(true) > 3
    assert np.abs(off - off.mean()).max() < (1e-4 if exact_units > 0 else 0.5)


def test_of_several_particles_the_likeliest_is_taken():
    model, song, temperature = CASES["a gap, with gates"]
    settings = {"particles": 16, "gibbs_steps": 10, "temperature": temperature}

    def likely(best_of):
        drawn = [
            sample_given(model, song, seed=seed, best_of=best_of, **settings) for seed in range(20)
        ]
        exact = twin(model, song, 1 / temperature)
        return np.mean([exact.log_probability(one.roll) for one in drawn])

    songs, _ = exact(model, song, temperature)
    highest = max(twin(model, song, 1 / temperature).log_probability(roll) for roll in songs)
    assert likely(1) + 0.1 < likely(4) == pytest.approx(highest)  # of 64 songs


@pytest.mark.parametrize(
    "wrong",
    [
        {"particles": 0},
        {"gibbs_steps": 0},
        {"best_of": 0},
        {"rounds": -1},
        {"look_ahead": -1},
        {"temperature": 0.0},
        {"temperature": float("nan")},
    ],
)
def test_impossible_settings(wrong):
    with pytest.raises(ValueError, match=r"must be"):
        sample_given(toy_model(PLAIN), given(PLAIN, 3, [1]), **wrong)


def test_models_of_velocities_are_refused():
    model = toy_model(PLAIN, visible_model="gaussian")
    with pytest.raises(MidigenError, match="cannot be steered"):
        sample_given(model, given(PLAIN, 3, [1]))


def test_every_backend_draws_the_same_song(backend, monkeypatch):
    """Small enough for the simulator; with a limit, groups, gates, annealed weights, a choice."""
    monkeypatch.setattr(clamped, "EXACT_UNITS", -1)
    song = given(PARTS, 4, [1, 2], [1, 2, 3, 4, 5], at_most=np.array([1, 1]))
    settings = {"particles": 3, "gibbs_steps": 2, "rounds": 1, "look_ahead": 1, "best_of": 2}
    model = toy_model(PARTS, True, dtype="float64")
    drawn, on_cpu = (
        sample_given(model, song, backend=some, **settings) for some in (backend, cpu_backend())
    )
    assert np.array_equal(drawn.roll, on_cpu.roll) and drawn.fit == on_cpu.fit
    assert drawn.log_weight == pytest.approx(on_cpu.log_weight, abs=1e-9)
