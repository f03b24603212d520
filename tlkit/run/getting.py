"""Published weights: list them, get them, verify those that are on this machine, say where some are."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tlkit.backbones import INDEX, family
from tlkit.errors import TlkitError, Unreachable, UsageError, WeightsError
from tlkit.progress import SILENT, Silent
from tlkit.sets import Fetched, Fetching, File, Found, Set, Sets, Verified
from tlkit.weights import absent, cache, catalogue
from tlkit.weights.entries import Weights

NAMES = [name for name in INDEX if not name.endswith("_test")]
COMMERCIAL = "commercial"  # any licence that permits it


def list_weights(
    backbone: str | None = None, *, every: bool = False, licence: str | None = None, here: bool = False
) -> Sets:
    """The first set of each backbone, or all with `every`, or all of one `backbone`.

    The first is what "imagenet" means, unless `licence` leaves that out, a part of a licence's name or
    "commercial" for all that permit it; or `here`, for files on this machine. They are not read.
    """
    names = NAMES if backbone is None else [backbone]
    listed, more = [], 0
    for name in names:
        rows = [
            row
            for row in map(_set, _entries(name))
            if _fits(row.licence, row.commercial, licence) and (row.path is not None or not here)
        ]
        shown = rows if every or backbone else rows[:1]
        listed += shown
        more += len(rows) - len(shown)
    without = () if licence or here or every else [name for name in names if not catalogue.entries(name)]
    return Sets(listed, more, without)


def get_weights(
    backbones: Sequence[str] = (),
    *,
    weights: str = catalogue.DEFAULT,
    every: bool = False,
    licence: str | None = None,
    to: str | os.PathLike[str] | None = None,
    progress: Silent = SILENT,
) -> Fetching:
    """Have the set `weights` of each backbone on this machine, checked; with `every` all their sets.

    `every` without `backbones` means all sets of all; `licence` leaves out some, as in `list_weights`.
    With `to` the files are had in that folder, which then serves as a mirror.

    Raises `UsageError` for what is not published, before anything is fetched; what goes wrong with a
    file stands in its row.
    """
    named = list(dict.fromkeys(backbones))
    entries = _every(named, licence) if every else [_entry(name, weights) for name in named]
    folder = None if to is None else Path(to).expanduser().absolute()
    lacking = [entry for entry in entries if not _here(entry, folder)]
    if len(entries) > 1:
        size = sum(entry.bytes for entry in lacking) / 1e6
        about = f"{size:,.0f} MB" if size < 1000 else f"{size / 1000:,.1f} GB"
        progress.note(f"{len(entries)} sets, of which {len(lacking)} are to be fetched: about {about}.")
    silent: set[str] = set()
    return Fetching([_fetched(entry, folder, silent, progress) for entry in entries], folder)


def verify_weights(*, progress: Silent = SILENT) -> Verified:
    """Read every weights file on this machine and compare it with what was published."""
    from tlkit.weights import verifying

    return Verified(
        [
            File(
                path=row.path,
                state=row.state,
                kept_by=row.keeper,
                bytes=row.bytes,
                sha256=row.sha256 or None,
                sets=[{"backbone": entry.backbone, "name": entry.name} for entry in row.entries],
                said=row.said or None,
            )
            for row in verifying.verify(progress=progress)
        ]
    )


def find_weights(backbone: str, *, weights: str = catalogue.DEFAULT, progress: Silent = SILENT) -> Found:
    """Where the set's file is on this machine, checked. Nothing is fetched.

    Raises `WeightsError` if it is not here.
    """
    from tlkit.weights import fetching

    entry = _entry(backbone, weights)
    path = fetching.found(entry, progress)
    if path is None:
        raise WeightsError(
            f"The weights {entry.name} of {backbone} are not on this machine.", f"Get them: {entry.command}"
        )
    return Found(backbone, entry.name, path, _keeper(entry, path), path.stat().st_size)


def _entries(backbone: str) -> Sequence[Weights]:
    family(backbone)  # a name that is none is told
    return catalogue.entries(backbone)


def _fits(found: str, commercial: bool, licence: str | None) -> bool:
    if licence is not None and licence.lower() == COMMERCIAL:
        return commercial
    return (licence or "").lower() in found.lower()


def _every(backbones: Sequence[str], licence: str | None) -> list[Weights]:
    found = [entry for name in backbones or NAMES for entry in _entries(name)]
    entries = [entry for entry in found if _fits(entry.licence, entry.commercial, licence)]
    if not entries:
        known = ", ".join(sorted({entry.licence for entry in found}))
        if not known:
            raise catalogue.unpublished(backbones[0])
        raise UsageError(f"No set has a licence like '{licence}'.", f"They have {known}.")
    return entries


def _entry(backbone: str, name: str) -> Weights:
    rows = _entries(backbone)
    entry = catalogue.find(backbone, name)
    if entry is not None:
        return entry
    if not rows:
        raise UsageError(f"{backbone} has no published weights.", "'tlkit weights ls' lists what has some.")
    if name == catalogue.DEFAULT:
        raise UsageError(
            f"{backbone} has no weights that may be used commercially, and so no 'imagenet'.",
            f"Name a set of it: {', '.join(f'--weights {row.name} ({row.licence})' for row in rows)}.",
        )
    near = difflib.get_close_matches(name, [row.name for row in rows], 1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(
        f"{backbone} has no weights called '{name}'.", f"{guess}'tlkit weights ls {backbone}' lists its own."
    )


def _set(entry: Weights) -> Set:
    place = next(cache.places(entry), None)
    return Set(
        backbone=entry.backbone,
        name=entry.name,
        imagenet=entry is catalogue.default(entry.backbone),
        top1=entry.top1,
        image_size=entry.image_size,
        bytes=entry.bytes,
        licence=entry.licence,
        commercial=entry.commercial,
        training_data=entry.training_data,
        source=entry.source,
        address=entry.where.address,
        path=place.path if place else None,
        kept_by=place.keeper if place else None,
    )


def _keeper(entry: Weights, path: Path) -> str:
    return next((place.keeper for place in cache.places(entry) if place.path == path), "tlkit")


def _here(entry: Weights, folder: Path | None) -> bool:
    return cache.here(entry) is not None or (folder is not None and (folder / entry.where.path).is_file())


def _fetched(entry: Weights, folder: Path | None, silent: set[str], progress: Silent) -> Fetched:
    """A row of the report. `silent` are the servers that gave no answer; they are not asked again."""
    error, path, keeper, sha256 = None, None, None, None
    server = _server(entry)
    try:
        if server in silent and not _here(entry, folder):
            raise Unreachable(
                f"The weights {entry.name} of {entry.backbone} are not on this machine, and their server "
                "could not be reached a moment ago.",
                absent.by_hand(entry),
            )
        path, keeper = _have(entry, folder, progress)
        stated = cache.stated(entry).removeprefix("sha256:")
        sha256 = stated if len(stated) == 64 else None
    except WeightsError as caught:
        if isinstance(caught, Unreachable) and not absent.offline():  # each is told its own address at once
            silent.add(server)
        error = _told(caught)
    return Fetched(**{**vars(_set(entry)), "path": path, "kept_by": keeper}, sha256=sha256, error=error)


def _have(entry: Weights, folder: Path | None, progress: Silent) -> tuple[Path, str]:
    from tlkit.weights import fetching, mirror

    if folder is None:
        path = fetching.fetch(entry, progress=progress)
        return path, _keeper(entry, path)
    mirror.fill([entry], folder, progress=progress)
    return folder / entry.where.path, "mirror"


def _server(entry: Weights) -> str:
    return urlsplit(cache.mirror() or entry.where.address).netloc


def _told(error: TlkitError) -> dict[str, str | None]:
    return {"kind": error.kind, "message": error.message, "hint": error.hint}
