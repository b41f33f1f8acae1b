"""From files to a corpus.

Each file is read in a worker process.  What is decided for all songs, the frames a beat, the tonic
and the parts, comes next; then the songs become rolls, and what became of everything is summed up.
"""

import contextlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midigen.columns import columns_of
from midigen.config import PARTS, Grid, Part, PrepareConfig
from midigen.corpus import SPLITS, Corpus, Song
from midigen.errors import MidigenError, UsageError
from midigen.midi import benchmark
from midigen.midi.dynamics import Listener, places_of
from midigen.midi.form import outline_of, outline_of_roll
from midigen.midi.guard import map_guarded
from midigen.midi.inputs import ENDINGS, Input, expand, is_benchmark, printable
from midigen.midi.key import key_of
from midigen.midi.metres import likely_metre
from midigen.midi.notes import NoteTable
from midigen.midi.parts import CHORDS, DRUMS, KINDS, LONE
from midigen.midi.read import StrPath, read_table
from midigen.midi.roll import (
    PartNotes,
    count_on_grid,
    count_together,
    notes_of_parts,
    notes_to_roll,
)
from midigen.midi.worker import Failure
from midigen.outline import Outline
from midigen.progress import Stages, unseen

DECIDED = ("steps_per_beat", "tonic")  # what of a grid songs may decide
STEPS = (1, 2, 3, 4, 6, 8, 12)  # frames a beat to choose from, and the share of onsets to keep
TOGETHER_SHARE = 0.9  # of a part's chords, whose notes begin together: more make it a block
ON_GRID_SHARE, SIXTEENTHS_SHARE = 0.97, 0.9
SMALL = 100_000  # frames of a collection, under which all songs get one tonic
ROOM = 3  # semitones beside a part's pitches, where songs are transposed in training
OFF_GRID_SHARE = 0.30  # of a song's onsets: with more of them, it does not belong on a beat grid
OFF_GRID_SONGS = 0.10  # of the songs: with more such ones, the collection needs another grid

OWN = "made by midigen"  # the reason why one of its own songs is skipped

Int64 = NDArray[np.int64]
Entry = dict[str, Any]  # what a manifest says of one input; docs/file-formats.md lists the keys


@dataclass(frozen=True)
class Settings:
    """How to prepare: a Grid, and what PrepareConfig has.

    Parameters
    ----------
    grid : Grid
        What frames and columns of the rolls stand for.
    decide : tuple of str
        What of the grid the songs decide, "steps_per_beat" and "tonic", whatever the grid says.
    parts : str
        "none", "auto" or names with commas, where the grid has no parts: PrepareConfig.
    split : tuple of float
        Shares of train, valid and test, of any sum.
    time_limit : float
        Seconds of processor time that reading a file may take.
    memory_limit : int
        Megabytes that it may take, on Linux.
    max_bytes : int
        The largest size of a MIDI file that is read.
    own_songs : bool
        Whether songs that midigen made are taken, too.
    workers : int, optional
        Number of processes that read, by default as many as there are cores.
    """

    grid: Grid = Grid()
    decide: tuple[str, ...] = DECIDED
    parts: str = PrepareConfig.parts
    split: tuple[float, float, float] = PrepareConfig.split
    time_limit: float = PrepareConfig.time_limit
    memory_limit: int = PrepareConfig.memory_limit
    max_bytes: int = PrepareConfig.max_bytes
    own_songs: bool = PrepareConfig.own_songs
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
        Called with every input's entry in the manifest as its file has been read; what its roll
        tells is put in the same entry when all files have been.

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
        raise MidigenError(f"no MIDI files ({ENDINGS}) in {where}")
    corpus, remarks = prepare(inputs, settings or Settings(), on_file)
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return corpus


