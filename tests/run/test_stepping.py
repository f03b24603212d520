"""What a recipe leaves open about steps, and what is taken instead."""

import pytest

from tlkit import recipe
from tlkit.run import stepping


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 1e-4), ({"optimizer": "sgd"}, 1e-3), ({"weights": "none"}, 1e-3), ({"learning_rate": 0.02}, 0.02)],
)
def test_the_rate_is_the_lessons_own_unless_it_is_given(given, rate):
    settled = stepping.settled(recipe.load(**given))
    assert settled.learning_rate == pytest.approx(rate) == stepping.peak(settled)
