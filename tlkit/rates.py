"""Which rate to learn at: losses of a range test smoothed, judged and drawn (Smith, arXiv:1506.01186)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tlkit.errors import UsageError

RANGES = {"adamw": (1e-6, 1.0), "adam": (1e-6, 1.0), "sgd": (1e-5, 10.0)}  # sgd's steps follow gradients
STEPS = 100
INERTIA = 0.9  # a smoothed loss is of about the last ten batches
FAR, NATS = 4.0, 0.5  # so many times its best, and so many nats above it, is no noise
WIDTH, HEIGHT = 61, 12  # letters of a drawn curve


UNUSED = (  # settings of a run that say nothing of the steps it begins with
    "learning_rate",
    "ema",
    "folds",
    "budget",
    "target",
    "reject",
    "export",
    "quantize",
    "output",
)


class Point(NamedTuple):
    """A step: the rate, the loss of its batch before it, and the running mean of the losses up to it."""

    rate: float
    loss: float
    smoothed: float


def refuse(given: Mapping[str, Any], epochs: int | None) -> None:
    """Raises `UsageError` for what was given beside --find-lr and would do nothing there, and for no epochs.

    >>> refuse({"epochs": 3, "output": None}, 3)
    """
    idle = [f"--{name.replace('_', '-')}" for name in UNUSED if given.get(name) not in (None, ())]
    if idle:
        raise UsageError(
            f"--find-lr looks for a rate and keeps nothing: {' and '.join(idle)} would do nothing.",
            f"Leave {'it' if len(idle) == 1 else 'them'} out.",
        )
    if epochs == 0:
        raise UsageError(
            "epochs is 0: the head alone is solved then, which needs no rate.", "Use --epochs 1 or more."
        )


def followed(rows: Iterable[tuple[float, float]]) -> tuple[tuple[Point, ...], str]:
    """The points of a range test up to its end, and why it ended.

    That is `rose` when the smoothed loss is far above its best, `not finite`, or `highest rate`.

    >>> points, stopped = followed([(0.1, 1.0), (1.0, 1.0), (10.0, 50.0), (100.0, 1.0)])
    >>> len(points), stopped
    (3, 'rose')
    """
    points: list[Point] = []
    total = weight = 0.0
    best = math.inf
    for rate, loss in rows:
        if not math.isfinite(loss):
            return tuple(points), "not finite"
        total = INERTIA * total + loss
        weight = INERTIA * weight + 1
        points.append(Point(rate, loss, total / weight))
        best = min(best, points[-1].smoothed)
        if points[-1].smoothed > max(FAR * best, best + NATS):
            return tuple(points), "rose"
    return tuple(points), "highest rate"


def lowest(points: Sequence[Point]) -> float:
    """The rate at which the smoothed loss is lowest."""
    return min(points, key=lambda point: point.smoothed).rate


def suggested(points: Sequence[Point]) -> float:
    """A third of the rate at which the smoothed loss is lowest, to one digit.

    Tried were three rules; the loss after training at each of them (8 epochs of 800 digits from scratch, 5
    of ants and bees; rates in brackets):

        a tenth of the lowest   LeNet, adamw 1.61 (1e-3)   sgd 1.41 (1e-2)   Lite0 0.216 (5e-5)
        the steepest descent                 1.13 (4e-3)       0.45 (6e-2)         0.221 (2e-5)
        a third of the lowest                1.13 (4e-3)       0.66 (4e-2)         0.212 (1.5e-4)

    A solved head leaves little to descend: what is steepest there is noise, for Lite0 on digits at 3e-6.
    The lowest loss stands just before the rise, which no batch hides: for Lite0 at 5e-4 on both sets of
    photos, and at 5e-4 to 7e-4 by seed. At the lowest itself the loss after training was 0.86, 0.70 and
    0.220: once lower, twice higher, and next to where it rises.
    """
    return float(f"{lowest(points) / 3:.0e}")


def drawn(points: Sequence[Point], suggestion: float) -> list[str]:
    """The smoothed losses over their rates, cut off above, with the suggestion marked below the axis."""
    rates = [math.log10(point.rate) for point in points]
    low = min(point.smoothed for point in points)
    start = points[min(len(points), 10) - 1].smoothed
    top = max(start, low) + 0.5 * max(start - low, 0.1 * low)
    span = (rates[-1] - rates[0]) or 1.0

    def column(rate: float) -> int:
        return round((WIDTH - 1) * min(1.0, max(0.0, (rate - rates[0]) / span)))

    canvas = [[" "] * WIDTH for _ in range(HEIGHT)]
    for rate, point in zip(rates, points, strict=True):
        height = (min(point.smoothed, top) - low) / ((top - low) or 1.0)
        canvas[HEIGHT - 1 - round(height * (HEIGHT - 1))][column(rate)] = "*"
    named = {0: top, HEIGHT - 1: low}
    lines = [
        f"{named[row]:8.3g} |{''.join(cells)}".rstrip()
        if row in named
        else f"{'':8} |{''.join(cells)}".rstrip()
        for row, cells in enumerate(canvas)
    ]
    axis, labels = ["-"] * WIDTH, [" "] * (WIDTH + 6)
    for power in range(math.ceil(rates[0] - 1e-6), math.floor(rates[-1] + 1e-6) + 1):
        place = column(power)
        axis[place] = "+"
        labels[place : place + 5] = f"1e{power:+03}"
    axis[column(math.log10(suggestion))] = "^"
    return [*lines, f"{'':8} +{''.join(axis)}", f"{'rate':>8}  {''.join(labels)}".rstrip()]