def prepare(
    inputs: Iterable[Input],
    settings: Settings,
    on_file: Callable[[Entry], object] = lambda entry: None,
    progress: Stages = unseen,
) -> tuple[Corpus, list[str]]:
    """Make a corpus of files that were found; what is wrong with one is written in its entry.

    Parameters
    ----------
    inputs : iterable of Input
        The files.
    settings : Settings
        How to prepare.
    on_file : callable
        Called with every input's entry in the manifest as its file has been read.
    progress : Stages
        Told how many files are read, and how many of them are rolls.

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
        Where the grid does not fit a benchmark file, or can have no parts that were asked for.
    """
    inputs = sorted(inputs, key=lambda item: item.path)
    _check_settings(inputs, settings)
    found: list[tuple[Entry, Input, NoteTable | list[Song]]] = []
    manifest: list[Entry] = []
    inputs_by_digest: dict[str, str] = {}
    with (
        progress("reading", len(inputs)) as advance,
        contextlib.closing(_read_all(inputs, settings)) as results,
    ):
        for item, result in results:
            entry: Entry = {"input": printable(item.path), "verdict": "kept", "reason": ""}
            if isinstance(result, Failure):
                entry.update(verdict="skipped", reason=result.reason)
            else:
                content, facts = result
                entry.update(facts)
                same = inputs_by_digest.setdefault(facts["digest"], entry["input"])
                if same != entry["input"]:
                    entry.update(verdict="duplicate", reason=f"same music as {same}")
                else:
                    found.append((entry, item, content))
            manifest.append(entry)
            on_file(entry)
            advance(1)
    with progress("choosing grid and parts", None):
        grid, remarks = _decide([content for _, _, content in found], settings, inputs)
    songs: list[Song] = []
    listeners = [Listener(part.kind == "drums") for part in grid.parts] or [Listener()]
    with progress("making rolls", len(found)) as advance:
        for entry, item, content in found:
            made = _make_songs(content, grid, item.style)
            if isinstance(made, Failure):
                entry.update(verdict="skipped", reason=made.reason)
            else:
                songs += [_with_split(song, settings.split) for song in made[0]]
                entry.update(made[1])
                if isinstance(content, NoteTable) and grid.values == "binary":
                    _hear(content, grid, made[0][0].outline, listeners)
            advance(1)
    if not songs:
        raise MidigenError(_describe_failures(manifest))
    songs, of_splits = _check_splits(songs, settings.split)
    splits = {song.digest: song.split for song in songs}
    for entry in manifest:
        # the digest of a benchmark file, which has songs of all splits, is none of a song
        if entry["verdict"] == "kept" and entry["digest"] in splits:
            entry["split"] = splits[entry["digest"]]
    names = [part.name for part in grid.parts] or [LONE]
    dynamics = {
        name: listener.tell()
        for name, listener in zip(names, listeners, strict=True)
        if listener.songs
    }
    remarks += _check_grid(manifest) + _check_own(manifest)
    return Corpus(grid, songs, manifest, dynamics), of_splits + remarks


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
    left_out = [entry for entry in corpus.manifest if entry["verdict"] == "skipped"]
    skipped = Counter(_kind_of(entry["reason"]) for entry in left_out)
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
        **_summarise_grid(corpus, kept),
        "inputs": len(corpus.manifest),
        "kept": verdicts["kept"],
        "duplicates": verdicts["duplicate"],
        "skipped": dict(skipped.most_common()),
        "skipped_inputs": [{key: entry[key] for key in ("input", "reason")} for entry in left_out],
        **{
            key: sum(entry.get(key, 0) for entry in kept)
            for key in ("notes", "drums", "transposed", "dropped", "merged")
        },
        "remarks": sum(bool(entry.get("warnings")) for entry in kept),
        "warnings": list(warnings),
    }


def _summarise_grid(corpus: Corpus, kept: list[Entry]) -> dict[str, Any]:
    """Sum up what was decided of the grid, and what is known of the songs ahead."""
    grid, outlines = corpus.grid, [song.outline for song in corpus.songs]
    files = [entry for entry in kept if "off_grid" in entry]
    notes = sum(entry["notes"] for entry in files)
    missed = sum(entry["off_grid"] * entry["notes"] for entry in files)
    figures: dict[str, Any] = {"tonic": grid.tonic}
    if grid.unit == "beat":
        figures["steps_per_beat"] = grid.steps_per_beat
        if notes:
            figures["on_grid"] = round(1 - missed / notes, 4)
            figures["off_grid"] = sum(map(_is_off_grid, files))
    of_part = columns_of(grid).part_of
    figures["parts"] = {
        part.name: {
            "songs": sum(bool(song.roll[:, of_part == number].any()) for song in corpus.songs),
            "low": part.low,
            "high": part.high,
            "kind": part.kind,
            "program": part.program,
        }
        for number, part in enumerate(grid.parts)
    }
    metres = Counter(f"{n}/{d}" for outline in outlines for n, d in {m[1:] for m in outline.metres})
    styles = Counter(outline.style for outline in outlines)
    return {
        **figures,
        "keys": dict(Counter(entry["key"] for entry in files).most_common()),
        "minor": sum(outline.minor for outline in outlines),
        "metres": dict(metres.most_common()) if files else {},  # a .mat file tells none
        "styles": dict(styles.most_common()) if set(styles) != {""} else {},
        "pickups": sum(outline.pickup > 0 for outline in outlines),
    }


