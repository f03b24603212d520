"""Settings that nobody gave, chosen by the number of photos to train on."""

from collections.abc import Sequence
from dataclasses import replace

from tlkit.data import Photo
from tlkit.recipe import Recipe

EPOCHS = 5
VIEWS = 5  # of a photo, for its head: the phone's and four varied ones, which gave 1.6 points in folds
VIEWED = 8000  # of those more than one a photo: a large set varies enough by itself


def sized(recipe: Recipe, train: Sequence[Photo]) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with a value in each place that was left to the number of photos, and what to tell of it."""
    epochs = EPOCHS if recipe.epochs is None else recipe.epochs
    views = recipe.views or 1 + min(VIEWS - 1, VIEWED // len(train))
    return replace(recipe, epochs=epochs, views=views), ()
