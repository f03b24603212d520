"""What a budget leaves time for: seconds from a list, no run."""

import math

import pytest

from tlkit import recipe
from tlkit.errors import UsageError
from tlkit.run import clock, planning
from tlkit.run.clock import Clock, Ending

NOTHING = Ending()


def at(seconds: float, budget: float | None, ending: Ending = NOTHING) -> Clock:
    """A clock that so many seconds have passed on."""
    times = iter([100.0])
    found = Clock(budget, now=lambda: next(times, 100.0 + seconds))
    found.ending = ending
    return found


def test_without_a_budget_there_is_time_for_everything():
    free = at(1e6, None, Ending(1e6, 1e6, 1e6))
    assert free.left() == math.inf and not free.over() and free.fitting(5, 1e6, 1e6) == 5
    free.require(1e9, "the head alone")


def test_what_ends_every_run_is_set_aside_first():
    found = at(30, 100, Ending(head=5, validation=10, exports=25))
    assert found.elapsed() == 30 and found.left() == 30 and not found.over()
    assert at(60, 100, Ending(5, 10, 25)).over() and at(70, 100, Ending(5, 10, 25)).over()


@pytest.mark.parametrize(
    ("each", "first", "fit"), [(10, 0, 3), (10, 1, 2), (10, 25, 0), (31, 0, 0), (1, 0, 5), (0, 0, 5)]
)
def test_as_many_as_fit_and_no_more_than_are_wished(each, first, fit):
    assert at(70, 100).fitting(5, each, first) == fit


def test_what_is_left_out_is_told():
    found = at(0, 100)
    found.did("views", 5, 5)
    assert found.cut == ()
    found.did("views", 1, 5)
    found.did("epochs", 2, 5)
    found.did("epochs", 5 / 3, 5)  # fewer than were planned
    assert found.cut == ("1 of 5 views", "1.67 of 5 epochs")


def test_a_budget_below_the_least_run_is_refused_with_what_that_takes():
    found = at(12.4, 20, Ending(3, 10, 15))
    with pytest.raises(UsageError) as error:
        found.require(9.5, "the head alone")
    assert error.value.message == "A budget of 20 s is too little: the head alone takes about 50 s here."
    at(12.4, 50, Ending(3, 10, 15)).require(9.5, "the head alone")


def test_a_solved_head_says_how_long_the_next_takes():
    found = at(0, 100, Ending(head=50, validation=1, exports=1))
    found.solved(4)
    assert found.ending == Ending(12, 1, 1)


def test_a_budget_and_folds_do_not_go_together():
    with pytest.raises(UsageError, match="A budget is for one run, and --folds 5 teach 6 models. Leave"):
        clock.check(recipe.load(budget="10m", folds=5))
    clock.check(recipe.load(budget="10m"))
    clock.check(recipe.load(folds=5))


def test_a_head_takes_longer_the_more_there_is_to_solve():
    def guess(photos=245, classes=2, **given):
        return planning.solving(recipe.load(**{"views": 5, **given}), photos, 1280, classes)

    assert 0.5 < guess() < 5  # 0.8 to 1.3 s were measured on ants and bees
    assert guess() < guess(views=16) < guess(views=16, classes=10) < guess(2000, 10) < guess(20_000, 10)
    assert guess(head="mlp") < guess(2000, head="mlp")
