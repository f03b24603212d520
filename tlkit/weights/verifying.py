"""Every weights file on this machine, read whole: is it what was published?"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tlkit.errors import WeightsError
from tlkit.progress import SILENT, Silent
from tlkit.weights import cache, catalogue
from tlkit.weights.entries import Weights


class Verified(NamedTuple):
    path: Path
    state: str  # "ok"; "damaged": not what was published; "partial": a download to go on with; "unknown"
    keeper: str  # whose folder it lies in: "tlkit", "package", "mirror", "keras", "torch", "huggingface_hub"
    bytes: int
    sha256: str  # "" if it was not read
    entries: tuple[Weights, ...]  # that it is the file of; none for what is unknown
    said: str  # what is wrong; "" if nothing is


def verify(*, progress: Silent = SILENT) -> list[Verified]:
    """The files of the catalogue's entries wherever they lie, then all else in tlkit's own folder."""
    known: dict[Path, tuple[cache.Place, list[Weights]]] = {}
    for rows in catalogue.every().values():
        for entry in rows:
            for place in cache.places(entry):
                known.setdefault(place.path, (place, []))[1].append(entry)
    others = [path for path in _own() if path not in known]
    with progress.task("weights", len(known) + len(others), unit="files") as task:
        verified = []
        for place, entries in known.values():
            verified.append(_one(place, entries))
            task.tick(1, place.path.name)
        for path in others:
            verified.append(_other(path))
            task.tick(1, path.name)
    return verified


def _one(place: cache.Place, entries: list[Weights]) -> Verified:
    size = place.path.stat().st_size
    try:
        sha256 = cache.check(entries[0], place.path)
    except WeightsError as error:
        return Verified(place.path, "damaged", place.keeper, size, "", tuple(entries), str(error))
    return Verified(place.path, "ok", place.keeper, size, sha256, tuple(entries), "")


def _other(path: Path) -> Verified:
    size = path.stat().st_size
    if path.name.startswith("."):
        return Verified(path, "partial", "tlkit", size, "", (), "the next download goes on with it")
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return Verified(path, "unknown", "tlkit", size, "", (), f"it cannot be read: {error.strerror}")
    return Verified(path, "unknown", "tlkit", size, sha256, (), "no weights of the catalogue are kept here")


def _own() -> Iterator[Path]:
    """The files in tlkit's folder, without what it needs to keep them."""
    folder = cache.folder()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".lock" and path != folder / "pins.json":
            yield path
