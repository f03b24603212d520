"""How long a run has taken, how long it may take, and what is left out to keep to that.

A budget is kept by leaving out views and epochs. What ends every run (its head solved on all training
photos, the model asked about the reported ones, its files written and checked) has its time set aside
before. The machine may be slower then than when it was measured: a run ends within its budget and a
margin of 10 s, or a tenth of the budget if that is more.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from tlkit.errors import UsageError
from tlkit.printed import span
from tlkit.recipe import Recipe

TRACING = 4.0  # a training step is traced so many times as long as a forward pass
STEP = 3.5  # a step forward and back takes so many times as long as forward alone


class Ending(NamedTuple):
    """Seconds of what ends every run."""

    head: float = 0.0  # solved once more, and to calibrate it on folds
    validation: float = 0.0
    exports: float = 0.0  # written and checked


class Clock:
    """The time of a run, from its start; without a budget there is always time left."""

    def __init__(self, budget: float | None = None, now: Callable[[], float] = time.perf_counter):
        self.budget, self._now, self._started = budget, now, now()
        self.ending = Ending()
        self._cut: dict[str, tuple[float, int]] = {}

    def elapsed(self) -> float:
        return self._now() - self._started

    def left(self) -> float:
        """Seconds that may go into views and epochs."""
        return math.inf if self.budget is None else self.budget - self.elapsed() - sum(self.ending)

    def over(self) -> bool:
        return self.left() <= 0

    def fitting(self, wished: int, each: float, first: float = 0.0) -> int:
        """How many of so many things there is time for: seconds of each, and of what comes before them."""
        left = self.left()
        if math.isinf(left):
            return wished
        return max(0, min(wished, int((left - first) // max(each, 1e-9))))

    def did(self, what: str, done: float, wished: int) -> None:
        """So many of the wished were done; fewer for want of time."""
        if done < wished:
            self._cut[what] = (done, wished)

    def solved(self, seconds: float) -> None:
        """A head took so long, and will again: once, and twice as long for the folds it is calibrated on."""
        self.ending = self.ending._replace(head=3 * seconds)

    @property
    def cut(self) -> tuple[str, ...]:
        """What was left out, in words."""
        return tuple(f"{done:.3g} of {wished:,} {what}" for what, (done, wished) in self._cut.items())

    def require(self, least: float, what: str) -> None:
        """Raises `UsageError` if the run would need more than its budget for this and its ending."""
        if self.budget is None:
            return
        needed = math.ceil(self.elapsed() + least + sum(self.ending))
        if needed > self.budget:
            raise UsageError(
                f"A budget of {span(self.budget)} is too little: {what} takes about {span(needed)} here.",
                "Give it more, or leave --budget away.",
            )


def check(recipe: Recipe) -> None:
    """Raises `UsageError` for a budget that cannot be planned."""
    if recipe.budget and recipe.folds:
        raise UsageError(
            f"A budget is for one run, and --folds {recipe.folds} teach {recipe.folds + 1} models.",
            "Leave --budget or --folds away.",
        )
