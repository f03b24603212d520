"""Teach a network from scratch: random weights, all of them trained, at one rate."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras import Model

from tlkit import backbones, classifier, files, training
from tlkit.progress import Silent
from tlkit.recipe import Recipe
from tlkit.run import reading, stepping
from tlkit.run.learning import BATCH, Sides
from tlkit.run.reading import Reading


class Scratch:
    """A model that knows nothing and the photos it learns from: does for it what `Lesson` does for others.

    Nothing is known of a photo beforehand, and nothing is chosen: what was trained is kept.
    """

    cut = alone = None  # no head on frozen features, to compare with

    def __init__(
        self, model: Model, learner: Model, root: Path, sides: Sides, recipe: Recipe, progress: Silent
    ):
        """`learner` is what is trained of the model: to logits, and to those of its auxiliary classifiers."""
        self.model, self.root, self.sides, self.recipe, self.progress = model, root, sides, recipe, progress
        self.size = model.input_shape[1]
        self.fit = recipe.fit
        self.reading = Reading(root, recipe, self.size, model.output_shape[1])
        self.learner = learner
        self.answerer = classifier.part(model, None, "logits")

    def about(self, sides: Sides, rows: Any) -> "Scratch":
        """The same lesson about some of its photos."""
        part = copy.copy(self)
        part.sides = sides
        return part

    def views(self) -> np.ndarray:
        """(photos, 0, 0): features of random weights are none to learn from."""
        return np.empty((len(self.sides.train), 0, 0), np.float32)

    def learn(self, views: np.ndarray, metrics: Path) -> str:
        """Train `model` and return the name of what is kept; the figures of each epoch go to `metrics`.

        Batch normalisation learns too, on the statistics of its batches.
        """
        recipe, photos = self.recipe, self.sides.fit
        write = files.json_lines(metrics)
        self.learner.trainable = True
        size = min(recipe.batch_size, len(photos))
        training.fit(
            self.learner,
            self._epoch,
            steps=len(photos) // size,
            batch_size=size,
            epochs=recipe.epochs or 0,
            learning_rate=recipe.learning_rate,
            ema=recipe.ema,
            **stepping.told(recipe, self.model),
            auxiliary=backbones.auxiliary(recipe.backbone) or 0.0,
            class_weights=self.reading.weights_in_order(photos),
            phase="training",
            progress=self.progress,
            on_epoch=write,
        )
        return "trained"

    def asked(self, rows: np.ndarray) -> np.ndarray:
        """(photos, classes) logits of some of the training photos, seen as the phone sees them."""
        photos = self.sides.train
        batches = self.reading.batches([photos[row] for row in rows], 0, BATCH)
        return np.concatenate([training.answers(self.answerer, pixels, BATCH) for pixels in batches])

    def _epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        photos, labels = self.sides.fit, reading.labels(self.sides.fit)
        size = min(self.recipe.batch_size, len(photos))
        order = self.reading.order(number, labels, size)
        return self.reading.shuffled(photos, order, number, size)
