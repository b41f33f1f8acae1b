"""New songs from a model.  Section 8 of docs/mathematics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.config import GenerateConfig
from midigen.model.card import Levels
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.randomness import derive_key

REMEDY = "make fewer songs at once, or take --device cpu"


def generate_songs(
    model: RnnRbm,
    frames: int,
    count: int = 1,
    primer: NDArray[Any] | None = None,
    temperature: float = 1.0,
    gibbs_steps: int = GenerateConfig.gibbs_steps,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield new songs, in order, each as soon as it is done.

    Every frame is the end of Gibbs sampling in its own RBM, from the frame before it.  What is fed
    back is the frame as its roll has it: a Gaussian value that is no note is 0, as in the songs.
    Song i depends on (model, primer, settings, seed, i) alone.

    Parameters
    ----------
    model : RnnRbm
    frames : int
        New frames of each song.
    count : int
        Songs.
    primer : ndarray of uint8 (T0, V), optional
        Frames that come first and are not returned; silence if left out.
    temperature : float
        What energies are divided by.
    gibbs_steps : int
        Sweeps for each frame.
    seed : int
    progress : callable, optional
        Told, now and then and from worker threads, how many more frames there are.
    backend : Backend, optional
        The CPU's if left out.

    Yields
    ------
    ndarray of uint8 (frames, V)

    Raises
    ------
    ValueError
        For settings that are out of range.
    """
    if frames < 1 or count < 1 or gibbs_steps < 1 or not temperature > 0:
        raise ValueError("frames, count and gibbs_steps must be at least 1 and temperature over 0")
    backend = backend or cpu_backend()

    def make(songs: list[int], stopped: Callable[[], bool]) -> NDArray[np.uint8]:
        keys = np.array([derive_key(seed, "generate", i) for i in songs], np.uint64)
        return placed.play(heard, keys, frames, 1 / temperature, gibbs_steps, progress, stopped)

    with backend.guarded(REMEDY):
        placed = PlacedModel(model, backend)
        heard = placed.primed(primer)
        groups = backend.split([frames] * count)
        made: dict[int, NDArray[np.uint8]] = {}
        wanted = 0
        for some, songs in zip(groups, backend.map(make, groups), strict=True):
            made.update(zip(some, songs, strict=True))
            while wanted in made:
                yield made.pop(wanted)
                wanted += 1


def generate(model: RnnRbm, frames: int, **settings: Any) -> NDArray[np.uint8]:
    """Return all songs of generate_songs(model, frames, ...) at once: (count, frames, V)."""
    return np.stack(list(generate_songs(model, frames, **settings)))


def choose_levels(placed: PlacedModel, rolls: Sequence[NDArray[np.uint8]], seed: int) -> Levels:
    """Choose how a Gaussian model's values become notes like those of songs.

    The threshold gives as many notes a frame as the rolls have, gain and offset the mean and the
    standard deviation of their velocities.  Every frame's values are drawn as in generation, but
    after the frames of the song itself.

    Parameters
    ----------
    placed : PlacedModel
    rolls : sequence of uint8 (T, V)
    seed : int

    Returns
    -------
    Levels
    """

    def draw(run: Any) -> NDArray[Any]:
        keys = [derive_key(seed, "levels", song) for song in run.songs]
        return placed.sample(run, GenerateConfig.gibbs_steps, keys)

    values = np.concatenate(placed.of_every_song(rolls, draw)).astype(np.float64)
    heard = np.concatenate([placed.model.frames(roll) for roll in rolls])
    threshold = np.quantile(values, 1 - np.mean(heard > 0))
    notes, real = values[values > threshold], heard[heard > 0]
    if not len(notes) or not len(real):
        return Levels(float(threshold))
    gain = real.std() / max(notes.std(), 1e-6)
    offset = real.mean() - gain * notes.mean()
    return Levels(float(threshold), float(gain), float(offset))
