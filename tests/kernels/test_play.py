"""Songs in one call against the kernels called one by one."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig
from midigen.kernels.cpu import gaussian, network, rbm
from midigen.kernels.cpu import play as on_cpu
from midigen.model.network import Network
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key
from tests import reference

R, H, SWEEPS, BETA = 3, 4, 3, 1 / 0.9
NONE = np.zeros((0, 2), np.int64)  # groups
GRIDS = {
    "bernoulli": Grid(low=60, high=64),
    "gaussian": Grid(low=60, high=64),
    "velocities": Grid(low=60, high=64, values="velocity"),
}
on_every_kind = pytest.mark.parametrize("kind", GRIDS)


def lively(kind, dtype="float64", hidden=(6,)):
    """A small RnnRbm of lively weights, in float64 where every backend is to draw the same."""
    grid = GRIDS[kind]
    config = ModelConfig(
        grid.channels,
        rbm_hidden=H,
        recurrent=R,
        hidden=hidden,
        dtype=dtype,
        visible_model="bernoulli" if kind == "bernoulli" else "gaussian",
    )
    levels = {"levels": {"threshold": 0.2, "gain": 0.7, "offset": 0.1}}
    model = RnnRbm.initial(config, grid, np.full(grid.channels, 0.3), 1, levels)
    model.theta[:] += np.random.default_rng(0).normal(0, 0.8, model.theta.size)
    return model


def arguments(model, keys, first, stop, frames):
    """Those of `play`, up to x, without groups, gates and context."""
    bounds, levels = None, None
    if model.gaussian:
        loudest = 127 if model.grid.values == "velocity" else 1
        bounds, levels = model.log_variances, (0.2, 0.7, 0.1, loudest)
    net, none, no_pairs = model.network, np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
    part, gate = np.zeros(model.config.visible, np.int64), np.zeros((0, 1), np.int64)
    context = np.zeros((len(keys), frames, 0), model.theta.dtype)
    return (
        *(net.sizes, net.codes, model.params, net.recurrent, model.w, bounds, levels, no_pairs),
        *((part, gate, no_pairs, 0, none, none), SWEEPS, BETA, np.array(keys, np.uint64)),
        *(first, stop, context, context.astype(np.int64)),
    )


def silence(model, count):
    return np.zeros((count, model.config.visible + R), model.theta.dtype)


def one_by_one(model, key, frames):
    """A song (frames, V) and what would be heard next, kernel by kernel on the CPU."""
    net, visible = model.network, model.config.visible
    real = model.theta.dtype.type
    inputs = np.empty(int((net.sizes[:-1] + 1).sum()), real)
    u, state = np.empty((1, int(net.sizes[-1])), real), np.zeros(R, real)
    v, sample = np.zeros((1, visible), real), np.empty((1, visible), real)
    song = np.empty((frames, visible), np.uint8)
    for t in range(frames):
        network.forward_block(
            net.sizes, net.codes, model.params, R, v, np.zeros(1, np.uint8), state, inputs, u
        )
        a, b = u[:, R : R + visible], u[:, R + visible : R + visible + H]
        if not model.gaussian:
            rbm.gibbs_chain(v, model.w, a, b, NONE, SWEEPS, BETA, key, 0, t, sample)
            song[t] = sample[0]
            v = sample.copy()
            continue
        low, high = model.log_variances
        z = low + (high - low) * u[:, R + visible + H :]
        gaussian.gibbs_chain(v, model.w, a, b, z, SWEEPS, BETA, key, 0, t, sample)
        loudest = 127 if model.grid.values == "velocity" else 1
        loudness = np.clip(np.rint(loudest * (0.7 * sample + 0.1)), 1, loudest)
        song[t] = np.where(sample > 0.2, loudness, 0)[0]
        v = (song[t : t + 1] / loudest).astype(real)
    return song, np.append(v[0], state)


@on_every_kind
@pytest.mark.parametrize("hidden", [(), (6, 5)])
def test_songs_are_those_of_the_kernels_one_by_one(kernels, kind, hidden):
    model, frames = lively(kind, hidden=hidden), 8
    keys = [derive_key(0, "song", i) for i in range(2)]
    x, songs = silence(model, 2), np.empty((2, frames, model.config.visible), np.uint8)
    kernels("play").play(*arguments(model, keys, 0, frames, frames), x, songs)
    for key, song, heard in zip(keys, songs, x, strict=True):
        expected, expected_heard = one_by_one(model, key, frames)
        np.testing.assert_array_equal(song, expected)
        np.testing.assert_allclose(heard, expected_heard, rtol=0, atol=1e-12)
    assert 0 < (songs > 0).mean() < 1 and (songs.max() > 1) == (kind == "velocities")
    assert not np.array_equal(*songs)


@on_every_kind
def test_songs_may_be_cut_anywhere(kernels, kind):
    model, play, keys = lively(kind), kernels("play").play, [np.uint64(7)]
    whole, parts = (np.full((1, 4, model.config.visible), 9, np.uint8) for _ in range(2))
    x = silence(model, 1)
    play(*arguments(model, keys, 0, 4, 4), x, whole)
    end, x = x, silence(model, 1)
    for start, stop in ((0, 1), (1, 4)):
        play(*arguments(model, keys, start, stop, 4), x, parts)
        assert (parts[:, stop:] == 9).all()
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(x, end)


@on_every_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_songs_have_the_same_bits(kind, dtype):
    """Of the CPU, in the model's own dtype."""
    model, key, frames = lively(kind, dtype), np.uint64(2**63 + 9), 60
    x, songs = silence(model, 1), np.empty((1, frames, model.config.visible), np.uint8)
    on_cpu.play(*arguments(model, [key], 0, frames, frames), x, songs)
    expected, heard = one_by_one(model, key, frames)
    np.testing.assert_array_equal(songs[0], expected)
    np.testing.assert_array_equal(x[0], heard)
    assert len(np.unique(songs[0], axis=0)) > 3


