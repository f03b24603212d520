"""Two models on the same photos: the test and the interval, against published figures and textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit import pairs
from tlkit.pairs import Pairs

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)
COUNTS = st.tuples(*[st.integers(0, 60)] * 4).filter(any)


@given(ANSWERS)
def test_mcnemar_is_the_share_of_coin_throws_at_least_as_far_from_even(answers):
    first, second = np.array(answers, bool).reshape(-1, 2).T
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    thrown = only_first + only_second
    far = abs(only_first - only_second)
    ways = sum(math.comb(thrown, heads) for heads in range(thrown + 1) if abs(2 * heads - thrown) >= far)
    assert pairs.mcnemar(first, second) == pytest.approx(ways / 2**thrown)
    assert pairs.mcnemar(second, first) == pairs.mcnemar(first, second)


def test_photos_that_both_name_alike_say_nothing():
    assert pairs.mcnemar([], []) == pairs.mcnemar([True, False], [True, False]) == 1
    assert pairs.mcnemar([True] * 6 + [False] * 900, [False] * 906) == pytest.approx(2 / 2**6)


def test_answers_of_other_photos_are_refused():
    with pytest.raises(ValueError, match="one answer a photo"):
        pairs.mcnemar([True], [True, False])


@given(ANSWERS)
def test_every_photo_is_counted_once(answers):
    first, second = np.array(answers, bool).reshape(-1, 2).T
    found = pairs.count(first, second)
    assert sum(found) == len(answers)
    assert found.both + found.only_first == first.sum() and found.both + found.only_second == second.sum()


@pytest.mark.parametrize(
    ("counts", "p", "interval"),
    # Fagerland, Lydersen and Laake, Recommended tests and confidence intervals for paired binomial
    # proportions, Statistics in Medicine 33, 2014: reactive airways before and after a transplantation.
    # The second: remission before and after a therapy, as R's contingencytables 3.0 tests it.
    [
        (Pairs(1, 1, 7, 12), 0.070312, (-0.517, -0.026)),
        (Pairs(59, 6, 16, 80), 0.052479, (-0.1240, -0.0054)),
    ],
)
def test_the_test_and_the_interval_give_the_published_figures(counts, p, interval):
    assert pairs.exact(counts.only_first, counts.only_second) == pytest.approx(p, abs=1e-6)
    assert pairs.difference_interval(counts) == pytest.approx(interval, abs=5e-4)


@given(COUNTS)
def test_an_interval_holds_the_difference_and_turns_with_the_order(counts):
    found = Pairs(*counts)
    low, high = pairs.difference_interval(found)
    assert -1 <= low <= (found.only_first - found.only_second) / sum(found) <= high <= 1
    turned = found._replace(only_first=found.only_second, only_second=found.only_first)
    assert pairs.difference_interval(turned) == pytest.approx((-high, -low), abs=1e-9)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 2000))
def test_what_the_exact_test_calls_a_difference_the_interval_does_too(only_first, only_second, alike):
    if only_first + only_second:
        low, high = pairs.difference_interval(Pairs(alike, only_first, only_second, 0))
        if pairs.exact(only_first, only_second) < 0.05:
            assert low > 0 or high < 0


@pytest.mark.parametrize("alike", [1, 10, 150])
def test_without_a_photo_that_differs_the_interval_is_as_wide_as_the_photos_are_few(alike):
    # The score of a difference d is then √(n d / (1 − d)).
    z = 1.959963984540054
    bound = z * z / (alike + z * z)
    assert pairs.difference_interval(Pairs(alike, 0, 0, 0)) == pytest.approx((-bound, bound))


def test_of_no_photo_there_is_no_interval():
    assert all(math.isnan(bound) for bound in pairs.difference_interval(Pairs(0, 0, 0, 0)))


@given(st.integers(0, 300))
def test_the_lead_that_is_needed_is_the_least_that_counts(differing):
    lead = pairs.needed(differing)
    if lead is None:
        assert pairs.exact(differing, 0) >= 0.05
    else:
        more = (differing + lead) // 2
        assert pairs.exact(more, differing - more) < 0.05 <= pairs.exact(more - 1, differing - more + 1)


def test_the_interval_covers_in_nineteen_of_twenty():
    """100 photos, two models of 90 and 85 % that differ on 15: drawn anew 2,000 times, with a fixed seed."""
    drawn = np.random.default_rng(0).multinomial(100, [0.8, 0.1, 0.05, 0.05], 2000)
    found = [pairs.difference_interval(Pairs(*map(int, row))) for row in drawn]
    covered = np.mean([low <= 0.05 <= high for low, high in found])
    assert 0.94 <= covered <= 0.965  # 0.95, give or take the standard error of 2,000 draws, 0.005
