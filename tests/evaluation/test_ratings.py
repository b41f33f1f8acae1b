"""Ratings that a page has saved: what is read, what is refused, who won."""

import base64
import json
import zlib

import pytest

from midigen.errors import MidigenError
from midigen.evaluation.permutation import permutation_test
from midigen.evaluation.ratings import (
    FORMAT,
    MOST_BYTES,
    REMEDY,
    Key,
    page_name,
    read_ratings,
    seal,
    tally,
    unseal,
)

KEY = Key(
    ("A", "B", "held-out songs"),
    ((0, "a1.mid", 1), (1, "b1.mid", 9), (0, "a2.mid", 3), (2, "x.mid", 2), (1, "b2.mid", 1)),
    {"seed": 7},
)


def document(ratings=(5, 1, 4, 3, 2), listener="one", saved="2026-01-01T00:00:00Z", key=KEY):
    sealed = seal(key)
    return {
        "format": FORMAT,
        "version": 1,
        "page": page_name(sealed),
        "listener": listener,
        "saved": saved,
        "ratings": list(ratings),
        "sealed": sealed,
    }


@pytest.fixture
def write(tmp_path):
    """Write a document under the next name, and return its path."""
    count = iter(range(100))

    def write(content):
        path = tmp_path / f"ratings {next(count)}.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def test_a_seal_opens_to_what_is_in_it():
    sealed = seal(KEY)
    assert unseal(sealed) == KEY
    assert not any(word in sealed for word in ("held", "mid", "seed"))


def test_ratings_are_read(write):
    found = read_ratings(write(document([5, None, 4, 3, 2])))
    assert found.ratings == (5, None, 4, 3, 2)
    assert found.key == KEY
    assert (found.listener, found.saved) == ("one", "2026-01-01T00:00:00Z")


def sealed(content):
    return base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"format": "other"}, "it is no midigen-ratings"),
        ({"version": 2}, "of version 2; this midigen reads 1"),
        ({"ratings": [1, 2]}, "2 ratings of 5 excerpts"),
        ({"ratings": [1, 2, 3, 4, 6]}, "a rating of 6"),
        ({"ratings": [1, 2, 3, 4, 0]}, "a rating of 0"),
        ({"ratings": [1, 2, 3, 4, True]}, "a rating of True"),
        ({"ratings": [1, 2, 3, 4, 2.5]}, "a rating of 2.5"),
        ({"ratings": [1, 2, 3, 4, "5"]}, "a rating of '5'"),
        ({"ratings": 5}, "not iterable"),
        ({"sealed": "?"}, "the seal cannot be opened"),
        ({"sealed": "AAAA"}, "the seal cannot be opened"),
        ({"sealed": 5}, "the seal cannot be opened"),
        ({"sealed": sealed("x")}, "the seal cannot be opened"),
        ({"sealed": sealed([["A"], [[0, "a", float("inf")]], {}])}, "the seal cannot be opened"),
        ({"sealed": sealed([["A"], [[1, "a", 1]], {}])}, "names sources that are none"),
        ({"sealed": sealed([["A"], [[-1, "a", 1]], {}])}, "names sources that are none"),
        ({"sealed": sealed([["A"], [[0, "a", 1]] * 31, {}])}, "names too many excerpts"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(write, change, reason):
    path = write(document() | change)
    with pytest.raises(MidigenError) as caught:
        read_ratings(path)
    message = str(caught.value)
    assert message.startswith(f"{path} holds no ratings (") and message.endswith(REMEDY)
    assert reason in message and "\n" not in message


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "it is no JSON"),
        (b"MThd\x00\xff", "it is no JSON"),
        (b"[]", "it is no midigen-ratings"),
        (b"[" * 100_000, "holds no ratings"),
        (b" " * (MOST_BYTES + 1), "it is too large"),
        ({"format": FORMAT}, "it has no 'version'"),
        ({"format": FORMAT, "version": 1}, "it has no 'sealed'"),
    ],
)
def test_what_is_something_else_is_refused(write, content, reason):
    with pytest.raises(MidigenError) as caught:
        read_ratings(write(content))
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_seal_cannot_fill_the_memory(write):
    bomb = base64.b64encode(zlib.compress(b" " * 500_000_000)).decode()
    with pytest.raises(MidigenError, match="the seal cannot be opened"):
        read_ratings(write(document() | {"sealed": bomb}))


def test_a_missing_file(tmp_path):
    with pytest.raises(MidigenError, match="cannot read .*: No such file"):
        read_ratings(tmp_path / "none.json")


def test_names_do_nothing_to_a_terminal():
    key = unseal(seal(KEY._replace(sources=("A\x1b[31m", "B", "C"))))
    assert key.sources[0] == "A\\x1b[31m"


def test_who_won(write):
    report = tally([write(document())])
    assert [source["name"] for source in report["sources"]] == ["A", "held-out songs", "B"]
    assert [source["mean"] for source in report["sources"]] == [4.5, 3, 1.5]
    assert [source["ratings"] for source in report["sources"]] == [2, 1, 2]
    first = report["pairs"][1]
    assert (first["first"], first["second"], first["difference"]) == ("A", "B", 3)
    assert first["p"] == permutation_test([5, 4], [1, 2])
    assert all(pair["p_holm"] >= pair["p"] for pair in report["pairs"])
    assert (report["listeners"], report["excerpts"]) == (1, 5)
    assert report["settings"] == {"seed": 7}


def test_an_excerpt_counts_once_for_any_number_of_listeners(write):
    files = [
        write(document([5, 1, 4, 3, 2], "one")),
        write(document([3, None, 4, 3, 4], "two")),
    ]
    report = tally(files)
    pair = next(p for p in report["pairs"] if {p["first"], p["second"]} == {"A", "B"})
    assert pair["p"] == permutation_test([4, 4], [1, 3])
    means = {source["name"]: source["mean"] for source in report["sources"]}
    assert means == {"A": 4, "B": 2, "held-out songs": 3}
    assert report["listeners"] == 2


def test_the_last_file_of_a_listener_counts(write):
    late = write(document([5, 5, 5, 5, 5], saved="2026-02-01T00:00:00Z"))
    early = write(document([1, 1, 1, 1, 1], saved="2026-01-01T00:00:00Z"))
    for order in ([late, early], [early, late]):
        report = tally(order)
        assert report["listeners"] == 1
        assert {source["mean"] for source in report["sources"]} == {5}


def test_what_is_not_rated_is_left_out(write):
    report = tally([write(document([5, None, 4, None, None]))])
    assert [source["name"] for source in report["sources"]] == ["A"]
    assert report["pairs"] == []


def test_nothing_rated(write):
    with pytest.raises(MidigenError, match="nothing is rated yet"):
        tally([write(document([None] * 5))])


def test_pages_are_not_mixed(write):
    other = KEY._replace(settings={"seed": 8})
    with pytest.raises(MidigenError, match="is of another page than"):
        tally([write(document()), write(document(listener="two", key=other))])
