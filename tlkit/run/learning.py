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
        self.kept: list[np.ndarray] = []  # by view: (photos, …) at the cut, of `sides.train`

    def about(self, sides: Sides, rows: Any) -> "Lesson":
        """The same lesson about some of its photos: those of the new `sides.train` are `rows` of these."""
        part = copy.copy(self)
        part.sides = sides
        part.kept = [made[rows] for made in self.kept]
        return part

    def views(self) -> np.ndarray:
        """(photos, views, width) features of the training photos; the first view is the phone's."""
        photos = self.sides.train
        count = self.recipe.views or 1 if self.reading.varied else 1
        found = []
        for number in range(count):
            made = []
            with self.progress.task(f"features {number + 1}/{count}", len(photos)) as task:
                for batch in self._through_frozen(self.reading.batches(photos, number, BATCH), BATCH):
                    made.append(batch)
                    task.tick(len(batch))
                found.append(_through(self.upper, made))
            if sum(batch.nbytes for batch in made) * count <= MEMORY:
                self.kept.append(np.concatenate(made))
        return np.stack(found, axis=1)

    def learn(self, views: np.ndarray, metrics: Path) -> str:
        """Leave the best of three models in `model` and return its name.

        `head`, the solved head on the untouched trunk; `fine-tuned`; and `halfway` between the two, weight
        by weight (Wortsman et al., arXiv:2109.01903). `choosing` decides, on the slice that none of them
        has seen. Figures of every step go to the file `metrics`.
        """
        write = files.json_lines(metrics)
        if not (self.recipe.epochs and self.sides.choose):  # nothing to choose between, or on
            self._solve(views, self.sides.train)
            return "head"
        self._solve(views[: len(self.sides.fit)], self.sides.fit)
        weights = {"head": self.model.get_weights()}
        alone = classifier.part(self.model, self.cut, "logits").get_weights()
        answers = {"head": self._of_slice()}
        write({"phase": "head", **self._judged(answers["head"])})
        self._finetune(lambda row: write(row | self._judged(self._of_slice())))
        weights["fine-tuned"] = self.model.get_weights()
        answers["fine-tuned"] = self._of_slice()
        weights["halfway"] = [_middle(*pair) for pair in zip(*weights.values(), strict=True)]
        self.model.set_weights(weights["halfway"])
        answers["halfway"] = self._of_slice()

        choice = choosing.choose(answers, reading.labels(self.sides.choose))
        write(choice.row())
        self.model.set_weights(weights[choice.kept])
        self.alone = None if choice.kept == "head" else alone
        if choice.kept == "head":  # the slice has done its work: it may be learned from too
            self._solve(views, self.sides.train)
        return choice.kept

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

    def _judged(self, logits: np.ndarray) -> dict[str, Any]:
        return choosing.judge(logits, reading.labels(self.sides.choose))._asdict()

    def _finetune(self, on_epoch: Callable[[dict[str, Any]], None]) -> None:
        """Train the head and the unfrozen stages."""
        recipe = self.recipe
        classifier.unfreeze(self.model, self.first)
        size = min(recipe.batch_size, len(self.sides.fit))
        training.fit(
            self.learner,
            self._epoch,
            steps=len(self.sides.fit) // size,
            batch_size=size,
            epochs=recipe.epochs or 0,
            learning_rate=recipe.learning_rate,
            ema=recipe.ema,
            **stepping.told(recipe, self.model),
            class_weights=self.reading.weights_in_order(self.sides.fit),
            phase="fine-tuning",
            progress=self.progress,
            on_epoch=on_epoch,
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
