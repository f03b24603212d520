"""Settings that would do nothing in a run are refused, before anything is read or fetched."""

from keras import Model

from tlkit import backbones, classifier
from tlkit.errors import UsageError
from tlkit.recipe import Recipe

TRAINED = ("mixup", "cutmix", "erase", "drop_path")  # they act in training, and not where a head is solved
NONE = "unfreeze_from is none"


def check(recipe: Recipe, instead: str = "use --epochs 1 or more") -> None:
    """Raises `UsageError` for the first setting that cannot apply, as far as the recipe tells.

    `instead` is what to do if it is because nothing is trained.
    """
    asked = [name for name in TRAINED if getattr(recipe, name)]
    if recipe.epochs == 0 and asked:
        raise UsageError(
            f"{asked[0]} is {getattr(recipe, asked[0])} and epochs is 0: nothing is trained but the head, on "
            "features.",
            f"Leave {_option(asked[0])} away, or {instead}.",
        )
    mixed = [name for name in ("mixup", "cutmix") if getattr(recipe, name)]
    if mixed and recipe.batch_size == 1:
        raise UsageError(
            f"{mixed[0]} is {getattr(recipe, mixed[0])} and batch_size is 1: no other photo can be mixed in.",
            f"Leave {_option(mixed[0])} away, or use --batch-size 2 or more.",
        )
    if recipe.scratch and recipe.batch_norm in ("inference", "recalibrate"):
        raise UsageError(
            f"batch_norm is {recipe.batch_norm}, and from scratch batch normalisation has to learn.",
            "Leave --batch-norm away.",
        )
    frozen, instead = ("epochs is 0", instead) if recipe.epochs == 0 else (NONE, "unfreeze a stage")
    if recipe.epochs == 0 or (recipe.unfreeze_from == "none" and not recipe.scratch):
        if recipe.drop_path:
            raise UsageError(
                f"drop_path is {recipe.drop_path} and {frozen}: no branch is trained.",
                f"Leave --drop-path away, or {instead}.",
            )
        if recipe.batch_norm == "train":
            raise UsageError(
                f"batch_norm is train and {frozen}: no stage is unfrozen.",
                f"Leave --batch-norm away, or {instead}.",
            )
    reason = backbones.unused(recipe.backbone, "drop_path")
    if recipe.drop_path and reason:
        raise UsageError(
            f"{recipe.backbone}: drop_path would do nothing: {reason}.", "Leave --drop-path away."
        )


def check_dropped(recipe: Recipe, model: Model) -> None:
    """Raises `UsageError` if no branch that `drop_path` would leave out is in a stage that is trained."""
    if not recipe.drop_path:
        return
    first = classifier.first_unfrozen(model, recipe.unfreeze_from)
    learner = classifier.part(model, classifier.cut(model, first), "logits")
    if not any(layer.name.endswith("_drop_path") for layer in learner.layers):
        raise UsageError(
            f"drop_path is {recipe.drop_path}, and {recipe.backbone} has no residual branch from {first} on.",
            "Leave --drop-path away, or use an earlier --unfreeze-from.",
        )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
