"""A user's script, which `mypy --strict` checks."""

import midigen
from midigen.model import Mlp, RecurrentNetwork

corpus: midigen.Corpus = midigen.prepare(["songs/"], steps_per_beat=4)
steps: list[int] = []


def follow(event: object) -> None:
    """Count the events."""
    steps.append(len(steps))


model: midigen.RnnRbm = midigen.train(corpus, minutes=0.1, progress=follow, seed=1)
songs = midigen.generate(
    model, count=2, length="16 bars", seed=7, form="AABA", style=None, metre=(3, 4), temperature=0.9
)
songs += midigen.generate("run/", form_of="tune.mid")
for number, song in enumerate(songs):
    song.write(f"song-{number}.mid")
report = midigen.evaluate(midigen.load("run/"), corpus, temperatures=200)
copied = midigen.evaluate(songs, corpus)["copying"]
print(
    repr(corpus), repr(model), report["rows"][-1]["log_likelihood"], copied, Mlp, RecurrentNetwork
)
