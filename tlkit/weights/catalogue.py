"""The catalogue: for each backbone the weights that are published for it. No file is opened here."""

import difflib
from functools import cache

from tlkit.errors import UsageError
from tlkit.weights import lite
from tlkit.weights.entries import Packaged, Weights

DEFAULT = "imagenet"  # as keras.applications calls it


@cache
def every() -> dict[str, tuple[Weights, ...]]:
    """The entries of each backbone that has some, the best first.

    Carried by a package before others, so that nothing is downloaded; permitted to be sold before others;
    then by published top-1.
    """
    found: dict[str, list[Weights]] = {}
    for entry in lite.entries():
        found.setdefault(entry.backbone, []).append(entry)
    return {backbone: tuple(sorted(rows, key=_rank)) for backbone, rows in found.items()}


def _rank(entry: Weights) -> tuple[bool, bool, float]:
    return not isinstance(entry.where, Packaged), not entry.commercial, -entry.top1


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
    names = [DEFAULT, *(row.name for row in entries(backbone))] if default(backbone) else []
    near = difflib.get_close_matches(name, names, 1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return UsageError(
        f"{backbone} has no weights called '{name}', and no file is called that.",
        f"{guess}Use {', '.join(names)}, None (--weights none), or NAME=FILE for a file of your own."
        if names
        else unpublished(backbone).hint,
    )
