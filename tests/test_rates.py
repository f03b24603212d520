"""A range test's losses: smoothed, followed to their end, judged and drawn. No Keras."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlkit import rates
from tlkit.errors import UsageError


def rows(losses, start=1e-6, end=1.0):
    """Rates that climb evenly in their logarithm."""
    last = max(1, len(losses) - 1)
    return [(start * (end / start) ** (place / last), loss) for place, loss in enumerate(losses)]


def valley(steps=100, best=3e-3, depth=1.0):
    """A loss of 2 that falls toward a rate and rises beyond it by orders of magnitude."""
    plain = rows([0.0] * steps)
    return [(rate, 2 - depth / (1 + (best / rate) ** 2) + (rate / best / 10) ** 3) for rate, _ in plain]


def test_a_smoothed_loss_is_a_mean_whose_weights_fall_by_a_tenth():
    points, stopped = rates.followed(rows([1.0, 2.0, 4.0]))
    expected = [1.0, (0.9 * 1 + 2) / 1.9, (0.81 * 1 + 0.9 * 2 + 4) / 2.71]
    assert [point.smoothed for point in points] == pytest.approx(expected)
    assert stopped == "highest rate"


def test_it_ends_when_the_loss_is_far_above_its_best_and_asks_no_further():
    asked = []

    def told():
        for row in rows([1.0] * 20 + [100.0] * 20):
            asked.append(row)
            yield row

    points, stopped = rates.followed(told())
    assert stopped == "rose" and len(points) == len(asked) == 21


def test_a_rise_of_less_than_half_a_nat_is_none():
    """A head that knows its photos has a loss near 0, and four times that is nothing."""
    assert rates.followed(rows([0.01] * 10 + [0.3] * 40))[1] == "highest rate"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_it_and_is_no_point(loss):
    points, stopped = rates.followed(rows([1.0, 1.0, loss, 1.0]))
    assert (len(points), stopped) == (2, "not finite")


def test_the_suggestion_lies_before_the_lowest_loss():
    points, stopped = rates.followed(valley())
    assert stopped == "rose"
    low = rates.lowest(points)
    assert low == min(points, key=lambda point: point.smoothed).rate
    assert rates.suggested(points) == pytest.approx(low / 3, rel=0.1)
    assert 1e-3 < rates.suggested(points) < low


@given(st.lists(st.floats(0, 20), min_size=1, max_size=100))
def test_any_losses_can_be_judged_and_drawn(losses):
    points, _ = rates.followed(rows(losses))
    suggestion = rates.suggested(points)
    lines = rates.drawn(points, suggestion)
    assert len(lines) == rates.HEIGHT + 2
    assert all(len(line) <= 80 for line in lines)
    assert 0 < sum(line.count("*") for line in lines) <= len(points)
    assert lines[-2].count("^") == 1


def test_a_curve_is_drawn_over_decades_with_the_suggestion_below_it():
    lines = rates.drawn(rates.followed(valley())[0], 1e-3)
    assert "1e-06" in lines[-1] and "1e-03" in lines[-1]
    assert lines[-2].index("^") == lines[-1].index("1e-03")
    heights = {line.rindex("*"): row for row, line in enumerate(lines) if "*" in line}
    assert heights[max(heights)] == 0, "it ends at the top, where it is cut off"
    lowest = next(row for row, line in reversed([*enumerate(lines)]) if "*" in line)
    assert lowest == rates.HEIGHT - 1


@pytest.mark.parametrize(
    ("given", "epochs", "message"),
    [
        (
            {"output": "x"},
            5,
            "--find-lr looks for a rate and keeps nothing: --output would do nothing. Leave it",
        ),
        (
            {"export": ("none",), "reject": 0.0},
            5,
            ".*--reject and --export would do nothing. Leave them out.",
        ),
        ({"learning_rate": 0.1}, None, ".*--learning-rate would do nothing"),
        ({}, 0, "epochs is 0: the head alone is solved then, which needs no rate. Use --epochs 1 or more."),
    ],
)
def test_what_would_do_nothing_is_refused(given, epochs, message):
    with pytest.raises(UsageError, match=message):
        rates.refuse(given, epochs)


def test_what_says_how_steps_are_taken_is_not():
    rates.refuse(
        {"optimizer": "sgd", "export": (), "output": None, "batch_size": 8, "layer_decay": 1.0}, None
    )
