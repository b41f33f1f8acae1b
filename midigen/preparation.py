"""From files to a corpus: read each in a worker process, decide its split and verdict, sum up."""

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from midigen.config import Grid, PrepareConfig
from midigen.corpus import SPLITS, Corpus, Song
from midigen.errors import MidigenError, UsageError
from midigen.midi import benchmark
from midigen.midi.guard import map_guarded
from midigen.midi.inputs import Input, expand, is_benchmark, printable
from midigen.midi.read import StrPath, read_table
from midigen.midi.roll import notes_to_roll
from midigen.midi.worker import Failure

OFF_GRID_SHARE = 0.30  # of a song's onsets: with more of them, it does not belong on a beat grid

Entry = dict[str, Any]  # what a manifest says of one input; docs/file-formats.md lists the keys


@dataclass(frozen=True)
class Settings:
    """How to prepare: a Grid, and what PrepareConfig has.

    Parameters
    ----------
    grid : Grid
        What frames and columns of the rolls stand for.
    split : tuple of float
        Shares of train, valid and test, of any sum.
    time_limit : float
        Seconds that reading a file may take.
    memory_limit : int
        Megabytes that it may take, on Linux.
    max_bytes : int
        The largest size of a MIDI file that is read.
    workers : int, optional
        Number of processes that read, by default as many as there are cores.
    """

    grid: Grid = Grid()
    split: tuple[float, float, float] = PrepareConfig.split
    time_limit: float = PrepareConfig.time_limit
    memory_limit: int = PrepareConfig.memory_limit
    max_bytes: int = PrepareConfig.max_bytes
    workers: int | None = PrepareConfig.workers


