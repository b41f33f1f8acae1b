"""How well a Gaussian model predicts the notes and velocities of the next frame of new songs.

    python docs/examples/predicted_dynamics.py RUN CORPUS

Every frame of the held-out songs (the split "valid") is drawn once, after the song's own frames
before it, and turned into notes as in generation.
"""

import sys

import numpy as np

from midigen.backends.cpu import cpu_backend
from midigen.config import GenerateConfig
from midigen.corpus import Corpus
from midigen.model import RnnRbm
from midigen.model.placed import PlacedModel
from midigen.randomness import derive_key


def draw(model, roll, key):
    """The model's own rolls for every frame of a song, each from the song's frames before it."""
    placed = PlacedModel(model, cpu_backend())
    values = placed.sample(placed.run([roll], [0]), GenerateConfig.gibbs_steps, [key])
    return model.roll(values)


def main():
    model, songs = RnnRbm.load(sys.argv[1]), Corpus.load(sys.argv[2]).rolls("valid")
    real = np.concatenate(songs)
    drawn = np.concatenate([draw(model, song, derive_key(0, i)) for i, song in enumerate(songs)])
    begins = np.concatenate(
        [np.diff(song > 0, axis=0, prepend=False) & (song > 0) for song in songs]
    )
    hit = (drawn > 0) & (real > 0)
    density = np.concatenate([model.pseudo_log_likelihood(song) for song in songs]).mean()
    print(
        f"pseudo-log-likelihood {density:.1f} nats a frame; "
        f"found {hit.sum() / (real > 0).sum():.2f} of the notes, "
        f"{hit.sum() / (drawn > 0).sum():.2f} of what is played is right; "
        f"velocities of these correlate {np.corrcoef(drawn[hit], real[hit])[0, 1]:.2f}, "
        f"where notes begin {np.corrcoef(drawn[hit & begins], real[hit & begins])[0, 1]:.2f} "
        f"({(hit & begins).sum()} notes)"
    )


if __name__ == "__main__":
    main()