def read_file(
    path: StrPath, unit: str, max_bytes: int, own_songs: bool = PrepareConfig.own_songs
) -> tuple[NoteTable | list[Song], Entry]:
    """Read one file, in this process.

    Parameters
    ----------
    path : path
        A MIDI file or a benchmark file.
    unit : str
        That of the grid: it tells in which times a song's digest is.
    max_bytes : int
        The largest size of a MIDI file that is read.
    own_songs : bool
        Whether a song that midigen made is taken.

    Returns
    -------
    content : NoteTable or list of Song
        The notes of a MIDI file, or the songs of a benchmark file.
    facts : dict
        What the manifest says of the file, before there is a roll.

    Raises
    ------
    MidigenError
        Where it cannot be read; the message is the reason alone.
    """
    if is_benchmark(path):
        return _read_benchmark(path)
    table = read_table(path, max_bytes)
    if table.text and not own_songs:
        raise MidigenError(f"{OWN} ({table.text.split('; song')[0]})")
    facts: Entry = {
        "digest": table.digest(unit),
        "notes": len(table.notes),
        "drums": table.drums,
        "bpm": table.bpm,
        "metre": list(table.metre),
    }
    if table.warnings:
        facts["warnings"] = "; ".join(table.warnings)
    return table, facts


def _read_benchmark(path: StrPath) -> tuple[list[Song], Entry]:
    """Read the songs of a benchmark file, which has neither tempi nor metres, and its facts."""
    found = benchmark.read_benchmark(path)
    songs = [
        Song(
            name=benchmark.song_name(path, split, number),
            split=split,
            digest=benchmark.roll_digest(roll),
            bpm=benchmark.BPM,
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


def _make_songs(
    content: NoteTable | list[Song], grid: Grid, style: str
) -> tuple[list[Song], Entry] | Failure:
    """Make the songs of a file on the grid, their split empty where the digest is to decide it.

    Returns
    -------
    tuple
        The songs, and what the manifest says of the roll; or a Failure.
    """
    if isinstance(content, list):
        return [_of_roll(song, grid) for song in content], {}
    try:
        roll, counts = notes_to_roll(content, grid)
    except MidigenError as e:
        return Failure(str(e))
    outline = outline_of(content, grid, roll, counts, style)
    digest = content.digest(grid.unit)
    song = Song(content.name, "", digest, content.bpm, content.metre, roll, outline)
    return [song], {
        "frames": len(roll),
        "transposed": counts.transposed,
        "dropped": counts.dropped,
        "merged": counts.merged,
        "off_grid": round(counts.off_grid / counts.notes, 4),
        "parts": {p.name: n for p, n in zip(grid.parts, counts.parts, strict=True)},
        "key": str(key_of(content)),
        "shift": counts.shift,
        "metres": len(outline.metres),
        "pickup": outline.pickup,
        "style": outline.style,
    }


def _of_roll(song: Song, grid: Grid) -> Song:
    """Make a song of one of a benchmark file: its roll as it is, or its notes sorted into parts."""
    if not grid.parts:
        metre = likely_metre(song.roll, grid)
        outline = outline_of_roll(song.roll, grid, song.bpm, metre)
        return replace(song, metre=metre, outline=outline)
    table = benchmark.table_of(song.roll, grid.steps_per_beat)
    roll, counts = notes_to_roll(table, grid)
    outline = outline_of(table, grid, roll, counts)
    return replace(song, metre=table.metre, roll=roll, outline=outline)


def _hear(table: NoteTable, grid: Grid, outline: Outline, listeners: list[Listener]) -> None:
    """Let each part's listener hear how loud its notes are in a song."""
    places = places_of(outline, grid)
    for listener, notes in zip(listeners, notes_of_parts(table, grid), strict=True):
        listener.hear(notes, places)


def _read_all(
    inputs: list[Input], settings: Settings
) -> Generator[tuple[Input, tuple[NoteTable | list[Song], Entry] | Failure], None, None]:
    """Yield every input, in order, and its content and facts or a Failure."""
    paths = [item.path for item in inputs if not item.problem]
    preload = ["pretty_midi"]
    if any(map(is_benchmark, paths)):
        preload.append("scipy.io")
    results = map_guarded(
        partial(
            read_file,
            unit=settings.grid.unit,
            max_bytes=settings.max_bytes,
            own_songs=settings.own_songs,
        ),
        paths,
        seconds=settings.time_limit,
        megabytes=settings.memory_limit,
        workers=settings.workers,
        preload=preload,
    )
    with contextlib.closing(results):
        for item in inputs:
            if item.problem:
                yield item, Failure(printable(item.problem))
            else:
                yield item, next(results)[1]


def _check_settings(inputs: list[Input], settings: Settings) -> None:
    """Raise UsageError where the settings fit neither one another nor the benchmark files."""
    grid, asked = settings.grid, _asks_for_parts(settings)
    _check_benchmarks(inputs, grid)
    if asked and not _can_have_parts(grid):
        raise UsageError(
            "--parts needs a beat grid, binary values, and gap as the articulation: leave it out"
        )
    rolls = any(is_benchmark(item.path) for item in inputs) and not asked
    if rolls and grid.tonic == "one" and "tonic" not in settings.decide:
        raise UsageError("the rolls of .mat files keep their tonic, unless --parts names parts")


def _asks_for_parts(settings: Settings) -> bool:
    """Tell whether parts are asked for by name, which those of benchmark files have to be."""
    return settings.parts not in ("none", "auto") or bool(settings.grid.parts)


def _can_have_parts(grid: Grid) -> bool:
    usual = (grid.unit, grid.values, grid.articulation)
    return usual == (Grid.unit, Grid.values, Grid.articulation)


def _decide(
    contents: list[NoteTable | list[Song]], settings: Settings, inputs: list[Input]
) -> tuple[Grid, list[str]]:
    """Decide of the grid what the songs are to decide; return lines for people, too."""
    grid = settings.grid
    tables = [content for content in contents if isinstance(content, NoteTable)]
    rolls = any(is_benchmark(item.path) for item in inputs)
    if "steps_per_beat" in settings.decide:
        steps = Grid.steps_per_beat
        if grid.unit == "beat" and not rolls:
            steps = _coarsest(tables)
        grid = replace(grid, steps_per_beat=steps)
    if rolls and _asks_for_parts(settings):
        songs = [song for content in contents if isinstance(content, list) for song in content]
        tables += [benchmark.table_of(song.roll, grid.steps_per_beat) for song in songs]
        rolls = False
    if "tonic" in settings.decide:
        small = not rolls and sum(_length(table, grid) for table in tables) < SMALL
        grid = replace(grid, tonic="one" if small else "kept")
    if grid.parts or settings.parts == "none" or rolls or not _can_have_parts(grid):
        return grid, []
    return _with_parts(tables, grid, settings.parts)


def _coarsest(tables: list[NoteTable]) -> int:
    """Return the fewest frames a beat that keep nearly all onsets of a song in the mean, or 4.

    4 are taken for fewer onsets than other ones: what would show the rest has three times the
    frames, and new songs become worse by it (docs/results.md).
    """
    for steps in STEPS:
        shares = [count_on_grid(table, steps) / len(table.notes) for table in tables]
        enough = SIXTEENTHS_SHARE if steps == 4 else ON_GRID_SHARE
        if shares and np.mean(shares) >= enough:
            return steps
    return Grid.steps_per_beat


def _length(table: NoteTable, grid: Grid) -> float:
    """Return the frames from a song's first note to its last."""
    if grid.unit == "seconds":
        return float(np.ptp(table.seconds)) / grid.step
    return float(np.ptp(table.notes[:, :2])) / table.ticks_per_beat * grid.steps_per_beat


def _with_parts(tables: list[NoteTable], grid: Grid, asked: str) -> tuple[Grid, list[str]]:
    """Return the grid with the parts that were asked for, or that half of the songs have."""
    everywhere = [
        Part(name, *((0, 127) if name == DRUMS else (grid.low, grid.high)), KINDS[name])
        for name in PARTS
    ]
    songs = _sorted_notes(tables, replace(grid, parts=tuple(everywhere)))
    having = {name: sum(len(s[n].pitch) > 0 for s in songs) for n, name in enumerate(PARTS)}
    chosen = {name for name in PARTS if 2 * having[name] >= max(len(songs), 1)}
    remarks = []
    if asked != "auto":
        chosen = set(asked.split(","))
        missing = ", ".join(name for name in PARTS if name in chosen and not having[name])
        if missing:
            remarks = [f"no song has {missing}: left out of --parts"]
        chosen = {name for name in chosen if having[name]}
    pitched = {n: name for n, name in enumerate(PARTS) if name != DRUMS}
    total = sum(len(s[n].pitch) for s in songs for n in pitched)
    rest = [n for n, name in pitched.items() if name not in chosen]
    homeless = sum(len(s[n].pitch) for s in songs for n in rest)
    if homeless > (1 - ON_GRID_SHARE) * total:
        chosen.add(CHORDS)  # rather than drop them
    if chosen <= {DRUMS, CHORDS} or len(chosen) == 1:
        alone = [replace(everywhere[PARTS.index(CHORDS)], name=LONE)]
        parts = alone + [part for part in everywhere if part.name in chosen & {DRUMS}]
    else:
        parts = [part for part in everywhere if part.name in chosen]
    grid = replace(grid, parts=tuple(parts))
    grid = replace(
        grid, parts=tuple(_with_kind(part, n, tables, grid) for n, part in enumerate(parts))
    )
    songs = _sorted_notes(tables, grid)
    fitted = [_fit(part, [song[n] for song in songs], grid) for n, part in enumerate(grid.parts)]
    return replace(grid, parts=tuple(fitted)), remarks


def _with_kind(part: Part, number: int, tables: list[NoteTable], grid: Grid) -> Part:
    """Return a part of voices as a block where its notes begin together in nearly every chord."""
    if part.kind != "voices":
        return part
    together = begun = 0
    for table in tables:
        with contextlib.suppress(MidigenError):  # it will be skipped, with the reason
            counts = count_together(table, grid, number)
            together, begun = together + counts[0], begun + counts[1]
    return replace(part, kind="block") if together > TOGETHER_SHARE * begun else part


def _sorted_notes(tables: list[NoteTable], grid: Grid) -> list[list[PartNotes]]:
    """Return `notes_of_parts` of every song that the grid can take."""
    found = []
    for table in tables:
        with contextlib.suppress(MidigenError):  # it will be skipped, with the reason
            found.append(notes_of_parts(table, grid))
    return found


def _fit(part: Part, songs: list[PartNotes], grid: Grid) -> Part:
    """Give a part the range and the programme of its notes in all songs."""
    none = np.zeros(0, np.int64)
    pitches = np.concatenate([none, *(song.pitch for song in songs)])
    programs = np.concatenate([none, *(song.program for song in songs)])
    if not len(pitches):
        return part
    low, high = int(pitches.min()), int(pitches.max())
    if part.kind == "drums":
        return replace(part, low=low, high=high)
    room = ROOM if grid.tonic == "kept" else 0
    missing = max(12 - (high - low + 1 + 2 * room), 0)  # to an octave
    low = max(low - room - missing // 2, grid.low)
    high = min(max(high + room, low + 11), grid.high)
    low = max(min(low, high - 11), grid.low)
    return replace(part, low=low, high=high, program=int(np.bincount(programs).argmax()))


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
    """Warn where many songs do not belong on a beat grid."""
    kept = [entry for entry in manifest if entry["verdict"] == "kept"]
    off = [entry for entry in kept if _is_off_grid(entry)]
    if len(off) <= OFF_GRID_SONGS * len(kept):
        return []
    worst = max(off, key=lambda entry: entry["off_grid"])
    return [
        f"songs with over {OFF_GRID_SHARE:.0%} of their onsets off the beat grid: {len(off)} "
        f"(the most in {worst['input']}, {worst['off_grid']:.0%}): triplets fit "
        "--steps-per-beat 12, free performances --grid seconds"
    ]


def _is_off_grid(entry: Entry) -> bool:
    """Tell whether a kept file does not belong on a beat grid."""
    return bool(entry.get("off_grid", 0) > OFF_GRID_SHARE)


def _check_own(manifest: list[Entry]) -> list[str]:
    """Note how many songs were left out since midigen made them."""
    own = sum(_kind_of(entry["reason"]) == OWN for entry in manifest)
    made = "a song that midigen made is" if own == 1 else f"{own} songs that midigen made are"
    return [f"{made} left out: --own-songs takes them"] if own else []


def _describe_failures(manifest: list[Entry]) -> str:
    """Say why no song is usable."""
    if len(manifest) == 1:
        reason = manifest[0]["reason"]
        remedy = ": --own-songs takes it" if _kind_of(reason) == OWN else ""
        return f"no usable song: {manifest[0]['input']}: {reason}{remedy}"
    reasons = Counter(_kind_of(entry["reason"]) for entry in manifest).most_common(3)
    remedy = "; --own-songs takes those" if any(reason == OWN for reason, _ in reasons) else ""
    return (
        f"no usable song among {len(manifest)} files: "
        + ", ".join(f"{reason} ({count})" for reason, count in reasons)
        + remedy
    )
