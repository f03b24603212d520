"""Teach a network from scratch: random weights, all of them trained, at one rate."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras import Model

from tlkit import backbones, classifier, files, normalisation, training
from tlkit.progress import Silent
from tlkit.recipe import Recipe
from tlkit.run import choosing, normalising, reading, stepping
from tlkit.run.clock import STEP, TRACING, Clock
from tlkit.run.learning import BATCH, Sides, Taught
from tlkit.run.reading import Reading

LAGGING = 1000  # steps: with Keras's momentum of 0.99 nothing of the first numbers is left then


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
        self.clock = Clock()
        self.tracing = self.took = 0.0  # seconds of the first batch's tracing and of a batch, once measured
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

    def probe(self) -> tuple[float, float]:
        """Seconds that a batch takes to its logits, and that the first one takes longer."""
        took = []
        for _ in range(2):
            started = self.clock.elapsed()
            self.asked(np.arange(min(BATCH, len(self.sides.train))))
            took.append(self.clock.elapsed() - started)
        self.took, self.tracing = took[1], max(0.0, took[0] - took[1])
        return self.took, self.tracing

    def costs(self) -> tuple[float, float]:
        """Seconds of an epoch, and those before the first."""
        return STEP * self.took * len(self.sides.fit) / BATCH, TRACING * self.tracing

    def learn(self, views: np.ndarray, metrics: Path) -> Taught:
        """Train `model` and return the name of what is kept; the figures of each epoch go to `metrics`.

        Batch normalisation learns too, on the statistics of its batches. The running ones that it keeps
        follow slowly: after fewer than `LAGGING` steps they are measured anew on the photos, as the phone
        sees them. (efficientnet_test on textures, 120 steps: 33 % right, which is chance, with the running
        statistics, and 58 % with those measured.)
        """
        recipe, photos = self.recipe, self.sides.fit
        write = files.json_lines(metrics)
        self.learner.trainable = True
        size = min(recipe.batch_size, len(photos))
        steps, wished = len(photos) // size, recipe.epochs or 0
        epochs = max(1, self.clock.fitting(wished, *self.costs()))
        self.clock.did("epochs", epochs, wished)

        taken = 0

        def on_epoch(row: dict[str, Any]) -> bool:
            nonlocal taken
            taken = row["steps"]
            verdict = self._judged()
            write(row | verdict)
            if self.clock.over():
                self.clock.did("epochs", row["steps"] / steps, wished)
            return choosing.reached(verdict, recipe.target)

        training.fit(
            self.learner,
            self._epoch,
            steps=steps,
            batch_size=size,
            epochs=epochs,
            learning_rate=stepping.peak(recipe),
            ema=recipe.ema,
            **stepping.told(recipe, self.model),
            auxiliary=backbones.auxiliary(recipe.backbone) or 0.0,
            class_weights=self.reading.weights_in_order(photos),
            stop=self.clock.over,
            phase="training",
            progress=self.progress,
            on_epoch=on_epoch,
        )
        if taken < LAGGING and normalisation.of(self.model):
            normalising.recalibrate(self.model, self.root, photos, recipe, self.progress)
        return Taught("trained")

    def _judged(self) -> dict[str, Any]:
        """Of the photos kept aside, where some are and a target asks for it."""
        if self.recipe.target is None or not self.sides.choose:
            return {}
        logits = self.asked(np.arange(len(self.sides.fit), len(self.sides.train)))
        return choosing.judge(logits, reading.labels(self.sides.choose))._asdict()

    def asked(self, rows: np.ndarray) -> np.ndarray:
        """(photos, classes) logits of some of the training photos, seen as the phone sees them."""
        photos = self.sides.train
        batches = self.reading.batches([photos[row] for row in rows], 0, BATCH)
        return np.concatenate([training.answers(self.answerer, pixels, BATCH) for pixels in batches])

    def sweep(self, views: np.ndarray, **limits: Any) -> Iterator[tuple[float, float]]:
        """Rates with their losses, as `training.sweep` tells them, from random weights on."""
        self.learner.trainable = True
        return training.sweep(
            self.learner,
            self._epoch,
            **stepping.told(self.recipe, self.model),
            auxiliary=backbones.auxiliary(self.recipe.backbone) or 0.0,
            class_weights=self.reading.weights_in_order(self.sides.fit),
            **limits,
        )

    def _epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        photos, labels = self.sides.fit, reading.labels(self.sides.fit)
        size = min(self.recipe.batch_size, len(photos))
        order = self.reading.order(number, labels, size)
        return self.reading.shuffled(photos, order, number, size)
