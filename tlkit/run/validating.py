"""Ask a taught model about the photos that are reported, and the head alone beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import Model

from tlkit import classifier, figures, files, pairs, training
from tlkit.run import gate
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch


class Beside(NamedTuple):
    """How the head alone does on the same photos, and whether chance tells the two apart."""

    top1: float
    p: float  # McNemar's, exact, two-sided


def validate(
    final: Model, lesson: Lesson | Scratch, run: Path, classes: Sequence[str]
) -> tuple[figures.Table, Beside | None]:
    """Ask the model, and the head alone where another was kept, for the first and only time.

    Nothing is chosen by what they say. `predictions.csv` in the run folder gets the model's answers.
    """
    photos = lesson.sides.val
    labels = np.array([photo.label for photo in photos])
    asked, alone = asking(final, lesson)
    probabilities = gate.ask(
        asked, lesson.size, lesson.fit, lesson.root, photos, lesson.progress, "validating"
    )
    table = figures.Table.of([photo.path for photo in photos], classes, labels.tolist(), probabilities)
    files.write(run / "predictions.csv", table.csv())
    if not alone:
        return table, None
    right = np.concatenate(alone).argmax(axis=1) == labels
    return table, Beside(float(right.mean()), pairs.mcnemar(table.predicted == table.true, right))


def asking(
    final: Model, lesson: Lesson | Scratch
) -> tuple[Callable[[np.ndarray], np.ndarray], list[np.ndarray]]:
    """What answers for a batch of photos, and a list that it adds the head alone's answers to.

    What lies before the cut is the same in both, and is computed once.
    """
    alone: list[np.ndarray] = []
    if lesson.alone is None:
        return lambda pixels: training.answers(final, pixels, gate.BATCH), alone
    head = keras.models.clone_model(classifier.part(final, lesson.cut, "logits"))
    head.set_weights(lesson.alone)
    before = final.input if lesson.cut is None else final.get_layer(lesson.cut).output
    both = Model(final.input, keras.ops.concatenate([final.output, head(before)], axis=1))
    classes = final.output.shape[1]

    def ask(pixels: np.ndarray) -> np.ndarray:
        told = training.answers(both, pixels, gate.BATCH)
        alone.append(told[:, classes:])
        return told[:, :classes]

    return ask, alone