# -- groups, gates and what is known ahead ---------------------------------------------------------

C, GATES, PART = 2, 6, np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
LINES = np.array([(0, 4), (5, 8)])
# of both lines' own frames, and of two others; one gate weighs two sources
GATE = np.array([[0, -1], [-1, 1], [0, 1], [2, -1]])
TABLES = PART, GATE, LINES, 1, np.array([-1, 3]), np.array([-1, 0, 2])
GROUPS = {"bernoulli": np.array([(0, 5)]), "gaussian": NONE, "velocities": NONE}


def told(kind, dtype="float64"):
    """A model's parts (network, w, bounds, levels) that has all this, of 9 notes and lively."""
    gaussian = kind != "bernoulli"
    visible, heard = len(PART), LINES[0, 1] - LINES[0, 0]
    outputs, sigmoids = visible + H + GATES, visible if gaussian else 0
    activations = [
        ["tanh"] * 6,
        ["tanh"] * R + ["linear"] * (visible + H) + ["sigmoid"] * sigmoids + ["linear"] * GATES,
    ]
    net = Network(visible + heard + C, (6,), R, outputs + sigmoids, np.dtype(dtype), activations)
    rng = np.random.default_rng(4)
    params = rng.normal(0, 0.8, net.parameters).astype(dtype)
    w = rng.normal(0, 0.8, (H, visible)).astype(dtype)
    loudest = 127 if kind == "velocities" else 1
    if gaussian:
        return net, params, w, np.array([-2.0, 0.5]), (0.2, 0.7, 0.1, loudest)
    return net, params, w, None, None


def known(count, frames, dtype):
    """What is known ahead of songs (B, T, C), and how far back sources lie (B, T, S - L)."""
    rng = np.random.default_rng(5)
    context = rng.normal(size=(count, frames, C)).astype(dtype)
    back = rng.integers(0, 6, (count, frames, 2))
    return context, np.minimum(back, np.arange(frames)[:, None])


