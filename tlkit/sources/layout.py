"""How a folder of photos is laid out: which folders are classes, which are splits, and what is neither."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from tlkit.errors import DataError, UsageError
from tlkit.printed import shown, why
from tlkit.sources import levels
from tlkit.sources.levels import SPLITS, ClassFolder, Shelf
from tlkit.sources.listed import Entry, Fault, Listed, Skipped, named
from tlkit.sources.tree import Listing, Place, enter, join, look_in, nfc, start, unreadable, walk

__all__ = ["SPLITS", "SUBFOLDERS", "named", "nfc", "survey"]

SUBFOLDERS = ("ignore", "merge", "classes")


def survey(images: Path, subfolders: str = "ignore") -> Listed:
    """Name every file in the class folders of `images`, or of its folders train, val and test; open none.

    subfolders  "ignore": a class is a folder with photos directly in it; folders in it are left out.
                "merge": all photos below a class folder, at any depth, are of its class.
                "classes": every folder with files directly in it is a class, named by its path.

    Links are followed, loops end. `faults` holds what forbids training but not going on.
    Raises `UsageError` if there is no such folder, `DataError` if it holds no classes at all.
    """
    if subfolders not in SUBFOLDERS:
        raise UsageError(f"subfolders cannot be '{shown(subfolders)}'.", f"It is one of {named(SUBFOLDERS)}.")
    try:
        top = start(images)
        inside = look_in(images, top)
        splits = _splits(images, inside.folders)
        shelves = [
            _shelf(images, enter(images, top, name) if name else top, split, subfolders)
            for name, split in (splits or {"": None}).items()
        ]
    except (FileNotFoundError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"There is no folder {shown(images)}.") from error
    except NotADirectoryError as error:
        hint = "Give the folder that holds the class folders, or a table (.csv, .tsv, .jsonl, .parquet)."
        raise UsageError(f"{shown(images)} is a file.", hint) from error
    except OSError as error:
        raise DataError(f"{shown(error.filename)} cannot be read ({why(error)}).") from error
    usable = [shelf for shelf in shelves if any(folder.files for folder in shelf.folders)]
    if shelves[0] not in usable:
        raise DataError(*levels.no_classes(images, shelves[0], bool(splits)))
    # The first spelling names the class; every entry goes by it.
    names = {nfc(f.name): f.name for shelf in reversed(usable) for f in reversed(shelf.folders) if f.files}
    bare = _bare(images, usable)
    faults = (
        *(levels.parted(images, usable) if subfolders == "classes" else []),
        *_broken_names(images, usable),
        *_twins(images, usable),
        *(levels.no_classes(images, shelf, True) for shelf in shelves if shelf not in usable),
        *_unlike(images, usable, names),
        *bare,
        *([levels.single(images, usable[0])] if len(names) == 1 and not bare else []),
    )
    skipped = [row for shelf in shelves for row in shelf.skipped]
    notes = [note for shelf in shelves for note in _notes(images, shelf, subfolders)]
    if splits:
        others = [name for name in (*inside.folders, *inside.files) if name not in splits]
        notes = [*_aside("the split folders", images, others), *notes]
        skipped = [*inside.skipped, *skipped]
    elif note := levels.beside(images):
        notes.insert(0, note)
    entries = [
        Entry(f"{folder.path}/{name}", label, shelf.split, None)
        for shelf in usable
        for folder in shelf.folders
        if folder.files
        for label in [names[nfc(folder.name)]]
        for name in folder.files
    ]
    kind = "splits" if splits else "classes"
    return Listed(
        images,
        kind,
        tuple(names[key] for key in sorted(names)),
        entries,
        tuple(skipped),
        tuple(notes),
        faults,
    )


def _splits(images: Path, folders: Sequence[str]) -> dict[str, str | None]:
    """The split folders' names and meanings, train first; empty if the folders are classes."""
    given = levels.splits(folders)
    for split in set(given.values()):
        twins = [name for name in given if given[name] == split]
        if len(twins) > 1:
            raise DataError(
                f"{shown(images)} holds {named(twins)}, which mean the same.", "Keep one of them."
            )
    pool = "train" in given.values() and "val" not in given.values()
    ranks = ("train", "val", "test")
    return {
        name: None if pool and split == "train" else split
        for name, split in sorted(given.items(), key=lambda item: ranks.index(item[1]))
    }


def _shelf(images: Path, place: Place, split: str | None, subfolders: str) -> Shelf:
    here = look_in(images, place)
    folders: list[ClassFolder] = []
    empty: list[str] = []
    parted: list[str] = []
    skipped = list(here.skipped)
    for name in here.folders:
        try:
            inner = enter(images, place, name, link=name in here.links)
        except OSError as error:
            skipped.append(unreadable(join(place.path, name), error))
            continue
        passed: list[Skipped] = []
        # A folder itself comes first, then those below it.
        pages = list(itertools.islice(walk(images, inner, passed), 1 if subfolders == "ignore" else None))
        skipped += passed
        if subfolders != "ignore":
            parted += [path for path, inside in pages if len(levels.splits(inside.folders)) > 1]
        found = _class_folders(inner, name, pages, passed, subfolders)
        if pages and not found:
            empty.append(inner.path)
        folders += found
    folders.sort(key=lambda folder: (nfc(folder.name), folder.name))
    return Shelf(place.path, split, tuple(folders), here.files, tuple(empty), tuple(parted), tuple(skipped))


