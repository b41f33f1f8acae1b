"""Whole evaluations as dicts that JSON can hold: a model against a corpus, and songs against a corpus."""

from contextlib import nullcontext
from dataclasses import asdict

import numpy as np

from midigen.device import gpu_work
from midigen.errors import MidigenError
from midigen.evaluation.accuracy import score, score_draws, score_model
from midigen.evaluation.baselines import baselines, note_means, recurrent_baseline
from midigen.evaluation.copying import Collection
from midigen.evaluation.likelihood import check_measurable, estimate_log_likelihood
from midigen.evaluation.music import Piece, compare
from midigen.midi.read import read_notes
from midigen.midi.roll import notes_to_roll
from midigen.randomness import generator


def _unseen(what, total):
    return nullcontext()


def evaluate_model(
    model,
    corpus,
    split,
    temperatures,
    chains,
    seed,
    max_frames=None,
    rnn_frames=0,
    progress=_unseen,
    device="cpu",
):
    """The likelihood and accuracy of a model and of the baselines on one split of a Corpus, all on the same frames.

    max_frames: of whole songs drawn at random, the same for every model; None for all songs.  rnn_frames: that the
    recurrent baseline is trained on, 0 for none.  progress(what, total) makes a context whose value is called with the
    frames done, or is None.  device: of the likelihood, "cpu" or "cuda".  Returns a dict: songs, frames, all_frames,
    the settings; `rows`, a dict for each predictor (nats a frame with their standard errors, over chains and over
    songs, and two accuracies); and how far the chains can be trusted, exact, flattery (nats), disagreeing (share of
    frames).
    """
    check_measurable(model)
    _check_grid(model, corpus)
    train, everything = corpus.rolls("train"), corpus.rolls(split)
    if not train or not everything:
        raise MidigenError(
            f"the corpus holds no songs to {'train' if not train else split}: name another --split, "
            "or prepare more songs"
        )
    rolls = choose_songs(everything, max_frames)
    v, rows, rivals = np.concatenate(rolls), [], baselines(train, rolls)
    if rnn_frames:
        with progress("training a plain recurrent network to compare with", rnn_frames) as advance:
            rivals.append(
                recurrent_baseline(
                    train, corpus.rolls("valid"), rolls, corpus.grid, rnn_frames, advance
                )
            )
    with progress("annealing", len(v)) as advance:
        with gpu_work("take --device cpu"):
            found = estimate_log_likelihood(
                model, rolls, temperatures, chains, seed, note_means(train), advance, device=device
            )
    for baseline in rivals:
        accuracy = (
            score_draws(baseline.p, v, seed)
            if baseline.copies is None
            else score(baseline.copies, v)
        )
        rows.append(_row(baseline.name, baseline.log_likelihood(v), 0.0, accuracy, rolls))
    rows.append(
        _row(
            "the model", found.frames, found.standard_error, score_model(model, rolls, seed), rolls
        )
    )
    return {
        "split": split,
        "songs": len(rolls),
        "frames": len(v),
        "all_frames": sum(map(len, everything)),
        "temperatures": temperatures,
        "chains": chains,
        "seed": seed,
        "exact": found.exact,
        "flattery": found.flattery,
        "disagreeing": found.disagreeing,
        "trained_on_this_corpus": model.about.get("corpus_digest") == corpus.digest,
        "rows": rows,
    }


def choose_songs(rolls, max_frames):
    """Songs drawn at random, always in the same order, while they have at most max_frames together; one at least."""
    if max_frames is None:
        return rolls
    chosen, left = [], max_frames
    for i in generator(0, "evaluated songs").permutation(len(rolls)):
        if chosen and len(rolls[i]) > left:
            break
        chosen.append(rolls[i])
        left -= len(rolls[i])
    return chosen


