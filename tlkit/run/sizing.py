"""Settings that nobody gave, chosen by the number of photos to train on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tlkit import balance
from tlkit.data import Photo
from tlkit.errors import UsageError
from tlkit.printed import photos, shown
from tlkit.recipe import KNOBS, Recipe
from tlkit.run import reading

if TYPE_CHECKING:
    from tlkit.backbones.loading import Loaded

FEW = 10  # training photos a class, on average, up to which a set is few-shot
STRIDE = 32  # of most networks' last maps: other sizes would be padded at each halving
MANY = 20_000  # training photos, above which it is large
# Settings that say how a network is trained, and nothing to a head that is solved.
TRAINING = (
    *("learning_rate", "momentum", "weight_decay", "clip_norm", "layer_decay", "label_smoothing", "ema"),
    *("drop_path", "mixup", "cutmix", "erase"),
)


class Size(NamedTuple):
    """What suits sets of a size."""

    epochs: int  # of fine-tuning, or all of them from scratch
    views: int  # of a photo, for its head: the phone's, and varied ones
    viewed: int  # varied views of all photos together, at most


# More views are the same photos again: they help while the photos themselves vary little.
NORMAL = Size(epochs=5, views=3, viewed=8_000)
# Fine-tuning needs photos to be chosen by, which so few cannot spare; a view costs next to nothing.
FEW_SHOT = Size(epochs=0, views=16, viewed=8_000)
# Photos enough to vary by themselves; three epochs of these are more steps than five of any other set.
LARGE = Size(epochs=3, views=1, viewed=0)


def check(recipe: Recipe) -> None:
    """Raises `UsageError` for views that would do nothing."""
    if (recipe.views or 1) == 1:
        return
    if recipe.scratch:
        raise UsageError(
            f"views is {recipe.views}: a head is solved on views, and from scratch none is.",
            "Leave --views away.",
        )
    if recipe.augment == "none":
        raise UsageError(
            f"views is {recipe.views} and augment is none: all views of a photo would be the same.",
            "Leave --views away, or choose another --augment.",
        )


def side(loaded: "Loaded") -> int | None:
    """Pixels a side at which a whole photo shows things as large as a set's published evaluation showed them.

    Published figures are of a square from the middle, most often 0.875 of the short side; here and on a phone
    the photo is seen whole, and at the same size everything in it would be that much smaller than what the
    network knows. In folds of ants and bees (Lite0, 245 photos, 4 repeats, one view, heads alone) 256
    pixels gave 0.966 and 0.111 nats where 224 gave 0.949 and 0.136, and 288 gave 0.958 and 0.103.

    The nearest multiple of `STRIDE`; None: the network's own.
    """
    if loaded.entry is None or not loaded.entry.crop:
        return None
    return STRIDE * round(loaded.entry.image_size / loaded.entry.crop / STRIDE)


def size(recipe: Recipe, train: Sequence[Photo]) -> Size:
    """The size that a set counts as; who says how to fine-tune wants it, however few photos there are."""
    if len(train) > MANY:
        return LARGE
    few = len(train) <= FEW * len({photo.label for photo in train})
    return FEW_SHOT if few and not _how_to_train(recipe) else NORMAL


def _how_to_train(recipe: Recipe) -> bool:
    given = any(getattr(recipe, name) != KNOBS[name].default for name in TRAINING)
    return given or recipe.unfreeze_from not in ("auto", "none") or recipe.batch_norm == "train"


def sized(recipe: Recipe, train: Sequence[Photo]) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with a value in each place that was left to the number of photos, and what to tell of it."""
    if recipe.scratch:
        return replace(recipe, epochs=recipe.epochs or NORMAL.epochs, views=1), ()
    chosen = size(recipe, train)
    epochs = chosen.epochs if recipe.epochs is None else recipe.epochs
    views = recipe.views or 1 + min(chosen.views - 1, chosen.viewed // len(train))
    if recipe.augment == "none":
        views = 1
    done = replace(recipe, epochs=epochs, views=views)
    return done, () if chosen is NORMAL else _told(recipe, done, train, chosen)


def _told(recipe: Recipe, done: Recipe, train: Sequence[Photo], chosen: Size) -> tuple[str, ...]:
    """What was chosen by size, and how to have it otherwise."""
    parts, options = [], []
    if recipe.epochs is None:
        count = f"{done.epochs} epoch" if done.epochs == 1 else f"{done.epochs} epochs"
        parts.append(count if done.epochs else "the head alone")
        options.append("--epochs")
    if recipe.views is None and recipe.augment != "none":
        solved = "on" if parts and not done.epochs else "the head on"
        parts.append(f"{solved} {done.views} view{'s' * (done.views != 1)} of each")
        options.append("--views")
    if not parts:
        return ()
    a_class = round(len(train) / len({photo.label for photo in train}))
    count = f"{photos(a_class)} a class" if chosen is FEW_SHOT else f"{photos(len(train))} to train on"
    decide = "decide" if len(options) > 1 else "decides"
    return (f"{count}: {', '.join(parts)} (by size; {' and '.join(options)} {decide} otherwise).",)


def balanced(recipe: Recipe, fit: Sequence[Photo], classes: Sequence[str]) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with what `auto` means for photos to fit to, and what to tell of that."""
    if recipe.balance != "auto":
        return recipe, ()
    most, least, times = balance.extremes(reading.labels(fit))
    if times < balance.UNEVEN:
        return replace(recipe, balance="none"), ()
    large, small = shown(classes[most]), shown(classes[least])
    count = f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
    told = f"{large} has {count} times the photos of {small}: each class counts alike in the loss"
    return replace(recipe, balance="loss"), (f"{told} (--balance none leaves that).",)