def _class_folders(
    place: Place, name: str, pages: list[tuple[str, Listing]], passed: list[Skipped], subfolders: str
) -> list[ClassFolder]:
    """The classes in one folder on a shelf, given what lies in it and, unless that is ignored, below it."""
    above = len(place.path) - len(name)  # where paths below the shelf begin
    own = len(place.path) + 1
    if subfolders == "classes":
        found = [
            ClassFolder(path[above:], path, (), inside.files, ()) for path, inside in pages if inside.files
        ]
    else:
        files = [join(path, name)[own:] for path, inside in pages for name in inside.files]
        if len(pages) > 1:
            files.sort(key=lambda name: (nfc(name), name))
        left_out = pages[0][1].folders if pages and subfolders == "ignore" else ()
        found = [ClassFolder(name, place.path, left_out, files, tuple(passed))]
    # Nothing but what cannot be used, or folders: said to be a class without a photo, never passed over.
    if not any(folder.files or folder.folders for folder in found):
        return [ClassFolder(name, place.path, (), (), tuple(passed))] if pages and passed else []
    return found


def _notes(images: Path, shelf: Shelf, subfolders: str) -> list[str]:
    notes = _aside("the class folders", Path(f"{images}/{shelf.path}"), shelf.beside)
    if len(shelf.empty) > 10:
        notes.append(f"{len(shelf.empty):,} folders are empty, so they are no classes: {named(shelf.empty)}.")
    else:
        notes += [f"'{shown(path)}' is empty, so it is no class." for path in shelf.empty]
    if shelf.parted and subfolders == "merge":
        inside = "Folders named as splits are merged into their class, and split anew: those in"
        notes.append(f"{inside} {named(shelf.parted)}.")
    full = [folder for folder in shelf.folders if folder.folders and folder.files]
    if len(full) > 10:
        paths = named(f"{folder.path}/{name}" for folder in full for name in folder.folders)
        notes.append(f"Folders inside {len(full):,} class folders are left out: {paths}.")
    else:
        notes += [
            f"Folders inside '{shown(folder.path)}' are left out: {named(folder.folders)}." for folder in full
        ]
    return notes


def _aside(beside: str, folder: Path, names: Sequence[str]) -> list[str]:
    return [f"Beside {beside} in {shown(folder)}, left out: {named(names)}."] if names else []


def _broken_names(images: Path, shelves: Sequence[Shelf]) -> list[Fault]:
    broken = [
        folder.path
        for shelf in shelves
        for folder in shelf.folders
        if folder.name.splitlines() != [folder.name]
    ]
    if not broken:
        return []
    return [
        Fault(f"In {shown(images)}, a class name has a line break: {named(broken)}.", "Rename the folder.")
    ]


def _twins(images: Path, shelves: Sequence[Shelf]) -> list[Fault]:
    faults = []
    for shelf in shelves:
        spellings: dict[str, str] = {}
        for folder in shelf.folders:
            twin = spellings.setdefault(nfc(folder.name), folder.path)
            if twin != folder.path:
                both = f"{ascii(twin)} and {ascii(folder.path)}"
                what = f"In {shown(images)}, {both} are one name, its accents stored in two ways."
                faults.append(Fault(what, "Merge them."))
    return faults


def _unlike(images: Path, shelves: Sequence[Shelf], names: dict[str, str]) -> list[Fault]:
    """Where splits lack a class that another one has."""
    lacking = []
    for shelf in shelves:
        missing = sorted(names.keys() - {nfc(folder.name) for folder in shelf.folders})
        if missing:
            lacking.append(f"'{shown(shelf.path)}' lacks {named(missing)}")
    if not lacking:
        return []
    return [
        Fault(
            f"The splits of {shown(images)} hold different classes: {'; '.join(lacking)}.",
            "Give each split a folder with photos for every class, or none.",
        )
    ]


def _bare(images: Path, shelves: Sequence[Shelf]) -> list[Fault]:
    """Class folders in which no file lies."""
    bare = [folder for shelf in shelves for folder in shelf.folders if not folder.files]
    if not bare:
        return []
    what = "This class folder holds" if len(bare) == 1 else f"{len(bare):,} class folders hold"
    names = named(folder.path for folder in bare)
    hint = "Photos lie directly in their class's folder. Repair, fill or remove it."
    if any(folder.folders for folder in bare):
        hint = levels.NESTED
    message = f"{what} no usable photo: {names} in {shown(images)}{levels.passed(bare)}."
    return [Fault(message, hint)]
