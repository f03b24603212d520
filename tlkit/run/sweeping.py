"""Look for a learning rate: the lesson of a run, begun while the rate climbs."""

import os
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tlkit import printed, rates
from tlkit.errors import TrainingError, UsageError
from tlkit.progress import SILENT, Silent, Task
from tlkit.recipe import Recipe
from tlkit.report import Rates
from tlkit.run import settling, stepping


def find_rate(images: Any, recipe: Recipe, *, progress: Silent = SILENT) -> Rates:
    """Take about a hundred steps of the lesson that `finetune` would give, each at a higher rate.

    The photos, the network and the head are those of the run; what is learned is thrown away, and
    nothing is written.
    """
    started = time.perf_counter()
    if isinstance(images, str | os.PathLike):
        images = Path(images)
    # One lesson, with no end to reach and none in time.
    asked = replace(settling.named(recipe), folds=0, budget=None, target=None)
    setting, lesson = settling.lesson(settling.settle(images, asked, progress), progress)
    if not (setting.recipe.epochs and (setting.recipe.scratch or lesson.sides.choose)):
        raise UsageError(
            f"From {printed.photos(len(lesson.sides.train))} the head alone is learned, which needs no rate.",
            "Take more photos, or say how many --epochs to fine-tune.",
        )
    views = lesson.views()
    lowest, highest = rates.RANGES[recipe.optimizer]
    with progress.task("rates", rates.STEPS, "steps") as task:
        rows = lesson.sweep(views, lowest=lowest, highest=highest, steps=rates.STEPS)
        points, stopped = rates.followed(_told(rows, task))
    if not points:
        raise TrainingError(
            "The loss is not finite even at the lowest rate.", "Try --precision float32, or another backbone."
        )
    suggestion = rates.suggested(points)
    return Rates(
        backbone=recipe.backbone,
        optimizer=recipe.optimizer,
        images=len(lesson.sides.fit),
        points=points,
        lowest=rates.lowest(points),
        suggestion=suggestion,
        otherwise=stepping.peak(replace(setting.recipe, learning_rate=None)),
        stopped=stopped,
        command=command(images, recipe, suggestion),
        seconds=time.perf_counter() - started,
        notes=setting.notes,
    )


def _told(rows: Iterable[tuple[float, float]], task: Task) -> Iterator[tuple[float, float]]:
    for rate, loss in rows:
        task.tick(1, f"rate {rate:.1e}  loss {loss:.3f}")
        yield rate, loss


def command(images: Any, recipe: Recipe, rate: float) -> str:
    """What to type to train as `recipe` says, at this rate."""
    words = ["tlkit", "finetune"]
    for field in fields(recipe):
        value, option = getattr(recipe, field.name), f"--{field.name.replace('_', '-')}"
        if field.name == "learning_rate":
            words += [option, f"{rate:g}"]
        elif value == field.default:
            continue
        elif isinstance(value, bool):
            words.append(option)
        else:
            several = value if isinstance(value, tuple) else (value,)
            words += [word for one in several for word in (option, str(one))]
    source = str(images) if isinstance(images, Path) else "IMAGES"
    return shlex.join([*words, source])
