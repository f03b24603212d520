"""Photos with their classes: every file that a source lists is looked at once and accounted for."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tlkit.data import duplicates
from tlkit.data.cache import Cache, Memory, recognised, settled
from tlkit.data.duplicates import Alike
from tlkit.data.looks import FORMS, LOOK, look
from tlkit.data.photos import HEIC, SUFFIXES, Unreadable, load
from tlkit.data.threads import ahead
from tlkit.errors import DataError, UsageError
from tlkit.printed import shown, why
from tlkit.sources import groups, layout, rows, tables
from tlkit.sources.listed import Entry, Fault, Listed, Photo, Skipped, named

CHUNK = 16  # files that a thread takes at once
AHEAD = 32  # such chunks, under way or waiting
MOST, FEW = 30, 5  # classes that are counted in one line; of more, so many at each end
Source = str | os.PathLike[str] | Iterable


class Folder(NamedTuple):
    root: Path
    layout: str  # "classes", "splits" or "table"
    classes: tuple[str, ...]  # names as written, sorted as text
    photos: tuple[Photo, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]  # whole sentences; the first says how the folder was read
    looks: np.ndarray  # (photos,), of `looks.LOOK`
    alike: tuple[Alike, ...]  # copies, near duplicates and bursts; by places in `photos`
    faults: tuple[Fault, ...]  # why nothing can be trained on it; empty unless asked for
    name: str = ""  # how to call the source: a folder, or the table's file; printable

    def called(self) -> str:
        return self.name or shown(self.root)


def scan(
    images: Source,
    *,
    subfolders: str = "ignore",
    group: str | None = None,
    workers: int = 0,
    progress=None,
    tolerant: bool = False,
) -> Folder:
    """Look at every photo of a folder, a table (.csv, .tsv, .jsonl, .parquet), a DataFrame or any rows.

    Each file is read once: its hash, its full decoding by the decoder that training uses and its
    perceptual hash come from the same bytes; one that has not changed since is remembered. A file
    that cannot be used is in `skipped` with the reason, never fatal here. Copies, near duplicates,
    bursts and what `group` joins have one `Photo.group`. Nothing is written beside the photos.

    subfolders   what folders inside class folders are: see `layout.survey`
    group        "name:REGEX", "folder:N" or "column:NAME": see `groups.by`
    workers      threads, 0: one a core; `progress` is told of each file
    tolerant     keep what makes training impossible in `faults` instead of raising it, and leave to
                 `findings` what they tell in full

    Raises `UsageError` without such a source, `DataError` where no two classes can be told apart.
    """
    listed = _list(images, subfolders, group)
    entries, grouped = groups.by(listed.entries, group)
    listed = listed._replace(entries=entries)
    seen = _look_at(listed, workers, progress)
    faults = (*listed.faults, *_bare(images, listed, seen))
    if faults and not tolerant:
        raise DataError(*faults[0])
    alike = tuple(duplicates.find(seen.photos, seen.looks))
    photos = _joined(seen, alike)
    notes = (
        _how(images, listed, photos),
        *listed.notes,
        *grouped,
        *_heic(seen.skipped),
        *(() if tolerant else (*_misnamed(photos, seen.looks), *_copies(photos, alike))),
    )
    skipped = (*listed.skipped, *seen.skipped)
    looks, name = seen.looks, _called(images)
    return Folder(
        listed.root, listed.kind, listed.classes, photos, skipped, notes, looks, alike, faults, name
    )


class _Seen(NamedTuple):
    """What looking at every file gave."""

    photos: list[Photo]
    looks: np.ndarray
    groups: list[str | None]  # of each photo, as the source or `group` has it
    skipped: list[Skipped]


def _list(images: Source, subfolders: str, group: str | None) -> Listed:
    column = group.removeprefix("column:") if group and group.startswith("column:") else None
    if isinstance(images, str | os.PathLike):
        path = Path(images)
        if path.is_dir() or path.suffix.lower() not in rows.SUFFIXES:
            if column is not None:
                raise UsageError(
                    f"--group {group} names a column, and {shown(path)} is no table.",
                    "Use name:REGEX or folder:N.",
                )
            return layout.survey(path, subfolders)
    if subfolders != "ignore":
        raise UsageError(
            f"--subfolders {subfolders} is about folders, and {_called(images)} are rows of a table.",
            "Leave it away: a table says which photo is of which class.",
        )
    return tables.read(images, group="group" if column is None else column)


def _look_at(listed: Listed, workers: int, progress) -> _Seen:
    numbers = {name: number for number, name in enumerate(listed.classes)}
    root = os.fspath(listed.root)
    seen = _Seen([], np.zeros(len(listed.entries), LOOK), [], [])

    def some(chunk: list[tuple[Entry, Memory | None]]) -> list[tuple[Entry, Memory, bool]]:
        return [_one(root, entry, known) for entry, known in chunk]

    with (
        Cache(listed.root) as cache,
        progress.task("reading photos", len(listed.entries)) if progress else nullcontext() as task,
        closing(ahead(some, _chunks(listed.entries, cache), workers=workers, depth=AHEAD)) as chunks,
    ):
        for entry, memory, new in chain.from_iterable(chunks):
            if new:
                cache.put(entry.path, memory)
            if memory.look is None:
                seen.skipped.append(Skipped(shown(entry.path), memory.reason))
            else:
                sha256 = memory.look["sha256"].tobytes().hex()
                seen.looks[len(seen.photos)] = memory.look
                seen.photos.append(Photo(entry.path, numbers[entry.label], entry.split, sha256))
                seen.groups.append(entry.group)
            if task:
                task.tick()
    return seen._replace(looks=seen.looks[: len(seen.photos)])


def _chunks(entries: Sequence[Entry], cache: Cache) -> Iterator[list[tuple[Entry, Memory | None]]]:
    """Entries with what is remembered of them, some at a time: a task each would cost more than a look."""
    for start in range(0, len(entries), CHUNK):
        yield [(entry, cache.get(entry.path)) for entry in entries[start : start + CHUNK]]


def _one(root: str, entry: Entry, known: Memory | None) -> tuple[Entry, Memory, bool]:
    """What there is to know of a file, and whether it is to be remembered."""
    path = os.path.join(root, entry.path)
    facts = b""
    try:
        status = os.stat(path)
        facts = recognised(status)
        if known and known.facts == facts:
            return entry, known, False
        return entry, Memory(facts, look(load(path, entry.path), entry.path), ""), settled(status)
    except Unreadable as error:
        return entry, Memory(facts, None, error.reason), error.lasting and settled(status)
    except OSError as error:
        return entry, Memory(facts, None, why(error)), False


def _joined(seen: _Seen, alike: Sequence[Alike]) -> tuple[Photo, ...]:
    """The photos, each with the number of its group."""
    group = duplicates.components(len(seen.photos), alike, seen.groups)
    sizes = np.bincount(group, minlength=1)
    return tuple(
        photo._replace(group=number) if sizes[number] > 1 else photo
        for photo, number in zip(seen.photos, group.tolist(), strict=True)
    )


def _bare(images: Source, listed: Listed, seen: _Seen) -> list[Fault]:
    """Classes of which files are listed and none is usable, in any split."""
    usable = {(photo.split, photo.label) for photo in seen.photos}
    numbers = {name: number for number, name in enumerate(listed.classes)}
    bare = {
        (entry.split, entry.label): entry
        for entry in listed.entries
        if (entry.split, numbers[entry.label]) not in usable
    }
    if not bare:
        return []
    wrong = {row.path: row.reason for row in seen.skipped}
    reasons = [
        f"{shown(entry.path)} ({wrong[shown(entry.path)]})"
        for entry in listed.entries
        if (entry.split, entry.label) in bare
    ]
    more = f" and {len(reasons) - 10:,} more" if len(reasons) > 10 else ""
    what = "This class holds" if len(bare) == 1 else f"{len(bare):,} classes hold"
    names = named(f"{split}/{label}" if split else label for split, label in bare)
    message = f"{what} no usable photo: {names} in {_called(images)}: {', '.join(reasons[:10])}{more}."
    return [Fault(message, "Repair, fill or remove it.")]


def _called(images: Source) -> str:
    if not isinstance(images, str | os.PathLike):
        return "the rows"
    # "." and ".." are no names that a reader could do anything with.
    return shown(os.path.abspath(images) if Path(images).name in ("", "..") else os.fspath(images))


def _how(images: Source, listed: Listed, photos: Sequence[Photo]) -> str:
    """One line: how the source was read, and how many photos each class has."""
    counts: dict[str | None, Counter] = defaultdict(Counter)
    for photo in photos:
        counts[photo.split][photo.label] += 1
    of = {split: _counted(listed.classes, count) for split, count in counts.items()}
    start, total = f"{_called(images)}: ", f"{len(listed.classes):,} classes, {len(photos):,} photos"
    if listed.kind == "classes":
        return f"{start}{len(listed.classes):,} class folders, {len(photos):,} photos: {of.get(None, '')}."
    kind = "split folders" if listed.kind == "splits" else "a table"
    if set(of) == {None} and listed.kind == "table":
        return f"{start}{kind}, {total}: {of[None]}."
    pool = "train (to be split, there is no val)" if listed.kind == "splits" else "to be split"
    parts = [f"{split or pool} {counts[split].total():,}: {text}" for split, text in of.items()]
    return f"{start}{kind}, {total}; {'; '.join(parts)}."


def _counted(classes: Sequence[str], count: Counter) -> str:
    """Photos of each class; of many classes the largest and the smallest."""
    parts = [f"{shown(name)} {count[number]:,}" for number, name in enumerate(classes)]
    if len(parts) <= MOST:
        return ", ".join(parts)
    order = sorted(range(len(parts)), key=lambda number: -count[number])
    ends = [parts[number] for number in (*order[:FEW], *order[-FEW:])]
    return f"{', '.join(ends[:FEW])}, … {', '.join(ends[FEW:])} ({len(parts):,} classes)"


def _heic(skipped: Sequence[Skipped]) -> list[str]:
    count = sum(row.reason == HEIC for row in skipped)
    if not count:
        return []
    return [f"HEIC photos left out: {count:,}. 'pip install pillow-heif' lets tlkit read them."]


def _misnamed(photos: Sequence[Photo], looks: np.ndarray) -> list[str]:
    wrong = [
        f"{photo.path} ({FORMS[form]})"
        for photo, form in zip(photos, looks["form"].tolist(), strict=True)
        if os.path.splitext(photo.path)[1].lower() not in ("", *SUFFIXES[FORMS[form]])
    ]
    if not wrong:
        return []
    return [f"Used, though the extension disagrees with the content: {len(wrong):,}: {named(wrong)}."]


def _copies(photos: Sequence[Photo], alike: Sequence[Alike]) -> list[str]:
    """What copies and near copies there are, and where they contradict each other or leak."""
    kinds = {
        "duplicate": "Byte-identical copies",
        "near_duplicate": "Near-identical photos",
        "burst": "Photos taken in one go",
    }
    notes = []
    for kind, title in kinds.items():
        found = [[photos[place] for place in one.photos] for one in alike if one.kind == kind]
        if found:
            notes.append(f"{title}, kept on one side of a fresh split: {len(found):,}: {_pairs(found)}.")
    same = [[photos[place] for place in one.photos] for one in alike if one.kind != "burst"]
    conflicts = [group for group in same if len({photo.label for photo in group}) > 1]
    if conflicts:
        notes.append(f"One picture under two labels: {len(conflicts):,}: {_pairs(conflicts)}.")
    every = [[photos[place] for place in one.photos] for one in alike]
    leaks = [group for group in every if len({photo.split for photo in group}) > 1]
    if leaks:
        notes.append(f"One picture in two of the given splits: {len(leaks):,}: {_pairs(leaks)}.")
    return notes


def _pairs(found: list[list[Photo]]) -> str:
    return named(
        " = ".join(photo.path for photo in group[:4]) + (" = …" if len(group) > 4 else "") for group in found
    )
