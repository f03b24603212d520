"""Teach a classifier: solve its head, fine-tune its trunk, keep the better of the two."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras import Model

from tlkit import augmentation, classifier, data, files, training
from tlkit.data import Photo
from tlkit.recipe import Recipe

VIEWS = 5  # of a photo, for its head: the phone's and four varied ones; four cost 10 s and gave 1.6 points
VIEWED = 8000  # of those more than one a photo: a large set varies enough by itself
STAGE_SHARE = 0.5  # of a stage's rate is the rate of the stage before it
SMOOTHING = 0.1  # of labels in fine-tuning: without it the solved head leaves nothing to learn


class Sides(NamedTuple):
    """Photos by their use. Nothing is chosen by looking at `val`."""

    fit: tuple[Photo, ...]  # weights are fitted to these
    choose: tuple[Photo, ...]  # a slice of the training photos, to choose a model on
    val: tuple[Photo, ...]  # reported

    @property
    def train(self) -> tuple[Photo, ...]:
        return self.fit + self.choose


class Lesson(NamedTuple):
    """What all steps of learning need to know."""

    model: Model
    root: Path
    sides: Sides
    recipe: Recipe
    tint: Callable[[np.ndarray], np.ndarray] | None  # varies a whole batch further
    progress: Any

    @property
    def size(self) -> int:
        return self.model.input_shape[1]

    def view(self, epoch: int, places: Sequence[int] | np.ndarray) -> Callable | None:
        """How `data.batches` sees photos: varied by seed, epoch and the photo's place; None: unvaried."""
        if self.recipe.augment == "none":
            return None
        seed = self.recipe.seed
        return lambda pixels, index: augmentation.view(
            pixels, self.size, seed=seed, epoch=epoch, index=int(places[index])
        )


