"""What a run began with: written down with it, and told of."""

import os
from pathlib import Path
from typing import Any

from tlkit import shipped
from tlkit.backbones.loading import Loaded
from tlkit.run import folder
from tlkit.weights import catalogue
from tlkit.weights.entries import PERMISSIVE

PUBLISHED = 1000  # classes of the tops that the catalogue's files have


def facts(loaded: Loaded) -> dict[str, Any]:
    """What `run.json` has of the weights: what they are and under which licence, also of a run's own run.

    The licence is null where nobody says, and empty where the numbers were random.
    """
    entry = loaded.entry
    told = {
        "name": entry.name if entry else None,
        "file": str(loaded.path.absolute()),  # a later run may start elsewhere
        "sha256": loaded.sha256,
        "geometry": loaded.geometry,
        "pixels": loaded.pixels._asdict(),
    }
    if entry and _published(loaded):
        before = entry._asdict()
    else:
        before = (None if entry else _earlier(loaded)) or {}
    return {**told, **{key: before.get(key) for key in ("licence", "training_data", "source")}}


def _published(loaded: Loaded) -> bool:
    """Whether it is the entry's own file, for all that is known: where no hash is, its classes have to do."""
    return loaded.genuine and loaded.classes == PUBLISHED


def notes(loaded: Loaded) -> tuple[str, ...]:
    """What has to be said of the weights before a run begins with them."""
    licence, found = facts(loaded)["licence"], []
    if licence is None:
        found.append(f"The licence of {loaded.path} is not known.")
        if loaded.entry and not loaded.entry.commercial:
            found[0] += (
                f" If it was made from '{loaded.called}', {loaded.entry.licence} holds for it: not for sale."
            )
    elif licence and licence not in PERMISSIVE:
        found.append(
            f"The weights '{loaded.called}' stand under {licence}: no commercial use of them, nor of what is "
            "made from them."
        )
    if loaded.entry and loaded.classes not in (None, PUBLISHED):
        found.append(f"The top of {loaded.path}, for {loaded.classes:,} classes, is left out.")
    if not loaded.entry and loaded.classes:
        found.append(f"The head of {loaded.path}, for {loaded.classes:,} classes, is left out.")
    return tuple(found)


def absolute(weights: str) -> str:
    """A setting that means the same in another folder: of a path or NAME=FILE, the whole path."""
    name, given, file = weights.partition("=")
    if os.path.exists(os.path.expanduser(weights)):
        return os.path.abspath(os.path.expanduser(weights))
    return f"{name}={os.path.abspath(os.path.expanduser(file))}" if given else weights


def licence(run: Path) -> str:
    """Under which the weights stand that a run began with; empty if it began with none, or nobody knows."""
    told = folder.read_json(run / "run.json")
    if "weights" in told:
        return (told["weights"] or {}).get("licence") or ""
    # Written before tlkit had a catalogue: what was published then came with packages.
    entry = catalogue.default(told["backbone"])
    began = shipped.parse(run / "recipe.toml")["weights"] != "none"
    return entry.licence if entry and began else ""


def _earlier(loaded: Loaded) -> dict[str, Any] | None:
    """What the run of a model said of its own weights."""
    beside = loaded.path.with_name("run.json")
    if not beside.is_file():
        return None
    told = folder.read_json(beside)
    return told["weights"] or {"licence": ""} if "weights" in told else None
