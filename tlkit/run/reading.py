"""Photos as the network sees them: unvaried, or in a view of an epoch's own."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tlkit import augmentation, data
from tlkit.data import Photo
from tlkit.recipe import Recipe


class Reading:
    """How a run reads its photos."""

    def __init__(self, root: Path, recipe: Recipe, size: int):
        self.root, self.recipe, self.size = root, recipe, size
        self.varied = recipe.augment != "none"
        # Whole batches, varied further; draws its own numbers, so that nothing of it is kept.
        self.tint = augmentation.strong() if recipe.augment == "strong" else None

    def batches(self, photos: Sequence[Photo], view: int, batch: int) -> Iterator[np.ndarray]:
        """Photos in their order; view 0 is the phone's, unvaried."""
        return self._read(photos, np.arange(len(photos)), view, batch)

    def shuffled(
        self, photos: Sequence[Photo], order: np.ndarray, view: int, batch: int
    ) -> Iterator[np.ndarray]:
        """Photos to learn from, in this order."""
        for pixels in self._read(photos, order, view, batch):
            yield pixels if self.tint is None else self.tint(pixels)

    def view(self, epoch: int) -> int:
        """The view that an epoch sees."""
        return epoch if self.varied else 0

    def order(self, epoch: int, count: int, batch: int) -> np.ndarray:
        """An epoch's own order. The few photos that would not fill a batch wait for another epoch."""
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(count)
        return order[: count // batch * batch]

    def _read(
        self, photos: Sequence[Photo], places: np.ndarray, view: int, batch: int
    ) -> Iterator[np.ndarray]:
        paths = [self.root / photos[int(place)].path for place in places]
        see = self._see(view, places) if view and self.varied else None
        return data.batches(paths, self.size, batch, self.recipe.workers, see, self.recipe.fit)

    def _see(self, view: int, places: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
        vary = augmentation.shifted if self.recipe.augment == "shift" else augmentation.view
        seed, fit = self.recipe.seed, self.recipe.fit
        return lambda pixels, index: vary(
            pixels, self.size, seed=seed, epoch=view, index=int(places[index]), fit=fit
        )


def labels(photos: Sequence[Photo]) -> np.ndarray:
    return np.array([photo.label for photo in photos], np.int64)