def prepare_paths(
    paths: StrPath | Iterable[StrPath],
    settings: Settings | None = None,
    on_file: Callable[[Entry], object] = lambda entry: None,
) -> Corpus:
    """Make a corpus of files, without writing any; what `midigen prepare` does, for programs.

    Works in scripts without an `if __name__ == "__main__"` and in notebooks, too. What `midigen
    prepare` warns of is given to `warnings.warn`.

    Parameters
    ----------
    paths : path or iterable of paths
        MIDI and benchmark files, folders to search for them, and globs.
    settings : Settings, optional
        How to prepare; by default as `midigen prepare` does.
    on_file : callable
        Called with every input's entry in the manifest, as it comes.

    Returns
    -------
    Corpus
        The songs, and in `manifest` what became of every input.

    Raises
    ------
    MidigenError
        Where a path is missing, or no usable song is found.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    names = [os.fspath(path) for path in paths]
    inputs = expand(names)
    if not inputs:
        where = ", ".join(printable(name) for name in names) or "an empty list"
        raise MidigenError(f"no MIDI files (.mid, .midi, .kar) in {where}")
    corpus, remarks = prepare(inputs, settings or Settings(), on_file)
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return corpus


def prepare(
    inputs: Iterable[Input],
    settings: Settings,
    on_file: Callable[[Entry], object] = lambda entry: None,
) -> tuple[Corpus, list[str]]:
    """Make a corpus of files that were found; what is wrong with one is written in its entry.

    Parameters
    ----------
    inputs : iterable of Input
        The files.
    settings : Settings
        How to prepare.
    on_file : callable
        Called with every input's entry in the manifest, as it comes.

    Returns
    -------
    corpus : Corpus
        The songs and the manifest.
    warnings : list of str
        Lines for people.

    Raises
    ------
    MidigenError
        Where no song is usable.
    UsageError
        Where the grid does not fit a benchmark file.
    """
    inputs = sorted(inputs, key=lambda item: item.path)
    _check_benchmarks(inputs, settings.grid)
    songs: list[Song] = []
    manifest: list[Entry] = []
    inputs_by_digest: dict[str, str] = {}
    with contextlib.closing(_read_all(inputs, settings)) as results:
        for path, result in results:
            entry: Entry = {"input": printable(path), "verdict": "kept", "reason": ""}
            if isinstance(result, Failure):
                entry.update(verdict="skipped", reason=result.reason)
            else:
                found, facts = result
                entry.update(facts)
                same = inputs_by_digest.get(facts["digest"])
                if same is not None:
                    entry.update(verdict="duplicate", reason=f"same music as {same}")
                else:
                    inputs_by_digest[facts["digest"]] = entry["input"]
                    songs += [_with_split(song, settings.split) for song in found]
            manifest.append(entry)
            on_file(entry)
    if not songs:
        raise MidigenError(_describe_failures(manifest))
    songs, remarks = _check_splits(songs, settings.split)
    splits = {song.digest: song.split for song in songs}
    for entry in manifest:
        # the digest of a benchmark file, which has songs of all splits, is none of a song
        if entry["verdict"] == "kept" and entry["digest"] in splits:
            entry["split"] = splits[entry["digest"]]
    return Corpus(settings.grid, songs, manifest), remarks + _check_grid(manifest)


def split_of(digest: str, shares: tuple[float, float, float]) -> str:
    """Decide the split of a song by its digest alone, so that adding songs moves no other.

    Parameters
    ----------
    digest : str
        Hexadecimal SHA-256 of the song.
    shares : tuple of float
        Shares of train, valid and test, of any sum.

    Returns
    -------
    str
        "train", "valid" or "test".
    """
    place = int(digest[:13], 16) / 16**13 * sum(shares)
    if place < shares[0]:
        return "train"
    return "valid" if place < shares[0] + shares[1] else "test"


def summarise(corpus: Corpus, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Sum up a corpus and its manifest.

    Parameters
    ----------
    corpus : Corpus
        What `prepare` made.
    warnings : sequence of str
        What it warned of.

    Returns
    -------
    dict
        Figures that JSON can hold, as `midigen prepare --json` shows them.
    """
    statistics = corpus.statistics()
    verdicts = Counter(entry["verdict"] for entry in corpus.manifest)
    skipped = Counter(
        _kind_of(entry["reason"]) for entry in corpus.manifest if entry["verdict"] == "skipped"
    )
    kept = [entry for entry in corpus.manifest if entry["verdict"] == "kept"]
    splits = {}
    for split in SPLITS:
        rolls = corpus.rolls(split)
        splits[split] = {"songs": len(rolls), "frames": sum(len(roll) for roll in rolls)}
    return {
        "digest": corpus.digest,
        "songs": statistics["songs"],
        "frames": statistics["frames"],
        "notes_per_frame": round(statistics["notes_per_frame"], 3),
        "splits": splits,
        "inputs": len(corpus.manifest),
        "kept": verdicts["kept"],
        "duplicates": verdicts["duplicate"],
        "skipped": dict(skipped.most_common()),
        **{
            key: sum(entry.get(key, 0) for entry in kept)
            for key in ("notes", "drums", "transposed", "dropped", "merged")
        },
        "remarks": sum(bool(entry.get("warnings")) for entry in kept),
        "warnings": list(warnings),
    }


def read_songs(path: StrPath, grid: Grid, max_bytes: int) -> tuple[list[Song], Entry]:
    """Read one file, in this process.

    Parameters
    ----------
    path : path
        A MIDI file or a benchmark file.
    grid : Grid
        What frames and columns of its rolls are to stand for.
    max_bytes : int
        The largest size of a MIDI file that is read.

    Returns
    -------
    songs : list of Song
        Its songs, their split empty where the digest is to decide it.
    facts : dict
        What the manifest says of the file.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is the reason alone.
    """
    if is_benchmark(path):
        return _read_benchmark(path)
    table = read_table(path, max_bytes)
    roll, counts = notes_to_roll(table, grid)
    song = Song(table.name, "", table.digest(grid.unit), table.bpm, table.metre, roll)
    facts = {
        "digest": song.digest,
        "frames": len(roll),
        "notes": counts.notes,
        "drums": table.drums,
        "transposed": counts.transposed,
        "dropped": counts.dropped,
        "merged": counts.merged,
        "off_grid": round(counts.off_grid / counts.notes, 4),
        "bpm": table.bpm,
        "metre": list(table.metre),
    }
    if table.warnings:
        facts["warnings"] = "; ".join(table.warnings)
    return [song], facts


