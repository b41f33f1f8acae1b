"""Songs in one call against the kernels called one by one."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig
from midigen.kernels.cpu import gaussian, network, rbm
from midigen.kernels.cpu import play as on_cpu
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key

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
