"""The page for blind listening in a browser: heard, rated, saved, and nothing given away."""

import json

import numpy as np
import pytest

from midigen.config import CompareConfig, Grid
from midigen.corpus import Corpus, Song
from midigen.evaluation.ratings import read_ratings, tally
from midigen.figures.piece import Piece
from midigen.rendering.blind import make_blind_page
from midigen.rendering.excerpts import Source
from tests.browser.test_page import LARGE, SMALL, listen, until

HOSTILE = '</script><img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """A page of two sources with two excerpts each."""
    rng = np.random.default_rng(1)

    def piece(name):
        starts = np.arange(0, 96, 4)
        notes = np.column_stack([starts, starts + 4, rng.integers(60, 80, 24)])
        return Piece(name, notes, 96, 4.0, 16)

    sources = [Source(name, [piece(f"{name} {i}") for i in range(2)]) for name in ("A", HOSTILE)]
    roll = np.zeros((16, Grid().channels), np.uint8)
    corpus = Corpus(Grid(), [Song("x", "train", "x", 120.0, (4, 4), roll)])
    page = make_blind_page(sources, corpus, CompareConfig(excerpts=2, seconds=3))
    path = tmp_path_factory.mktemp("blind") / "blind.html"
    path.write_text(page, encoding="utf-8")
    return path


def excerpt(page, number):
    return page.locator("article").nth(number)


def chosen(page):
    """The rating that is shown of each excerpt."""
    return page.evaluate(
        """[...document.querySelectorAll("article")].map((root) =>
             Number(root.querySelector(".step input:checked")?.value ?? 0))"""
    )


def hear(page, number):
    excerpt(page, number).locator(".play").click()
    until(page, f"!document.querySelectorAll('fieldset')[{number}].disabled")


def save(page, path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save ratings").click()
    download.value.save_as(path)
    return download.value.suggested_filename


def test_it_is_heard(visit, blind):
    page = visit(blind)
    assert page.get_by_text("These are 4 short excerpts").is_visible()
    excerpt(page, 1).get_by_role("button", name="Play excerpt 2").click()
    assert 0.005 < listen(page) < 1


def test_only_what_was_heard_is_rated(visit, blind):
    page = visit(blind)
    assert page.evaluate("document.querySelector('fieldset').disabled")
    page.keyboard.press("4")
    assert chosen(page) == [0, 0, 0, 0]
    hear(page, 0)
    excerpt(page, 0).get_by_role("radio", name="3, fair").check(force=True)
    assert chosen(page) == [3, 0, 0, 0]
    assert page.get_by_text("1 of 4 are rated.").is_visible()


def test_the_keyboard_is_enough(visit, blind):
    page = visit(blind)
    page.keyboard.press("Space")
    until(page, "!document.querySelectorAll('fieldset')[0].disabled")
    page.keyboard.press("5")
    page.keyboard.press("Shift+ArrowRight")
    until(page, "!document.querySelectorAll('fieldset')[1].disabled")
    page.keyboard.press("2")
    assert chosen(page) == [5, 2, 0, 0]
    assert page.locator("#status").inner_text() == "Excerpt 2: 2, poor"
    page.keyboard.press("6")
    page.keyboard.press("Control+1")
    assert chosen(page) == [5, 2, 0, 0]


def test_ratings_are_kept_and_saved(visit, blind, tmp_path):
    page = visit(blind, accept_downloads=True)
    for number, rating in enumerate((5, 4, 3, 1)):
        hear(page, number)
        page.keyboard.press(str(rating))
    assert page.get_by_text("All 4 are rated.").is_visible()
    page.reload()
    assert chosen(page) == [5, 4, 3, 1]
    path = tmp_path / "saved.json"
    name = save(page, path)
    found = read_ratings(path)
    assert found.ratings == (5, 4, 3, 1)
    assert name == f"midigen-ratings-{found.page}-{found.listener}.json"
    report = tally([path])
    expected = {"A": [], HOSTILE: []}
    for (source, _, _), rating in zip(found.key.excerpts, found.ratings, strict=True):
        expected[found.key.sources[source]].append(rating)
    means = {source["name"]: source["mean"] for source in report["sources"]}
    assert means == {source: np.mean(ratings) for source, ratings in expected.items()}


def test_what_was_kept_of_something_else_is_passed_over(visit, blind):
    page = visit(blind)
    key = page.evaluate("Object.keys(localStorage).find((key) => key.startsWith('midigen-rat'))")
    for kept in ("x", "null", '{"ratings": [9, 9, 9, 9], "listener": "a"}', '{"ratings": [1]}'):
        page.evaluate("([key, kept]) => localStorage.setItem(key, kept)", [key, kept])
        page.reload()
        assert chosen(page) == [0, 0, 0, 0]


def test_a_browser_that_keeps_nothing_says_so_and_saves(visit, blind, tmp_path):
    page = visit(blind, accept_downloads=True)
    assert not page.locator("#unkept").is_visible()
    page.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    )
    page.reload()
    assert page.locator("#unkept").is_visible()
    hear(page, 2)
    page.keyboard.press("1")
    save(page, tmp_path / "saved.json")
    assert json.loads((tmp_path / "saved.json").read_text())["ratings"] == [None, None, 1, None]


@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("width", [SMALL, LARGE])
def test_axe_finds_no_fault(visit, blind, system, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
    page = visit(blind, width, color_scheme=system)
    hear(page, 0)
    page.keyboard.press("3")
    found = axe.Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"][:150] for n in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize("width", [320, SMALL, LARGE])
def test_it_fits_every_width(visit, blind, width):
    page = visit(blind, width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for box in (e.bounding_box() for e in page.locator("button, .step, .seek").all()):
        assert min(box["width"], box["height"]) >= 43.5
