"""Pages of songs, as `midigen generate --page` and `midigen render -o page.html` write them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midigen.cli.evaluate import corpus_of
from midigen.cli.streams import print_path, teller
from midigen.errors import MidigenError

if TYPE_CHECKING:
    from midigen.corpus import Corpus
    from midigen.evaluation.score import HeldOut, Score
    from midigen.model.rnn_rbm import RnnRbm
    from midigen.rendering.page import PageSong


def write_page(
    songs: Sequence[PageSong],
    target: Path,
    replace: bool,
    soundfont: str | None = None,
    quiet: bool = False,
    leave_out: Callable[[MidigenError], None] | None = None,
    tell: Callable[[Path], None] = print_path,
) -> None:
    """Make the page of some songs, tell its path, and say its size.

    Parameters
    ----------
    songs : sequence of PageSong
    target : Path
        The file.
    replace : bool
        Whether it may be there already; else the next free name is taken.
    soundfont : str, optional
        The instruments, a .sf2 file.
    quiet : bool
        Whether nothing is told.
    leave_out : callable, optional
        As `midigen.rendering.page.make_page` takes it.
    tell : callable
        Takes the path of the page.

    Raises
    ------
    MidigenError
        Where there is no song to show, or the file cannot be written.
    """
    from midigen.files import replacing
    from midigen.midi.write import write_new
    from midigen.output.console import make_console, progress
    from midigen.rendering.page import make_page

    say = teller(quiet)
    with progress(make_console(quiet), "the page", 100 * len(songs)) as advance:
        page = make_page(
            songs,
            soundfont=soundfont,
            say=say,
            progress=lambda share: advance(100 * share),
            leave_out=leave_out,
        ).encode()
    if replace:
        with replacing(target) as temporary:
            temporary.write_bytes(page)
    else:
        target = write_new(target.parent, target.stem, page, target.suffix)
    tell(target)
    say(f"a page of {len(page) / 1e6:.2f} MB: open it in a browser")


def page_name(songs: Sequence[Path]) -> Path:
    """Name the page of some songs, beside the first: after the one, or what their names share.

    >>> page_name([Path("songs/a-7-1.mid"), Path("songs/a-7-2.mid")]).name
    'a-7.html'
    """
    stems = [song.stem for song in songs]
    shared = re.match(r"(.*\w)[-_. ]", os.path.commonprefix(stems))
    stem = stems[0] if len(stems) == 1 else shared[1] if shared else "songs"
    return songs[0].with_name(f"{stem}.html")


def write_page_of_new(
    model: RnnRbm,
    scores: Sequence[Score],
    held_out: HeldOut,
    paths: Sequence[Path],
    quiet: bool,
    tell: Callable[[Path], None] = print_path,
) -> None:
    """Make the page of new songs, which are at `paths`, with what is known of them."""
    from midigen.rendering.measured import song_facts
    from midigen.rendering.page import PageSong

    if model.gaussian:
        teller(quiet)("the page has no likelihood: that of a Gaussian model is not measured")
    entries = [
        PageSong(path.name, path.read_bytes(), known)
        for path, known in zip(paths, song_facts(model, scores, held_out), strict=True)
    ]
    write_page(entries, page_name(paths), replace=False, quiet=quiet, tell=tell)


def corpus_at_hand(model_path: str, model: RnnRbm, say: Callable[[str], None]) -> Corpus | None:
    """Load the corpus that a model was trained on; None, and a word, where it is gone."""
    from midigen.corpus import Corpus

    try:
        corpus = Corpus.load(corpus_of(model_path))
    except MidigenError as e:
        why = str(e).removesuffix(": name a corpus")  # of which there is no option here
        say(f"what was copied is not looked at: {why}")
        return None
    if corpus.digest != model.card.corpus_digest:
        say("what was copied is not looked at: the model's corpus has changed since")
        return None
    return corpus