def features(lesson: Lesson, after_first: Callable[[], None]) -> np.ndarray:
    """(photos, views, width) features of the training photos; the first view is the phone's.

    `after_first` is called as soon as there is one view of each.
    """
    trunk = classifier.part(lesson.model, None, "pool")
    photos = lesson.sides.train
    paths = [lesson.root / photo.path for photo in photos]
    places = range(len(photos))
    count = 1 if lesson.recipe.augment == "none" else 1 + min(VIEWS - 1, VIEWED // len(photos))
    views = []
    for number in range(count):
        see = lesson.view(number, places) if number else None
        with lesson.progress.task(f"features {number + 1}/{count}", len(photos)) as task:
            batches = data.batches(paths, lesson.size, 32, lesson.recipe.workers, see)
            views.append(training.features(trunk, _told(batches, task)))
        if number == 0:
            after_first()
    return np.stack(views, axis=1)


def head(lesson: Lesson, views: np.ndarray, photos: Sequence[Photo]) -> list[np.ndarray]:
    """The head's weights, fitted to the features of these photos."""
    labels = _labels(photos)
    classes = lesson.model.output_shape[1]
    if lesson.recipe.head == "linear":
        return [*training.solve_head(views, labels, classes, lesson.recipe.seed)]
    return training.fit_head(
        classifier.part(lesson.model, "pool", "logits"), views, labels, lesson.recipe.seed
    )


def learn(lesson: Lesson, views: np.ndarray, metrics: Path) -> str:
    """Leave the best of three models in `lesson.model` and return its name.

    `head`, the solved head on the untouched trunk; `fine-tuned`; and `halfway` between the two, weight
    by weight (Wortsman et al., arXiv:2109.01903). Judged by right answers on the slice that none of
    them has seen, then by cross-entropy there. Figures of every step go to the file `metrics`.
    """
    seen = len(lesson.sides.fit)
    if lesson.recipe.epochs == 0:
        classifier.set_head(lesson.model, head(lesson, views, lesson.sides.train))
        files.write(metrics, "")
        return "head"
    classifier.set_head(lesson.model, head(lesson, views[:seen], lesson.sides.fit))
    before = lesson.model.get_weights()
    verdicts = {"head": _judge(lesson)}
    rows = finetune(lesson, [{"phase": "head", **verdicts["head"]._asdict()}], metrics)
    after = lesson.model.get_weights()
    verdicts["fine-tuned"] = _judge(lesson)
    halfway = [_middle(*pair) for pair in zip(before, after, strict=True)]
    lesson.model.set_weights(halfway)
    verdicts["halfway"] = _judge(lesson)

    kept = max(verdicts, key=lambda name: (verdicts[name].right, -verdicts[name].cross_entropy))
    rows += [{"phase": "choice", "kept": kept} | {name: row._asdict() for name, row in verdicts.items()}]
    _write(metrics, rows)
    lesson.model.set_weights({"head": before, "fine-tuned": after, "halfway": halfway}[kept])
    if kept == "head":  # the slice has done its work: it may be learned from too
        classifier.set_head(lesson.model, head(lesson, views, lesson.sides.train))
    return kept


class Verdict(NamedTuple):
    """How a model does on the slice of training photos that choices are made on."""

    right: int
    of: int  # photos
    cross_entropy: float  # nats


def finetune(lesson: Lesson, rows: list[dict[str, Any]], metrics: Path) -> list[dict[str, Any]]:
    """Train head and unfrozen stages; the rows given, and one more an epoch, go to the file `metrics`."""
    recipe, photos = lesson.recipe, lesson.sides.fit
    classifier.unfreeze(lesson.model, recipe.unfreeze_from)

    def on_epoch(row: dict[str, Any]) -> None:
        rows.append({**row, **_judge(lesson)._asdict()})
        _write(metrics, rows)

    training.fit(
        classifier.part(lesson.model, None, "logits"),
        _batches(lesson, photos),
        images=len(photos),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        optimizer=recipe.optimizer,
        smoothing=SMOOTHING,
        shares=classifier.shares(lesson.model, STAGE_SHARE),
        phase="fine-tuning",
        progress=lesson.progress,
        on_epoch=on_epoch,
    )
    return rows


def _middle(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The mean of two weights; of a counter, such as a dropout's seed, the later one."""
    return (before + after) / 2 if np.issubdtype(before.dtype, np.floating) else after


def _write(metrics: Path, rows: list[dict[str, Any]]) -> None:
    files.write(metrics, "".join(f"{json.dumps(row)}\n" for row in rows))


def _batches(lesson: Lesson, photos: Sequence[Photo]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos and labels for all epochs on end, each epoch in an order and with views of its own."""
    recipe, labels = lesson.recipe, _labels(photos)
    for epoch in itertools.count():
        order = np.random.default_rng([recipe.seed, epoch]).permutation(len(photos))
        paths = [lesson.root / photos[place].path for place in order]
        see = lesson.view(VIEWS + epoch, order)
        start = 0
        for pixels in data.batches(paths, lesson.size, recipe.batch_size, recipe.workers, see):
            chosen = order[start : start + len(pixels)]
            yield (lesson.tint(pixels) if lesson.tint else pixels), labels[chosen]
            start += len(pixels)


def _judge(lesson: Lesson) -> Verdict:
    """Ask the model about the slice, in inference mode, seen as the phone sees it."""
    paths = [lesson.root / photo.path for photo in lesson.sides.choose]
    batches = data.batches(paths, lesson.size, 32, lesson.recipe.workers)
    logits = training.features(classifier.part(lesson.model, None, "logits"), batches)
    labels = _labels(lesson.sides.choose)
    right = int((logits.argmax(1) == labels).sum())
    return Verdict(right, len(labels), training.cross_entropy(logits, labels))


def _labels(photos: Sequence[Photo]) -> np.ndarray:
    return np.array([photo.label for photo in photos], np.int64)


def _told(batches: Iterator[np.ndarray], task: Any) -> Iterator[np.ndarray]:
    for batch in batches:
        yield batch
        task.tick(len(batch))
