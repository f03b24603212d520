"""How the steps of a lesson are taken: what its recipe leaves open, and what `training.fit` is told of it."""

from dataclasses import replace
from typing import Any

from keras import Model

from tlkit import classifier, optimizing
from tlkit.recipe import Recipe

RATE = 1e-4  # in fine-tuning; of 3e-5 to 1e-3, in folds of ants and bees and of 200 digits
SCRATCH_RATE = 1e-3
FOR_SGD = 10  # times the rate of the others, whose steps do not shrink with the gradient
SMOOTHING = 0.1  # of labels in fine-tuning: without it the solved head leaves nothing to learn
LAYER_DECAY = 0.5  # in fine-tuning: what a stage learned before is the more general the earlier it stands


def settled(recipe: Recipe) -> Recipe:
    """The recipe with a value in each place that was left to the optimizer or to the kind of lesson.

    From scratch no label is softened and no stage is held back: nothing there is known too well.
    """
    own: dict[str, Any] = optimizing.resolved(recipe.optimizer, recipe.momentum, recipe.weight_decay)
    if recipe.learning_rate is None:
        rate = SCRATCH_RATE if recipe.scratch else RATE
        own["learning_rate"] = rate * FOR_SGD if recipe.optimizer == "sgd" else rate
    if recipe.label_smoothing is None:
        own["label_smoothing"] = 0.0 if recipe.scratch else SMOOTHING
    if recipe.layer_decay is None:
        own["layer_decay"] = 1.0 if recipe.scratch else LAYER_DECAY
    return replace(recipe, **own)


def peak(recipe: Recipe) -> float:
    """The highest rate that `training.fit` is told."""
    return settled(recipe).learning_rate or RATE


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
