"""New songs from a model.  Section 10 of docs/mathematics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.columns import columns_of
from midigen.config import GIBBS_STEPS
from midigen.model.card import Levels
from midigen.model.forms import Forms, draw_outline, form_of_letters, go_on
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Songs
from midigen.outline import Outline
from midigen.randomness import derive_key, generator

TEMPERATURE = 0.8  # of models that do not say what suits them
LEVEL_STEPS = 25  # Gibbs sweeps of a frame from the one before, for levels of loudness
REMEDY = "make fewer songs at once, or take --device cpu"


def generate_songs(
    model: RnnRbm,
    frames: int | None,
    count: int = 1,
    primer: NDArray[Any] | None = None,
    temperature: float | None = None,
    gibbs_steps: int = GIBBS_STEPS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
    outlines: Sequence[Outline] | None = None,
    numbers: Sequence[int] | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield new songs, in order, each as soon as it is done.

    Every frame is the end of Gibbs sampling in its own RBM, from the frame before it.  What is fed
    back is the frame as its roll has it: a Gaussian value that is no note is 0, as in the songs.
    A song depends on (model, primer, settings, its outline, seed, its number) alone.

    Parameters
    ----------
    model : RnnRbm
    frames : int or None
        New frames of each song; None where `outlines` say it.
    count : int
        Songs.
    primer : ndarray of uint8 (T0, V), optional
        Frames that come first and are not returned; silence if left out.
    temperature : float, optional
        What energies are divided by; what suits the model if left out.
    gibbs_steps : int
        Sweeps for each frame.
    seed : int
    progress : callable, optional
        Told, now and then and from worker threads, how many more frames there are.
    backend : Backend, optional
        The CPU's if left out.
    outlines : sequence of Outline, optional
        What the model is told of each song, primer included; drawn by `draw_outlines` if left out.
    numbers : sequence of int, optional
        Of the songs: each has random numbers of its own.  0, 1, .. if left out.

    Yields
    ------
    ndarray of uint8 (frames, V)

    Raises
    ------
    ValueError
        For settings that are out of range.
    """
    temperature = temperature_for(model) if temperature is None else temperature
    frames = frames or 0
    if (outlines is None and frames < 1) or count < 1 or gibbs_steps < 1 or not temperature > 0:
        raise ValueError("frames, count and gibbs_steps must be at least 1 and temperature over 0")
    backend = backend or cpu_backend()
    begun = 0 if primer is None else len(primer)
    told = outlines or draw_outlines(model, begun + frames, count, seed)
    numbers = range(count) if numbers is None else numbers

    def make(songs: list[int], stopped: Callable[[], bool]) -> list[NDArray[np.uint8]]:
        keys = np.array([derive_key(seed, "generate", numbers[i]) for i in songs], np.uint64)
        some = [told[i] for i in songs]
        beta = 1 / temperature
        return placed.play(some, keys, beta, gibbs_steps, primer, progress, stopped)

    with backend.guarded(REMEDY):
        placed = PlacedModel(model, backend)
        groups = backend.split([outline.frames for outline in told])
        made: dict[int, NDArray[np.uint8]] = {}
        wanted = 0
        for some, songs in zip(groups, backend.map(make, groups), strict=True):
            made.update(zip(some, songs, strict=True))
            while wanted in made:
                yield made.pop(wanted)
                wanted += 1


def temperature_for(model: RnnRbm) -> float:
    """Return the temperature that suits a model, or one for models that do not say.

    Of a Gaussian one it is 1, at which its levels were chosen.
    """
    return 1.0 if model.gaussian else model.card.temperature or TEMPERATURE


def draw_outlines(
    model: RnnRbm,
    length: int | float,
    count: int,
    seed: int,
    metre: tuple[int, int] | None = None,
    style: str | None = None,
    form: str | NDArray[np.int64] | None = None,
    opening: Outline | None = None,
) -> list[Outline]:
    """Draw what a model is told of new songs, from what it knows of those it learned from.

    Parameters
    ----------
    model : RnnRbm
    length : int, or float
        New music of each song, in frames, or as a float in bars of its metre.
    count, seed : int
    metre, style : optional
        What is asked for, in place of that of one of the songs.
    form : str or ndarray of int64 (bars, P), optional
        Sections, such as "AABA", or the form of a song.  It begins with the first whole bar.
    opening : Outline, optional
        Of a primer, from which all songs go on.

    Raises
    ------
    ValueError
        For a form that cannot be, and a style that there is not.
    """
    known, grid, made = model.card.outlines, model.grid, []
    forms = Forms(known, columns_of(grid).parts)
    if not known:
        metre = metre or model.card.metre
    styles = sorted({outline.style for outline in known if outline.style})
    if style is not None and style not in styles:
        listed = f"one of {', '.join(styles)}" if styles else "left out, as the model knows none"
        raise ValueError(f"the style must be {listed}, not {style!r}")
    for song in range(count):
        rng = generator(seed, "outline", song)
        if opening is None:
            outline = draw_outline(rng, known, grid, length, metre, style)
        else:
            outline = go_on(opening, grid, length, style)
        bars, pickup = max(len(outline.bar_starts(grid)) - 1, 0), outline.pickup > 0
        begun = None if opening is None else opening.form
        if isinstance(form, str):
            begun = _behind(pickup, form_of_letters(form, bars - pickup, forms, rng))
        elif form is not None:
            begun = _behind(pickup, form)
        made.append(replace(outline, form=forms.draw(rng, bars, pickup, begun)))
    return made


def _behind(pickup: bool, form: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put a bar ahead of a form (bars, P), where there is a pickup, that repeats nothing."""
    return np.concatenate([np.zeros_like(form, shape=(int(pickup), form.shape[1])), form])


def generate(model: RnnRbm, frames: int, **settings: Any) -> NDArray[np.uint8]:
    """Return all songs of generate_songs(model, frames, ...) at once: (count, frames, V)."""
    return np.stack(list(generate_songs(model, frames, **settings)))


def choose_levels(
    placed: PlacedModel,
    rolls: Sequence[NDArray[np.uint8]],
    seed: int,
    songs: Songs | None = None,
) -> Levels:
    """Choose how a Gaussian model's values become notes like those of songs.

    The threshold gives as many notes a frame as the rolls have, gain and offset the mean and the
    standard deviation of their velocities.  Every frame's values are drawn as in generation, but
    after the frames of the song itself.

    Parameters
    ----------
    placed : PlacedModel
    rolls : sequence of uint8 (T, V)
    seed : int
    songs : Songs, optional
        The same on the backend, with their outlines.

    Returns
    -------
    Levels
    """

    def draw(run: Any) -> NDArray[Any]:
        keys = [derive_key(seed, "levels", song) for song in run.songs]
        return placed.sample(run, LEVEL_STEPS, keys)

    values = np.concatenate(placed.of_every_song(songs or rolls, draw)).astype(np.float64)
    heard = np.concatenate([placed.model.frames(roll) for roll in rolls])
    threshold = np.quantile(values, 1 - np.mean(heard > 0))
    notes, real = values[values > threshold], heard[heard > 0]
    if not len(notes) or not len(real):
        return Levels(float(threshold))
    gain = real.std() / max(notes.std(), 1e-6)
    offset = real.mean() - gain * notes.mean()
    return Levels(float(threshold), float(gain), float(offset))
