"""How musical are new songs, and what does each ingredient of the model give?

    python benchmarks/musicality.py FOLDER songs/ "JSB_Chorales.mat --steps-per-beat 1" --minutes 2

Trains on every collection, for every way and seed, writes songs, and measures both; one process at
a time.  A collection is a path with the options that `midigen prepare` takes for it, in one word.
Each way leaves one ingredient out, by the options in WAYS.  All songs of a collection are put
beside the same corpus, that of the first way, so that their figures can be compared.  A Markdown
table for each collection on stdout, means over seeds, and all of it in FOLDER/musicality.json.

What FOLDER holds already, with the same settings, is not done again: stop it, and go on later.
"""

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Way:
    """Options of `midigen` for one row of the table.

    `told` says whether the model is told the form of a song ahead, which makes its likelihood
    conditional on much of the song; `other_frames` whether its frames are other ones than those of
    the first way, so that their likelihoods cannot be compared.
    """

    prepare: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    generate: tuple[str, ...] = ()
    told: bool = True
    other_frames: bool = False


ALL_BUT_FORM = "position,end,mode,style,density"
WAYS = {
    "the model": Way(),
    "the first song drawn, not the best of 4": Way(generate=("--best-of", "1", "--endings", "1")),
    "without context and gates": Way(train=("--context", "none", "--gates", "none"), told=False),
    "without context": Way(train=("--context", "none")),
    "without position": Way(train=("--context", "form,end,mode,style,density")),
    "without form": Way(
        train=("--context", ALL_BUT_FORM, "--gates", "hold,lag,interval"), told=False
    ),
    "without gates": Way(train=("--gates", "none")),
    "without hold gates": Way(train=("--gates", "lag,form,interval")),
    "without lag gates": Way(train=("--gates", "hold,form,interval")),
    "without interval gates": Way(train=("--gates", "hold,lag,form")),
    "without its own frames heard": Way(train=("--self-fed", "0")),
    "without form dropout": Way(train=("--form-dropout", "0")),
    "without lag dropout": Way(train=("--lag-dropout", "0")),
    "with random songs pushed away": Way(train=("--negative", "bounded")),
    "without parts": Way(prepare=("--parts", "none"), other_frames=True),
    "in all keys": Way(prepare=("--tonic", "kept"), other_frames=True),
}
MODEL = next(iter(WAYS))
# rows that every evaluation of songs has, taken from those of MODEL
BESIDE = {
    "held_out": "held-out songs",
    "chain": "Markov chain",
    "planned": "Markov chain with form plans",
}
FIGURES = [
    "onsets off beat, half",
    "top line: steps",
    "top line: leaps",
    "chordal frames",
    "clashing pairs",
    "pitch-class entropy",
    "1 bar returns",
    "4 bars return",
]
COPIES = {"": "copied", "near_": "nearly", "line_": "top line", "line_near_": "nearly"}

Result = dict[str, Any]


def midigen(*words: object) -> str:
    """Run a command, and return what it prints.  Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "midigen", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def kept(path: Path, settings: Result, make: Callable[[], Result]) -> Result:
    """Return what a JSON file holds, if it was made with the same settings, or make it."""
    if path.exists():
        found: Result = json.loads(path.read_text(encoding="utf-8"))
        if found["settings"] == settings:
            return found
    made = {"settings": settings, **make()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(made), encoding="utf-8")
    unfinished.replace(path)
    return made


def corpus_of(folder: Path, collection: str, more: tuple[str, ...]) -> Path:
    """Return the corpus of a collection, prepared if it is not there yet."""
    source, *options = shlex.split(collection)
    words = [source, *options, *more]
    digest = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]
    path = folder / f"corpus-{digest}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        midigen("prepare", *words, "-o", path, "-q")
    return path


def measure(
    folder: Path, collection: str, name: str, seed: int, args: argparse.Namespace
) -> Result:
    """Train, write songs, and measure both."""
    way = WAYS[name]
    budget = ("--epochs", args.epochs) if args.epochs else ("--minutes", args.minutes)
    length = ("--count", args.songs, "--length", args.length)
    measured = ("--split", args.split, "--max-frames", args.max_frames)
    settings = json.loads(json.dumps([collection, asdict(way), budget, length, measured, seed]))
    home = folder / name.replace(" ", "-") / str(seed)

    def make() -> Result:
        # what a run that was stopped has left
        shutil.rmtree(home, ignore_errors=True)
        reference = corpus_of(folder, collection, WAYS[MODEL].prepare)
        corpus, begun = corpus_of(folder, collection, way.prepare), time.monotonic()
        run, songs = home / "run", home / "songs"
        midigen("train", corpus, "-o", run, "--seed", seed, *budget, *way.train, "-q")
        trained = time.monotonic() - begun
        midigen("generate", run, "-o", songs, "--seed", seed, *length, *way.generate, "-q")
        judged = midigen(
            "evaluate", "--songs", songs, "--corpus", reference, "--seed", seed, "--json", "-q"
        )
        rivals = ("--rnn-frames", 0, "--temperatures", args.temperatures)
        likely = midigen("evaluate", run, corpus, *measured, *rivals, "--json", "-q")
        return {
            "seconds": trained,
            "songs": json.loads(judged),
            "nats": json.loads(likely)["rows"][-1]["log_likelihood"],
        }

    return kept(home / "result.json", settings, make)


def rows_of(results: dict[str, list[Result]]) -> dict[str, Result]:
    """Return the rows of a collection's table: for each a value for every seed."""
    rows: dict[str, Result] = {}
    first = results.get(MODEL) or next(iter(results.values()), [])
    reports = [result["songs"] for result in first]
    rows["corpus"] = _row(reports, "corpus") | {"distance": [0.0] * len(reports)}
    for group, name in BESIDE.items():
        if all(report["distance"][group] is not None for report in reports):
            rows[name] = _row(reports, group)
    for name, of_seeds in results.items():
        row = _row([result["songs"] for result in of_seeds], "generated")
        rows[name] = row | {"nats": [result["nats"] for result in of_seeds]}
    return rows


