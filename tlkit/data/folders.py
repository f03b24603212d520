"""A folder of photos: every file read once, decoded, hashed and accounted for."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tlkit.data.layout import survey
from tlkit.data.listed import Listed, Photo, Skipped, named
from tlkit.data.photos import SUFFIXES, Unreadable, decode, load, shown
from tlkit.data.threads import ahead
from tlkit.errors import DataError


class Folder(NamedTuple):
    root: Path
    layout: str  # "classes" or "splits"
    classes: tuple[str, ...]  # names as on disk, sorted as text
    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]  # whole sentences; the first says how the folder was read


class _Look(NamedTuple):
    """What one reading of a file gives: a photo and its format, or a reason to skip it."""

    found: Photo | Skipped
    form: str = ""


def scan(images: str | Path, *, workers: int = 0, progress=None) -> Folder:
    """Read every file of a folder of class folders, or of split folders that hold class folders.

    Each file is read once: its hash and its full decoding, by the decoder that training uses, come
    from the same bytes. A file that cannot be used is in `skipped` with the reason, never fatal
    here; what does not lie directly in a class folder is named in `notes`. Nothing is written.
    `workers` threads (0: one a core); `progress` is told of each file.

    Raises `UsageError` without such a folder, `DataError` where no two classes can be told apart.
    """
    images = Path(images)
    layout = survey(images)
    if layout.faults:
        raise DataError(*layout.faults[0])
    classes = layout.classes
    labels = {name: label for label, name in enumerate(classes)}
    files = [Photo(entry.path, labels[entry.label], entry.split, "") for entry in layout.entries]

    def look(photo: Photo) -> _Look:
        try:
            content = load(images / photo.path, photo.path)
            form = decode(content, photo.path).form
        except Unreadable as error:
            return _Look(Skipped(photo.path, error.reason))
        return _Look(photo._replace(sha256=hashlib.sha256(content).hexdigest()), form)

    looks = []
    with (
        progress.task("reading photos", len(files)) if progress else nullcontext() as task,
        closing(ahead(look, files, workers=workers, depth=256)) as seen,
    ):
        for one in seen:
            looks.append(one)
            if task:
                task.tick()
    photos = tuple(one.found for one in looks if isinstance(one.found, Photo))
    skipped = (*layout.skipped, *(one.found for one in looks if isinstance(one.found, Skipped)))
    _check_usable(images, layout, photos, skipped)
    notes = (_how(images, layout, classes, photos), *layout.notes, *_misnamed(looks), *_copies(photos))
    return Folder(images, layout.kind, classes, photos, skipped, notes)


def _check_usable(images: Path, layout: Listed, photos: Sequence[Photo], skipped: Sequence[Skipped]) -> None:
    """Every class folder has at least one photo."""
    usable = {(photo.label, photo.split) for photo in photos}
    labels = {name: label for label, name in enumerate(layout.classes)}
    bare = sorted(
        {
            str(PurePosixPath(entry.path).parent)
            for entry in layout.entries
            if (labels[entry.label], entry.split) not in usable
        }
    )
    if not bare:
        return
    reasons = [
        f"{shown(row.path)} ({row.reason})" for row in skipped if str(PurePosixPath(row.path).parent) in bare
    ]
    more = f" and {len(reasons) - 10:,} more" if len(reasons) > 10 else ""
    what = "This class folder holds" if len(bare) == 1 else f"{len(bare):,} class folders hold"
    raise DataError(
        f"{what} no usable photo: {named(bare)} in {shown(images)}: {', '.join(reasons[:10])}{more}.",
        "Photos lie directly in their class's folder. Repair, fill or remove it.",
    )


def _how(images: Path, layout: Listed, classes: Sequence[str], photos: Sequence[Photo]) -> str:
    """One line: how the folder was read, and how many photos each class has."""
    counts: dict[str | None, Counter] = defaultdict(Counter)
    for photo in photos:
        counts[photo.split][photo.label] += 1
    parts = [
        ", ".join(f"{shown(name)} {count[label]:,}" for label, name in enumerate(classes))
        for count in counts.values()
    ]
    if layout.kind == "classes":
        return f"{shown(images)}: {len(classes)} class folders, {len(photos):,} photos: {parts[0]}."
    sides = [
        f"{split or 'train (to be split, there is no val)'} {count.total():,}: {part}"
        for (split, count), part in zip(counts.items(), parts, strict=True)
    ]
    return (
        f"{shown(images)}: split folders, {len(classes)} classes, {len(photos):,} photos; {'; '.join(sides)}."
    )


def _misnamed(looks: Sequence[_Look]) -> tuple[str, ...]:
    wrong = [
        f"{one.found.path} ({one.form})"
        for one in looks
        if one.form and PurePosixPath(one.found.path).suffix.lower() not in ("", *SUFFIXES[one.form])
    ]
    if not wrong:
        return ()
    return (f"Used, though the extension disagrees with the content: {len(wrong):,}: {named(wrong)}.",)


def _copies(photos: Sequence[Photo]) -> tuple[str, ...]:
    """What byte-identical copies there are, and where they contradict each other or leak."""
    alike: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        alike[photo.sha256].append(photo)
    groups = [group for group in alike.values() if len(group) > 1]
    conflicts = [group for group in groups if len({photo.label for photo in group}) > 1]
    leaks = [group for group in groups if len({photo.split for photo in group}) > 1]

    def pairs(found: list[list[Photo]]) -> str:
        return named(" = ".join(photo.path for photo in group) for group in found)

    notes = []
    if groups:
        notes.append(
            f"Byte-identical copies, kept on one side of a fresh split: {len(groups):,}: {pairs(groups)}."
        )
    if conflicts:
        notes.append(f"One picture under two labels: {len(conflicts):,}: {pairs(conflicts)}.")
    if leaks:
        notes.append(f"One picture in two of the given splits: {len(leaks):,}: {pairs(leaks)}.")
    return tuple(notes)
