"""The whole evaluation of a model against a corpus, as a dict that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.backends.cpu import cpu_backend
from midigen.backends.interface import Backend
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError
from midigen.evaluation.accuracy import Accuracy, score, score_draws, score_model
from midigen.evaluation.baselines import baselines, note_means, recurrent_baseline
from midigen.evaluation.likelihood import (
    check_measurable,
    conditional_on,
    estimate_log_likelihood,
    teacher_forced,
)
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.progress import Stages, unseen
from midigen.randomness import generator

Rolls = Sequence[NDArray[np.uint8]]


def evaluate_model(
    model: RnnRbm,
    corpus: Corpus,
    split: str = "test",
    temperatures: int = 2000,
    chains: int = 4,
    tolerance: float = 0.02,
    seed: int = 0,
    max_frames: int | None = None,
    rnn_frames: int = 0,
    progress: Stages = unseen,
    backend: Backend | None = None,
) -> dict[str, Any]:
    """Measure a model and the baselines on one split of a Corpus, all on the same frames.

    Parameters
    ----------
    model : RnnRbm
    corpus : Corpus
    split : str
        "train", "valid" or "test".
    temperatures, chains, tolerance, seed
        As `estimate_log_likelihood` takes them.
    max_frames : int, optional
        Of whole songs drawn at random, the same for every model; all songs if left out.
    rnn_frames : int
        That the recurrent baseline is trained on, 0 for none.
    progress : Stages
        Told how many frames are done.
    backend : Backend, optional
        Of the model's likelihood and accuracy, the CPU's if left out.

    Returns
    -------
    dict
        songs, frames, all_frames and the settings, with the temperatures that were taken at most
        and in the mean; `rows`, a dict for each predictor (nats a frame, from below, and
        at_most, both the same where they are exact; standard errors over chains and over songs, two
        accuracies, and conditional_on, what it was told of a song that the past does not say); and
        whether the model's own are exact.
    """
    check_measurable(model)
    _check_grid(model, corpus)
    train, everything = corpus.rolls("train"), corpus.rolls(split)
    if not train or not everything:
        raise MidigenError(
            f"the corpus holds no songs to {'train' if not train else split}: name another "
            "--split, or prepare more songs"
        )
    chosen = choose_songs(corpus.of_split(split), max_frames)
    rolls = [song.roll for song in chosen]
    v, rows, rivals = np.concatenate(rolls), [], baselines(train, rolls, corpus.grid)
    if rnn_frames:
        with progress("training a rival", rnn_frames) as advance:
            valid = corpus.rolls("valid")
            rivals.append(recurrent_baseline(train, valid, rolls, corpus.grid, rnn_frames, advance))
    backend = backend or cpu_backend()
    with backend.guarded("take --device cpu"):
        placed = PlacedModel(model, backend)
        songs = teacher_forced(placed, chosen)
        found = estimate_log_likelihood(
            placed, songs, temperatures, chains, seed, note_means(train), tolerance, progress
        )
        own_accuracy = score_model(placed, songs, seed)
    for baseline in rivals:
        if baseline.copies is None:
            accuracy = score_draws(baseline.p, v, seed)
        else:
            accuracy = score(baseline.copies, v)
        rows.append(_row(baseline.name, baseline.log_likelihood(v), 0.0, accuracy, rolls))
    own = _row("the model", found.lower, found.standard_error, own_accuracy, rolls)
    own |= {"log_likelihood_at_most": found.mean, "conditional_on": conditional_on(model)}
    rows.append(own)
    return {
        "split": split,
        "songs": len(rolls),
        "frames": len(v),
        "all_frames": sum(map(len, everything)),
        "temperatures": int(found.temperatures.max()),
        "mean_temperatures": float(found.temperatures.mean()),
        "chains": chains,
        "tolerance": tolerance,
        "seed": seed,
        "exact": found.exact,
        "trained_on_this_corpus": model.card.corpus_digest == corpus.digest,
        "rows": rows,
    }


def choose_songs(songs: list[Song], max_frames: int | None) -> list[Song]:
    """Draw songs, always in the same order, while they have at most max_frames together.

    It is one at least, and all where max_frames is None.
    """
    if max_frames is None:
        return songs
    chosen: list[Song] = []
    left = max_frames
    for i in generator(0, "evaluated songs").permutation(len(songs)):
        if chosen and len(songs[i].roll) > left:
            break
        chosen.append(songs[i])
        left -= len(songs[i].roll)
    return chosen


def _check_grid(model: RnnRbm, corpus: Corpus) -> None:
    """Refuse a corpus whose frames or columns do not mean what they mean to the model."""
    ours, theirs = model.grid.to_json(), corpus.grid.to_json()
    ignored = {"outside", "step" if ours["unit"] == "beat" else "steps_per_beat"}
    different = [
        f"{name} {theirs[name]} (the model's is {value})"
        for name, value in ours.items()
        if name not in ignored and theirs[name] != value
    ]
    if different:
        raise MidigenError(f"the corpus is on another grid than the model: {', '.join(different)}")


def _row(
    name: str,
    frames: NDArray[np.float64],
    chains_error: float,
    accuracy: Accuracy,
    rolls: Rolls,
) -> dict[str, Any]:
    return {
        "name": name,
        "log_likelihood": float(frames.mean()),
        "log_likelihood_at_most": float(frames.mean()),
        "error_chains": chains_error,
        "error_songs": _error_over_songs(frames, rolls),
        "frame_accuracy": accuracy.frame,
        "pooled_accuracy": accuracy.pooled,
        "conditional_on": [],
    }


def _error_over_songs(frames: NDArray[np.float64], rolls: Rolls) -> float | None:
    """Return the standard error of the mean of frames (N,) over whole songs; None for one song."""
    if len(rolls) < 2:
        return None
    ends = np.cumsum([len(roll) for roll in rolls])
    excess = [(part - frames.mean()).sum() for part in np.split(frames, ends[:-1])]
    return float(np.sqrt(np.square(excess).sum() * len(rolls) / (len(rolls) - 1)) / len(frames))
