"""Files -> a corpus: read each one under guard, decide its split and its verdict, and sum up."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

from midigen.config import Grid
from midigen.corpus import SPLITS, Corpus, Song
from midigen.errors import MidigenError, UsageError
from midigen.midi import benchmark
from midigen.midi.guard import MEGABYTES, SECONDS, Verdict, guarded
from midigen.midi.inputs import is_benchmark, printable
from midigen.midi.read import MAX_BYTES, read_reason
from midigen.midi.roll import notes_to_roll

OFF_GRID = 0.30  # from this share of onsets on, a song does not belong on the grid


@dataclass(frozen=True)
class Settings:
    """How to prepare.  split: shares of train, valid and test, of any sum; seconds, megabytes and max_bytes: a file."""

    grid: Grid = field(default_factory=Grid)
    split: tuple[float, float, float] = (80, 10, 10)
    seconds: float = SECONDS
    megabytes: int = MEGABYTES
    max_bytes: int = MAX_BYTES
    workers: int | None = None


def prepare(inputs, settings, on_file=lambda entry: None):
    """Read `inputs`, a list of midi.inputs.Input: (Corpus, warnings), warnings being lines for people.

    on_file is called with every input's manifest entry as it comes.  Whatever is wrong with one input is its entry's
    reason.  Raises MidigenError where no song is left, and UsageError where the grid does not fit a benchmark file.
    """
    inputs = sorted(inputs, key=lambda i: i.path)
    _check_benchmarks(inputs, settings.grid)
    songs, manifest, seen = [], [], {}
    for path, outcome in _outcomes(inputs, settings):
        entry = {"input": printable(path), "verdict": "kept", "reason": ""}
        if isinstance(outcome, Verdict):
            entry.update(verdict="skipped", reason=outcome.reason)
        else:
            found, facts = outcome
            entry.update(facts)
            if facts["digest"] in seen:
                entry.update(verdict="duplicate", reason=f"same music as {seen[facts['digest']]}")
            else:
                seen[facts["digest"]] = entry["input"]
                songs += [
                    song
                    if song.split
                    else replace(song, split=split_of(song.digest, settings.split))
                    for song in found
                ]
        manifest.append(entry)
        on_file(entry)
    if not songs:
        raise MidigenError(_nothing_usable(manifest))
    songs, warnings = _check_splits(songs, settings.split)
    splits = {song.digest: song.split for song in songs}
    for entry in manifest:
        if (
            entry["verdict"] == "kept" and entry["digest"] in splits
        ):  # a benchmark file has songs of all splits
            entry["split"] = splits[entry["digest"]]
    return Corpus(settings.grid, songs, manifest), warnings + _check_grid(manifest)


def split_of(digest, shares):
    """The split of a song, by its digest alone: adding songs moves no other."""
    place = int(digest[:13], 16) / 16**13 * sum(shares)
    if place < shares[0]:
        return "train"
    return "valid" if place < shares[0] + shares[1] else "test"


def summarise(corpus, warnings=()):
    """The figures of a corpus and its manifest, as a dict that JSON can hold."""
    statistics = corpus.statistics()
    verdicts = Counter(entry["verdict"] for entry in corpus.manifest)
    skipped = Counter(
        entry["reason"].split(" (")[0] for entry in corpus.manifest if entry["verdict"] == "skipped"
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


def _outcomes(inputs, settings):
    """(path, (songs, facts) or Verdict) of every input, in order."""
    read = partial(read_songs, grid=settings.grid, max_bytes=settings.max_bytes)
    paths = [item.path for item in inputs if not item.problem]
    preload = ["pretty_midi", "midigen.preparation"] + ["scipy.io"] * any(map(is_benchmark, paths))
    results = guarded(
        read,
        paths,
        seconds=settings.seconds,
        megabytes=settings.megabytes,
        workers=settings.workers,
        preload=preload,
    )
    with contextlib.closing(results):
        for item in inputs:
            yield (item.path, Verdict(printable(item.problem))) if item.problem else next(results)


def read_songs(path, grid, max_bytes):
    """What a worker does with one file: (songs, facts), the songs' split empty where the digest is to decide it."""
    if is_benchmark(path):
        rolls = benchmark.read_benchmark(path)
        songs = [
            Song(
                benchmark.song_name(path, split, index),
                split,
                benchmark.roll_digest(roll),
                120.0,
                (4, 4),
                roll,
            )
            for split, index, roll in rolls
        ]
        return songs, {
            "digest": benchmark.file_digest(rolls),
            "songs": len(songs),
            "frames": sum(len(song.roll) for song in songs),
        }
    table = read_reason(path, max_bytes)
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


def _check_benchmarks(inputs, grid):
    first = next((item.path for item in inputs if is_benchmark(item.path)), None)
    if first is not None and not benchmark.fits(grid):
        raise UsageError(
            f"{printable(first)} holds rolls of pitches {benchmark.LOW}..{benchmark.HIGH} without onsets "
            "and velocities: it needs a beat grid, that range, another articulation than onset, and "
            "binary values"
        )


def _check_splits(songs, shares):
    """(songs, warnings): all songs go to train where a split that should have some has none to train on."""
    counts = Counter(song.split for song in songs)
    if shares[0] and not counts["train"]:
        return [replace(song, split="train") for song in songs], [
            f"no song fell to train (of {len(songs)}), so all go there; with more songs the splits fill up"
        ]
    if shares[1] and not counts["valid"]:
        return songs, [
            (
                f"no song fell to valid (of {len(songs)}): training cannot tell learning from memorising; "
                "add songs or give it a larger share with --split"
            )
        ]
    return songs, []


def _check_grid(manifest):
    off = [
        entry
        for entry in manifest
        if entry["verdict"] == "kept" and entry.get("off_grid", 0) > OFF_GRID
    ]
    if not off:
        return []
    worst = max(off, key=lambda entry: entry["off_grid"])
    return [
        (
            f"songs with over {OFF_GRID:.0%} of their onsets off the beat grid: {len(off)} "
            f"(the most in {worst['input']}, {worst['off_grid']:.0%}): triplets fit --steps-per-beat 12, "
            "free performances --grid seconds"
        )
    ]


def _nothing_usable(manifest):
    if len(manifest) == 1:
        return f"no usable song: {manifest[0]['input']}: {manifest[0]['reason']}"
    reasons = Counter(entry["reason"].split(" (")[0] for entry in manifest).most_common(3)
    return f"no usable song among {len(manifest)} files: " + ", ".join(
        f"{reason} ({count})" for reason, count in reasons
    )
