"""Forms of new songs: drawn from those of others, or made of letters."""

import numpy as np
import pytest

from midigen.config import Grid
from midigen.model.forms import Forms, draw_outline, form_of_letters, go_on
from midigen.outline import Outline

GRID = Grid(steps_per_beat=2)


def rng(seed=0):
    return np.random.default_rng(seed)


def known(form, pickup=0, **more):
    form = np.asarray(form, np.int64)
    return Outline(8 * len(form), ((0, 4, 4),), pickup, form=form, **more)


AABA = np.array([0] * 4 + [4] * 4 + [0] * 4 + [12] * 4)[:, None]


def test_the_plan_of_the_only_song_is_that_of_a_new_one_as_long():
    forms = Forms([known(np.repeat(AABA, 2, axis=1))], 2)
    assert np.array_equal(forms.draw(rng(), 16), np.repeat(AABA, 2, axis=1))


def test_a_song_that_repeats_its_first_half_does_so_at_any_length():
    form = np.array([0] * 16 + [16] * 16)[:, None]
    forms = Forms([known(form)], 1)
    for half in (12, 16, 24, 40):
        drawn = forms.draw(rng(half), 2 * half)[:, 0]
        assert set(drawn[half:]) == {half} and not drawn[:half].any()


@pytest.mark.parametrize("bars", [0, 1, 3, 4, 7, 33])
@pytest.mark.parametrize("pickup", [False, True])
def test_no_bar_repeats_one_before_the_first(bars, pickup):
    some = [
        known(np.minimum(rng(i).integers(0, 9, (16, 2)), np.arange(16)[:, None]), i) for i in (0, 1)
    ]
    for seed in range(20):
        drawn = Forms(some, 2).draw(rng(seed), bars, pickup)
        assert drawn.shape == (bars, 2) and drawn.dtype == np.int64
        assert (drawn >= 0).all() and (drawn <= np.arange(bars)[:, None]).all()


def test_what_has_begun_stays():
    begun = np.array([[0], [1], [1], [2], [1]])
    drawn = Forms([known(AABA)], 1).draw(rng(), 16, False, begun)
    assert np.array_equal(drawn[:5], begun)
    assert np.array_equal(drawn[8:], AABA[8:])
    assert np.array_equal(Forms([], 1).draw(rng(), 3, False, begun), begun[:3])


@pytest.mark.parametrize("outlines", [[], [Outline(64, ((0, 4, 4),))]])
def test_where_no_form_is_known_nothing_repeats(outlines):
    assert not Forms(outlines, 3).draw(rng(), 8).any()


def test_forms_differ_from_seed_to_seed_and_not_for_one_seed():
    some = [known(AABA), known(np.array([0, 1] * 8)[:, None])]
    drawn = [Forms(some, 1).draw(rng(seed), 16) for seed in range(20)]
    assert len({form.tobytes() for form in drawn}) > 1
    assert np.array_equal(drawn[3], Forms(some, 1).draw(rng(3), 16))


def test_letters_repeat_their_first_section():
    form = form_of_letters("AABA", 16, Forms([], 2), rng())
    assert np.array_equal(form, np.repeat(AABA, 2, axis=1))
    assert np.array_equal(form_of_letters("aaba", 16, Forms([], 2), rng()), form)
    uneven = form_of_letters("ABA", 8, Forms([], 1), rng())[:, 0]
    assert uneven.tolist() == [0, 0, 0, 0, 0, 5, 5, 5]
    longer = form_of_letters("ABA", 7, Forms([], 1), rng())[:, 0]  # sections of 2, 3, 2 bars
    assert longer.tolist() == [0, 0, 0, 0, 0, 5, 5]


def test_what_is_new_has_a_form_of_its_own_within_its_section():
    some = Forms([known(np.array([[0], [1], [2], [1]]))], 1)
    form = form_of_letters("AAB", 12, some, rng())[:, 0]
    assert form.tolist() == [0, 1, 2, 1, 4, 4, 4, 4, 0, 1, 2, 1]


@pytest.mark.parametrize("letters", ["", "A1", "A B", "AAAAA"])
def test_no_letters(letters):
    with pytest.raises(ValueError, match="letters such as AABA"):
        form_of_letters(letters, 4, Forms([], 1), rng())


SONGS = [
    Outline(64, ((0, 3, 4),), 4, True, "waltzes", 1.5, shift=-2),
    Outline(64, ((0, 4, 4),), 0, False, "reels", 3.0, shift=3),
]


def test_an_outline_is_like_one_of_the_songs():
    drawn = [draw_outline(rng(seed), SONGS, GRID, 40) for seed in range(20)]
    alike = ("metres", "pickup", "minor", "style", "density", "shift")
    kinds = {tuple(getattr(outline, name) for name in alike) for outline in drawn}
    assert kinds == {tuple(getattr(song, name) for name in alike) for song in SONGS}
    assert {outline.frames for outline in drawn} == {40}


def test_what_is_asked_for_is_so():
    for seed in range(10):
        waltz = draw_outline(rng(seed), SONGS, GRID, 8.0, style="waltzes")
        assert (waltz.style, waltz.frames) == ("waltzes", 48)  # bars of three quarters
        slow = draw_outline(rng(seed), SONGS, GRID, 2.5, metre=(4, 4))
        assert (slow.style, slow.frames, slow.metres) == ("reels", 20, ((0, 4, 4),))
        # a metre that no song has
        assert draw_outline(rng(seed), SONGS, GRID, 4.0, metre=(2, 4)).frames == 16


def test_no_pickup_is_longer_than_a_bar():
    long = [Outline(64, ((0, 4, 4),), 7)]
    assert draw_outline(rng(), long, GRID, 40, metre=(2, 4)).pickup == 0
    assert draw_outline(rng(), long, GRID, 40).pickup == 7


def test_without_songs_there_are_four_quarters():
    assert draw_outline(rng(), [], GRID, 4.0).metres == ((0, 4, 4),)
    assert draw_outline(rng(), [], Grid(unit="seconds"), 4).metres == ()


def test_going_on_keeps_what_a_song_was():
    opening = Outline(20, ((0, 4, 4), (16, 3, 4)), 4, True, "reels", 2.0, AABA[:3], -1)
    whole = go_on(opening, GRID, 4.0)
    assert whole.frames == 20 + 4 * 6  # bars of the metre that it ends in
    assert (whole.metres, whole.pickup, whole.shift) == (opening.metres, 4, -1)
    assert go_on(opening, GRID, 7, "jigs").frames == 27
    assert go_on(opening, GRID, 7, "jigs").style == "jigs"
