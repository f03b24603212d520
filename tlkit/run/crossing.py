"""Cross-validation: every photo is answered once, by a model that learned from the other folds."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

from tlkit import figures, files, splits
from tlkit.recipe import Recipe
from tlkit.run.learning import Lesson, Sides
from tlkit.run.scratch import Scratch
from tlkit.run.sides import learners


class Crossed(NamedTuple):
    """The answers, fold by fold: one table over all photos, and how many each fold has."""

    table: figures.Table
    sizes: tuple[int, ...]
    rows: np.ndarray  # (photos,): which photo of the lesson each row of the table is
    folds: np.ndarray  # (photos,): the fold of each row

    def figures(self) -> dict[str, Any]:
        """count, top1 of all answers with Wilson's 95 % interval, and photos and top1 of each fold.

        The folds' models share most of their training photos, so the interval is a little too
        narrow for what another set of photos would give.
        """
        ends = np.cumsum(self.sizes)
        right = np.split(self.table.predicted == self.table.true, ends[:-1])
        return {
            "count": len(self.sizes),
            "top1": figures.top1(self.table),
            "top1_interval": figures.top1_interval(self.table),
            "per_fold": tuple({"photos": len(part), "top1": float(part.mean())} for part in right),
        }


def cross(lesson: Lesson | Scratch, views: np.ndarray, classes: Sequence[str], run: Path) -> Crossed:
    """Teach a fresh model on all folds but one, as the run will, and ask it about that one; for each fold.

    `lesson` holds all photos as its photos to train on, `views` their features: what the frozen part
    makes of a photo is the same for every fold. A fold's model is chosen as the run's is, on a slice
    of the photos that it learns from. Its network is the lesson's, set back after each fold.
    `folds.csv` in the run folder gets all answers.
    """
    recipe, photos = lesson.recipe, lesson.sides.fit
    folds = of(lesson.sides, recipe)
    # Of all variables: `get_weights` leaves out where dropout stands with its random numbers. What is trained
    # may have more of them than what is kept.
    variables = {id(one): one for network in (lesson.model, lesson.learner) for one in network.variables}
    fresh = {name: variable.numpy() for name, variable in variables.items()}
    held, answers = [], []
    for number in range(recipe.folds):
        lesson.progress.note(f"Fold {number + 1} of {recipe.folds}.")
        chosen = np.flatnonzero(folds == number)
        part, order = _among(lesson, np.flatnonzero(folds != number))
        with tempfile.TemporaryDirectory(prefix="tlkit-") as scratch:
            part.learn(views[order], Path(scratch) / "metrics.jsonl")
        held.append(chosen)
        answers.append(softmax(lesson.asked(chosen), axis=1))
        for name, variable in variables.items():
            variable.assign(fresh[name])
    rows = np.concatenate(held)
    labels = [photos[row].label for row in rows]
    table = figures.Table.of([photos[row].path for row in rows], classes, labels, np.concatenate(answers))
    files.write(run / "folds.csv", table.csv())
    return Crossed(table, tuple(map(len, held)), rows, folds[rows])


def of(sides: Sides, recipe: Recipe) -> np.ndarray:
    """(photos,): the fold of each photo of a pool. Raises `UsageError` if there are too few for so many."""
    return np.array(splits.folds(sides.fit, recipe.folds, recipe.seed))


def pool(sides: Sides) -> Sides:
    """All photos of a run as photos to learn from, those of `sides.train` first and in their order."""
    return Sides(tuple(dict.fromkeys((*sides.train, *sides.val))), (), ())


def proper(lesson: Lesson | Scratch, views: np.ndarray, sides: Sides) -> tuple[Lesson | Scratch, np.ndarray]:
    """From the lesson about the pool, the run's own lesson and features."""
    rows = slice(len(sides.train))  # of the pool, without a copy
    return lesson.about(sides, rows), views[rows]


def _among(lesson: Lesson | Scratch, rows: np.ndarray) -> tuple[Lesson | Scratch, np.ndarray]:
    """A lesson about some photos, parted as a run's are, and the row of each."""
    places = {lesson.sides.fit[row]: row for row in rows.tolist()}
    fit, choose = learners(tuple(places), lesson.recipe)
    order = np.array([places[photo] for photo in fit + choose])
    return lesson.about(Sides(fit, choose, ()), order), order