def evaluate_songs(paths, corpus, progress=None):
    """What MIDI files have of a Corpus: copied runs, and statistics beside its training and its held-out songs.

    Returns a dict: songs, skipped ({"song", "reason"}), copying ("songs": a Copied of each, "generated" and "held_out":
    their summaries) and rows (of music.Row).  progress(1) follows each song that is searched, held-out ones included.
    """
    pieces, skipped = _read(paths, corpus.grid)
    train, held_out = corpus_pieces(corpus)
    if not train:
        raise MidigenError("the corpus holds no songs to train on: prepare more songs")
    if not pieces:
        raise MidigenError(
            f"none of the songs can be read: {skipped[0]['song']}: {skipped[0]['reason']}"
        )
    collection = Collection(train)

    def search(piece):
        found = collection.search(piece)
        if progress:
            progress(1)
        return found

    ours, theirs = [search(piece) for piece in pieces], [search(piece) for piece in held_out]
    return {
        "songs": len(pieces),
        "skipped": skipped,
        "train_songs": len(train),
        "held_out_songs": len(held_out),
        "copying": {
            "songs": [
                {"song": p.name, **asdict(found)} for p, found in zip(pieces, ours, strict=True)
            ],
            "generated": _summary(ours),
            "held_out": _summary(theirs),
            "longer_than_held_out": _longer(ours, theirs),
        },
        "rows": [asdict(row) for row in compare(train, pieces, held_out)],
    }


def corpus_pieces(corpus):
    """The training and the other songs of a Corpus, two lists of Piece."""
    train, held_out = [], []
    for song in corpus.songs:
        piece = Piece.of(song.name, song.roll, corpus.grid, song.bpm, song.metre)
        (train if song.split == "train" else held_out).append(piece)
    return train, held_out


def _read(paths, grid):
    pieces, skipped = [], []
    for path in paths:
        try:
            table = read_notes(path)
            roll, _ = notes_to_roll(table, grid)
            pieces.append(Piece.of(table.name, roll, grid, table.bpm, table.metre))
        except MidigenError as e:
            skipped.append({"song": str(path), "reason": str(e).removeprefix(f"{path}: ")})
    return pieces, skipped


def _check_grid(model, corpus):
    """MidigenError where the frames or columns of a corpus do not mean what they mean to the model."""
    ours, theirs = model.grid.to_json(), corpus.grid.to_json()
    ignored = {"outside", "step" if ours["unit"] == "beat" else "steps_per_beat"}
    different = [
        f"{name} {theirs[name]} (the model's is {value})"
        for name, value in ours.items()
        if name not in ignored and theirs[name] != value
    ]
    if different:
        raise MidigenError(f"the corpus is on another grid than the model: {', '.join(different)}")


def _row(name, frames, chains_error, accuracy, rolls):
    return {
        "name": name,
        "log_likelihood": float(frames.mean()),
        "error_chains": chains_error,
        "error_songs": _error_over_songs(frames, rolls),
        "frame_accuracy": accuracy.frame,
        "pooled_accuracy": accuracy.pooled,
    }


def _error_over_songs(frames, rolls):
    """Standard error of the mean over frames (N,) where whole songs were drawn; None for one song."""
    if len(rolls) < 2:
        return None
    excess = [
        (part - frames.mean()).sum()
        for part in np.split(frames, np.cumsum([len(roll) for roll in rolls])[:-1])
    ]
    return float(np.sqrt(np.square(excess).sum() * len(rolls) / (len(rolls) - 1)) / len(frames))


def _summary(copied):
    """Of a list of Copied: the median and the longest of their longest runs, in beats, and the mean share; or None."""
    if not copied:
        return None
    beats = [found.beats for found in copied]
    return {
        "median_beats": float(np.median(beats)),
        "longest_beats": max(beats),
        "share": float(np.mean([found.share for found in copied])),
    }


def _longer(ours, theirs):
    """How many songs have a longer run than 95 % of the held-out ones have; None without those."""
    if not theirs:
        return None
    limit = np.quantile([found.beats for found in theirs], 0.95)
    return sum(bool(found.beats > limit) for found in ours)
