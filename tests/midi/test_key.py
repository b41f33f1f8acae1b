"""Keys: Krumhansl and Kessler's profiles, and the shift to one tonic."""

import numpy as np
import pytest

from midigen.midi.key import MAJOR_PROFILE, MINOR_PROFILE, Key, find_key, fit_keys, key_of

from .craft import make_table


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("tonic", range(12))
def test_every_key_is_found_and_moved_to_c_or_a(tonic, minor):
    profile = MINOR_PROFILE if minor else MAJOR_PROFILE
    key = find_key(np.roll(profile, tonic))
    assert key == Key(tonic, minor)
    assert -5 <= key.shift() <= 6
    assert (tonic + key.shift()) % 12 == (9 if minor else 0)


def test_the_fit_is_the_correlation():
    classes = np.random.default_rng(3).random(12)
    fit = fit_keys(classes)
    for tonic in range(12):
        for minor, profile in enumerate((MAJOR_PROFILE, MINOR_PROFILE)):
            expected = np.corrcoef(classes, np.roll(profile, tonic))[0, 1]
            assert fit[tonic, minor] == pytest.approx(expected)


def test_long_notes_count_more():
    scale = [(i, i + 1, 60 + step) for i, step in enumerate([0, 2, 4, 5, 7, 9, 11])]
    assert str(key_of(make_table(scale + [(8, 16, 60), (8, 16, 67), (8, 16, 64)]))) == "C major"
    assert str(key_of(make_table(scale + [(8, 16, 69), (8, 16, 64), (8, 16, 60)]))) == "A minor"


def test_no_key_is_c_major():
    assert find_key(np.zeros(12)) == find_key(np.ones(12)) == Key(0, False)
