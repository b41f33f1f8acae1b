"""Seconds from the start of `midigen train` to its first gradient, with compiled kernels.

python benchmarks/start.py CORPUS
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = """
import sys, time
from midigen.training import trainer
def first(self, gradient):
    print(time.time())
    sys.stdout.flush()
    raise KeyboardInterrupt
trainer.Trainer._move = first
from midigen.cli import main
main(["train", sys.argv[1], "-o", sys.argv[2], "--epochs", "1", "-q"])
"""


def once(corpus):
    """Seconds to the first gradient."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, corpus, f"{folder}/run"],
            capture_output=True,
            text=True,
            check=False,
        )
    return float(done.stdout.split()[0]) - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    once(args.corpus)  # compiles, where that is still to be done
    times = [once(args.corpus) for _ in range(args.times)]
    print(
        f"{statistics.median(times):.2f} s, median of {args.times}; "
        f"{min(times):.2f} to {max(times):.2f} s"
    )


if __name__ == "__main__":
    main()