def _read_benchmark(path: StrPath) -> tuple[list[Song], Entry]:
    """Read the songs of a benchmark file, which has neither tempi nor metres, and its facts."""
    found = benchmark.read_benchmark(path)
    songs = [
        Song(
            name=benchmark.song_name(path, split, number),
            split=split,
            digest=benchmark.roll_digest(roll),
            bpm=120.0,
            metre=(4, 4),
            roll=roll,
        )
        for split, number, roll in found
    ]
    return songs, {
        "digest": benchmark.file_digest(found),
        "songs": len(songs),
        "frames": sum(len(song.roll) for song in songs),
    }


def _read_all(
    inputs: list[Input], settings: Settings
) -> Generator[tuple[str, tuple[list[Song], Entry] | Failure], None, None]:
    """Yield the path of every input, in order, and its songs and facts or a Failure."""
    paths = [item.path for item in inputs if not item.problem]
    preload = ["pretty_midi"]
    if any(map(is_benchmark, paths)):
        preload.append("scipy.io")
    results = map_guarded(
        partial(read_songs, grid=settings.grid, max_bytes=settings.max_bytes),
        paths,
        seconds=settings.time_limit,
        megabytes=settings.memory_limit,
        workers=settings.workers,
        preload=preload,
    )
    with contextlib.closing(results):
        for item in inputs:
            if item.problem:
                yield item.path, Failure(printable(item.problem))
            else:
                yield next(results)


def _with_split(song: Song, shares: tuple[float, float, float]) -> Song:
    """Return a song with a split, its own or the one that its digest decides."""
    return song if song.split else replace(song, split=split_of(song.digest, shares))


def _kind_of(reason: str) -> str:
    """Return a reason without its details, which are in brackets."""
    return reason.split(" (")[0]


def _check_benchmarks(inputs: list[Input], grid: Grid) -> None:
    """Raise UsageError where the grid does not fit benchmark files and there are some."""
    first = next((item.path for item in inputs if is_benchmark(item.path)), None)
    if first is not None and not benchmark.fits(grid):
        raise UsageError(
            f"{printable(first)} holds rolls of pitches {benchmark.LOW}..{benchmark.HIGH} without "
            "onsets and velocities: it needs a beat grid, that range, another articulation than "
            "onset, and binary values"
        )


def _check_splits(
    songs: list[Song], shares: tuple[float, float, float]
) -> tuple[list[Song], list[str]]:
    """Move all songs to train where that should have some and has none; return warnings, too."""
    counts = Counter(song.split for song in songs)
    if shares[0] and not counts["train"]:
        return [replace(song, split="train") for song in songs], [
            f"no song fell to train (of {len(songs)}), so all go there; with more songs the splits "
            "fill up"
        ]
    if shares[1] and not counts["valid"]:
        return songs, [
            f"no song fell to valid (of {len(songs)}): training cannot tell learning from "
            "memorising; add songs or give it a larger share with --split"
        ]
    return songs, []


def _check_grid(manifest: list[Entry]) -> list[str]:
    """Warn of songs that do not belong on a beat grid."""
    off = [
        entry
        for entry in manifest
        if entry["verdict"] == "kept" and entry.get("off_grid", 0) > OFF_GRID_SHARE
    ]
    if not off:
        return []
    worst = max(off, key=lambda entry: entry["off_grid"])
    return [
        f"songs with over {OFF_GRID_SHARE:.0%} of their onsets off the beat grid: {len(off)} "
        f"(the most in {worst['input']}, {worst['off_grid']:.0%}): triplets fit "
        "--steps-per-beat 12, free performances --grid seconds"
    ]


def _describe_failures(manifest: list[Entry]) -> str:
    """Say why no song is usable."""
    if len(manifest) == 1:
        return f"no usable song: {manifest[0]['input']}: {manifest[0]['reason']}"
    reasons = Counter(_kind_of(entry["reason"]) for entry in manifest).most_common(3)
    return f"no usable song among {len(manifest)} files: " + ", ".join(
        f"{reason} ({count})" for reason, count in reasons
    )
