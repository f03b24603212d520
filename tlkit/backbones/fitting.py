"""Which networks and entries a file of weights could be: by its tensors' names, then by their shapes."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tlkit import backbones
from tlkit.backbones import conversion
from tlkit.backbones.keras_order import ordered
from tlkit.errors import WeightsError
from tlkit.weights import catalogue
from tlkit.weights.contents import Stored
from tlkit.weights.entries import Weights


def entries(backbone: str, stored: Stored, path: Path) -> list[Weights]:
    """The entries of a backbone that a file could be one of the kind of."""
    found: list[Weights] = []
    known: dict[tuple[str, str], bool] = {}
    for entry in catalogue.entries(backbone):
        form = (entry.publisher, entry.geometry)
        if form not in known:
            known[form] = against(entry, stored, path) is None
        found += [entry] if known[form] else []
    return found


def networks(stored: Stored, path: Path, but: str) -> list[str]:
    """The names of the other backbones that a file could be of, `but` one."""
    return [name for name in catalogue.every() if name != but and entries(name, stored, path)]


def difference(backbone: str, stored: Stored, path: Path) -> str:
    """What speaks against a file being the backbone's, in words."""
    rows = catalogue.entries(backbone)
    alike = [row for row in rows if (row.publisher == "keras") == bool(stored.layers)]
    if not alike:
        return "no such file is published for it"
    return against(alike[0], stored, path) or "nothing"


def against(entry: Weights, stored: Stored, path: Path) -> str | None:
    """What speaks against a file being one of an entry's kind, but for its top; None: nothing."""
    if stored.kind == "keras3":  # Keras numbers layers in it, and says nothing of names
        return None
    family = import_module(f"tlkit.backbones.{backbones.family(entry.backbone)}").FAMILY
    variant = family.variants[entry.backbone]
    size = sum(array.size for array in _arrays(stored))
    if not 0.05 < size / variant.total_parameters < 3:  # of VGG's numbers, nine tenths are the top's
        return f"it holds {size:,} numbers, and {entry.backbone} has {variant.total_parameters:,}"
    if (entry.publisher == "keras") != bool(stored.layers):
        return "it is of another format"
    names = family.names[entry.publisher](variant, family.geometries[entry.geometry])
    try:
        if stored.layers:
            tensors: Mapping[str, np.ndarray] = ordered(entry.backbone, stored, path)
        else:
            tensors = renamed(family, entry.publisher, stored.tensors)
        check_names(tensors, names, conversion.layout(entry.publisher))  # before a network is built
        settings: dict[str, Any] = {"weights": None, "include_top": False, "geometry": entry.geometry}
        model = backbones.build(entry.backbone, **settings)
        conversion.give(model, tensors, names, entry.publisher, top=False)
    except WeightsError as error:
        return error.message.rstrip(".")
    return None


def _arrays(stored: Stored) -> Iterable[np.ndarray]:
    yield from stored.tensors.values()
    for _, arrays in stored.layers:
        yield from arrays


def check_names(
    tensors: Mapping[str, np.ndarray], names: Mapping[str, conversion.Source], layout: conversion.Layout
) -> None:
    """Raise `WeightsError` that names the first layer below the top that is not there."""
    there = {name.rpartition(layout.separator)[0] for name in tensors}
    below = [source for ours, source in names.items() if not ours.startswith(conversion.TOP)]
    missing = [name for name in (conversion.of(source).name for source in below) if name not in there]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise WeightsError(f"it has no layer '{missing[0]}'{more}")


def renamed(family: Any, publisher: str, tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Tensors by their names of today, where a publisher's older files have others."""
    if publisher not in family.renamed:
        return tensors
    pattern, replacement = family.renamed[publisher]
    return {pattern.sub(replacement, name): tensor for name, tensor in tensors.items()}