def frame_by_frame(kind, key, first, context, back, heard, song):
    """Make the frames from `first` on of a song (T, V), the network and RBM being the CPU's.

    Returned is what would be heard next.
    """
    net, params, w, bounds, levels = told(kind, context.dtype)
    real, visible = context.dtype.type, len(PART)
    loudest = real(levels[3] if levels else 1)
    inputs = np.empty(int((net.sizes[:-1] + 1).sum()), real)
    u, sample = np.empty((1, int(net.sizes[-1])), real), np.empty((1, visible), real)
    v, state = heard[:visible].copy(), heard[visible:].copy()
    for t in range(first, len(song)):
        played = (song[: t + 1] / loudest).astype(real)  # the frame t itself is not read
        recalled = np.array(reference.recalled(played, t, LINES[:1]), real)
        x = np.concatenate([v, recalled, context[t]])[None]
        network.forward_block(
            net.sizes, net.codes, params, R, x, np.zeros(1, np.uint8), state, inputs, u
        )
        ends = np.cumsum([R, visible, H, visible if bounds is not None else 0])
        _, a, b, s, g = np.split(u, ends, axis=1)
        rows = reference.sources(played, t, LINES, back[t])
        last = [column for _, column in reference.latest_notes(played, t, LINES)]
        phi = reference.gate_planes(GATES, rows, *TABLES[:3], *TABLES[4:], last)
        a = (a + g @ phi).astype(real)
        b = np.ascontiguousarray(b)
        start = v[None].copy()
        if bounds is None:
            rbm.gibbs_chain(start, w, a, b, GROUPS[kind], SWEEPS, BETA, key, 0, t, sample)
            song[t] = sample[0]
        else:
            z = bounds[0] + (bounds[1] - bounds[0]) * s
            gaussian.gibbs_chain(start, w, a, b, z, SWEEPS, BETA, key, 0, t, sample)
            loudness = np.clip(np.rint(loudest * (0.7 * sample + 0.1)), 1, loudest)
            song[t] = np.where(sample > 0.2, loudness, 0)[0]
        v = (song[t] / loudest).astype(real)
    return np.append(v, state)


def play_told(play, kind, keys, first, stop, context, back, x, songs):
    net, params, w, bounds, levels = told(kind, context.dtype)
    play(
        *(net.sizes, net.codes, params, R, w, bounds, levels, GROUPS[kind], TABLES, SWEEPS, BETA),
        *(np.array(keys, np.uint64), first, stop, context, back, x, songs),
    )


def primed(kind, count, frames, first, dtype):
    """Songs (B, T, V) of which the frames before `first` are there, and what is heard then."""
    rng = np.random.default_rng(6)
    songs = np.full((count, frames, len(PART)), 9, np.uint8)
    songs[:, :first] = rng.random((count, first, len(PART))) < 0.2
    songs[:, 2:first] = 0  # so that the latest notes lie further back
    x = rng.normal(size=(count, len(PART) + R)).astype(dtype)
    x[:, : len(PART)] = songs[:, first - 1] if first else 0
    return songs, x


@on_every_kind
@pytest.mark.parametrize("first", [0, 5])
def test_songs_with_all_that_is_told(kernels, kind, first):
    """Groups, gates, a line that is heard and context, after a primer or none."""
    frames, keys = 12, [derive_key(0, "song", i) for i in range(2)]
    context, back = known(2, frames, np.float64)
    songs, x = primed(kind, 2, frames, first, np.float64)
    expected, heard = songs.copy(), x.copy()
    play_told(kernels("play").play, kind, keys, first, frames, context, back, x, songs)
    for i, key in enumerate(keys):
        end = frame_by_frame(kind, key, first, context[i], back[i], heard[i], expected[i])
        np.testing.assert_array_equal(songs[i], expected[i])
        np.testing.assert_allclose(x[i], end, rtol=0, atol=1e-12)
    made = songs[:, first:]
    assert 0 < (made > 0).mean() < 1
    assert kind != "bernoulli" or made[:, :, :5].sum(axis=2).max() == 1


@on_every_kind
def test_songs_with_all_that_is_told_may_be_cut_anywhere(kernels, kind):
    frames, first, key = 9, 3, [np.uint64(7)]
    context, back = known(1, frames, np.float64)
    whole, x = primed(kind, 1, frames, first, np.float64)
    parts, y = whole.copy(), x.copy()
    play = kernels("play").play
    play_told(play, kind, key, first, frames, context, back, x, whole)
    for start, stop in ((first, 4), (4, frames)):
        play_told(play, kind, key, start, stop, context, back, y, parts)
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(y, x)


@on_every_kind
def test_songs_with_all_that_is_told_in_float32(kind):
    """Of the CPU: a draw that rounding turns over would be seen, and is rare."""
    frames, key = 30, np.uint64(2**63 + 9)
    context, back = known(1, frames, np.float32)
    songs, x = primed(kind, 1, frames, 0, np.float32)
    expected, heard = songs.copy(), x.copy()
    play_told(on_cpu.play, kind, [key], 0, frames, context, back, x, songs)
    frame_by_frame(kind, key, 0, context[0], back[0], heard[0], expected[0])
    np.testing.assert_array_equal(songs, expected)
