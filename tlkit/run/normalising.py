"""Batch normalisation in a run: which mode it has, and its statistics measured anew on training photos."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from keras import Model

from tlkit import classifier, normalisation
from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.progress import Silent
from tlkit.recipe import Recipe
from tlkit.run.reading import Reading

BATCH = 32  # photos whose statistics are taken together, or a few less


def resolved(recipe: Recipe, model: Model) -> Recipe:
    """The recipe with the mode that batch normalisation has.

    From scratch it learns; otherwise it keeps what it is given, unless told otherwise. Raises `UsageError`
    for a mode that would do nothing.
    """
    asked, found = recipe.batch_norm, normalisation.of(model)
    if asked in ("train", "recalibrate") and not found:
        raise UsageError(
            f"batch_norm is {asked}, and {recipe.backbone} has no batch normalisation.",
            "Leave --batch-norm away.",
        )
    if asked == "train" and not recipe.scratch:
        first = classifier.first_unfrozen(model, recipe.unfreeze_from)
        classifier.unfreeze(model, first, batch_norm="train")
        if not any(layer.trainable for layer in found):
            raise UsageError(
                f"batch_norm is train, and {recipe.backbone} has no batch normalisation from {first} on.",
                "Leave --batch-norm away, or use an earlier --unfreeze-from.",
            )
    if asked is None and found:
        recipe = replace(recipe, batch_norm="train" if recipe.scratch else "inference")
    return recipe


def notes(recipe: Recipe, photos: Sequence[Photo]) -> list[str]:
    """What is to be said of it, where a trained network does not keep its statistics."""
    if recipe.scratch or recipe.batch_norm in (None, "inference"):
        return []
    if recipe.batch_norm == "train":
        return ["Batch normalisation in unfrozen stages learns, on the statistics of its batches."]
    among = ", those that a fold holds back among them" if recipe.folds else ""
    return [f"Batch normalisation has statistics of the {len(photos):,} photos to train on{among}."]


def recalibrate(model: Model, root: Path, photos: Sequence[Photo], recipe: Recipe, progress: Silent) -> None:
    """Measure all statistics anew on these photos, as the phone sees them."""
    reading = Reading(root, recipe, model.input_shape[1], model.output_shape[1])
    # In no order of classes, whose batches would each be of one; and none much smaller than the others.
    order = np.random.default_rng(recipe.seed).permutation(len(photos))
    batch = -(-len(photos) // -(-len(photos) // BATCH))
    with progress.task("measuring batch normalisation", len(photos)) as task:

        def told() -> Iterator[np.ndarray]:
            for pixels in reading.batches([photos[place] for place in order], 0, batch):
                yield pixels
                task.tick(len(pixels))

        normalisation.recalibrate(model, told())
