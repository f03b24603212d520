"""Teach a classifier what a trained trunk makes easy: solve its head, fine-tune it, keep the best of them."""

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import Model

from tlkit import classifier, files, heads, training
from tlkit.data import Photo
from tlkit.progress import Silent
from tlkit.recipe import Recipe
from tlkit.run import choosing, reading, stepping
from tlkit.run.clock import STEP, TRACING, Clock
from tlkit.run.reading import Reading

MEMORY = 2**30  # bytes that may be kept of what the frozen part of the trunk made of the views
BATCH = 32  # photos at a time where nothing is learned from them


class Sides(NamedTuple):
    """Photos by their use. Nothing is chosen by looking at `val`."""

    fit: tuple[Photo, ...]  # weights are fitted to these
    choose: tuple[Photo, ...]  # a slice of the training photos, to choose a model on
    val: tuple[Photo, ...]  # reported

    @property
    def train(self) -> tuple[Photo, ...]:
        return self.fit + self.choose


class Taught(NamedTuple):
    """What a lesson leaves in its model."""

    kept: str  # "head", "halfway", "fine-tuned" or "trained" (from scratch)
    reason: str | None = None  # None where there was nothing to choose


class Lesson:
    """A model with a trained trunk and the photos it learns from.

    The trunk is cut where fine-tuning begins. What lies before the cut never changes: it is run once
    for each view of a photo, and what it made is kept, up to `MEMORY`.
    """

    def __init__(self, model: Model, root: Path, sides: Sides, recipe: Recipe, progress: Silent):
        self.model, self.root, self.sides, self.recipe, self.progress = model, root, sides, recipe, progress
        self.size = model.input_shape[1]
        self.fit = recipe.fit  # as `classifier.build` was told: the name is stored in the model
        self.reading = Reading(root, recipe, self.size, model.output_shape[1])
        self.first = classifier.first_unfrozen(model, recipe.unfreeze_from if recipe.epochs else "none")
        self.cut = cut = classifier.cut(model, self.first)
        self.frozen = classifier.part(model, None, cut) if cut else None
        self.upper = classifier.part(model, cut, "pool") if cut != "pool" else None
        self.head = classifier.part(model, "pool", "logits")
        self.learner = classifier.part(model, cut, "logits")
        self.alone: list[np.ndarray] | None = None  # from the cut on, the head alone: where another is kept
        self.clock = Clock()
        self.tracing = 0.0  # seconds that the first batch takes longer than others, once it was measured
        self.took = (0.0, 0.0)  # seconds of a view of all photos: to the cut, and from there to its features
        self.kept: list[np.ndarray] = []  # by view: (photos, …) at the cut, of `sides.train`

    def about(self, sides: Sides, rows: Any) -> "Lesson":
        """The same lesson about some of its photos: those of the new `sides.train` are `rows` of these."""
        part = copy.copy(self)
        part.sides = sides
        part.kept = [made[rows] for made in self.kept]
        return part

    def views(self) -> np.ndarray:
        """(photos, views, width) features of the training photos; the first view is the phone's.

        Of the views as many as there is time for, and one at the least.
        """
        photos = self.sides.train
        count = self.recipe.views or 1 if self.reading.varied else 1
        found: list[np.ndarray] = []
        for number in range(count):
            if number and not self.clock.fitting(1, sum(self.took)):
                break
            made, started = [], self.clock.elapsed()
            with self.progress.task(f"features {number + 1}/{count}", len(photos)) as task:
                for batch in self._through_frozen(self.reading.batches(photos, number, BATCH), BATCH):
                    made.append(batch)
                    task.tick(len(batch))
                at_cut = self.clock.elapsed()
                found.append(_through(self.upper, made))
                self.took = (at_cut - started, self.clock.elapsed() - at_cut)
            if sum(batch.nbytes for batch in made) * count <= MEMORY:
                self.kept.append(np.concatenate(made))
        self.clock.did("views", len(found), count)
        return np.stack(found, axis=1)

    def probe(self) -> tuple[float, float]:
        """Seconds that a batch takes to its features, and that the first one takes longer."""
        took = []
        for _ in range(2):
            started = self.clock.elapsed()
            made = [*self._through_frozen(self.reading.batches(self.sides.train[:BATCH], 0, BATCH), BATCH)]
            _through(self.upper, made)
            took.append(self.clock.elapsed() - started)
        self.tracing = max(0.0, took[0] - took[1])
        return took[1], self.tracing

    def learn(self, views: np.ndarray, metrics: Path) -> Taught:
        """Leave the best of three models in `model` and return its name.

        `head`, the solved head on the untouched trunk; `fine-tuned`; and `halfway` between the two, weight
        by weight (Wortsman et al., arXiv:2109.01903). `choosing` decides, on the slice that none of them
        has seen. Figures of every step go to the file `metrics`.
        """
        write = files.json_lines(metrics)
        if not (self.recipe.epochs and self.sides.choose):  # nothing to choose between, or on
            self._solve(views, self.sides.train)
            return Taught("head")
        started = self.clock.elapsed()
        self._solve(views[: len(self.sides.fit)], self.sides.fit)
        self.clock.solved(self.clock.elapsed() - started)
        weights = {"head": self.model.get_weights()}
        alone = classifier.part(self.model, self.cut, "logits").get_weights()
        answers = {"head": self._of_slice()}
        verdict = self._judged(answers["head"])
        write({"phase": "head", **verdict})

        reached = choosing.reached(verdict, self.recipe.target)
        epochs = 0 if reached else self._affordable()
        if not epochs:
            why = "it reached the target" if reached else "there was no time for an epoch"
            choice = choosing.only_head(answers["head"], self._labels(), why)
        else:
            self._finetune(epochs, write)
            weights["fine-tuned"] = self.model.get_weights()
            answers["fine-tuned"] = self._of_slice()
            weights["halfway"] = [_middle(*pair) for pair in zip(*weights.values(), strict=True)]
            self.model.set_weights(weights["halfway"])
            answers["halfway"] = self._of_slice()
            choice = choosing.choose(answers, self._labels())
        write(choice.row())
        self.model.set_weights(weights[choice.kept])
        self.alone = None if choice.kept == "head" else alone
        if choice.kept == "head":  # the slice has done its work: it may be learned from too
            self._solve(views, self.sides.train)
        return Taught(choice.kept, choice.reason)

    def _affordable(self) -> int:
        """Epochs that there is time for."""
        epochs = self.recipe.epochs or 0
        to_cut, from_cut = self.took
        if self.reading.plain:  # some find what they need as it was kept
            to_cut *= max(0.0, 1 - len(self.kept) / epochs)
        share = len(self.sides.fit) / len(self.sides.train)
        found = self.clock.fitting(epochs, share * (to_cut + STEP * from_cut), TRACING * self.tracing)
        self.clock.did("epochs", found, epochs)
        return found

    def asked(self, rows: np.ndarray) -> np.ndarray:
        """(photos, classes) logits of some of the training photos, seen as the phone sees them."""
        photos = self.sides.train
        return self._logits([photos[row] for row in rows], *(made[rows] for made in self.kept[:1]))

    def _through_frozen(self, batches: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
        """Batches of photos as they come out of the frozen part."""
        return (self._at_cut(pixels, size) for pixels in batches)

    def _at_cut(self, pixels: np.ndarray, size: int) -> np.ndarray:
        return pixels if self.frozen is None else training.answers(self.frozen, pixels, size)

    def _solve(self, views: np.ndarray, photos: Sequence[Photo]) -> None:
        """Fit the head to the features of these photos."""
        labels, counted = reading.labels(photos), self.reading.weights(photos)
        if self.recipe.head == "linear":
            weights = [*heads.solve(views, labels, self.model.output_shape[1], self.recipe.seed, counted)]
        else:
            weights = heads.train(self.head, views, labels, self.recipe.seed, counted)
        self.head.set_weights(weights)

    def _logits(self, photos: Sequence[Photo], kept: np.ndarray | None = None) -> np.ndarray:
        """(photos, classes) that the model says of photos seen as the phone sees them.

        `kept` is what the frozen part made of them, if it is known.
        """
        if kept is None:
            made = [*self._through_frozen(self.reading.batches(photos, 0, BATCH), BATCH)]
        else:
            made = [kept[start : start + BATCH] for start in range(0, len(photos), BATCH)]
        return training.answers(self.head, _through(self.upper, made), len(photos))

    def _of_slice(self) -> np.ndarray:
        """(photos, classes) logits of the slice, in inference mode, seen as the phone sees it."""
        seen = len(self.sides.fit)
        return self._logits(self.sides.choose, *(made[seen:] for made in self.kept[:1]))

    def _labels(self) -> np.ndarray:
        return reading.labels(self.sides.choose)

    def _judged(self, logits: np.ndarray) -> dict[str, Any]:
        return choosing.judge(logits, self._labels())._asdict()

    def _finetune(self, epochs: int, write: Callable[[dict[str, Any]], None]) -> None:
        """Train the head and the unfrozen stages, until time is up or the target reached."""
        recipe = self.recipe
        classifier.unfreeze(self.model, self.first, batch_norm=self.recipe.batch_norm)
        size = min(recipe.batch_size, len(self.sides.fit))
        steps = len(self.sides.fit) // size

        def on_epoch(row: dict[str, Any]) -> bool:
            verdict = self._judged(self._of_slice())
            write(row | verdict)
            if self.clock.over():
                self.clock.did("epochs", row["steps"] / steps, recipe.epochs or 0)
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
            class_weights=self.reading.weights_in_order(self.sides.fit),
            stop=self.clock.over,
            phase="fine-tuning",
            progress=self.progress,
            on_epoch=on_epoch,
        )

    def sweep(self, views: np.ndarray, **limits: Any) -> Iterator[tuple[float, float]]:
        """Rates with their losses, as `training.sweep` tells them, from the solved head on."""
        photos = self.sides.fit
        self._solve(views[: len(photos)], photos)
        classifier.unfreeze(self.model, self.first, batch_norm=self.recipe.batch_norm)
        # In turn, the views that are known: others would be computed for these few steps alone.
        known = max(1, len(self.kept))
        return training.sweep(
            self.learner,
            lambda number: self._epoch(number % known if self.kept else number),
            **stepping.told(self.recipe, self.model),
            class_weights=self.reading.weights_in_order(photos),
            **limits,
        )

    def _epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches at the cut and their labels, in an order and with views of this epoch's own."""
        photos, labels = self.sides.fit, reading.labels(self.sides.fit)
        size = min(self.recipe.batch_size, len(photos))
        order = self.reading.order(number, labels, size)
        view = self.reading.view(number)
        if view < len(self.kept) and self.reading.plain:
            for chosen in np.split(order, len(order) // size):
                yield self.kept[view][chosen], labels[chosen]
        else:
            for pixels, answers in self.reading.shuffled(photos, order, number, size):
                yield self._at_cut(pixels, size), answers


def _through(model: Model | None, batches: list[np.ndarray]) -> np.ndarray:
    if model is None:
        return np.concatenate(batches)
    return np.concatenate([training.answers(model, batch, BATCH) for batch in batches])


def _middle(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean of two weights; of a counter, such as a dropout's seed, the later one."""
    return (before + after) / 2 if np.issubdtype(before.dtype, np.floating) else after
