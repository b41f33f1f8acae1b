"""What is known of a song or a corpus, as JSON can hold it: what `midigen show` shows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from midigen.columns import columns_of
from midigen.corpus import Corpus, Song
from midigen.errors import MidigenError
from midigen.files import StrPath, check_regular, format_of
from midigen.midi.inputs import printable
from midigen.midi.key import find_key
from midigen.midi.names import pitch_name
from midigen.midi.view import SongView, TrackView
from midigen.preparation import summarise

Facts = dict[str, Any]
Kind = Literal["song", "corpus", "run"]


def kind_of(path: StrPath) -> Kind:
    """Tell by what is in it whether a file is a song or a corpus, or a file or folder of a run.

    Raises
    ------
    MidigenError
        In one line, where it is nothing of these.
    """
    shown = printable(path)
    if os.path.isdir(path):
        # only here: these load Numba, which takes longer than to draw a song
        from midigen.model.rnn_rbm import FILE_NAME
        from midigen.training.checkpoint import CHECKPOINT_NAME
        from midigen.training.log import LOG_NAME

        if any(Path(path, name).exists() for name in (FILE_NAME, CHECKPOINT_NAME, LOG_NAME)):
            return "run"
        raise MidigenError(f"{shown} is a folder without a run: name a file in it")
    check_regular(path)
    try:
        with open(path, "rb") as f:
            head = f.read(12)
    except FileNotFoundError:
        raise MidigenError(f"{shown}: no such file") from None
    except OSError as e:
        raise MidigenError(f"{shown} cannot be read ({e.strerror or e})") from None
    if not head:
        raise MidigenError(f"{shown} is empty")
    if head[:4] == b"MThd" or (head[:4] == b"RIFF" and head[8:] == b"RMID"):
        return "song"
    kinds: dict[str | None, Kind] = {
        "midigen-corpus": "corpus",
        "midigen-model": "run",
        "midigen-checkpoint": "run",
    }
    kind = kinds.get(format_of(path))
    if kind is None:
        raise MidigenError(
            f"{shown} is no MIDI file, and no corpus, model or run folder that midigen has made"
        )
    return kind


def song_facts(view: SongView) -> Facts:
    """Return what is known of a song.

    Returns
    -------
    dict
        kind "song", name, title; seconds, bars, metre, bpm; key, and by what it is known
        ("signature" or "notes"; None for drums alone); tracks, each with its name, part,
        instrument, program, count of notes, lowest and highest pitch; text, what midigen wrote of
        how it made the song.
    """
    key, known_by = view.key, "signature"
    pitched = [track.notes for track in view.tracks if not track.drums]
    if key is None and pitched:
        notes = np.concatenate(pitched)
        weights = notes[:, 1] - notes[:, 0]
        key = str(find_key(np.bincount(notes[:, 2].astype(int) % 12, weights, minlength=12)))
        known_by = "notes"
    return {
        "kind": "song",
        "name": view.name,
        "title": view.title,
        "seconds": round(view.end, 3),
        "bars": len(view.bars),
        "metre": list(view.metre),
        "bpm": view.bpm,
        "key": key,
        "key_by": known_by if key else None,
        "tracks": [_track_facts(track) for track in view.tracks],
        "text": view.text,
    }


def _track_facts(track: TrackView) -> Facts:
    pitches = track.notes[:, 2].astype(int)
    return {
        "name": track.name,
        "part": track.part,
        "instrument": track.instrument,
        "program": None if track.drums else track.program,
        "notes": len(pitches),
        "lowest": int(pitches.min()),
        "highest": int(pitches.max()),
    }


def duration(facts: Facts) -> str:
    """Write how long a song lasts.

    >>> duration({"seconds": 67.2}), duration({"seconds": 3605})
    ('1:07', '1:00:05')
    """
    minutes, seconds = divmod(round(facts["seconds"]), 60)
    if minutes < 60:
        return f"{minutes}:{seconds:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def pitch_range(track: Facts) -> str:
    """Name the lowest and the highest pitch of a track's facts."""
    return f"{pitch_name(track['lowest'])}..{pitch_name(track['highest'])}"


def corpus_facts(corpus: Corpus) -> Facts:
    """Return what is known of a corpus.

    Returns
    -------
    dict
        kind "corpus"; summary, as `midigen prepare --json` has it; songs, each with its name, key
        (None where it is not known), metre, bars (None on a grid of seconds), seconds, parts,
        split; left_out, every input that is not in it, with its verdict and reason; remarks, every
        input that is in it with remarks.
    """
    kept = [entry for entry in corpus.manifest if entry["verdict"] == "kept"]
    keys = {entry["digest"]: entry.get("key") for entry in kept}
    return {
        "kind": "corpus",
        "summary": summarise(corpus),
        "songs": [_of_song(corpus, song, keys.get(song.digest)) for song in _by_name(corpus)],
        "left_out": [
            {"input": entry["input"], "verdict": entry["verdict"], "reason": entry["reason"]}
            for entry in corpus.manifest
            if entry["verdict"] != "kept"
        ],
        "remarks": [
            {"input": entry["input"], "remarks": list(entry["warnings"])}
            for entry in kept
            if entry.get("warnings")
        ],
    }


def _by_name(corpus: Corpus) -> list[Song]:
    return sorted(corpus.songs, key=lambda song: (song.name.lower(), song.digest))


def _of_song(corpus: Corpus, song: Song, key: str | None) -> Facts:
    grid = corpus.grid
    part_of = columns_of(grid).part_of
    used = np.flatnonzero(song.roll.max(axis=0, initial=0))
    bars = len(song.outline.bar_starts(grid)) - 1 if grid.unit == "beat" else None
    return {
        "name": song.name,
        "key": key,
        "metre": list(song.metre),
        "bpm": song.bpm,
        "bars": bars,
        "seconds": round(len(song.roll) * grid.frame_seconds(song.bpm), 1),
        "parts": [part.name for n, part in enumerate(grid.parts) if n in part_of[used]],
        "split": song.split,
    }
