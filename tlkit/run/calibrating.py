"""What a run's model says of photos that it did not learn from, and the temperature and threshold from that.

Photos to validate are never among them: those are reported.
"""

import keras
import numpy as np

from tlkit import calibration, heads, splits
from tlkit.calibration import Fitted
from tlkit.run import reading
from tlkit.run.learning import Lesson
from tlkit.run.scratch import Scratch
from tlkit.splits.units import together

FOLDS = 5


def fit(lesson: Lesson | Scratch, views: np.ndarray, kept: str) -> Fitted:
    """Temperature and threshold of what was `kept` of a lesson."""
    return calibration.fit(*held_out(lesson, views, kept), lesson.recipe.reject)


def held_out(lesson: Lesson | Scratch, views: np.ndarray, kept: str) -> tuple[np.ndarray, np.ndarray]:
    """(photos, classes) logits and (photos,) labels of training photos that the model did not learn from.

    Of the head alone, what heads like it say of folds that they did not see: it learned from all photos.
    Of others, the slice that none of the models to choose between learned from, or that was kept aside. None
    where there are too few photos for either.
    """
    if isinstance(lesson, Lesson) and kept == "head":
        return _of_heads(lesson, views)
    rows = np.arange(len(lesson.sides.fit), len(lesson.sides.train))
    if not len(rows):
        return np.zeros((0, lesson.model.output_shape[1])), np.zeros(0, np.int64)
    return lesson.asked(rows), reading.labels(lesson.sides.choose)


def _of_heads(lesson: Lesson, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    photos, classes, seed = lesson.sides.train, lesson.model.output_shape[1], lesson.recipe.seed
    labels = reading.labels(photos)
    count = min(FOLDS, len(set(together(photos).tolist())))
    if count < 2:
        return np.zeros((0, classes)), labels[:0]
    folds = np.array(splits.folds(photos, count, seed))
    counted = lesson.reading.weights(photos)
    if lesson.recipe.head == "linear":
        places, logits = heads.held_out(views, labels, classes, folds, seed, counted)
    else:
        # A fresh one: what is in the lesson's head has seen all folds. Of a part that is not compiled, as
        # Keras would clone the optimizer too.
        fresh = keras.models.clone_model(keras.Model(lesson.head.input, lesson.head.output))
        places, logits = heads.trained_without(fresh, views, labels, folds, seed, counted)
    # Who answers for a class that lies in one fold has never seen it.
    alone = [label for label in np.unique(labels) if len(np.unique(folds[labels == label])) < 2]
    learnable = ~np.isin(labels[places], alone)
    return logits[learnable], labels[places][learnable]
