"""What the tests of training share: the gradient of songs, and runs of so many steps."""

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.model.context import context_of
from midigen.model.hearing import Hiding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Songs
from midigen.randomness import derive_key
from midigen.training.schedule import FULL_PACE
from midigen.training.series import CarriedState, Series, SeriesGroup
from midigen.training.state import TrainerState

KEY = int(derive_key(0, "test"))


def hiding_of(songs, model, settings, seed=0):
    """What a run with these settings hides of songs in an epoch."""
    names = context_of(model.config, model.grid).gates.sources
    return Hiding.draw(np.random.default_rng(seed), songs, names, settings)


def group_of(model, rolls, settings, backend, songs=None, carried=None, hiding=None, **more):
    """A SeriesGroup of one series, of songs behind one another as training puts them.

    songs are the same on the backend, with the particles that are moved on.
    """
    particles = songs.particles if songs else None
    songs = songs or Songs(backend, model, rolls)
    starts = np.zeros(songs.begins[-1], np.uint8)
    if settings.concatenate:
        carried = carried or CarriedState.silent(backend, model)
    else:
        starts[songs.begins[1:-1]] = 1
    places = np.concatenate([songs.places(song) for song in range(len(rolls))])
    series = [Series(places, starts, more.pop("key", KEY))]
    placed = PlacedModel(model, backend)
    hiding = hiding or hiding_of(songs, model, settings)
    return SeriesGroup(placed, settings, songs, particles, hiding, series, carried, **more)


def song_gradient(model, rolls, settings, carried=None, backend=None, **more):
    """The gradient (P + H V,) of a song or a list of them, as training computes it.

    And what is carried on, with `concatenate`.
    """
    backend = backend or cpu_backend()
    rolls = rolls if isinstance(rolls, list) else [rolls]
    group = group_of(model, rolls, settings, backend, carried=carried, **more)
    gradient = backend.zeros(model.theta.shape, model.theta.dtype)
    while not group.done:
        group.step(gradient)
    return backend.to_host(gradient), group.carried


def exact_loss(model, rolls, concatenate=False):
    """-log p of songs, apart or as one series, as a function of theta."""
    rolls = rolls if isinstance(rolls, list) else [rolls]
    rolls = [np.concatenate(rolls)] if concatenate else rolls
    return lambda theta: (
        -sum(RnnRbm(model.config, model.grid, theta).exact_log_likelihood(r).sum() for r in rolls)
    )


def read(backend, songs, song, width, shift=0, particles=False):
    """The frames of a song (T, V) that a Songs keeps, or their particles, transposed."""
    place = songs.places(song, shift)
    out = backend.empty((len(place), width), np.float32)
    (songs.particles if particles else songs).read(backend.to_device(place), out)
    return backend.to_host(out).copy()


def optimizer_state(backend, optimizer, theta):
    """A TrainerState of theta (P + H V,) before its first step."""
    theta = backend.to_device(theta)
    return TrainerState(theta, backend.copy(theta), optimizer.moments(theta), 0, None)


def train(trainer, epochs=np.inf, steps=np.inf, pace=FULL_PACE):
    """All events until so many epochs or steps are done in all."""

    def next_pace():
        is_done = trainer.counters.epoch >= epochs or trainer.state.steps >= steps
        return None if is_done else pace

    return list(trainer.run(next_pace))


def weights(trainer):
    """The weights of a run, on the host."""
    return trainer.current().theta
