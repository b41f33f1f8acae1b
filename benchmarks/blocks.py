"""Speed and peak memory of `midigen train` with blocks of several lengths.

    python benchmarks/blocks.py

Three corpora: the starter songs, JSB Chorales and the largest of a folder of scores; the last two
where --data names a folder that holds pianoroll/JSB_Chorales.mat and mutopia/.  Every measurement
is a whole run in a process of its own; the lengths take turns.  Medians over the rounds: frames a
second from the first step on, validations included, and the largest memory of the process.  A
Markdown table on stdout.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import DEVNULL

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
MIDIGEN = [sys.executable, "-m", "midigen"]
BLOCKS = [128, 256, 512, 1024, 4096]


def inputs(data, scores):
    """What each corpus is made of, {name: paths}; without those that are not there."""
    largest = sorted((data / "mutopia").glob("*.mid"), key=lambda path: -path.stat().st_size)
    found = {
        "starter songs": [ROOT / "songs"],
        "JSB Chorales": [data / "pianoroll" / "JSB_Chorales.mat"],
        "long scores": largest[:scores],
    }
    return {name: p for name, p in found.items() if p and all(map(Path.exists, p))}


def prepare(paths, corpus):
    """Make a corpus file."""
    subprocess.run([*MIDIGEN, "prepare", *paths, "-o", corpus, "-q"], check=True, stdout=DEVNULL)


def train(corpus, *options):
    """Run `midigen train` in a process of its own: what it said, and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*MIDIGEN, "train", corpus, "-o", f"{folder}/run", *map(str, options)]
        with open(f"{folder}/said", "w+", encoding="utf-8") as said:
            process = subprocess.Popen(command, stdout=DEVNULL, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{text}")
    return text, usage.ru_maxrss * 1024 / 1e6


def measure(corpus, block, minutes):
    """Frames a second and peak memory in MB of one run."""
    text, memory = train(corpus, "--block", block, "--minutes", minutes, "--patience", 1 << 30)
    frames = re.search(r"^time is up: .*?([\d,]+) frames", text, re.MULTILINE)
    if not frames:
        sys.exit(f"the run with --block {block} did not use all of its time:\n{text}")
    return int(frames[1].replace(",", "")) / (60 * minutes), memory


def main():
    """Print a table of every corpus and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scores", type=int, default=16, help="how many scores, the largest first")
    parser.add_argument("--blocks", type=int, nargs="+", default=BLOCKS)
    parser.add_argument("--minutes", type=float, default=0.5, help="of one run")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    last = args.blocks[-1]
    print(
        f"{len(os.sched_getaffinity(0))} cores, {args.rounds} runs of {60 * args.minutes:g} s\n\n"
        f"| corpus | block | frames/s | of {last} | peak memory, MB | of {last} |\n"
        "|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, paths in inputs(args.data, args.scores).items():
            corpus = f"{folder}/{name}.safetensors"
            prepare(paths, corpus)
            train(corpus, "--epochs", 1)  # compiles, where that is still to be done
            rounds = [
                [measure(corpus, block, args.minutes) for block in args.blocks]
                for _ in range(args.rounds)
            ]
            runs = dict(zip(args.blocks, zip(*rounds, strict=True), strict=True))
            medians = {
                block: [statistics.median(figures) for figures in zip(*measured, strict=True)]
                for block, measured in runs.items()
            }
            for block, (rate, memory) in medians.items():
                print(
                    f"| {name} | {block} | {rate:,.0f} | {rate / medians[last][0]:.2f} "
                    f"| {memory:.0f} | {memory / medians[last][1]:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
