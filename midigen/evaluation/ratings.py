"""Ratings of a blind comparison, as its page saves them, and who won.

What an excerpt's source is stands in the page, and in what it saves, only in a seal: compressed, so
that nobody reads it by looking.  It is an envelope and no lock.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import zlib
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from midigen.errors import MidigenError
from midigen.evaluation.permutation import MOST_RATINGS, holm, permutation_test
from midigen.files import check_regular
from midigen.midi.inputs import printable

FORMAT, VERSION = "midigen-ratings", 1
SCALE = (1, 5)  # bad and excellent, as in listening tests by ITU-T P.800
MOST_BYTES = 1_000_000  # of a file, and of what is under a seal
DIGEST = 16  # letters of a page's name
REMEDY = "name files that a page of `midigen compare` has saved"

StrPath = str | PathLike[str]


class Key(NamedTuple):
    """What a page keeps from its listeners.

    Parameters
    ----------
    sources : tuple of str
        Where excerpts may come from.
    excerpts : tuple of (int, str, int)
        Of each excerpt, in the order of the page: its source's place in `sources`, its song, and
        the bar it begins with, from 1.
    settings : dict
        How the page was made.
    """

    sources: tuple[str, ...]
    excerpts: tuple[tuple[int, str, int], ...]
    settings: dict[str, Any]


class Ratings(NamedTuple):
    """What one listener has saved.

    Parameters
    ----------
    page : str
        The page's name.
    listener : str
        A random name, by which a file that was saved twice is known.
    saved : str
        When, in ISO 8601.
    ratings : tuple of int or None
        Of each excerpt, in the order of the page.
    key : Key
        What was under the seal.
    """

    page: str
    listener: str
    saved: str
    ratings: tuple[int | None, ...]
    key: Key


def seal(key: Key) -> str:
    """Put a Key under a seal: text that `unseal` reads."""
    text = json.dumps([key.sources, key.excerpts, key.settings])
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")


def unseal(sealed: str) -> Key:
    """Read what `seal` wrote.  ValueError where that is not what it is."""
    opener = zlib.decompressobj()
    try:
        text = opener.decompress(base64.b64decode(sealed, validate=True), MOST_BYTES)
        sources, excerpts, settings = json.loads(text)
        key = Key(
            tuple(map(printable, sources)),
            tuple((int(source), printable(song), int(bar)) for source, song, bar in excerpts),
            dict(settings),
        )
    except (zlib.error, ValueError, TypeError, OverflowError, RecursionError) as e:
        raise ValueError(f"the seal cannot be opened ({e})") from None
    counts = Counter(source for source, _, _ in key.excerpts)
    if not set(counts) <= set(range(len(key.sources))):
        raise ValueError("the seal names sources that are none")
    if max(counts.values(), default=0) > MOST_RATINGS // 2:
        raise ValueError("the seal names too many excerpts")
    return key


def page_name(sealed: str) -> str:
    """Name a page by its seal."""
    return hashlib.sha256(sealed.encode()).hexdigest()[:DIGEST]


def read_ratings(path: StrPath) -> Ratings:
    """Read a file that a page has saved.

    Raises
    ------
    MidigenError
        In one line, where it cannot be read, or is something else.
    """
    check_regular(path)
    try:
        with open(path, "rb") as f:
            data = f.read(MOST_BYTES + 1)
    except OSError as e:
        raise MidigenError(f"cannot read {printable(path)}: {e.strerror or e}") from None
    try:
        if len(data) > MOST_BYTES:
            raise ValueError("it is too large")
        return _parse(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError) as e:
        raise MidigenError(f"{printable(path)} holds no ratings ({_words(e)}): {REMEDY}") from None


def _words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it is no JSON"
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return " ".join(str(error).split())


def _parse(document: Any) -> Ratings:
    """Return what a file says.  ValueError, TypeError or KeyError where it is not as it should."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"it is no {FORMAT}")
    if document["version"] != VERSION:
        raise ValueError(f"of version {document['version']!r}; this midigen reads {VERSION}")
    key = unseal(document["sealed"])
    ratings = tuple(document["ratings"])
    if len(ratings) != len(key.excerpts):
        raise ValueError(f"{len(ratings)} ratings of {len(key.excerpts)} excerpts")
    for rating in ratings:
        if rating is not None and (type(rating) is not int or not SCALE[0] <= rating <= SCALE[1]):
            raise ValueError(f"a rating of {rating!r}")
    page = page_name(document["sealed"])
    return Ratings(page, str(document["listener"]), str(document["saved"]), ratings, key)


def tally(paths: Sequence[StrPath]) -> dict[str, Any]:
    """Say who won a comparison.

    Each excerpt counts once, with the mean of what its listeners gave, so the test holds for any
    number of them: it asks how often chance alone, in which excerpts were drawn, sets two sources
    so far apart.

    Parameters
    ----------
    paths : sequence of path
        Files that one page has saved, one of each listener; of a listener's several the last
        counts.

    Returns
    -------
    dict
        page, listeners, excerpts; sources: {"name", "excerpts", "ratings", "mean"} each, the best
        first; pairs: {"first", "second", "difference", "p", "p_holm"} of every two sources with
        ratings, by `permutation_test` and `holm`; settings: how the page was made.

    Raises
    ------
    MidigenError
        In one line, where a file is no such file, or of another page, or nothing is rated.
    """
    saved = _of_one_page(paths)
    key = saved[0].key
    columns = zip(*(one.ratings for one in saved), strict=True)
    given = [[rating for rating in column if rating is not None] for column in columns]
    means: list[list[float]] = [[] for _ in key.sources]
    counts = [0] * len(key.sources)
    for (source, _, _), ratings in zip(key.excerpts, given, strict=True):
        counts[source] += len(ratings)
        if ratings:
            means[source].append(float(np.mean(ratings)))
    rated = [place for place in range(len(key.sources)) if means[place]]
    if not rated:
        raise MidigenError("nothing is rated yet: rate the excerpts on the page, and save again")
    rated.sort(key=lambda place: -float(np.mean(means[place])))
    pairs = list(itertools.combinations(rated, 2))
    p_values = [permutation_test(means[one], means[other]) for one, other in pairs]
    return {
        "page": saved[0].page,
        "listeners": len(saved),
        "excerpts": len(key.excerpts),
        "settings": key.settings,
        "sources": [
            {
                "name": key.sources[place],
                "excerpts": len(means[place]),
                "ratings": counts[place],
                "mean": float(np.mean(means[place])),
            }
            for place in rated
        ],
        "pairs": [
            {
                "first": key.sources[one],
                "second": key.sources[other],
                "difference": float(np.mean(means[one]) - np.mean(means[other])),
                "p": p,
                "p_holm": corrected,
            }
            for (one, other), p, corrected in zip(pairs, p_values, holm(p_values), strict=True)
        ],
    }


def _of_one_page(paths: Sequence[StrPath]) -> list[Ratings]:
    """Read files, and keep the last of every listener."""
    last: dict[str, Ratings] = {}
    for path in paths:
        found = read_ratings(path)
        if last and found.page != next(iter(last.values())).page:
            raise MidigenError(
                f"{path} is of another page than {paths[0]}: tally the pages one by one"
            )
        before = last.get(found.listener)
        if before is None or found.saved >= before.saved:
            last[found.listener] = found
    return list(last.values())
