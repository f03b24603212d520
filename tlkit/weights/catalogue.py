"""The catalogue: for each backbone the weights that are published for it. No file is opened here."""

import difflib
import os
from functools import cache

from tlkit.errors import UsageError
from tlkit.weights import keras_applications, lite, timm, torchvision
from tlkit.weights.entries import Packaged, Weights

DEFAULT = "imagenet"  # as keras.applications calls it

# Pixels a side that backbones with weights take by themselves, where these are not 224. Their rows say the
# same, but to ask those loads Keras.
SIZES = {
    "inception_v3": 299,
    "xception": 299,
    "efficientnet_b1": 240,
    "efficientnet_b2": 260,
    "efficientnet_b3": 300,
    "efficientnet_b4": 380,
    "efficientnet_b5": 456,
    "efficientnet_b6": 528,
    "efficientnet_b7": 600,
    "efficientnet_lite1": 240,
    "efficientnet_lite2": 260,
    "efficientnet_lite3": 280,
    "efficientnet_lite4": 300,
    "efficientnet_v2_b1": 240,
    "efficientnet_v2_b2": 260,
    "efficientnet_v2_b3": 300,
    "efficientnet_v2_s": 384,
    "efficientnet_v2_m": 480,
    "efficientnet_v2_l": 480,
}

# timm's copies of torchvision's files: the same numbers, measured with another resampling.
COPIES = ("tv_in1k", "tv2_in1k")

SHOWN = 8  # names at most in a message
LONG = 80  # letters of a name in a message


@cache
def every() -> dict[str, tuple[Weights, ...]]:
    """The entries of each backbone that has some, by name.

    First what "imagenet" means; then by published top-1, figures at the backbone's own size before others; at
    the end those that forbid commercial use.
    """
    found: dict[str, list[Weights]] = {}
    for publisher in (torchvision, timm, keras_applications, lite):
        for entry in publisher.entries():
            found.setdefault(entry.backbone, []).append(entry)
    return {backbone: _ordered(found[backbone]) for backbone in sorted(found)}


def _ordered(rows: list[Weights]) -> tuple[Weights, ...]:
    best = _best(rows)
    return tuple(
        sorted(
            rows, key=lambda row: (row is not best, not row.commercial, not _own(row), -row.top1, row.name)
        )
    )


def _best(rows: list[Weights]) -> Weights | None:
    """What "imagenet" is to mean.

    What a package carries, so that nothing is downloaded; else the best published top-1 at the backbone's own
    size, of what may be used commercially.
    """
    carried = [row for row in rows if isinstance(row.where, Packaged)]
    fit = [row for row in rows if row.commercial and _own(row) and row.name not in COPIES]
    return max(carried or fit, key=lambda row: row.top1, default=None)


def _own(entry: Weights) -> bool:
    """Whether its top-1 is that at the backbone's own size."""
    return entry.image_size == image_size(entry.backbone)


def image_size(backbone: str) -> int:
    """Pixels a side that a backbone with weights takes unless told otherwise.

    >>> image_size("efficientnet_b2")
    260
    """
    return SIZES.get(backbone, 224)


def entries(backbone: str) -> tuple[Weights, ...]:
    """The weights published for `backbone`; the first is "imagenet" if it permits commercial use."""
    return every().get(backbone, ())


def default(backbone: str) -> Weights | None:
    """What "imagenet" means; None where nothing is published that may be used commercially."""
    rows = entries(backbone)
    return rows[0] if rows and rows[0].commercial else None


def find(backbone: str, name: str) -> Weights | None:
    """The entry of that name, or the one that "imagenet" means; None if there is none."""
    if name == DEFAULT:
        return default(backbone)
    return next((entry for entry in entries(backbone) if entry.name == name), None)


def check(backbone: str, weights: str) -> None:
    """Whether `weights` may mean something to a backbone, as far as no file has to be opened for it.

    Raises `UsageError` for a name that is another's, and for "imagenet" where there is none.
    """
    if weights == DEFAULT and default(backbone) is None:
        raise unpublished(backbone)
    known = {entry.name for rows in every().values() for entry in rows}
    name, given, _ = weights.partition("=")
    if find(backbone, name) is None and (name if given else weights) in known and not os.path.exists(weights):
        raise unknown(backbone, name)


def unpublished(backbone: str) -> UsageError:
    """What is to be said when "imagenet" is asked for and there is none."""
    rows = entries(backbone)
    if rows:
        named = ", ".join(f"{row.name} ({row.licence})" for row in rows)
        return UsageError(
            f"{backbone} has no weights that may be used commercially, and so no 'imagenet'.",
            f"Use --weights none (weights=None) to train it from scratch, or one of these by name: {named}.",
        )
    return UsageError(
        f"{backbone} has no published weights to load.",
        "Use --weights none (weights=None) to train it from scratch, which takes more photos and epochs, "
        "or a network that has some: 'tlkit backbones' lists them.",
    )


def unknown(backbone: str, name: str) -> UsageError:
    """What is to be said of a name that is none of the backbone's."""
    rows = entries(backbone)
    names = [DEFAULT] * (default(backbone) is not None) + [row.name for row in rows]
    near = difflib.get_close_matches(name, names, 1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    if len(names) > SHOWN:  # some have thirty
        named = f"one of its {len(rows)} sets ('tlkit weights ls {backbone}' lists them)"
    else:
        named = ", ".join(names)
    shown = name if len(name) <= LONG else f"{name[:LONG]}…"
    return UsageError(
        f"{backbone} has no weights called '{shown}', and no file is called that.",
        f"{guess}Use {named}, None (--weights none), or NAME=FILE for a file of your own."
        if names
        else unpublished(backbone).hint,
    )
