"""Two models on the same photos: what their answers, photo by photo, say about which is better.

Photos that both name rightly, or both wrongly, say nothing about it; the others decide.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tlkit.figures import CONFIDENCE, limit

CHANCE = 1 - CONFIDENCE  # p from which on no difference can be told


class Pairs(NamedTuple):
    """Photos by who was right."""

    both: int
    only_first: int
    only_second: int
    neither: int


def count(first_right: Sequence[bool] | np.ndarray, second_right: Sequence[bool] | np.ndarray) -> Pairs:
    """
    >>> count([True, True, False, False], [True, False, False, False])
    Pairs(both=1, only_first=1, only_second=0, neither=2)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"one answer a photo from each expected; {first.shape} and {second.shape}")
    sums = ((first & second), (first & ~second), (~first & second), ~(first | second))
    return Pairs(*(int(photos.sum()) for photos in sums))


def mcnemar(first_right: Sequence[bool] | np.ndarray, second_right: Sequence[bool] | np.ndarray) -> float:
    """How likely two equally good models were to differ so much, or more: McNemar's test, exact, two-sided.

    Element i of both tells of the same photo. 1 where no photo tells them apart.

    >>> round(mcnemar([True] * 9 + [False], [False] * 9 + [True]), 4)  # 9 of 10 coins
    0.0215
    """
    pairs = count(first_right, second_right)
    return exact(pairs.only_first, pairs.only_second)


def exact(only_first: int, only_second: int) -> float:
    """`mcnemar` from the two counts that decide."""
    from scipy.stats import binomtest

    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0


def needed(differing: int) -> int | None:
    """By how many photos a model has to lead, of so many that tell two apart, for `mcnemar` below 5 %.

    None where even all of them are too few.

    >>> needed(5), needed(6), needed(20)
    (None, 6, 10)
    """
    leads = range(differing % 2, differing + 1, 2)
    return next(
        (lead for lead in leads if exact((differing + lead) // 2, (differing - lead) // 2) < CHANCE), None
    )


def difference_interval(pairs: Pairs) -> tuple[float, float]:
    """The 95 % interval of the first's top-1 less the second's; NaN without photos.

    Tango's score interval (Statistics in Medicine 17, 1998, 891–908): it holds where the photos are few
    and where all or none tell the two apart. It may leave out 0 where `mcnemar`, which is exact and
    therefore a little stricter, is not below 5 %; never the other way round.
    """
    from scipy.optimize import brentq

    photos = sum(pairs)
    if not photos:
        return float("nan"), float("nan")
    found = (pairs.only_first - pairs.only_second) / photos
    bounds = []
    for end in (-1.0, 1.0):
        # The score falls as the supposed difference grows: from 0 at `found` to beyond the limit at the end.
        beyond = [end * (1 - 1e-12), found]
        bounds.append(
            end
            if found == end
            else float(brentq(lambda supposed, end=end: _score(pairs, supposed) + end * limit(), *beyond))
        )
    return bounds[0], bounds[1]


def _score(pairs: Pairs, supposed: float) -> float:
    """How many standard errors the counts lie above a supposed difference."""
    photos, first, second = sum(pairs), pairs.only_first, pairs.only_second
    # The likeliest share of `only_second` if the difference is as supposed: the root of a x² + b x + c.
    a = 2 * photos
    b = (2 * photos - first + second) * supposed - first - second
    c = -second * supposed * (1 - supposed)
    share = ((b * b - 4 * a * c) ** 0.5 - b) / (2 * a)
    variance = photos * (2 * share + supposed * (1 - supposed))
    distance = first - second - photos * supposed
    return float(distance / variance**0.5) if variance > 0 else 0.0
