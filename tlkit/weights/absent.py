"""What to say of weights that are not on this machine: where to put them, and what is here now."""

import os
from pathlib import Path, PurePosixPath

from tlkit.errors import Unreachable, WeightsError
from tlkit.weights import cache, catalogue
from tlkit.weights.entries import Packaged, Weights

OFFLINE = ("TLKIT_OFFLINE", "HF_HUB_OFFLINE")
NAMED = 4  # in a message


def offline() -> str:
    """The variable that forbids every connection, with its value; "" if none does."""
    for variable in OFFLINE:
        value = os.environ.get(variable, "").strip()
        if value.lower() not in ("", "0", "false", "no", "off"):
            return f"{variable}={value}"
    return ""


def unreachable(entry: Weights, reason: str, asked: str) -> Unreachable:
    return Unreachable(
        f"The weights {entry.name} of {entry.backbone} are not on this machine, and {reason}.",
        f"{by_hand(entry, asked)} {at_hand(entry)}",
    )


def package(entry: Weights) -> WeightsError:
    assert isinstance(entry.where, Packaged)
    found = cache.packaged(entry)
    state = "is not installed" if found is None else f"has lost its file {found.name}"
    return WeightsError(
        f"The weights of {entry.backbone} come with the package {entry.where.package}, which {state}.",
        f"Use {entry.command}, or weights=FILE (--weights FILE) with {Path(entry.where.file).name} at hand.",
    )


def from_mirror(entry: Weights, mirror: str) -> WeightsError:
    """A mirror stands for every publisher: what it lacks is not asked for elsewhere."""
    nowhere = "is neither a folder nor an address that begins with http:// or https://"
    state = f"has no {entry.where.path}" if Path(mirror).is_dir() else nowhere
    return WeightsError(
        f"The weights {entry.name} of {entry.backbone} are not on this machine, "
        f"and {mirror} ({cache.MIRROR}) {state}.",
        f"{by_hand(entry)} {at_hand(entry)}",
    )


def by_hand(entry: Weights, asked: str = "") -> str:
    """How to have the file without a network: its address unless just said, its name and its folder."""
    file = "that file" if asked == entry.where.address else entry.where.address
    if isinstance(entry.where, Packaged):
        return f"Put {PurePosixPath(entry.where.file).name} into {cache.target(entry).parent}."
    return (
        f"Save {file} as {cache.target(entry)}, or use '{entry.command} --to DIR' where there is a network "
        f"and set {cache.MIRROR}=DIR here."
    )


def at_hand(entry: Weights) -> str:
    """What would work now: other weights of the backbone, other backbones. Files are looked for, not read."""
    names = [
        row.name for row in catalogue.entries(entry.backbone) if row.name != entry.name and cache.here(row)
    ]
    backbones = []
    for backbone in catalogue.every():
        row = catalogue.default(backbone)
        if backbone != entry.backbone and row and cache.here(row):
            backbones.append(backbone)
    said = [f"--weights {_some(names)}"] if names else []
    said += [f"--backbone {_some(backbones)}"] if backbones else []
    return f"Here now: {' and '.join(said)}." if said else "No other weights are here."


def _some(names: list[str]) -> str:
    more = f" or {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
