"""How the steps of a lesson are taken: what its recipe leaves open, and what `training.fit` is told of it."""

from dataclasses import replace
from typing import Any

from keras import Model

from tlkit import classifier, optimizing
from tlkit.recipe import Recipe

SMOOTHING = 0.1  # of labels in fine-tuning: without it the solved head leaves nothing to learn
LAYER_DECAY = 0.5  # in fine-tuning: what a stage learned before is the more general the earlier it stands


def settled(recipe: Recipe) -> Recipe:
    """The recipe with a value in each place that was left to the optimizer or to the kind of lesson.

    From scratch no label is softened and no stage is held back: nothing there is known too well.
    """
    own: dict[str, Any] = optimizing.resolved(recipe.optimizer, recipe.momentum, recipe.weight_decay)
    if recipe.label_smoothing is None:
        own["label_smoothing"] = 0.0 if recipe.scratch else SMOOTHING
    if recipe.layer_decay is None:
        own["layer_decay"] = 1.0 if recipe.scratch else LAYER_DECAY
    return replace(recipe, **own)


def told(recipe: Recipe, model: Model) -> dict[str, Any]:
    """What `training.fit` and `training.sweep` are told of the steps on `model`, what is trained unfrozen."""
    recipe = settled(recipe)
    return {
        "optimizer": recipe.optimizer,
        "momentum": recipe.momentum,
        "weight_decay": recipe.weight_decay,
        "clip_norm": recipe.clip_norm,
        "smoothing": recipe.label_smoothing,
        "shares": classifier.shares(model, recipe.layer_decay or LAYER_DECAY),
    }
