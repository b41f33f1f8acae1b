"""Songs on a backend: what is kept is read again, transposed by whole ranges of pitches."""

import numpy as np
import pytest

from midigen.config import Grid, ModelConfig
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Songs
from tests.training.songs import particles_of, read

LENGTHS = (5, 3, 4)


def model_of(kind, **grid):
    grid = Grid(low=60, high=66, **grid)
    config = ModelConfig(grid.channels, rbm_hidden=2, recurrent=2, hidden=(), visible_model=kind)
    return RnnRbm.initial(config, grid, np.full(grid.channels, 0.3))


KINDS = {
    "notes": model_of("bernoulli"),
    "onsets": model_of("bernoulli", articulation="onset"),
    "numbers": model_of("gaussian"),
    "velocities": model_of("gaussian", values="velocity"),
}
on_kinds = pytest.mark.parametrize("model", KINDS.values(), ids=KINDS)


def rolls(model):
    rng, top = np.random.default_rng(0), model.loudest + 1
    return [rng.integers(0, top, (n, model.config.visible)).astype(np.uint8) for n in LENGTHS]


def moved(frames, model, shift):
    """Frames (T, V) with every range of pitches moved up, around its ends."""
    by_range = frames.reshape(len(frames), -1, model.grid.pitches)
    return np.roll(by_range, shift, axis=2).reshape(frames.shape)


@on_kinds
@pytest.mark.parametrize("shift", [0, 2, -3])
def test_songs_are_read_transposed_as_the_model_sees_them(backend, model, shift):
    songs = Songs(backend, model, rolls(model))
    assert songs.begins.tolist() == [0, 5, 8, 12]
    for song, roll in enumerate(rolls(model)):
        frames = moved(model.frames(roll), model, shift)
        assert np.allclose(read(backend, songs, song, model.config.visible, shift), frames)


@on_kinds
def test_what_is_written_transposed_is_transposed_back(backend, model):
    particles, visible = particles_of(backend, model, rolls(model)), model.config.visible
    for song, roll in enumerate(rolls(model)):
        assert np.allclose(read(backend, particles, song, visible), model.frames(roll))
    new = model.frames(rolls(model)[1][::-1])
    on_device = backend.to_device(moved(new, model, 2), np.float32)
    particles.write(on_device, backend.to_device(particles.songs.places(1, 2)))
    assert np.allclose(read(backend, particles, 1, visible), new)
    for song in (0, 2):
        kept = model.frames(rolls(model)[song])
        assert np.allclose(read(backend, particles, song, visible), kept)


@on_kinds
def test_what_belongs_to_no_song_is_silent(backend, model):
    songs, visible = Songs(backend, model, rolls(model)), model.config.visible
    out = backend.to_device(np.ones((2, visible), np.float32))
    songs.read(backend.to_device(np.full(2, -1, np.int64)), out)
    assert not backend.to_host(out).any()
