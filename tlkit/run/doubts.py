"""Labels to look at, by answers of models that did not train on the photo."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from tlkit import heads, splits, suspects
from tlkit.figures import Table
from tlkit.run.crossing import Crossed
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch
from tlkit.splits.units import together
from tlkit.suspects import Suspect

FOLDS = 5


def doubts(
    lesson: Lesson | Scratch, views: np.ndarray, validated: Table, crossed: Crossed | None
) -> tuple[Suspect, ...]:
    """The suspects among a run's photos, the least believed label first.

    With cross-validation by its answers. Without, those to validate by the run's model, and those to
    train on by linear heads on folds of the features that its own head was solved from. Of a network that
    was trained from scratch every feature has seen their labels: then only those to validate are judged.
    """
    if crossed is not None:
        return suspects.find([_learnable(crossed.table, crossed.folds)])
    if not views.shape[1]:
        return suspects.find([validated])
    return suspects.find([_trained(lesson, views, validated.labels), validated])


def text(found: Sequence[Suspect]) -> str:
    """As CSV."""
    lines = io.StringIO()
    rows = csv.writer(
        lines, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"
    )  # a name may hold any character
    rows.writerow(Suspect._fields)
    rows.writerows(found)
    return lines.getvalue()


def _trained(lesson: Lesson | Scratch, views: np.ndarray, classes: Sequence[str]) -> Table:
    """What heads on features say of the photos to train on, each of one that it did not see."""
    photos = tuple(dict.fromkeys(lesson.sides.train))
    count = min(FOLDS, len(set(together(photos).tolist())))
    if count < 2:
        return Table.of([], classes, [], [])
    folds = np.array(splits.folds(photos, count, lesson.recipe.seed))
    labels = np.array([photo.label for photo in photos])
    answers = heads.out_of_fold(views[: len(photos)], labels, len(classes), folds, lesson.recipe.seed)
    table = Table.of([photo.path for photo in photos], classes, labels.tolist(), answers)
    return _learnable(table, folds)


def _learnable(table: Table, folds: np.ndarray) -> Table:
    """Without the classes that lie in one fold: who answers for them has never seen one."""
    in_one = [label for label in np.unique(table.true) if len(np.unique(folds[table.true == label])) < 2]
    rows = np.flatnonzero(~np.isin(table.true, in_one))
    paths = [table.paths[row] for row in rows]
    return Table.of(paths, table.labels, table.true[rows].tolist(), table.probabilities[rows])
