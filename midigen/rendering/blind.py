"""The page for blind listening: excerpts of several sources, to be rated without knowing which."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike

from midigen import __version__
from midigen.config import CompareConfig
from midigen.corpus import Corpus
from midigen.duration import playable_bpm
from midigen.errors import MidigenError
from midigen.evaluation.ratings import FORMAT, SCALE, VERSION, Key, page_name, seal
from midigen.evaluation.songs import FEWEST_CHAIN_SONGS, chain_songs, corpus_pieces
from midigen.randomness import generator
from midigen.rendering.clips import clip_of
from midigen.rendering.document import document, web_file
from midigen.rendering.excerpts import (
    Source,
    choose_excerpts,
    in_key_of,
    render_excerpts,
)

HELD_OUT, CHAIN = "held-out songs", "Markov chain"
TITLE = "Which music do you like?"
KBPS = 64  # of MP3, one channel: a page of 24 excerpts has 5 MB


def corpus_sources(
    corpus: Corpus,
    songs: Source,
    count: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Source]:
    """Yield what songs are compared with: held-out songs, if there are any, and a Markov chain.

    Parameters
    ----------
    corpus : Corpus
        With songs to train on.
    songs : Source
        The first of what is compared: what the chain's songs are like in length and metre where
        the corpus has no held-out ones.
    count : int
        Songs of the chain, at least.
    seed : int
        Of the chain.
    progress : callable, optional
        Called with 1 after each order of the chain that was tried.
    """
    train, held_out = corpus_pieces(corpus)
    if not train:
        raise MidigenError("the corpus holds no songs to train on: prepare more songs")
    if held_out:
        yield Source(HELD_OUT, held_out)
    models = held_out or songs.songs
    like = [models[i % len(models)] for i in range(max(count, FEWEST_CHAIN_SONGS))]
    chain = chain_songs(corpus, like, seed, progress or (lambda step: None))
    if corpus.grid.tonic == "kept":
        chain = [in_key_of(song, other) for song, other in zip(chain, like, strict=True)]
    yield Source(CHAIN, chain)


def make_blind_page(
    sources: Sequence[Source],
    corpus: Corpus,
    settings: CompareConfig,
    soundfont: str | PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> str:
    """Make the page.

    Parameters
    ----------
    sources : sequence of Source
        Of different names.
    corpus : Corpus
        Gives the grid, and the tempo of all excerpts: its median.
    settings : CompareConfig
        How many excerpts, how long, and the seed.
    soundfont, say, progress
        As `midigen.rendering.audio.render_audio` takes them.

    Returns
    -------
    str
        HTML, to be written as UTF-8, in which only a seal says what comes from where.

    Raises
    ------
    MidigenError
        In one line, where a source has no song that is long enough, or two have one name.
    """
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise MidigenError(f"two sources have one name, of {', '.join(names)}: rename a folder")
    bpm = playable_bpm(corpus.statistics()["bpm"])
    frame_seconds = corpus.grid.frame_seconds(bpm)
    frames = max(round(settings.seconds / frame_seconds), 1)
    excerpts = [
        excerpt
        for source in sources
        for excerpt in choose_excerpts(source, settings.excerpts, frames, settings.seed)
    ]
    order = generator(settings.seed, "order of excerpts").permutation(len(excerpts))
    shuffled = [excerpts[place] for place in order]
    sounds = render_excerpts(shuffled, frames, frame_seconds, soundfont, say, progress)
    sealed = seal(
        Key(
            tuple(names),
            tuple((names.index(e.source), e.song, e.bar) for e in shuffled),
            {**settings.to_json(), "bpm": bpm, "corpus": corpus.digest, "midigen": __version__},
        )
    )
    data = {
        "format": FORMAT,
        "version": VERSION,
        "page": page_name(sealed),
        "scale": list(range(SCALE[0], SCALE[1] + 1)),
        "clips": [clip_of(sound, KBPS) for sound in sounds],
        "sealed": sealed,
    }
    return document(TITLE, "blind.html", [web_file("blind.css")], [web_file("blind.js")], data)
