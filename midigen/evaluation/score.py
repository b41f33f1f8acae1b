"""How near is a new song to those that a model learned from?  docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from midigen.backends.interface import Backend
from midigen.config import Grid
from midigen.corpus import Corpus, Song
from midigen.evaluation.copying import Collection, Copied
from midigen.evaluation.likelihood import log_likelihood_of_each
from midigen.evaluation.report import choose_songs
from midigen.figures.measure import FARTHEST, FIGURES, Spread, distance, measure
from midigen.figures.piece import Piece
from midigen.model.card import ModelCard
from midigen.model.placed import PlacedModel
from midigen.model.rnn_rbm import RnnRbm
from midigen.model.songs import Told
from midigen.outline import Outline

# a song of 256 frames takes a tenth of a second so, and errs by some hundredths of a nat a frame
TEMPERATURES, CHAINS = 100, 2
HELD_OUT_FRAMES, HELD_OUT_SONGS = 4096, 50
FEWEST = 3  # songs whose likelihoods have a deviation that says something
LEAST_SPREAD = 0.1  # of the mean: less is chance
USUAL = 0.95  # share of the held-out songs that copy no more than is usual


class HeldOut(NamedTuple):
    """What songs have that a model did not learn from; None where there are too few.

    Parameters
    ----------
    distance : float or None
        The median distance of single ones.
    nats : float or None
        Mean over songs of nats a frame.
    deviation : float or None
        Standard deviation of that.
    copied : float or None
        Beats of the longest run that 95 % of them do not exceed.
    """

    distance: float | None = None
    nats: float | None = None
    deviation: float | None = None
    copied: float | None = None


class Score(NamedTuple):
    """How near a song is to those that a model learned from; None for what is not known.

    Parameters
    ----------
    distance : float or None
        Of its figures from theirs.
    nats : float or None
        A frame, by the model.
    copied : Copied or None
        What one of them has, too.
    shortfall : float
        By how many deviations it is less likely than held-out songs are in the mean, 0..FARTHEST.
    copies : bool
        Whether it copies more than is usual of held-out songs.
    """

    distance: float | None
    nats: float | None = None
    copied: Copied | None = None
    shortfall: float = 0.0
    copies: bool = False

    @property
    def total(self) -> float:
        """What is to be small: distance and shortfall, infinite where nothing can be measured."""
        return np.inf if self.distance is None else self.distance + self.shortfall

    @property
    def copied_beats(self) -> float | None:
        """Length of the longest run that a song learned from has, too."""
        return None if self.copied is None else self.copied.beats


class Judge:
    """What scores songs.

    Parameters
    ----------
    model : RnnRbm
    corpus : Corpus, optional
        That it has learned from; without it figures are all that is looked at.
    backend : Backend, optional
        For likelihoods, which are not looked at without.
    splits : sequence of str
        Which of its songs are held out.

    Attributes
    ----------
    held_out : HeldOut
    """

    def __init__(
        self,
        model: RnnRbm,
        corpus: Corpus | None = None,
        backend: Backend | None = None,
        splits: Sequence[str] = ("valid", "test"),
    ) -> None:
        self._model, self._card = model, model.card
        self._placed = None
        self._collection: Collection | None = None
        self.held_out = HeldOut()
        if backend is not None and not model.gaussian:
            self._placed = PlacedModel(model, backend)
        if corpus is None:
            return
        train = corpus.of_split("train")
        self._collection = Collection([Piece.of_song(song, corpus.grid) for song in train])
        held_out = [song for split in splits for song in corpus.of_split(split)]
        if held_out:
            self.held_out = self._measure(held_out)

    def _measure(self, held_out: list[Song]) -> HeldOut:
        """Say what held-out songs have, of many a random choice."""
        assert self._collection is not None
        nats, deviation = None, None
        some = choose_songs(held_out, HELD_OUT_FRAMES)
        if self._placed is not None and len(some) >= FEWEST:
            found = self._nats([Told(song.roll, song.outline) for song in some], 0)
            nats = float(found.mean())
            deviation = max(float(found.std(ddof=1)), LEAST_SPREAD * abs(nats))
        pieces = [Piece.of_song(song, self._model.grid) for song in held_out[:HELD_OUT_SONGS]]
        copied = [self._collection.search(piece).beats for piece in pieces]
        far = [far for piece in pieces if (far := distance_of(piece, self._card)) is not None]
        middle = float(np.median(far)) if far else None
        return HeldOut(middle, nats, deviation, float(np.quantile(copied, USUAL)))

    def score(
        self, songs: Sequence[NDArray[np.uint8]], outline: Outline, begun: int, bpm: float
    ) -> list[Score]:
        """Score songs of one outline.

        Parameters
        ----------
        songs : sequence of NDArray[np.uint8], shape (T, V)
        outline : Outline
            What the model was told of all of them.
        begun : int
            Frames of a primer, which are heard and not scored.
        bpm : float
            Quarter notes a minute.
        """
        new = outline.after(begun, self._model.grid) if begun else outline
        pieces = [piece_of(song[begun:], new, self._model.grid, bpm, self._card) for song in songs]
        nats: Sequence[float | None] = [None] * len(songs)
        if self._placed is not None:
            nats = self._nats([Told(song, outline) for song in songs], begun).tolist()
        return [self._score(piece, own) for piece, own in zip(pieces, nats, strict=True)]

    def _score(self, piece: Piece, nats: float | None) -> Score:
        copied = None if self._collection is None else self._collection.search(piece)
        usual, mean, deviation = self.held_out.copied, self.held_out.nats, self.held_out.deviation
        shortfall = 0.0
        if nats is not None and mean is not None and deviation is not None:
            shortfall = float(np.clip((mean - nats) / deviation, 0, FARTHEST))
        copies = copied is not None and usual is not None and copied.beats > usual
        return Score(distance_of(piece, self._card), nats, copied, shortfall, copies)

    def _nats(self, songs: Sequence[Told], begun: int) -> NDArray[np.float64]:
        """Return nats a frame of each song, of frames from `begun` on."""
        assert self._placed is not None
        found = log_likelihood_of_each(self._placed, songs, TEMPERATURES, CHAINS)
        return np.array([own[begun:].mean() for own in found])


def index_of_best(scores: Sequence[Score]) -> int:
    """Return the number of the best score: of equals the first.

    A song that copies more than is usual is never the best where another does not.
    """
    return min(range(len(scores)), key=lambda i: (scores[i].copies, scores[i].total, i))


def piece_of(
    roll: NDArray[np.uint8], outline: Outline, grid: Grid, bpm: float, card: ModelCard
) -> Piece:
    """Return a new song (T, V) as its figures see it."""
    metre = outline.metres[0][1:] if outline.metres else card.metre
    return Piece.of("", roll, grid, bpm, metre, outline.pickup)


def distance_of(piece: Piece, card: ModelCard) -> float | None:
    """Return how far a song's figures lie from those of the songs that a model learned from."""
    if not card.figures:
        return None
    known = {f.name: Spread(*card.figures.get(f.name, (None, None))) for f in FIGURES}
    return distance(known, [measure(piece)])