def _row(reports: list[Result], group: str) -> Result:
    figures = [{row["name"]: row[group] for row in report["figures"]} for report in reports]
    copying = [report["copying"].get(group) for report in reports]
    return {
        "distance": [report["distance"].get(group) for report in reports],
        "figures": {name: [values[name] for values in figures] for name in FIGURES},
        "copies": {
            kind: [
                (found[f"{kind}median_beats"], found[f"{kind}longest_beats"])
                for found in copying
                if found
            ]
            for kind in COPIES
        },
        "nats": [],
    }


def table_of(rows: dict[str, Result]) -> str:
    """Return a Markdown table."""
    copies = [f"{name}, beats" for name in COPIES.values()]
    headings = ["", "distance", *FIGURES, *copies, "nats a frame"]
    lines = [headings, ["---"] * len(headings)]
    for name, row in rows.items():
        way = WAYS.get(name)
        marks = ("*" if way and way.told else "") + ("†" if way and way.other_frames else "")
        beats = [
            f"{np.median(found, axis=0)[0]:.3g}; {np.max(found):.3g}" if found else ""
            for found in row["copies"].values()
        ]
        figures = [_mean(row["figures"][figure]) for figure in FIGURES]
        nats = _spread(row["nats"]) + marks if row["nats"] else ""
        lines.append([name, _spread(row["distance"]), *figures, *beats, nats])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(values: list[float | None]) -> str:
    found = [value for value in values if value is not None]
    return f"{np.mean(found):.2f}" if found else "-"


def _spread(values: list[float | None]) -> str:
    """Return mean and standard deviation over seeds."""
    found = [value for value in values if value is not None]
    return _mean(values) + (f" ± {np.std(found):.2f}" if len(found) > 1 else "")


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what is made is kept here")
    parser.add_argument("collections", nargs="+", help='"PATH [OPTIONS of midigen prepare]"')
    parser.add_argument("--minutes", type=float, default=2.0, help="of training, each run")
    parser.add_argument("--epochs", type=int, help="instead of minutes: the same on any machine")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--songs", type=int, default=10, help="of each run")
    parser.add_argument("--length", default="32 bars", help="of each song")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--split", default="valid", help="the songs of the likelihood")
    parser.add_argument("--max-frames", type=int, default=4000, help="of the likelihood")
    parser.add_argument("--temperatures", type=int, default=500, help="of the likelihood")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    args = parse(words)
    budget = f"{args.epochs} epochs" if args.epochs else f"{args.minutes:g} minutes"
    everything = {}
    for collection in args.collections:
        name = Path(shlex.split(collection)[0]).stem
        results: dict[str, list[Result]] = {}
        for way in args.ways:
            for seed in range(args.seeds):
                print(f"{name}, {way}, seed {seed}", file=sys.stderr, flush=True)
                try:
                    found = measure(args.folder / name, collection, way, seed, args)
                except subprocess.CalledProcessError as e:
                    print(f"left out: {e.stderr.strip()}", file=sys.stderr)
                    continue
                results.setdefault(way, []).append(found)
        everything[name] = rows = rows_of(results)
        print(f"{name}: {budget}, {args.seeds} seeds, {args.songs} songs of {args.length}\n")
        print(table_of(rows), flush=True)
        print(
            "\nCopied: the longest runs' median over songs; the longest of all.  "
            "* given form, length and mode  † of other frames\n"
        )
    path = args.folder / "musicality.json"
    path.write_text(json.dumps(everything, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
