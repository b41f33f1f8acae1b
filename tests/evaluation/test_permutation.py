"""Exact tests against counting all ways one by one, SciPy, and what is known of them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from midigen.evaluation.permutation import MOST_RATINGS, holm, permutation_test


def counted(first, second):
    """The p-value, by going through all ways to share out the ratings."""
    values = np.array([*first, *second])
    observed = abs(np.mean(first) - np.mean(second))
    extreme = total = 0
    for chosen in itertools.combinations(range(len(values)), len(first)):
        mask = np.zeros(len(values), bool)
        mask[list(chosen)] = True
        extreme += abs(values[mask].mean() - values[~mask].mean()) >= observed - 1e-9
        total += 1
    return extreme / total


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (4, 4), (3, 7), (6, 6)])
def test_it_counts_as_one_by_one(rng, sizes):
    for _ in range(5):
        groups = [rng.integers(2, 11, size) / 2 for size in sizes]
        assert permutation_test(*groups) == pytest.approx(counted(*groups))


def test_it_is_scipy_s_for_groups_of_one_size(rng):
    groups = rng.integers(1, 6, (2, 6)).astype(float)
    theirs = stats.permutation_test(
        groups, lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True, n_resamples=np.inf
    )
    assert permutation_test(*groups) == pytest.approx(theirs.pvalue)


def test_what_is_known():
    assert permutation_test([5, 5, 5], [1, 1, 1]) == pytest.approx(2 / 20)
    assert permutation_test([3, 3], [3, 3, 3]) == 1
    assert permutation_test([1], [5]) == 1
    assert permutation_test([4, 5], [1, 2]) == permutation_test([1, 2], [4, 5])


def test_the_most_ratings_do_not_overflow():
    half = MOST_RATINGS // 2
    p = permutation_test([5] * half, [1] * half)
    assert p == pytest.approx(2 / float(stats.binom(MOST_RATINGS, 0.5).pmf(half) * 2.0**60))


def test_chance_is_as_often_right_as_it_says(rng):
    """Where nothing differs, at most a share of 0.1 of the p-values is at most 0.1."""
    p_values = [permutation_test(*rng.integers(1, 6, (2, 5))) for _ in range(400)]
    assert np.mean(np.array(p_values) <= 0.1) < 0.14


@pytest.mark.parametrize("first, second", [([], [1]), ([1], []), ([1] * 30, [1] * 31)])
def test_groups_that_cannot_be(first, second):
    with pytest.raises(ValueError, match="two groups of"):
        permutation_test(first, second)


def test_holm():
    assert holm([]) == []
    assert holm([0.2]) == [0.2]
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1, 1]
    shuffled = holm([0.04, 0.01, 0.03, 0.02])
    assert shuffled == pytest.approx([0.06, 0.04, 0.06, 0.06])
