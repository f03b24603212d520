"""Photos as the network sees them: unvaried, or in a view of an epoch's own; and what a batch is."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tlkit import augmentation, balance, data
from tlkit.data import Photo
from tlkit.recipe import Recipe

MIXING = 1  # sets the draws of who mixes a batch apart from those of its order


class Reading:
    """How a run reads its photos."""

    def __init__(self, root: Path, recipe: Recipe, size: int, classes: int):
        self.root, self.recipe, self.size, self.classes = root, recipe, size, classes
        self.varied = recipe.augment != "none"
        # Whole batches, varied further; these draw their own numbers, so that nothing of them is kept.
        self.tints, self.mixers = tints(recipe), mixers(recipe)

    @property
    def plain(self) -> bool:
        """Whether an epoch sees its view of each photo as `batches` gives it."""
        again = self.recipe.balance == "sample" and self.varied
        return not (self.tints or self.mixers or again)

    def batches(self, photos: Sequence[Photo], view: int, batch: int) -> Iterator[np.ndarray]:
        """Photos in their order; view 0 is the phone's, unvaried."""
        return self._read(photos, np.arange(len(photos)), view, batch)

    def shuffled(
        self, photos: Sequence[Photo], order: np.ndarray, epoch: int, batch: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Photos to learn from, in this order and in the epoch's view, and their labels.

        Labels are (batch,) numbers; (batch, classes) shares where photos are mixed. Where there are two ways
        of mixing, the seed says which a batch gets.
        """
        draw = np.random.default_rng([self.recipe.seed, epoch, MIXING])
        truth = np.split(labels(photos)[order], len(order) // batch)
        for pixels, answers in zip(self._read(photos, order, self.view(epoch), batch), truth, strict=True):
            for tint in self.tints:
                pixels = tint(pixels)
            if self.mixers:
                mix = self.mixers[int(draw.integers(len(self.mixers)))]
                pixels, answers = mix(pixels, np.eye(self.classes, dtype="float32")[answers])
            yield pixels, answers

    def view(self, epoch: int) -> int:
        """The view that an epoch sees."""
        return epoch if self.varied else 0

    def order(self, epoch: int, labels: np.ndarray, batch: int) -> np.ndarray:
        """An epoch's own order. The few photos that would not fill a batch wait for another epoch.

        With `balance` by `sample` rare photos come more than once, and common ones wait.
        """
        count, seed = len(labels) // batch * batch, self.recipe.seed
        if self.recipe.balance == "sample":
            return balance.order(labels, count, seed, epoch)
        return np.random.default_rng([seed, epoch]).permutation(len(labels))[:count]

    def weights(self, photos: Sequence[Photo]) -> np.ndarray | None:
        """(classes,): what each of these photos counts where all are seen equally often; None: the same."""
        if self.recipe.balance not in ("loss", "sample"):
            return None
        return balance.class_weights(labels(photos), self.classes)

    def weights_in_order(self, photos: Sequence[Photo]) -> np.ndarray | None:
        """As `weights`, where they are seen as `order` has them, which may draw classes alike already."""
        return None if self.recipe.balance == "sample" else self.weights(photos)

    def _read(
        self, photos: Sequence[Photo], places: np.ndarray, view: int, batch: int
    ) -> Iterator[np.ndarray]:
        paths = [self.root / photos[int(place)].path for place in places]
        # A photo that comes again in an epoch is seen in another view, as if it were another photo.
        seen = places + len(photos) * _before(places)
        see = self._see(view, seen) if view and self.varied else None
        return data.batches(paths, self.size, batch, self.recipe.workers, see, self.recipe.fit)

    def _see(self, view: int, numbers: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
        vary = augmentation.shifted if self.recipe.augment == "shift" else augmentation.view
        seed, fit = self.recipe.seed, self.recipe.fit
        return lambda pixels, index: vary(
            pixels, self.size, seed=seed, epoch=view, index=int(numbers[index]), fit=fit
        )


def tints(recipe: Recipe) -> list[Callable[[np.ndarray], np.ndarray]]:
    """What varies whole batches of pixels further. Raises `MissingPackage`."""
    found = [augmentation.strong()] if recipe.augment == "strong" else []
    return [*found, augmentation.erase(recipe.erase)] if recipe.erase else found


def mixers(recipe: Recipe) -> list[augmentation.Mixer]:
    """What mixes the photos of a batch. Raises `MissingPackage`."""
    kinds = ((augmentation.mixup, recipe.mixup), (augmentation.cutmix, recipe.cutmix))
    return [kind(alpha) for kind, alpha in kinds if alpha]


def repeatable(recipe: Recipe) -> bool:
    """Whether the seed decides what is seen of a photo."""
    return not (recipe.augment == "strong" or recipe.mixup or recipe.cutmix or recipe.erase)


def labels(photos: Sequence[Photo]) -> np.ndarray:
    return np.array([photo.label for photo in photos], np.int64)


def _before(places: np.ndarray) -> np.ndarray:
    """How often each place has come before.

    >>> _before(np.array([4, 2, 4, 4]))
    array([0, 0, 1, 2])
    """
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    counts = np.empty_like(order)
    counts[order] = np.arange(len(places)) - np.searchsorted(ordered, ordered)
    return counts
