"""What the tests of training share: the gradient of songs, and runs of so many steps."""

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.model.hearing import Hiding
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Songs
from midigen.randomness import derive_key, generator
from midigen.training.schedule import FULL_PACE
from midigen.training.series import CarriedState, Series, SeriesGroup
from midigen.training.state import TrainerState

KEY = int(derive_key(0, "test"))


def group_of(model, rolls, settings, backend, particles=None, carried=None, **more):
    """A SeriesGroup of one series, of songs behind one another as training puts them."""
    songs = particles.songs if particles else Songs(backend, model, rolls)
    starts = np.zeros(songs.begins[-1], np.uint8)
    if settings.concatenate:
        carried = carried or CarriedState.silent(backend, model)
    else:
        starts[songs.begins[1:-1]] = 1
    places = np.concatenate([songs.places(song) for song in range(len(rolls))])
    series = [Series(places, starts, more.pop("key", KEY))]
    placed = PlacedModel(model, backend)
    names = placed.context.gates.sources
    hiding = more.pop("hiding", None) or Hiding.draw(generator(0), songs, names, settings)
    return SeriesGroup(placed, settings, songs, particles, hiding, series, carried, **more)


def particles_of(backend, model, rolls):
    """A Markov chain for every frame of rolls, each at its frame."""
    return Songs(backend, model, rolls, with_particles=True).particles


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
    rolls = [np.concatenate(rolls)] if concatenate else rolls
    return lambda theta: (
        -sum(RnnRbm(model.config, model.grid, theta).exact_log_likelihood(r).sum() for r in rolls)
    )


def read(backend, songs, song, width, shift=0):
    """The frames of a song (T, V) that a Songs or its particles keep, transposed."""
    place = getattr(songs, "songs", songs).places(song, shift)
    out = backend.empty((len(place), width), np.float32)
    songs.read(backend.to_device(place), out)
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
